/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: which connection belongs to which session of which VM.
 *
 * A VM here is a pair of uuid and incarnation.  A new session fences the
 * older ones: it waits (session_alone()) until the last member of a lower
 * session has left, and a member leaves only when no transfer of its is in
 * progress.  Pure: what a member is, only its owner knows.
 */
#ifndef RCACHED_PROVIDER_SESSION_H
#define RCACHED_PROVIDER_SESSION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"

/* VMs without a connection that are still remembered. */
#define SESSION_IDLE_MAX        4096u

typedef struct SessionTable SessionTable;
typedef struct SessionVm SessionVm;

/* Embedded in a connection. */
typedef struct SessionMember {
    SessionVm *vm;              /* NULL: not a member */
    uint64_t session;
    GList link;                 /* of vm's members */
} SessionMember;

/** session_table_new() - no sessions */
SessionTable *session_table_new(void);
/** session_table_free() - everybody has left */
void session_table_free(SessionTable *table);

/**
 * session_enter() - become a member of a VM's session
 * @floor: the least that is known to be the highest, from the leases
 *
 * Return: false, and not a member, if a higher session is known
 */
bool session_enter(SessionTable *table, SessionMember *member,
                   const uint8_t vm[RCACHE_UUID_LEN], uint64_t incarnation,
                   uint64_t session, uint64_t floor);

/** session_present() - is that session the VM's highest, and the VM here? */
bool session_present(SessionTable *table, const uint8_t vm[RCACHE_UUID_LEN],
                     uint64_t incarnation, uint64_t session);

/** session_leave() - no longer be one */
void session_leave(SessionTable *table, SessionMember *member);

/** session_members() - the first link of the VM's members, of all sessions;
 * data is the SessionMember */
GList *session_members(const SessionMember *member);

/** session_alone() - has every member of an older session left? */
bool session_alone(const SessionMember *member);

/** session_count() - members of the same session, itself included */
unsigned session_count(const SessionMember *member);

/** session_vm_uuid(), session_vm_incarnation() - which VM it is */
const uint8_t *session_vm_uuid(const SessionVm *vm);
uint64_t session_vm_incarnation(const SessionVm *vm);

#endif
