/* SPDX-License-Identifier: GPL-2.0-or-later */
/* evicts: what operators have asked of VMs' pagers.  See evicts.h. */
#include "rcached/evicts.h"

#include "common/admin.h"
#include "rcached/link-server.h"

#define EVICTS_MAX      64u

struct Evicts {
    uint64_t tags;
    GHashTable *table;          /* tag (in the Evict) to Evict */
};

/* One that a pager works on. */
typedef struct Evict {
    uint64_t tag;
    const Vm *vm;               /* has a link as long as this is here */
    EvictDone *done;
    void *opaque;
} Evict;

Evicts *evicts_new(void)
{
    Evicts *evicts = g_new0(Evicts, 1);

    evicts->table = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                          g_free);
    return evicts;
}

static void evict_fail(const Evict *evict, const char *why)
{
    Evicted out = { .vm = evict->vm->name, .failed = true, .text = why };

    evict->done(&out, evict->opaque);
}

void evicts_free(Evicts *evicts)
{
    GHashTableIter iter;
    gpointer value;

    if (!evicts) {
        return;
    }
    g_hash_table_iter_init(&iter, evicts->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        evict_fail(value, "this daemon is stopping");
    }
    g_hash_table_destroy(evicts->table);
    g_free(evicts);
}

static bool evict_send(Evicts *evicts, const Vm *vm, uint64_t tag,
                       uint64_t bytes, GError **errp)
{
    struct LinkEvict msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_EVICT,
                 .size = sizeof(msg), .tag = tag },
        .what = RCACHE_EVICT_BYTES,
        .bytes = bytes,
    };

    if (g_hash_table_size(evicts->table) >= EVICTS_MAX) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "too many evictions are under way: try again when one has "
                    "ended");
        return false;
    }
    if (!vm->link || !link_send(vm->link, &msg, sizeof(msg))) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "vm %s has no pager attached", vm->name);
        return false;
    }
    return true;
}

bool evicts_start(Evicts *evicts, const Vm *vm, uint64_t bytes,
                  EvictDone *done, void *opaque, GError **errp)
{
    uint64_t tag = evicts->tags + 1;
    Evict *evict;

    if (!evict_send(evicts, vm, tag, bytes, errp)) {
        return false;
    }
    evict = g_new(Evict, 1);
    *evict = (Evict) { .tag = tag, .vm = vm, .done = done, .opaque = opaque };
    evicts->tags = tag;
    g_hash_table_insert(evicts->table, &evict->tag, evict);
    return true;
}

void evicts_result(Evicts *evicts, const Vm *vm,
                   const struct LinkResult *msg)
{
    const Evict *evict = g_hash_table_lookup(evicts->table, &msg->hdr.tag);
    Evicted out = {
        .vm = vm->name,
        .failed = msg->status && !msg->value,
        .bytes = msg->value,
        .text = *msg->text || !msg->status ? msg->text
                                           : g_strerror(-msg->status),
    };

    if (evict && evict->vm == vm) {
        evict->done(&out, evict->opaque);
        g_hash_table_remove(evicts->table, &msg->hdr.tag);
    }
}

void evicts_link_closed(Evicts *evicts, const Vm *vm)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, evicts->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Evict *evict = value;

        if (evict->vm == vm) {
            evict_fail(evict, "its pager has gone");
            g_hash_table_iter_remove(&iter);
        }
    }
}
