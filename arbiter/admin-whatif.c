/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin-whatif: the commands "whatif" and "ok-to-stop": whatif.h's answer, with
 * a summary, or with what speaks against it.
 */
#include "arbiter/admin-whatif.h"

#include <stddef.h>

#include "arbiter/admin-json.h"
#include "arbiter/arbiter.h"
#include "arbiter/assign.h"
#include "arbiter/ok-to-stop.h"
#include "arbiter/views.h"
#include "arbiter/whatif.h"
#include "common/admin-call.h"
#include "common/json-set.h"
#include "common/uuid.h"
#include "common/verdict.h"

/* Of all of its memory, wherever that is; its own host says so. */
static void set_copies(JsonObject *o, const WhatifVm *vm)
{
    if (vm->copies) {
        json_set_int(o, "copies", vm->copies);
        json_set_int(o, "one_copy_bytes", vm->one_copy);
        json_set_int(o, "repairing_bytes", vm->repairing);
    } else {
        json_object_set_null_member(o, "copies");
        json_object_set_null_member(o, "one_copy_bytes");
        json_object_set_null_member(o, "repairing_bytes");
    }
}

static JsonObject *vm_object(const WhatifVm *vm)
{
    JsonObject *o = json_object_new();
    char uuid[UUID_TEXT_LEN];

    uuid_format(vm->uuid, uuid);
    json_object_set_string_member(o, "name", vm->name);
    json_object_set_string_member(o, "uuid", uuid);
    json_object_set_string_member(o, "host", vm->host);
    if (vm->guest) {
        json_set_int(o, "guest_bytes", vm->guest);
    } else {
        json_object_set_null_member(o, "guest_bytes");
    }
    json_set_int(o, "leased_bytes", vm->leased);
    json_set_int(o, "stored_bytes", vm->stored);
    json_set_int(o, "sole_bytes", vm->sole);
    set_copies(o, vm);
    json_set_int(o, "lost_bytes", vm->lost);
    json_object_set_string_member(o, "if_died", vm->sole ? "waits"
                                  : vm->stored ? "reads the other copy"
                                  : vm->lost ? "has lost it already"
                                  : *vm->elsewhere ? "runs elsewhere"
                                  : "loses room");
    json_set_int(o, "placed_bytes", vm->placed);
    json_object_set_string_member(o, "if_drained",
                                  vm->placed >= vm->leased ? "moves"
                                  : vm->placed ? "moves in part" : "stays");
    json_set_text(o, "why", *vm->text ? vm->text : NULL);
    return o;
}

static JsonArray *vms_array(const Whatif *whatif)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < whatif->vms->len; i++) {
        json_array_add_object_element(list,
            vm_object(&g_array_index(whatif->vms, WhatifVm, i)));
    }
    return list;
}

static JsonArray *runs_array(const Whatif *whatif)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < whatif->runs->len; i++) {
        json_array_add_string_element(list, whatif->runs->pdata[i]);
    }
    return list;
}

/* Names of the VMs for which @figure is not 0, and how many they are. */
static unsigned vm_names(const Whatif *whatif, size_t figure, GString *names)
{
    unsigned n = 0;

    for (guint i = 0; i < whatif->vms->len; i++) {
        const WhatifVm *vm = &g_array_index(whatif->vms, WhatifVm, i);

        if (G_STRUCT_MEMBER(uint64_t, vm, figure) && n++ < 4) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : ": ",
                                   n > 3 ? "..." : vm->name);
        }
    }
    return n;
}

/* Of those that wait: of how many is it not known that they do? */
static unsigned vms_in_doubt(const Whatif *whatif)
{
    unsigned n = 0;

    for (guint i = 0; i < whatif->vms->len; i++) {
        const WhatifVm *vm = &g_array_index(whatif->vms, WhatifVm, i);

        n += vm->sole && vm->doubt;
    }
    return n;
}

/* "2 VMs wait for 1.5 GiB until it is back: web, db; 3 that run there end" */
static char *if_died_text(const Whatif *whatif)
{
    g_autoptr(GString) waiting = g_string_new(NULL);
    g_autoptr(GString) losing = g_string_new(NULL);
    unsigned waits = vm_names(whatif, offsetof(WhatifVm, sole), waiting);
    uint64_t doubled = whatif->stored - MIN(whatif->stored, whatif->sole);
    unsigned doubt = vms_in_doubt(whatif);
    unsigned lost = vm_names(whatif, offsetof(WhatifVm, lost), losing);
    GString *text = g_string_new(NULL);
    char size[32];

    if (waits) {
        g_string_append_printf(text, "%u VM%s for %s until it is back%s",
                               waits, waits > 1 ? "s wait" : " waits",
                               verdict_size(whatif->sole, size),
                               waiting->str);
    } else {
        g_string_append(text, "no VM elsewhere waits");
    }
    if (doubt) {
        g_string_append_printf(text, "; whether %u of them ha%s other copies "
                               "is not known, as \"ok-to-stop\" explains",
                               doubt, doubt > 1 ? "ve" : "s");
    }
    if (doubled) {
        g_string_append_printf(text, "; of %s there is another copy",
                               verdict_size(doubled, size));
    }
    if (whatif->repairing) {
        g_string_append_printf(text, "; %s of these VMs are still to be "
                               "copied", verdict_size(whatif->repairing,
                                                      size));
    }
    g_string_append_printf(text, "; %u that run%s there end",
                           whatif->runs->len,
                           whatif->runs->len == 1 ? "s" : "");
    if (lost) {
        g_string_append_printf(text, "; %u VM%s lost %s that it held "
                               "already%s", lost,
                               lost > 1 ? "s have" : " has",
                               verdict_size(whatif->lost, size),
                               losing->str);
    }
    return g_string_free(text, FALSE);
}

