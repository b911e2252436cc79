/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link between rcached and its pagers on one host.
 *
 * A unix SOCK_SEQPACKET socket, <run-dir>/pager.sock, on which rcached
 * listens; a pager connects when it starts and again, every 200 ms, when the
 * link has ended: a restarted rcached so adopts the pagers it finds.  One
 * packet is one message.  Both sides are of one host, so the structures are
 * plain.  They need not be of one build: LinkHello says which, and a pager of
 * another build than the daemon's is replaced (pager-upgrade.h).  A pager with
 * another LinkHello.version is left alone with its guest until then, but given
 * no new leases.
 *
 * rcached starts a pager as
 *     rcached --pager --vmm-fd=3 --link=PATH --host=NAME --words-fd=5
 *             [--poll-us=N] [--keep-unused-ms=N] [--slow-window-ms=N]
 *             [--moves-per-minute=N] [--repair-kib=N] [--give-up-ms=N]
 *             [--dscp=N] [--held-bytes=N] [--tls-fd=6] [--plain]
 * with the accepted VMM connection as descriptor 3, its HELLO still unread,
 * and a pipe as descriptor 5: one that cannot start says there why, answers
 * HELLO with the same text, and ends with status 1.  One that can closes it
 * when it says READY, with the byte LINK_READY in it: so rcached knows of a
 * pager that was killed in the next moment that it had served its VM.
 * Descriptor 6 is the memfd of LINK_TLS; without it the pager speaks without
 * TLS, with --plain (tls=none) beyond this host's loopback addresses too.
 * The pager never waits for rcached on the fault path.
 *
 * For a VM that has ended without a pager (farewells.h) it is
 *     rcached --pager --state-fd=3 --vm=UUID --incarnation=HEX --name=NAME
 *             --host=NAME --words-fd=5 [--tls-fd=6] [--plain]
 * with the VM's state memfd as descriptor 3: that process has no link.
 */
#ifndef RCACHED_LINK_H
#define RCACHED_LINK_H

#include <stddef.h>

#include "common/build-id.h"
#include "rcache/proto.h"
#include "rcache/vmm.h"

#define LINK_VERSION    4u
#define LINK_MAGIC      0x6b6c6372u     /* "rclk" */
#define LINK_MSG_MAX    65536u
#define LINK_GRANTS_MAX 16u
#define LINK_LOST_MAX   16u     /* providers that have lost something */
#define LINK_HELD_MAX   (RCACHE_NR_LEASES + LINK_LOST_MAX)
#define LINK_READY      '\0'    /* alone in the pipe; no text begins with it */

enum LinkType {
    LINK_HELLO = 1,     /* pager: first message, and with it the VM's state
                         * memfd, which says what leases it has (farewells.h);
                         * not of every build */
    LINK_STATS = 2,     /* pager, once a second and after HELLO */
    LINK_BALLOON = 3,   /* pager, as the VMM sent it */
    LINK_WANT = 4,      /* pager: lease this much more */
    LINK_GRANTS = 5,    /* rcached: the answer, under the same tag */
    LINK_EVICT = 6,     /* rcached: as RCACHE_VMM_EVICT */
    LINK_RESULT = 7,    /* pager: the answer to LINK_EVICT */
    LINK_AUTO = 8,      /* pager: say how much of the guest may be here */
    LINK_LIMIT = 9,     /* rcached: so much may, for a pager that said AUTO */
    LINK_TLS = 10,      /* rcached: only the head, and with it a memfd of what
                         * to connect to providers with; none: without TLS,
                         * by the tag.
                         * After HELLO, and when its files have changed */
    LINK_LEAVE = 11,    /* rcached: only the head: somebody wants the place of
                         * a pager that may have stayed after its VMM's
                         * connection (farewell.h).  One of an older build
                         * does not know it, and does not stay for long */
    LINK_HOLD = 12      /* rcached: whether the VM is held.  A pager of an
                         * older build does not know it, and does not say in
                         * its figures that it obeys (LinkHolds) */
};

/* What is done to pages before they leave. */
enum LinkSeal {
    LINK_SEAL_UNKNOWN = 0,      /* not said */
    LINK_SEAL_OFF = 1,          /* authenticated only */
    LINK_SEAL_ON = 2            /* encrypted as well */
};

enum LinkAttached {
    LINK_APART = 0,             /* no guest is served */
    LINK_ATTACHED = 1,          /* READY has been sent */
    LINK_LEAVING = 2            /* the VMM is dead; leases that are held are
                                 * given back, and nothing else is left */
};

/* The tag of LINK_TLS: beyond loopback, too (tls=none). */
#define LINK_TLS_PLAIN  1u

struct LinkHdr {
    uint32_t magic;
    uint32_t type;
    uint32_t size;              /* of the whole message */
    uint32_t reserved;
    uint64_t tag;
};

