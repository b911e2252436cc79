/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: which connection belongs to which session of which VM.
 *
 * A VM here is what owns leases: host, uuid and incarnation.  A session that
 * has shown the token of one of these leases is proved (session_prove()), and
 * the highest of those fences the older ones: it waits (session_alone()) until
 * the last member of a lower session has left, and a member leaves only when no
 * transfer of its is in progress.  One that is not proved fences nobody,
 * whatever its number.  Pure: what a member is, only its owner knows.
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

/* What owns a lease; of session_owner(), since bytes are compared. */
typedef struct SessionOwner {
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
    char host[RCACHE_NAME_MAX];
} SessionOwner;

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

/** session_owner() - the owner of that name; @host: is cut if too long */
SessionOwner session_owner(const char *host,
                           const uint8_t vm[RCACHE_UUID_LEN],
                           uint64_t incarnation);

/**
 * session_enter() - become a member of a VM's session
 * @floor: the least that is known to be the highest proved, from the leases
 *
 * Return: false, and not a member, if a higher session has been proved
 */
bool session_enter(SessionTable *table, SessionMember *member,
                   const SessionOwner *owner, uint64_t session,
                   uint64_t floor);

/** session_prove() - the member has shown a token of its VM */
void session_prove(SessionMember *member);

/**
 * session_join() - become a member of a session that is there, to be fenced
 * with it
 *
 * Return: false, and not a member, if it is not, or not proved the highest
 */
bool session_join(SessionTable *table, SessionMember *member,
                  const SessionOwner *owner, uint64_t session);

/** session_leave() - no longer be one */
void session_leave(SessionTable *table, SessionMember *member);

/** session_members() - the first link of the VM's members, of all sessions;
 * data is the SessionMember */
GList *session_members(const SessionMember *member);

/** session_alone() - has every member of an older session left? */
bool session_alone(const SessionMember *member);

/** session_count() - members of the same session, itself included */
unsigned session_count(const SessionMember *member);

/** session_vm_owner() - which VM it is */
const SessionOwner *session_vm_owner(const SessionVm *vm);

#endif
