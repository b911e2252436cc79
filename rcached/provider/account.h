/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * account: what each host has of a provider: connections, answers that it has
 * not read, what it has asked for lately, and its turns.
 *
 * A host is a name that a certificate proves, or an address where there are no
 * certificates; whatever it does on many connections, with many VMs, is one
 * host's.  Too many connections are not refused if there is one that gives
 * way: those without a lease first, the oldest of the host that has most of
 * them. They may have a part of all places only (ACCOUNT_IDLE_PART), so some
 * are left for who has leases; and when these are all taken, the newest gives
 * way of the host that has most, to one with a lease whose host has much less.
 * So no few hosts take all.  Hosts that have about the same take nothing from
 * each other: what has lost its place comes again, and would take another's.
 *
 * What a host asks for is measured by two buckets, one for pages and one for
 * what moves none.  One that is overdrawn is not refused: nothing is read of
 * its host until it is filled again, and TCP makes it wait.
 *
 * Pure: time is an argument, in milliseconds.
 */
#ifndef RCACHED_PROVIDER_ACCOUNT_H
#define RCACHED_PROVIDER_ACCOUNT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bucket.h"
#include "rcached/provider/provider-limits.h"
#include "rcached/provider/turns.h"

/* Of all connections, those without a lease: one of so many. */
#define ACCOUNT_IDLE_PART       4u
/* More than a host has itself, the one that it takes a place from has so many,
 * or a part of its own: far more than the connections of one session, which
 * all come again where one of them is closed. */
#define ACCOUNT_MARGIN          16u
#define ACCOUNT_MARGIN_PART     8u
/* After HELLO, CLAIM may wait for so long behind those of all other VMs. */
#define ACCOUNT_CLAIM_MS        30000u
/* So many seconds' worth may be asked for at once: of pages; and of others, for
 * when all VMs of a host come back and claim. */
#define ACCOUNT_PAGES_S         1u
#define ACCOUNT_PINGS_S         4u

typedef struct AccountHost {
    char name[LIMIT_HITS_NAME];
    TurnsHost turns;
    GQueue idle;                /* AccountMember without a lease, and those */
    GQueue leased;              /* with one; the oldest first */
    uint64_t answers;           /* bytes */
    Bucket pages, pings;
} AccountHost;

/* Embedded in a connection; all zeros while it is in no account. */
typedef struct AccountMember {
    AccountHost *host;
    GList link;
    void *conn;                 /* the caller's */
    bool leased;
    uint64_t entitled_ms;       /* until then it has to have claimed one */
    uint64_t answers;           /* bytes, of the host's */
} AccountMember;

typedef struct Account {
    ProviderLimits limits;
    GHashTable *hosts;          /* name -> AccountHost */
    unsigned conns, idle;
    uint64_t answers;
    uint64_t swept_ms;
} Account;

void account_init(Account *account, const ProviderLimits *limits);
/** account_deinit() - everybody has left */
void account_deinit(Account *account);

/**
 * account_enter() - a connection has said who it is
 * @conn: what is returned of it when it has to give way
 * @entitled: its VM has a lease here: it counts as one with a lease at once,
 *            and has ACCOUNT_CLAIM_MS to claim it
 * @limit: which one has been run into, if one has; else NR_PEER_LIMITS
 * @victim: who has to give way, and counts until account_leave(), or NULL
 *
 * Return: false: it is not to be, and is no member
 */
bool account_enter(Account *account, AccountMember *member, const char *host,
                   void *conn, bool entitled, uint64_t now_ms,
                   PeerLimit *limit, AccountMember **victim);

/** account_leave() - it ends, and its answers with it; or never was one */
void account_leave(Account *account, AccountMember *member);

/**
 * account_claims() - has it a claimed lease that has not ended?
 *
 * Without, it counts as one with a lease as long as it may still be about to
 * claim one.
 */
void account_claims(Account *account, AccountMember *member, bool claims,
                    uint64_t now_ms);

/** account_answers() - its answers take @bytes more of memory, or less */
void account_answers(Account *account, AccountMember *member, int64_t bytes);

/**
 * account_full() - do too many answers wait for it or its host to read?
 * @limit: which one it has run into
 */
bool account_full(const Account *account, const AccountMember *member,
                  PeerLimit *limit);

/** account_charge() - its host has asked for @pages, or @pings that move none
 */
void account_charge(Account *account, AccountMember *member, unsigned pages,
                    unsigned pings, uint64_t now_ms);

/**
 * account_wait() - how long has nothing to be read of it?
 *
 * Return: ms; 0: it may ask
 */
unsigned account_wait(const Account *account, const AccountMember *member,
                      uint64_t now_ms, PeerLimit *limit);

/** account_tick() - forget hosts that have nothing here and owe nothing */
void account_tick(Account *account, uint64_t now_ms);

#endif