struct LinkHello {
    struct LinkHdr hdr;
    uint32_t version;
    int32_t pid;
    uint8_t uuid[RCACHE_UUID_LEN];
    uint64_t incarnation;
    uint64_t session;           /* attaches of this VM so far */
    char name[RCACHE_NAME_MAX];
    /* What follows is not in the HELLO of every build; zero then. */
    uint8_t build[BUILD_ID_LEN];
    uint16_t vmm_version;       /* what it has in common with its QEMU: */
    uint16_t state_version;     /* RCACHE_VMM_VERSION, RCACHE_STATE_VERSION */
    uint32_t seal;              /* enum LinkSeal */
    uint32_t reserved;          /* 0 */
};

#define LINK_HELLO_MIN  offsetof(struct LinkHello, build)

/*
 * Leases held, all of them, follow the figures: one that were left out would
 * look as if its provider had lent it to nobody.  Without a lease (.lease is 0)
 * it is what a provider had of leases that are gone: .lost, .cause, .provider.
 */
struct LinkHeld {
    uint64_t lease;
    uint32_t epoch;
    uint16_t connected;
    uint16_t slow_s;            /* its provider is slow since; 0: is not */
    uint64_t bytes;
    uint64_t stored;
    uint64_t sole;              /* bytes of .stored with no other live copy */
    uint64_t expires_ms;        /* from now */
    uint32_t cause;             /* enum RcacheCause: what is wrong there */
    uint32_t cause_s;           /* for so long */
    uint64_t lost;              /* bytes that are gone */
    uint64_t wrong;             /* pages its provider returned wrong, so far */
    char provider[RCACHE_NAME_MAX];
};

/*
 * Behind the leases follow, from a pager that is of a build that knows them, a
 * struct LinkAhead and, from one that serves a guest, what that waits for: a
 * struct RcacheVmmDelays, and a struct LinkHolds.
 */
struct LinkStats {
    struct LinkHdr hdr;
    struct RcacheVmmStats stats;
    uint32_t attached;          /* enum LinkAttached */
    uint32_t nr_held;           /* at most LINK_HELD_MAX */
    struct LinkHeld held[];
};

/* What was read ahead, in pages since the pager began. */
struct LinkAhead {
    uint64_t pages;             /* that came */
    uint64_t used;              /* of windows whose marker was touched */
    uint64_t wasted;            /* of windows whose marker was not */
};

/* What the pager obeys now. */
struct LinkHolds {
    uint32_t held;              /* 1: it is */
    uint32_t reserved;
    uint64_t bytes;             /* as in LinkHold */
};

_Static_assert(sizeof(struct LinkStats) +
               LINK_HELD_MAX * sizeof(struct LinkHeld) +
               sizeof(struct LinkAhead) +
               sizeof(struct RcacheVmmDelays) +
               sizeof(struct LinkHolds) <= LINK_MSG_MAX,
               "a message has room for all leases");

struct LinkBalloon {
    struct LinkHdr hdr;
    struct RcacheVmmBalloon balloon;
};

struct LinkWant {
    struct LinkHdr hdr;
    uint64_t bytes;             /* of each copy */
    uint32_t nr_avoid;          /* providers that it is not to be of */
    uint32_t copies;            /* for each of which .bytes are wanted */
    char avoid[RCACHE_AVOID_MAX][RCACHE_NAME_MAX];
    uint32_t own_disk;          /* 1: on this host's own disk, and nowhere
                                 * else */
    uint32_t reserved;
};

struct LinkGrants {
    struct LinkHdr hdr;
    uint32_t status;            /* enum RcacheStatus */
    uint32_t nr_grants;
    char text[192];
    struct RcacheLeaseGrant grant[LINK_GRANTS_MAX];
    /* the failure domain of each, "": not known; the pager copies it into
     * RcacheLease */
    char label[LINK_GRANTS_MAX][RCACHE_NAME_MAX];
};

struct LinkEvict {
    struct LinkHdr hdr;
    uint32_t what;              /* RCACHE_EVICT_BYTES or _TARGET */
    uint32_t reserved;
    uint64_t bytes;
};

struct LinkAuto {
    struct LinkHdr hdr;
    uint64_t least;             /* bytes; 0: leave it alone from now on */
};

struct LinkLimit {
    struct LinkHdr hdr;
    uint64_t local_max;         /* bytes */
};

struct LinkHold {
    struct LinkHdr hdr;
    uint32_t held;              /* 1: nothing goes, all comes home; 0: not */
    uint32_t reserved;
    uint64_t bytes;             /* so much may be here meanwhile, as this host
                                 * has room; below local-max it means nothing */
};

struct LinkResult {
    struct LinkHdr hdr;
    int32_t status;
    uint32_t reserved;
    uint64_t value;             /* bytes that went */
    char text[256];
};

#endif
