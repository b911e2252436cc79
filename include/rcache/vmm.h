/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMM protocol: what QEMU (or another VMM) and rcached say to each other
 * on one host, and the layout of the state memfd that both of them map.
 * docs/vmm-protocol.rst is the document; this header only repeats its numbers.
 *
 * Both sides run on one host, so integers are in host byte order.  The header
 * needs nothing but fixed-width types: QEMU's patch carries a copy of it.
 */
#ifndef RCACHE_VMM_H
#define RCACHE_VMM_H

#include <stdint.h>

#define RCACHE_PAGE_SIZE        4096u
#define RCACHE_FRAME_PAGES      512u    /* discards are noted by 2 MiB frame */
#define RCACHE_SLAB_PAGES_MAX   16384u  /* 64 MiB */

/* ---------------------------------------------------------- page words */

/*
 * bits  0..3   state
 * bit   4      CLEAN: the slot holds these bytes, if the scan agrees
 * bits  5..7   credit: how often the front hand passes the page by
 * bits  8..27  generation: moved by every step that starts something
 * bits 28..63  slot: (slab index + 1) << 14 | page in slab; 0 is none
 */
enum RcachePageState {
    RCACHE_UNMANAGED = 0,
    RCACHE_UNTOUCHED = 1,
    RCACHE_ZERO = 2,
    RCACHE_HOT = 3,
    RCACHE_ZAPPING = 4,
    RCACHE_ZAPPED = 5,
    RCACHE_EVICTING = 6,
    RCACHE_PUNCHING = 7,
    RCACHE_REMOTE = 8,
    RCACHE_FETCHING = 9,
    RCACHE_FILLING = 10,
    RCACHE_CACHED = 11,
    RCACHE_DISCARDING = 12,
    RCACHE_LOST = 13,
    RCACHE_NR_STATES
};

#define RCACHE_STATE_MASK       0xfull
#define RCACHE_CLEAN            0x10ull
#define RCACHE_CREDIT_SHIFT     5
#define RCACHE_CREDIT_MASK      0xe0ull
#define RCACHE_GEN_SHIFT        8
#define RCACHE_GEN_MASK         0xfffff00ull
#define RCACHE_SLOT_SHIFT       28
#define RCACHE_SLOT_MASK        0xfffffffff0000000ull
#define RCACHE_SLOT_PAGE_BITS   14

/* --------------------------------------------------------- state memfd */

#define RCACHE_STATE_MAGIC      0x65746174736372ull     /* "rcstate" */
#define RCACHE_STATE_VERSION    3u
#define RCACHE_STATE_HEADER     4096u
#define RCACHE_NR_LEASES        256u
#define RCACHE_NR_SLABS         65536u
#define RCACHE_LOCATIONS        2u      /* of a slab, at most */
#define RCACHE_LOCATION_STALE   0x80000000u     /* in .lease: given up */

/* Counted since the VM's start; a new pager goes on where the last was. */
struct RcacheCounts {
    uint64_t faults_remote;     /* answered with bytes from a provider */
    uint64_t faults_zero;
    uint64_t faults_minor;      /* touches of zapped pages */
    uint64_t evicted;           /* pages that went to a provider */
    uint64_t fetched;           /* pages that came back */
    uint64_t zero_evicted;      /* pages found zero, sent nowhere */
    uint64_t checksum_errors;
    uint64_t intruders;         /* pages that somebody else wrote */
};

