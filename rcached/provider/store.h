/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: the leases a provider has given, and the slabs behind them.
 *
 * A lease is a set of slabs with an id, an epoch, a token, an owner (host, VM,
 * incarnation) and an end:
 *
 *   (granted) --> GRANTED --claim--> CLAIMED --ttl over--> EXPIRED
 *                    |                  ^  |                  |  |
 *          claim time over              |  +--release--+      |  orphan time
 *                    |                  +----renew-----|------+  over
 *                    v                                 v         |
 *                  ending  <---------------------------+---------+
 *
 * An expired lease keeps its bytes and goes on answering; expiry alone never
 * destroys anything.  A lease that ends is unknown from that moment.  Its
 * memory is given back once no transfer makes use of it (store_unuse()), a
 * piece at a time (store_reap()), so that the thread that answers guests is
 * never away for long.  A lease may also lose single slabs, when its requester
 * has left them (store_drop()); these go the same way.
 *
 * Leases stand in a table in a memfd and slabs know their lease, so that both
 * can outlive the process.  Time is CLOCK_BOOTTIME in milliseconds and always
 * an argument.  There is no lock here: the owner has one.
 */
#ifndef RCACHED_PROVIDER_STORE_H
#define RCACHED_PROVIDER_STORE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/provider/session.h"
#include "rcached/provider/slab.h"

#define STORE_LEASES_MAX        4096u
#define STORE_SLABS_MAX         65535u  /* of one lease: a count's limit */

/* Why there are no more slabs, see store_set_most(). */
#define STORE_FULL      "no more slabs can be kept across a restart " \
                        "(slab-size, FileDescriptorStoreMax)"

typedef void StoreSlabGone(const Slab *slab, void *opaque);

/* Is what a slab of the previous daemon has in the spill file to be had? */
typedef bool StoreSlabAway(const Slab *slab, void *opaque);

/* The start goes on. */
typedef void StoreAdopting(void *opaque);

typedef struct StoreConfig {
    uint32_t slab_pages;        /* a power of two */
    uint32_t ttl_ms;            /* a lease's life without RENEW */
    uint64_t orphan_ms;         /* from expiry to the end */
    StoreSlabGone *slab_gone;   /* before a slab is freed; or NULL */
    StoreSlabAway *slab_away;   /* or NULL: it is not */
    StoreAdopting *adopting;    /* before each slab is adopted; or NULL */
    void *opaque;
} StoreConfig;

typedef struct Store Store;

/* What the table keeps of a lease; host order. */
typedef struct StoreRecord {
    uint64_t id;                /* 0: unused */
    uint32_t epoch;
    uint32_t state;             /* enum RcacheLeaseState */
    uint64_t until;             /* claim by, or expires, or expired, in ms */
    uint64_t incarnation;       /* of the VM; 0: the grant did not say, and it
                                 * is not yet claimed */
    uint64_t session;           /* the highest that claimed it */
    uint8_t token[RCACHE_TOKEN_LEN];
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX]; /* of the VM */
    char host[RCACHE_NAME_MAX]; /* of the requester */
    uint32_t nr_slabs;
    uint32_t flags;             /* STORE_OWN */
} StoreRecord;

/*
 * For a VM on this host: its slabs have no memory, and all that is stored in
 * them is in the spill file, for good.  Such a lease is not lent: no figure
 * and no limit of what is has to do with it.
 */
#define STORE_OWN       1u

typedef struct StoreLease {
    StoreRecord *rec;           /* valid until @ending */
    uint64_t id;
    GPtrArray *slabs;           /* of Slab */
    uint64_t stored;            /* pages */
    unsigned refs;              /* who remembers this structure */
    unsigned users;             /* transfers that touch its slabs */
    uint32_t keep;              /* slabs it may keep, see store_revoke() */
    uint32_t revoked;           /* counts changes of keep; 0: never */
    uint64_t deadline;          /* ms: the others were to be gone by then */
    const void *told;           /* the connection that has been told, */
    uint32_t told_revoked;      /* and which change of keep */
    unsigned askers;            /* connections that can be asked for slabs, */
    uint64_t asker_left;        /* ms: when the last one ended; 0: none has */
    bool own;                   /* STORE_OWN */
    bool ending;
    void *waiter;               /* who asked for the end, for the owner */
} StoreLease;

typedef struct StoreTotals {
    uint64_t limit;             /* bytes, and so are the next */
    uint64_t most;              /* that store_set_most() lets be lent */
    uint64_t leased;            /* allocated, dying leases included */
    uint64_t stored;
    uint64_t given_back;        /* of leased: its bytes are in a file */
    uint64_t in_file;           /* of stored */
    uint64_t own;               /* of VMs here, and not in what is above */
    uint64_t own_stored;
    uint32_t slab_pages;
} StoreTotals;

/**
 * store_new() - an empty store with its table
 *
 * Return: the store, or NULL with @errp set
 */
Store *store_new(const StoreConfig *config, GError **errp);

/** store_free() - free it; nobody may have a lease in use any more */
void store_free(Store *store);

/** store_set_limit() - how many bytes may be leased in all, from now on */
void store_set_limit(Store *store, uint64_t bytes);

/** store_set_most() - how many slabs there may be in all, lent or of VMs here;
 * at first any number */
void store_set_most(Store *store, uint64_t slabs);

/** store_table_fd() - the lease table's memfd; stays the store's */
int store_table_fd(const Store *store);

/** store_ttl_ms() - a lease's life without RENEW */
uint32_t store_ttl_ms(const Store *store);

/** store_totals() - what is leased and stored in all */
void store_totals(const Store *store, StoreTotals *out);

/* -------------------------------------------------------------- granting */

