/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settle: a whole pager in a world that goes wrong, and then does not any more.
 *
 * The modules that place slabs are each tested alone.  Here they are all there,
 * and what is played is what they have around them (tests/fuzz/vmm-played.h:
 * the ring, the clock, the VMM, userfaultfd), and, in files of this name,
 *
 * settle-hosts.c   the hosts that lend, and this host's own disk: what they
 *                  say; settle-kept.c: what they have
 * settle-daemon.c  rcached: requests for leases, which the arbiter's own
 *                  placement (arbiter/placement.c) decides
 * settle-guest.c   the guest: pages that it touches
 * settle-story.c   what happens, at random
 * settle-end.c     what has to hold once no more happens
 * test-settle.c    the program
 */
#ifndef TESTS_UNIT_SETTLE_H
#define TESTS_UNIT_SETTLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-move.h"
#include "rcached/pager/pager.h"

#define HOSTS_MAX       6u      /* that lend */
#define OWN             HOSTS_MAX       /* the host number of the own disk */
#define HERE            "here"  /* this host's name */
#define RAM             448u    /* pages */
#define LOCAL           160u    /* pages, at first */
#define KEEP_NS         (10 * NS_PER_SEC)       /* keep-unused */
#define GIVE_UP_NS      (10 * NS_PER_SEC)       /* give-up */

/**
 * struct HostSlab - a slab that a host has lent
 * @token: of an EXPECT that is not confirmed; or zeros
 * @page: bytes of each page, or NULL
 */
typedef struct HostSlab {
    bool there;
    uint8_t token[RCACHE_TOKEN_LEN];
    WireMoved moved;
    uint8_t **page;
} HostSlab;

/**
 * struct HostLease - a lease
 * @known: its host has it
 * @claimed: once, at least
 * @at: ns, granted
 * @keep: slabs that it may keep; @told: what REVOKE has said
 * @nr: of @slab, those that are there no more among them
 */
typedef struct HostLease {
    uint64_t id;
    unsigned host;
    bool known, claimed;
    uint64_t at;
    uint32_t keep, told;
    unsigned nr;
    HostSlab *slab;
} HostLease;

/**
 * struct Host - a host that lends
 * @used: it is part of this world
 * @capacity: slabs
 * @cut: it cannot be reached; @hung: it answers nothing
 * @busy: it refuses all PUTs; @no_pages: PUT and GET do not come through
 * @wrong: what is put there arrives changed
 * @island: bit by host: those that it cannot push to
 * @delay: ns, of each answer
 */
typedef struct Host {
    bool used;
    char name[16], label[16];
    unsigned capacity;
    bool draining, cut, hung, busy, no_pages, wrong;
    unsigned island;
    uint64_t delay;
    uint64_t session;
} Host;

/** struct Counts - what the pager has asked for */
typedef struct Counts {
    unsigned wants, grants, claims, drops, releases, moves, expects, puts;
} Counts;

/**
 * struct World - all of it
 * @slab_pages: of every slab
 * @away: the arbiters cannot be reached: nothing is granted
 * @assign: ns, how long a request takes
 * @rate: pages that the guest touches in a tick; @span: of so many
 * @keep_clean: of the pager; the guest only reads every other page then
 * @tell: say what happens at once
 * @story: what has happened, a line each
 * @why: what did not hold; "" all did
 */
typedef struct World {
    uint64_t seed, random, began;
    unsigned slab_pages;
    Host host[HOSTS_MAX + 1];
    GPtrArray *leases;          /* of HostLease */
    uint64_t next_lease;
    bool away;
    uint64_t assign;
    unsigned rate, span;
    bool keep_clean;
    Counts count;
    bool tell;
    GString *story;
    char why[400];
} World;

extern World world;

/** chance() - a number below @n */
unsigned chance(unsigned n);

/** tell() - a line of the story */
void tell(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/** fail() - that must not be; the first counts */
void fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/** run() - let @ns pass */
void run(uint64_t ns);

/* ------------------------------------------------------------------ hosts */

void hosts_begin(void);
void hosts_end(void);

/** hosts_tick() - ask back what is too much, forget what nobody claims */
void hosts_tick(void);

/** host_slabs() - slabs that a host has lent */
unsigned host_slabs(unsigned host);

/** host_free() - slabs that it could lend */
unsigned host_free(unsigned host);

/** host_lend() - a lease of @slabs; its id */
uint64_t host_lend(unsigned host, unsigned slabs);

void kept_begin(void);

/** host_lease_of() - a lease that @host knows; UINT_MAX: whichever host */
HostLease *host_lease_of(unsigned host, uint64_t id);

/** host_lease_forget() - it is gone, with its pages */
void host_lease_forget(HostLease *l);

/** host_lease_slabs() - slabs that are there */
uint32_t host_lease_slabs(const HostLease *l);

/** host_slab_of() - the slab of that number, or NULL */
HostSlab *host_slab_of(const HostLease *l, uint32_t number);

/** host_slab_empty() - its pages go */
void host_slab_empty(HostSlab *s);

/** host_cut() - its connections end, and there are no others; or there are */
void host_cut(unsigned host, bool cut);

/** host_loses_all() - all its leases, as a host does that is started again */
void host_loses_all(unsigned host);

/** host_of() - the number of the host of a lease of the pager's */
unsigned host_of(const Lease *l);

/* ----------------------------------------------------------------- others */

void daemon_begin(void);
/** daemon_tick() - answer the request that is out */
void daemon_tick(void);

void guest_begin(void);
/** guest_tick() - touch some pages */
void guest_tick(void);
/** guest_look() - has what it waits for come? */
void guest_look(void);
/** guest_tell() - what it waits for */
void guest_tell(void);
/** guest_waits() - ns, how long the oldest fault has waited */
uint64_t guest_waits(void);

/** story_begin() - a world of its own for each seed, and a pager in it */
void story_begin(void);
/** story_go() - much happens */
void story_go(void);
/** story_heal() - and then all is well */
void story_heal(void);

/** end_settle() - time passes in which nothing happens, and then look */
void end_settle(void);

#endif