/* The head of the state memfd; who writes a field stands beside it. */
struct RcacheState {
    uint64_t magic;             /* QEMU, once */
    uint32_t version;           /* QEMU, once */
    uint32_t header_size;       /* QEMU, once: RCACHE_STATE_HEADER */
    uint8_t uuid[16];           /* QEMU, once */
    uint64_t incarnation;       /* QEMU, once: random, new for each VM start */
    uint64_t nr_pages;          /* QEMU, once: words in the table */
    uint64_t frames_off;        /* QEMU, once: one bit a frame */
    uint64_t leases_off;        /* QEMU, once */
    uint64_t slabs_off;         /* QEMU, once */
    uint64_t words_off;         /* QEMU, once: nr_pages x uint64_t */
    uint64_t sides_off;         /* QEMU, once: nr_pages x RcacheSide */
    uint64_t total_size;        /* QEMU, once */
    uint32_t nr_leases;         /* QEMU, once: RCACHE_NR_LEASES */
    uint32_t nr_slabs;          /* QEMU, once: RCACHE_NR_SLABS */

    /* QEMU, after each discard; the pager looks at the number only. */
    uint64_t discard_seq;       /* discards so far */
    uint64_t discard_resident;  /* pages that were in the memfd */
    uint64_t discard_remote;    /* pages that were away */

    /* Written by the pager. */
    uint64_t session;           /* counted up at each attach */
    uint64_t zap_seq;           /* no zap above it has been sent */
    struct RcacheCounts counts;
};

/* A lease as a new pager must find it; written before a slab names it. */
struct RcacheLease {
    uint64_t id;                /* 0: this entry is free */
    uint32_t epoch;
    uint32_t slab_pages;
    uint8_t token[16];
    char provider[64];          /* host name, NUL-terminated */
    char address[64];           /* "host:port" or "[v6]:port" */
    uint64_t expires_ns;        /* CLOCK_BOOTTIME */
    char label[64];             /* the provider's failure domain, or "" */
    uint8_t reserved[16];
};

/* One place where a slab's bytes are; changed by one store of 8 bytes. */
struct RcacheLocation {
    uint32_t lease;             /* index into the leases plus one; 0: none; */
                                /* and RCACHE_LOCATION_STALE */
    uint32_t number;            /* the provider's name for the slab */
};

/* A slab: its index plus one stands in the slots. Free if it has no location */
struct RcacheSlab {
    struct RcacheLocation location[RCACHE_LOCATIONS];
};

#define RCACHE_TAG_SIZE         16u
#define RCACHE_PAGE_BITS        40u     /* of a nonce: the page's index */
#define RCACHE_VERSION_BITS     56u     /* and its version */

/* What a page that has been away needs beyond its word. */
struct RcacheSide {
    uint8_t tag[RCACHE_TAG_SIZE];
    uint64_t version;           /* the last used: stored first, never lower */
    uint64_t sum;               /* XXH3-64 of the bytes as they are stored */
};

/* ------------------------------------------------------------------ key */

#define RCACHE_KEY_MAGIC        0x79656b6d766372ull     /* "rcvmkey" */
#define RCACHE_KEY_VERSION      1u
#define RCACHE_KEY_SIZE         32u

/* At the beginning of the page that the key's descriptor holds. */
struct RcacheKey {
    uint64_t magic;
    uint32_t version;
    uint32_t reserved;          /* 0 */
    uint8_t key[RCACHE_KEY_SIZE];   /* AES-256, of this start of the VM */
};

/* ------------------------------------------------------------- messages */

#define RCACHE_VMM_MAGIC        0x766d6372u             /* "rcmv" */
#define RCACHE_VMM_VERSION      1u
#define RCACHE_VMM_MSG_MAX      16384u  /* bytes, header included */
#define RCACHE_VMM_FDS_MAX      4u
#define RCACHE_ZAP_PAGES_MAX    512u    /* pages one ZAP may name */
#define RCACHE_ZAP_RANGES_MAX   512u
#define RCACHE_BLOCKS_MAX       64u

