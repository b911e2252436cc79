/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uplink: the link to rcached: figures up, leases down.
 */
#ifndef PAGER_UPLINK_H
#define PAGER_UPLINK_H

#include <stdint.h>

#include "rcache/vmm.h"
#include "rcached/pager/seqsock.h"

typedef struct Pager Pager;

/**
 * struct Uplink - private to uplink.c once it is set up
 * @sock: the connection
 * @path: rcached's socket; the caller's
 * @words_fd: where to say that we are READY (link.h); -1 once that is said
 * @stats_at: ns, send figures
 * @connect_at: ns, connect again
 */
typedef struct Uplink {
    SeqSock sock;
    const char *path;
    int words_fd;
    uint64_t stats_at;
    uint64_t connect_at;
} Uplink;

/** uplink_ready() - the VMM is told READY next: rcached may know, whatever
 * becomes of us */
void uplink_ready(Pager *p);

/** uplink_tick() - connect, send figures */
void uplink_tick(Pager *p, uint64_t now);

/**
 * uplink_want() - ask for leases; the tag goes to .want
 * @bytes: for each of @copies copies
 * @copies: that have to be apart from each other
 * @avoid: names of providers whose memory would be of no use
 * @nr_avoid: how many, at most RCACHE_AVOID_MAX
 */
void uplink_want(Pager *p, uint64_t bytes, unsigned copies,
                 const char *const *avoid, unsigned nr_avoid);

/** uplink_want_disk() - ask for a lease on this host's own disk; so too */
void uplink_want_disk(Pager *p, uint64_t bytes);

/** uplink_result() - answer a command of rcached */
void uplink_result(Pager *p, uint64_t tag, int status, uint64_t value,
                   const char *text);

/** uplink_auto() - whether rcached chooses local_max, and from what on */
void uplink_auto(Pager *p);

/** uplink_balloon() - pass on what the VMM's balloon says */
void uplink_balloon(Pager *p, const struct RcacheVmmBalloon *msg);

#endif