/**
 * store_reserve() - is there room for this grant?
 * @slabs: how many slabs to make for it
 * @ack: the answer as far as it is known; final if this fails
 *
 * On success the room is held until store_add() or store_unreserve().
 * A grant that is already here, word for word, succeeds with *@slabs 0 and
 * @ack complete: the arbiter did not get the first answer.
 *
 * Return: RCACHE_OK, RCACHE_E_NO_ROOM or RCACHE_E_REFUSED
 */
enum RcacheStatus store_reserve(Store *store, const WireGrant *grant,
                                unsigned *slabs, WireGrantAck *ack);

/** store_unreserve() - give room back that store_reserve() held */
void store_unreserve(Store *store, unsigned slabs);

/**
 * store_add() - make the lease
 * @reserved: slabs that store_reserve() held
 * @slabs: the slabs made, now the store's; 1 to @reserved of them
 * @now: CLOCK_BOOTTIME, ms
 * @ack: completed
 *
 * Return: the lease, with no reference
 */
StoreLease *store_add(Store *store, const WireGrant *grant, unsigned reserved,
                      Slab **slabs, unsigned nr_slabs, uint64_t now,
                      WireGrantAck *ack);

/**
 * store_may_own() - slabs that VMs here may still have in the spill file
 * @areas: of the file, all of them
 *
 * Each slab that is lent may have to go there.  See also store_set_most().
 */
uint64_t store_may_own(const Store *store, uint64_t areas);

/** store_is_full() - are there as many slabs as store_set_most() allows? */
bool store_is_full(const Store *store);

/**
 * store_add_own() - make a lease for a VM on this host
 * @slabs: as of slab_new_on_disk(), now the store's; 1 to STORE_SLABS_MAX
 * @ack: set
 *
 * Return: the lease, with no reference; NULL: there are too many leases, and
 * the slabs are still the caller's
 */
StoreLease *store_add_own(Store *store, const WireGrant *grant, Slab **slabs,
                          unsigned nr_slabs, uint64_t now,
                          WireGrantAck *ack);

/* ----------------------------------------------------------------- using */

/**
 * store_claim() - show a lease's token
 * @owner: of the session that asks, and so is @session
 * @out: the lease, with a reference for the caller
 *
 * The first claim binds the lease to the incarnation, if the grant did not.  It
 * also renews it.
 *
 * Return: RCACHE_OK, RCACHE_E_LEASE or RCACHE_E_EPOCH; RCACHE_E_REFUSED if all
 * is right but the host's name, which is no proof that the bytes are gone
 */
enum RcacheStatus store_claim(Store *store, uint64_t id, uint32_t epoch,
                              const uint8_t token[RCACHE_TOKEN_LEN],
                              const SessionOwner *owner, uint64_t session,
                              uint64_t now, StoreLease **out);

/** store_token_equal() - in a time that does not tell how much was right */
bool store_token_equal(const uint8_t a[RCACHE_TOKEN_LEN],
                       const uint8_t b[RCACHE_TOKEN_LEN]);

/** store_unref() - forget a lease that store_claim() gave */
void store_unref(Store *store, StoreLease *lease);

/** store_renew() - restart the lease's life; an expired one is revived */
enum RcacheStatus store_renew(Store *store, StoreLease *lease, uint32_t epoch,
                              uint64_t now);

/**
 * store_check() - may this lease be used under this epoch?
 *
 * Return: RCACHE_OK, RCACHE_E_LEASE (it has ended) or RCACHE_E_EPOCH
 */
enum RcacheStatus store_check(const StoreLease *lease, uint32_t epoch);

/**
 * store_find() - the memory of a slot
 * @stored_only: a slot with nothing in it is an error too
 * @slab: the slab it is in
 *
 * Return: its page, or NULL: no such slot in this lease
 */
uint8_t *store_find(const Store *store, const StoreLease *lease,
                    RcacheSlot slot, bool stored_only, Slab **slab);

/** store_mark() - note that a slot, which store_find() found, is (not) used */
void store_mark(Store *store, StoreLease *lease, Slab *slab, RcacheSlot slot,
                bool stored);

/** store_use(), store_unuse() - a transfer touches the lease's slabs */
void store_use(StoreLease *lease);
void store_unuse(Store *store, StoreLease *lease);

/** store_use_slab(), store_unuse_slab() - the same, of one of its slabs */
static inline void store_use_slab(Slab *slab)
{
    slab->users++;
}

static inline void store_unuse_slab(Slab *slab)
{
    slab->users--;
}

/** store_slab() - slab @number, if it is one of @lease, or NULL */
Slab *store_slab(const Store *store, const StoreLease *lease,
                 uint32_t number);

/* ---------------------------------------------------------------- ending */

/**
 * store_end() - end a lease
 * @waiter: comes back from store_reap() when its memory is given back; or
 *          NULL
 */
void store_end(Store *store, StoreLease *lease, void *waiter);

/** store_forget_waiter() - @waiter is not to come back any more */
void store_forget_waiter(Store *store, const void *waiter);

/**
 * store_find_lease() - the lease of that id, with no reference, or NULL
 */
StoreLease *store_find_lease(Store *store, uint64_t id);

/* What time has done to a lease. */
typedef void StoreTold(const StoreLease *lease, const char *what,
                       void *opaque);

/**
 * store_tick() - let time pass: claim times, expiry, orphan times
 * @told: called for each lease whose state changes; or NULL
 */
void store_tick(Store *store, uint64_t now, StoreTold *told, void *opaque);

/** store_reap_pending() - is there memory to give back? */
bool store_reap_pending(const Store *store);

/**
 * store_reap() - give back up to @pages of memory of ended leases
 *
 * Return: the waiter of a lease that is gone now, or NULL
 */
void *store_reap(Store *store, uint32_t pages);

#endif