enum RcacheVmmType {
    RCACHE_VMM_HELLO = 1,       /* VMM: who I am */
    RCACHE_VMM_HELLO_ACK = 2,   /* pager, or rcached when it refuses */
    RCACHE_VMM_STATE = 3,       /* VMM, with 4 descriptors */
    RCACHE_VMM_BLOCK_ADD = 4,   /* VMM, with 1 descriptor */
    RCACHE_VMM_BLOCK_DEL = 5,   /* VMM */
    RCACHE_VMM_BLOCK_DEL_ACK = 6,
    RCACHE_VMM_START = 7,       /* VMM: all blocks are known */
    RCACHE_VMM_READY = 8,       /* pager: attached */
    RCACHE_VMM_MANAGE = 9,      /* pager: make ready to be managed */
    RCACHE_VMM_MANAGED = 10,    /* VMM */
    RCACHE_VMM_ZAP = 11,        /* pager */
    RCACHE_VMM_ZAP_DONE = 12,   /* VMM */
    RCACHE_VMM_RESIZE = 13,     /* VMM */
    RCACHE_VMM_EVICT = 14,      /* VMM */
    RCACHE_VMM_RESULT = 15,     /* pager: to RESIZE or EVICT */
    RCACHE_VMM_STATS = 16,      /* pager, 10 times a second */
    RCACHE_VMM_EVENT = 17,      /* pager */
    RCACHE_VMM_BALLOON = 18,    /* VMM: the guest's balloon statistics */
    RCACHE_VMM_BYE = 19,        /* VMM: everything is local, detach */
    RCACHE_VMM_CANCEL = 20,     /* VMM: give up the command with this id */
    RCACHE_VMM_PROGRESS = 21,   /* pager, with STATS, of the VMM's command */
    RCACHE_VMM_DEVICE = 22,     /* VMM, in place of HELLO: open the device */
    RCACHE_VMM_DEVICE_ACK = 23, /* rcached; its body is HELLO_ACK's */
    RCACHE_VMM_CPUS = 24,       /* VMM: how many vCPUs it has */
    RCACHE_VMM_DELAYS = 25,     /* pager, once a second */
    RCACHE_VMM_WANT_PROACTIVE = 28, /* VMM: below local_max as well? */
    RCACHE_VMM_PROACTIVE = 29,  /* pager, once a second: how it goes */
    RCACHE_VMM_NR_TYPES
};

struct RcacheVmmHdr {
    uint32_t magic;
    uint16_t type;
    uint16_t flags;             /* RCACHE_STATS_* in STATS; else 0 */
    uint32_t size;              /* the whole message, this header included */
    uint32_t reserved;          /* 0 */
    uint64_t id;                /* of a request; its answer repeats it */
};

#define RCACHE_VMM_F_BALLOON    (1ull << 0)     /* BALLOON is understood */
#define RCACHE_VMM_F_AUTO       (1ull << 1)     /* local_max is the least */
#define RCACHE_VMM_F_COMMANDS   (1ull << 2)     /* CANCEL, PROGRESS */
#define RCACHE_VMM_F_COPIES     (1ull << 3)     /* copies may be 2 */
#define RCACHE_VMM_F_SEAL       (1ull << 4)     /* a key comes with STATE */
#define RCACHE_VMM_F_DELAYS     (1ull << 5)     /* CPUS, DELAYS */
#define RCACHE_VMM_F_PROACTIVE  (1ull << 7)     /* WANT_PROACTIVE, PROACTIVE */

struct RcacheVmmHello {
    struct RcacheVmmHdr hdr;
    uint32_t version;
    uint32_t page_size;
    uint64_t features;
    uint8_t uuid[16];
    uint64_t incarnation;
    uint64_t ram_bytes;         /* of the blocks to be managed */
    uint64_t size;              /* most bytes that may be away */
    uint64_t local_max;         /* bytes */
    uint32_t copies;
    uint32_t seal;              /* 1: pages are sealed; 0: authenticated */
    char name[64];              /* the VM's name, NUL-terminated */
};

/*
 * With one descriptor when status is 0: a pidfd of the pager; in DEVICE_ACK
 * /dev/userfaultfd.
 */