static char *if_drained_text(const Whatif *whatif, double seconds)
{
    char leased[32], stays[32];
    g_autofree char *time = seconds < 0 ? g_strdup("")
        : g_strdup_printf(", in about %.0f s", MAX(seconds, 1));

    if (!whatif->leased) {
        return g_strdup("nothing is lent: it is empty at once");
    }
    verdict_size(whatif->leased, leased);
    if (whatif->placed >= whatif->leased) {
        return g_strdup_printf("there is room elsewhere for all of %s%s",
                               leased, time);
    }
    return g_strdup_printf("%s of %s stay: there is no room for them",
                           verdict_size(whatif->leased - whatif->placed,
                                        stays), leased);
}

static void set_drain(JsonObject *o, Arbiter *arbiter, const Whatif *whatif,
                      uint64_t now)
{
    double rate = hosts_drain_rate(&arbiter->hosts);
    double seconds = whatif_drain_seconds(whatif, rate,
        arbiter->options->moves_per_minute,
        moves_left(&arbiter->moves, now));
    g_autofree char *text = if_drained_text(whatif, seconds);

    json_object_set_string_member(o, "if_drained", text);
    json_set_int(o, "placed_bytes", whatif->placed);
    if (rate > 0) {
        json_object_set_double_member(o, "drain_bytes_per_second", rate);
    } else {
        json_object_set_null_member(o, "drain_bytes_per_second");
    }
    if (seconds >= 0 && whatif->placed >= whatif->leased) {
        json_object_set_double_member(o, "drain_seconds", seconds);
    } else {
        json_object_set_null_member(o, "drain_seconds");
    }
}

static JsonObject *whatif_object(Arbiter *arbiter, const Host *host,
                                 const Whatif *whatif, uint64_t now)
{
    JsonObject *o = json_object_new();
    g_autofree char *died = if_died_text(whatif);

    json_object_set_string_member(o, "host", host->name);
    json_object_set_string_member(o, "if_died", died);
    set_drain(o, arbiter, whatif, now);
    json_set_int(o, "leased_bytes", whatif->leased);
    json_set_int(o, "stored_bytes", whatif->stored);
    json_set_int(o, "sole_bytes", whatif->sole);
    json_set_int(o, "repairing_bytes", whatif->repairing);
    json_set_int(o, "lost_bytes", whatif->lost);
    json_object_set_array_member(o, "runs", runs_array(whatif));
    json_object_set_array_member(o, "vms", vms_array(whatif));
    return o;
}

/* Return: false with @errp set: there is no such host. */
static bool ask(Arbiter *arbiter, JsonObject *args, const Host **host,
                Whatif *whatif, uint64_t now, GError **errp)
{
    const char *name = json_object_get_string_member(args, "host");
    g_autoptr(Views) views = NULL;
    uint64_t seed;

    *host = hosts_find(&arbiter->hosts, name);
    if (!*host) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "there is no host %s", name);
        return false;
    }
    views = views_new(&arbiter->hosts, &arbiter->grants, NULL, now);
    random_bytes(&seed, sizeof(seed));
    whatif_init(whatif, &arbiter->hosts, *host, views->host,
                &arbiter->options->placement, seed, now);
    return true;
}

JsonNode *admin_whatif_run(JsonObject *args, void *opaque, GError **errp)
{
    Arbiter *arbiter = opaque;
    uint64_t now = arbiter_now();
    const Host *host;
    JsonObject *o;
    Whatif whatif;

    if (!ask(arbiter, args, &host, &whatif, now, errp)) {
        return NULL;
    }
    o = whatif_object(arbiter, host, &whatif, now);
    whatif_deinit(&whatif);
    return admin_node_new(o);
}

/* -------------------------------------------------------------- ok-to-stop */

static JsonObject *ok_to_stop_object(Arbiter *arbiter, const Host *host,
                                     const Whatif *whatif, uint64_t now)
{
    g_autoptr(GPtrArray) reasons = ok_to_stop_reasons(whatif,
        &arbiter->hosts, host, arbiter->started_ms, now);
    JsonObject *o = json_object_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; i < reasons->len; i++) {
        json_array_add_string_element(list, reasons->pdata[i]);
    }
    json_object_set_string_member(o, "host", host->name);
    json_object_set_boolean_member(o, "ok", !reasons->len);
    json_set_int(o, "sole_bytes", whatif->sole);
    json_set_int(o, "repairing_bytes", whatif->repairing);
    json_object_set_array_member(o, "reasons", list);
    json_object_set_array_member(o, "vms", vms_array(whatif));
    json_object_set_array_member(o, "runs", runs_array(whatif));
    return o;
}

JsonNode *admin_ok_to_stop_run(JsonObject *args, void *opaque, GError **errp)
{
    Arbiter *arbiter = opaque;
    uint64_t now = arbiter_now();
    const Host *host;
    JsonObject *o;
    Whatif whatif;

    if (!ask(arbiter, args, &host, &whatif, now, errp)) {
        return NULL;
    }
    o = ok_to_stop_object(arbiter, host, &whatif, now);
    whatif_deinit(&whatif);
    return admin_node_new(o);
}
