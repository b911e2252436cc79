/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: which connection belongs to which session.  See session.h.
 *
 * A VM that has no connection stays in the table for a while, so that an old
 * session that comes late is still known to be old.  How many is bounded;
 * beyond that the leases, which know who claimed them, give the floor.
 */
#include "rcached/provider/session.h"

#include <string.h>

typedef struct SessionKey {
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
} SessionKey;

struct SessionVm {
    SessionKey key;
    uint64_t highest;
    GQueue members;             /* SessionMember */
    GList idle;                 /* of the table's idle queue */
};

struct SessionTable {
    GHashTable *vms;            /* &vm->key -> SessionVm */
    GQueue idle;                /* SessionVm without members, oldest first */
};

static guint key_hash(gconstpointer ptr)
{
    const uint8_t *bytes = ptr;
    guint hash = 2166136261u;
    size_t i;

    for (i = 0; i < sizeof(SessionKey); i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, sizeof(SessionKey));
}

SessionTable *session_table_new(void)
{
    SessionTable *table = g_new0(SessionTable, 1);

    table->vms = g_hash_table_new_full(key_hash, key_equal, NULL, g_free);
    g_queue_init(&table->idle);
    return table;
}

void session_table_free(SessionTable *table)
{
    if (table) {
        g_assert(g_hash_table_size(table->vms) == table->idle.length);
        g_hash_table_unref(table->vms);
        g_free(table);
    }
}

static void vm_forget_oldest(SessionTable *table)
{
    GList *link = g_queue_pop_head_link(&table->idle);
    SessionVm *vm = link->data;

    g_hash_table_remove(table->vms, &vm->key);
}

static SessionVm *vm_get(SessionTable *table, const SessionKey *key)
{
    SessionVm *vm = g_hash_table_lookup(table->vms, key);

    if (!vm) {
        vm = g_new0(SessionVm, 1);
        vm->key = *key;
        vm->idle.data = vm;
        g_queue_init(&vm->members);
        g_hash_table_insert(table->vms, &vm->key, vm);
        g_queue_push_tail_link(&table->idle, &vm->idle);
        if (table->idle.length > SESSION_IDLE_MAX) {
            vm_forget_oldest(table);
        }
    }
    return vm;
}

bool session_enter(SessionTable *table, SessionMember *member,
                   const uint8_t vm[RCACHE_UUID_LEN], uint64_t incarnation,
                   uint64_t session, uint64_t floor)
{
    SessionKey key = { .incarnation = incarnation };
    SessionVm *of;

    *member = (SessionMember) { 0 };
    memcpy(key.vm, vm, sizeof(key.vm));
    of = vm_get(table, &key);
    of->highest = MAX(of->highest, floor);
    if (session < of->highest) {
        return false;
    }
    of->highest = session;
    if (!of->members.length) {
        g_queue_unlink(&table->idle, &of->idle);
    }
    *member = (SessionMember) { .vm = of, .session = session };
    member->link.data = member;
    g_queue_push_tail_link(&of->members, &member->link);
    return true;
}

bool session_present(SessionTable *table, const uint8_t vm[RCACHE_UUID_LEN],
                     uint64_t incarnation, uint64_t session)
{
    SessionKey key = { .incarnation = incarnation };
    SessionVm *of;

    memcpy(key.vm, vm, sizeof(key.vm));
    of = g_hash_table_lookup(table->vms, &key);
    return of && of->members.length && of->highest == session;
}

void session_leave(SessionTable *table, SessionMember *member)
{
    SessionVm *vm = member->vm;

    if (!vm) {
        return;
    }
    g_queue_unlink(&vm->members, &member->link);
    member->vm = NULL;
    if (!vm->members.length) {
        g_queue_push_tail_link(&table->idle, &vm->idle);
        if (table->idle.length > SESSION_IDLE_MAX) {
            vm_forget_oldest(table);
        }
    }
}

GList *session_members(const SessionMember *member)
{
    return member->vm ? member->vm->members.head : NULL;
}

bool session_alone(const SessionMember *member)
{
    GList *link;

    for (link = session_members(member); link; link = link->next) {
        if (((SessionMember *)link->data)->session < member->session) {
            return false;
        }
    }
    return true;
}

unsigned session_count(const SessionMember *member)
{
    unsigned n = 0;
    GList *link;

    for (link = session_members(member); link; link = link->next) {
        n += ((SessionMember *)link->data)->session == member->session;
    }
    return n;
}

const uint8_t *session_vm_uuid(const SessionVm *vm)
{
    return vm->key.vm;
}

uint64_t session_vm_incarnation(const SessionVm *vm)
{
    return vm->key.incarnation;
}