struct RcacheVmmHelloAck {
    struct RcacheVmmHdr hdr;
    uint32_t version;
    int32_t status;             /* 0, or an errno value below 0 */
    uint64_t features;
    char text[256];             /* why it was refused */
};

/* Descriptors: the userfaultfd, the state memfd, /proc/self/pagemap, the key */
struct RcacheVmmState {
    struct RcacheVmmHdr hdr;
};

/* Descriptor: the memfd of the block. */
struct RcacheVmmBlock {
    struct RcacheVmmHdr hdr;
    uint32_t block;             /* below RCACHE_BLOCKS_MAX */
    uint32_t generation;        /* of this use of the block id */
    uint64_t first_word;        /* index of its first page in the table */
    uint64_t address;           /* in the VMM */
    uint64_t length;            /* bytes */
    uint64_t fd_offset;         /* bytes */
    char name[64];
};

struct RcacheVmmBlockDel {      /* and BLOCK_DEL_ACK */
    struct RcacheVmmHdr hdr;
    uint32_t block;
    uint32_t generation;
};

struct RcacheVmmStart {         /* also READY, BYE, CANCEL and DEVICE */
    struct RcacheVmmHdr hdr;
};

struct RcacheVmmManage {        /* and MANAGED */
    struct RcacheVmmHdr hdr;
    uint32_t block;
    uint32_t generation;
    uint64_t first;             /* page in the block */
    uint64_t count;             /* pages */
    int32_t status;             /* in MANAGED: 0 or -errno */
    uint32_t reserved;
};

struct RcacheZapRange {
    uint32_t first;             /* page in the block */
    uint32_t count;             /* pages */
};

struct RcacheVmmZap {
    struct RcacheVmmHdr hdr;
    uint64_t seq;
    uint32_t block;
    uint32_t generation;
    uint32_t nr_ranges;
    uint32_t reserved;
    struct RcacheZapRange range[];
};

struct RcacheVmmZapDone {
    struct RcacheVmmHdr hdr;
    uint64_t seq;
    int32_t status;             /* 0, or -ENOENT: no such block any more */
    uint32_t nr_pinned;
    uint32_t pinned[];          /* pages in the block */
};

#define RCACHE_RESIZE_SIZE      (1u << 0)
#define RCACHE_RESIZE_LOCAL_MAX (1u << 1)
#define RCACHE_RESIZE_COPIES    (1u << 2)   /* RCACHE_VMM_F_COPIES */

struct RcacheVmmResize {
    struct RcacheVmmHdr hdr;
    uint32_t what;              /* RCACHE_RESIZE_* */
    uint32_t copies;            /* with RCACHE_RESIZE_COPIES; else 0 */
    uint64_t size;              /* bytes */
    uint64_t local_max;         /* bytes */
};

#define RCACHE_EVICT_BYTES      1u      /* bytes to evict from now on */
#define RCACHE_EVICT_TARGET     2u      /* resident bytes to come down to */

struct RcacheVmmEvict {
    struct RcacheVmmHdr hdr;
    uint32_t what;
    uint32_t reserved;
    uint64_t bytes;
};

#define RCACHE_RESULT_AUTO      (1u << 0)   /* rcached chooses local_max */

struct RcacheVmmResult {
    struct RcacheVmmHdr hdr;
    int32_t status;             /* 0 or -errno; -ECANCELED after CANCEL */
    uint32_t flags;             /* RCACHE_RESULT_* */
    uint64_t value;             /* EVICT: bytes that went; RESIZE: resident */
    char text[256];             /* why not */
    /* What holds now, in bytes, and is to stand in the next HELLO. */
    uint64_t size;
    uint64_t local_max;         /* with RCACHE_RESULT_AUTO: the least */
};

struct RcacheVmmProgress {
    struct RcacheVmmHdr hdr;    /* .id: the command's */
    uint64_t total;             /* bytes to go or to come home */
    uint64_t done;              /* of them */
};

