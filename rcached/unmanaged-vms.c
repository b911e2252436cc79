/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unmanaged-vms: VMs known from their monitors only.  See unmanaged-vms.h. */
#include "rcached/unmanaged-vms.h"

#include <string.h>

#include "common/uuid.h"
#include "common/wire-beat.h"
#include "common/wire.h"
#include "rcached/agent/predict.h"
#include "rcached/report.h"

static bool balloon_holds(const QmpGuest *g)
{
    return g->has_balloon && g->balloon_age_ms <= REPORT_BALLOON_MAX_MS &&
           report_balloon_plausible(g->balloon_free, g->balloon_total,
                                    g->memory);
}

static bool is_attached(Vms *vms, const QmpGuest *g)
{
    g_autoptr(GPtrArray) list = vms_list(vms);

    for (unsigned i = 0; i < list->len; i++) {
        const Vm *vm = g_ptr_array_index(list, i);

        if ((g->pid && vm->vmm.pid == g->pid) ||
            !memcmp(vm->uuid, g->uuid, sizeof(g->uuid))) {
            return true;
        }
    }
    return false;
}

typedef void UnmanagedVmEach(const QmpGuest *guest, GArray *out);

static void unmanaged_vms_each(QmpFolder *folder, Vms *vms,
                               UnmanagedVmEach *each, GArray *out)
{
    g_autoptr(GPtrArray) all = folder ? qmp_folder_list(folder) : NULL;

    for (unsigned i = 0; all && i < all->len; i++) {
        QmpGuest guest;

        if (qmp_guest(g_ptr_array_index(all, i), &guest) &&
            !is_attached(vms, &guest)) {
            each(&guest, out);
        }
    }
}

static void each_predict(const QmpGuest *g, GArray *out)
{
    PredictGuest guest = {
        .resident = g->resident,
        .may_have = g->actual ? g->actual : UINT64_MAX,
        .has_balloon = balloon_holds(g),
        .balloon_free = g->balloon_free,
        .balloon_total = g->balloon_total,
    };

    g_array_append_val(out, guest);
}

void unmanaged_vms_predict(QmpFolder *folder, Vms *vms, GArray *out)
{
    unmanaged_vms_each(folder, vms, each_predict, out);
}

/* A QEMU without a uuid: one that the socket's path decides. */
static void make_uuid(const QmpGuest *g, uint8_t *out)
{
    static const uint8_t none[RCACHE_UUID_LEN];
    g_autoptr(GChecksum) sum = NULL;
    gsize len = 32;
    guint8 digest[32];

    memcpy(out, g->uuid, RCACHE_UUID_LEN);
    if (!memcmp(out, none, RCACHE_UUID_LEN)) {
        sum = g_checksum_new(G_CHECKSUM_SHA256);
        g_checksum_update(sum, (const guchar *)g->path, -1);
        g_checksum_get_digest(sum, digest, &len);
        memcpy(out, digest, RCACHE_UUID_LEN);
    }
}

static void each_beat(const QmpGuest *g, GArray *out)
{
    WireBeatGuest guest = {
        .guest = g->memory,
        .resident = g->resident,
        .local_max = g->actual,
    };

    make_uuid(g, guest.vm);
    wire_text_copy(guest.name, sizeof(guest.name), g->name);
    if (balloon_holds(g)) {
        guest.flags = RCACHE_GUEST_BALLOON;
        guest.balloon_free = g->balloon_free;
        guest.balloon_available = g->balloon_available;
        guest.balloon_total = g->balloon_total;
        guest.balloon_age_ms = g->balloon_age_ms;
    }
    g_array_append_val(out, guest);
}

void unmanaged_vms_beat(QmpFolder *folder, Vms *vms, GArray *out)
{
    unmanaged_vms_each(folder, vms, each_beat, out);
}

static JsonObject *other_json(Qmp *qmp)
{
    JsonObject *o = json_object_new();
    QmpGuest g;

    json_object_set_boolean_member(o, "connected", qmp_guest(qmp, &g));
    json_object_set_string_member(o, "socket", g.path);
    json_object_set_string_member(o, "name", g.name);
    json_object_set_string_member(o, "error", g.error ? g.error : "");
    json_object_set_int_member(o, "resident_bytes", g.resident);
    json_object_set_int_member(o, "memory_bytes", g.memory);
    json_object_set_int_member(o, "actual_bytes", g.actual);
    json_object_set_boolean_member(o, "balloon_holds", balloon_holds(&g));
    json_object_set_int_member(o, "balloon_free_bytes",
                               balloon_holds(&g) ? g.balloon_free : 0);
    json_object_set_int_member(o, "balloon_total_bytes",
                               balloon_holds(&g) ? g.balloon_total : 0);
    return o;
}

JsonArray *unmanaged_vms_json(QmpFolder *folder)
{
    g_autoptr(GPtrArray) all = folder ? qmp_folder_list(folder) : NULL;
    JsonArray *list = json_array_new();

    for (unsigned i = 0; all && i < all->len; i++) {
        json_array_add_object_element(list,
                                      other_json(g_ptr_array_index(all, i)));
    }
    return list;
}
