/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: which connection belongs to which session.  See session.h.
 *
 * A VM that has no connection stays in the table for a while, so that an old
 * session that comes late is still known to be old.  How many is bounded;
 * beyond that the leases, which know who claimed them, give the floor.  One
 * that no session has been proved of does not stay: anybody can make up names.
 */
#include "rcached/provider/session.h"

#include <string.h>

#include "common/wire.h"

G_STATIC_ASSERT(sizeof(SessionOwner) == RCACHE_UUID_LEN + sizeof(uint64_t) +
                                        RCACHE_NAME_MAX);

struct SessionVm {
    SessionOwner owner;
    uint64_t highest;           /* that was proved; 0: none */
    GQueue members;             /* SessionMember */
    GList idle;                 /* of the table's idle queue */
};

struct SessionTable {
    GHashTable *vms;            /* &vm->owner -> SessionVm */
    GQueue idle;                /* SessionVm without members, oldest first */
};

SessionOwner session_owner(const char *host,
                           const uint8_t vm[RCACHE_UUID_LEN],
                           uint64_t incarnation)
{
    SessionOwner owner = { .incarnation = incarnation };

    memcpy(owner.vm, vm, sizeof(owner.vm));
    wire_text_copy(owner.host, sizeof(owner.host), host);
    return owner;
}

static guint key_hash(gconstpointer ptr)
{
    const uint8_t *bytes = ptr;
    guint hash = 2166136261u;
    size_t i;

    for (i = 0; i < sizeof(SessionOwner); i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, sizeof(SessionOwner));
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

    g_hash_table_remove(table->vms, &vm->owner);
}

/* The last member has left, or there was none. */
static void vm_is_idle(SessionTable *table, SessionVm *vm)
{
    if (!vm->highest) {
        g_hash_table_remove(table->vms, &vm->owner);
        return;
    }
    g_queue_push_tail_link(&table->idle, &vm->idle);
    if (table->idle.length > SESSION_IDLE_MAX) {
        vm_forget_oldest(table);
    }
}

/* It has, or is about to get, a member. */
static SessionVm *vm_get(SessionTable *table, const SessionOwner *owner)
{
    SessionVm *vm = g_hash_table_lookup(table->vms, owner);

    if (!vm) {
        vm = g_new0(SessionVm, 1);
        vm->owner = *owner;
        vm->idle.data = vm;
        g_queue_init(&vm->members);
        g_hash_table_insert(table->vms, &vm->owner, vm);
    } else if (!vm->members.length) {
        g_queue_unlink(&table->idle, &vm->idle);
    }
    return vm;
}

static void vm_add(SessionVm *vm, SessionMember *member, uint64_t session)
{
    *member = (SessionMember) { .vm = vm, .session = session };
    member->link.data = member;
    g_queue_push_tail_link(&vm->members, &member->link);
}

bool session_enter(SessionTable *table, SessionMember *member,
                   const SessionOwner *owner, uint64_t session,
                   uint64_t floor)
{
    SessionVm *vm = vm_get(table, owner);

    *member = (SessionMember) { 0 };
    vm->highest = MAX(vm->highest, floor);
    if (session >= vm->highest) {
        vm_add(vm, member, session);
    } else if (!vm->members.length) {
        vm_is_idle(table, vm);
    }
    return member->vm;
}

void session_prove(SessionMember *member)
{
    member->vm->highest = MAX(member->vm->highest, member->session);
}

bool session_join(SessionTable *table, SessionMember *member,
                  const SessionOwner *owner, uint64_t session)
{
    SessionVm *vm = g_hash_table_lookup(table->vms, owner);

    if (!vm || !vm->members.length || vm->highest != session) {
        return false;
    }
    vm_add(vm, member, session);
    return true;
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
        vm_is_idle(table, vm);
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

const SessionOwner *session_vm_owner(const SessionVm *vm)
{
    return &vm->owner;
}