#define RCACHE_STATS_LEASES     16u
#define RCACHE_STATS_RECONCILED (1u << 0)   /* every page's place is known */

struct RcacheStatsLease {
    uint64_t id;
    uint64_t bytes;             /* leased */
    uint64_t stored;            /* bytes of pages that live there */
    uint32_t connected;         /* 0 or 1 */
    uint32_t reserved;
    char provider[64];
};

struct RcacheVmmStats {
    struct RcacheVmmHdr hdr;
    /* bytes of guest memory; they add up to guest */
    uint64_t guest;
    uint64_t unmanaged;         /* not under management yet */
    uint64_t untouched;         /* never used by the guest */
    uint64_t hot;               /* HOT and ZAPPING */
    uint64_t zapped;            /* ZAPPED and EVICTING */
    uint64_t cached;
    uint64_t remote;            /* REMOTE, PUNCHING, FETCHING, FILLING */
    uint64_t zero;
    uint64_t lost;
    /* bytes */
    uint64_t resident;          /* in the memfd, unmanaged ones included */
    uint64_t size;
    uint64_t local_max;
    uint64_t pager_rss;
    /* counts since the VM's start: RcacheCounts */
    uint64_t faults_remote;     /* answered with bytes from a provider */
    uint64_t faults_zero;
    uint64_t faults_minor;      /* touches of zapped pages */
    uint64_t evicted_pages;
    uint64_t fetched_pages;
    uint64_t zero_evicted_pages;/* found zero, sent nowhere */
    uint64_t checksum_errors;
    uint64_t intruders;
    /* nanoseconds, of faults answered by a provider, the last minute */
    uint64_t fault_p50;
    uint64_t fault_p99;
    uint64_t fault_p999;
    uint64_t fault_max;
    uint64_t network_p50;       /* of that, GET sent to reply read */
    /* what is being waited for now */
    uint64_t waiting_pages;
    uint64_t oldest_wait;       /* nanoseconds */
    uint32_t waiting_block;
    uint32_t nr_leases;
    uint64_t waiting_offset;    /* in that block, bytes */
    char waiting_for[64];       /* a provider's name, or "room" */
    struct RcacheStatsLease lease[RCACHE_STATS_LEASES];
    /* From here on only with RCACHE_VMM_F_COPIES. */
    uint64_t one_copy;          /* bytes of remote, of which one copy or none */
                                /* can be had now */
    uint64_t copying;           /* bytes of remote that have to be copied */
    uint32_t copies;            /* wanted */
    uint32_t hopeless;          /* waiting_pages that cannot be had */
};

/* The size of STATS without RCACHE_VMM_F_COPIES. */
#define RCACHE_STATS_SIZE_1 \
    __builtin_offsetof(struct RcacheVmmStats, one_copy)

struct RcacheVmmCpus {
    struct RcacheVmmHdr hdr;
    uint32_t vcpus;             /* that there are now */
    uint32_t reserved;          /* 0 */
};

/* What a fault on a page that is away waits for, one after another. */
enum RcachePhase {
    RCACHE_PHASE_READ = 0,      /* read by the pager, not decided yet */
    RCACHE_PHASE_QUEUE = 1,     /* room, or its provider's turn */
    RCACHE_PHASE_SEND = 2,      /* the kernel has not got the GET yet */
    RCACHE_PHASE_NETWORK = 3,   /* the answer has not begun to come */
    RCACHE_PHASE_PROVIDER = 4,  /* of that, what the provider says it took */
    RCACHE_PHASE_RECEIVE = 5,   /* the rest of the answer, and its turn */
    RCACHE_PHASE_CHECK = 6,     /* authenticated and opened */
    RCACHE_PHASE_INSTALL = 7,   /* put into the guest, which wakes it */
    RCACHE_NR_PHASES = 8
};

#define RCACHE_DELAY_BUCKETS    17u

/* Nanoseconds, since the pager's start and in the last minute. */
struct RcacheDelay {
    uint64_t total;
    uint64_t recent;
    /* Faults that took at most 1, 2, 5, 10, 20, 50, 100, 200, 500 us, 1, 2, 5,
     * 10, 100 ms, 1, 10 s and no less than the one before; and longer. */
    uint64_t bucket[RCACHE_DELAY_BUCKETS];
};

struct RcacheVmmDelays {
    struct RcacheVmmHdr hdr;
    uint32_t vcpus;             /* as CPUS says; 0: not said */
    uint32_t threads;           /* that wait now for a page that is away */
    uint64_t waited;            /* ns that threads have waited, all together, */
    uint64_t waited_recent;     /* and in the last minute, which is as long */
    uint64_t recent;            /* as this: ns; 0 at first */
    uint64_t faults_recent;     /* .whole's in the last minute */
    struct RcacheDelay whole;   /* fault read to guest woken */
    struct RcacheDelay phase[RCACHE_NR_PHASES];     /* add up to it */
};

enum RcacheProactive {
    RCACHE_PROACTIVE_AS_CONFIGURED = 0,     /* rcached's configuration says */
    RCACHE_PROACTIVE_NO = 1,
    RCACHE_PROACTIVE_YES = 2
};

struct RcacheVmmWantProactive {
    struct RcacheVmmHdr hdr;
    uint32_t proactive;         /* enum RcacheProactive */
    uint32_t target;            /* what may be waited for, in millionths of */
                                /* the vCPUs' time; 0: as it is configured */
};

/* Where it stands, and why. */
enum RcacheProactiveState {
    RCACHE_PROACTIVE_OFF = 0,
    RCACHE_PROACTIVE_NO_CPUS = 1,       /* CPUS has not come */
    RCACHE_PROACTIVE_WAITING = 2,       /* for an attach or a command to end */
    RCACHE_PROACTIVE_RESTING = 3,       /* until the next step */
    RCACHE_PROACTIVE_SHRINKING = 4,
    RCACHE_PROACTIVE_NEAR = 5,          /* the target */
    RCACHE_PROACTIVE_GROWING = 6,       /* more is waited for than the target */
    RCACHE_PROACTIVE_BACK = 7,          /* what has gone came back */
    RCACHE_PROACTIVE_HELD = 8,          /* a wait that size does not explain */
    RCACHE_PROACTIVE_FLOOR = 9,
    RCACHE_PROACTIVE_NO_ROOM = 10,      /* at no other host */
    RCACHE_PROACTIVE_AT_RATE = 11,      /* shrinking, as fast as it may */
    RCACHE_PROACTIVE_NR_STATES = 12
};

struct RcacheVmmProactive {
    struct RcacheVmmHdr hdr;
    uint32_t state;             /* enum RcacheProactiveState */
    uint32_t target;            /* that holds, in millionths */
    uint32_t stall;             /* what was waited for, in millionths */
    uint32_t reserved;          /* 0 */
    uint64_t limit;             /* bytes wanted here: local_max at most */
    uint64_t floor;             /* bytes: never less than these */
    char text[128];             /* why, for a person */
};

enum RcacheVmmEvent {
    RCACHE_EVENT_ATTACHED = 1,
    RCACHE_EVENT_WAITING = 2,   /* a fault has waited for over a second */
    RCACHE_EVENT_DEGRADED = 3,  /* a provider is away or there is no room */
    RCACHE_EVENT_RECOVERED = 4,
    RCACHE_EVENT_PAGE_LOST = 5
};

struct RcacheVmmEventMsg {
    struct RcacheVmmHdr hdr;
    uint32_t event;
    uint32_t block;
    uint64_t offset;            /* bytes in the block, PAGE_LOST and WAITING */
    char text[256];
};

/* Bits of RcacheVmmBalloon.valid, in virtio-balloon's order of tags. */
enum RcacheBalloonTag {
    RCACHE_BALLOON_SWAP_IN = 0,
    RCACHE_BALLOON_SWAP_OUT = 1,
    RCACHE_BALLOON_MAJFLT = 2,
    RCACHE_BALLOON_MINFLT = 3,
    RCACHE_BALLOON_FREE = 4,
    RCACHE_BALLOON_TOTAL = 5,
    RCACHE_BALLOON_AVAILABLE = 6,
    RCACHE_BALLOON_CACHES = 7,
    RCACHE_BALLOON_NR_TAGS = 16
};

struct RcacheVmmBalloon {
    struct RcacheVmmHdr hdr;
    uint64_t last_update;       /* seconds since the epoch; 0: never */
    uint64_t actual;            /* bytes the guest has without the balloon */
    uint32_t valid;             /* bit n: stat[n] was reported */
    uint32_t reserved;
    uint64_t stat[RCACHE_BALLOON_NR_TAGS];  /* bytes or counts */
};

/*
 * What is sent and shared is these structures as they are: a change of layout
 * is a change of the protocol, and of a VM that runs on across an upgrade.
 */
#define RCACHE_LAYOUT(type, bytes) \
    _Static_assert(sizeof(struct type) == (bytes), \
                   "the layout of " #type " has changed")

RCACHE_LAYOUT(RcacheCounts, 64);
RCACHE_LAYOUT(RcacheState, 208);
RCACHE_LAYOUT(RcacheLease, 248);
RCACHE_LAYOUT(RcacheLocation, 8);
RCACHE_LAYOUT(RcacheSlab, 16);
RCACHE_LAYOUT(RcacheSide, 32);
RCACHE_LAYOUT(RcacheKey, 48);
RCACHE_LAYOUT(RcacheVmmHdr, 24);
RCACHE_LAYOUT(RcacheVmmHello, 160);
RCACHE_LAYOUT(RcacheVmmHelloAck, 296);
RCACHE_LAYOUT(RcacheVmmState, 24);
RCACHE_LAYOUT(RcacheVmmBlock, 128);
RCACHE_LAYOUT(RcacheVmmBlockDel, 32);
RCACHE_LAYOUT(RcacheVmmStart, 24);
RCACHE_LAYOUT(RcacheVmmManage, 56);
RCACHE_LAYOUT(RcacheZapRange, 8);
RCACHE_LAYOUT(RcacheVmmZap, 48);
RCACHE_LAYOUT(RcacheVmmZapDone, 40);
RCACHE_LAYOUT(RcacheVmmResize, 48);
RCACHE_LAYOUT(RcacheVmmEvict, 40);
RCACHE_LAYOUT(RcacheVmmResult, 312);
RCACHE_LAYOUT(RcacheVmmProgress, 40);
RCACHE_LAYOUT(RcacheStatsLease, 96);
RCACHE_LAYOUT(RcacheVmmStats, 1888);
RCACHE_LAYOUT(RcacheVmmCpus, 32);
RCACHE_LAYOUT(RcacheDelay, 152);
RCACHE_LAYOUT(RcacheVmmDelays, 1432);
RCACHE_LAYOUT(RcacheVmmWantProactive, 32);
RCACHE_LAYOUT(RcacheVmmProactive, 184);
RCACHE_LAYOUT(RcacheVmmEventMsg, 296);
RCACHE_LAYOUT(RcacheVmmBalloon, 176);
_Static_assert(__builtin_offsetof(struct RcacheState, discard_seq) == 104 &&
               __builtin_offsetof(struct RcacheState, session) == 128 &&
               __builtin_offsetof(struct RcacheVmmStats, fault_p50) == 192 &&
               __builtin_offsetof(struct RcacheVmmStats, lease) == 328,
               "the layout of RcacheState or RcacheVmmStats has changed");

#endif
