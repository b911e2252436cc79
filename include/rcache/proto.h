/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol between machines: data (requester and provider) and control
 * (hosts and arbiter).  docs/protocol.rst is the document; this header only
 * repeats its numbers.  All integers are little-endian, all structures are
 * packed, every text is NUL-terminated in its field.
 */
#ifndef RCACHE_PROTO_H
#define RCACHE_PROTO_H

#include <stdint.h>

#define RCACHE_MAGIC            0x31414352u     /* "RCA1" */
#ifndef RCACHE_VERSION                  /* tests make builds of another */
#define RCACHE_VERSION          1u              /* the highest spoken, */
#define RCACHE_VERSION_MIN      1u              /* and the lowest */
#endif
#define RCACHE_HEAD_VERSION     1u              /* of struct RcacheHdr */
#define RCACHE_NAME_MAX         64u
#define RCACHE_UUID_LEN         16u
#define RCACHE_TOKEN_LEN        16u

/* Features, in HELLO and HELLO_ACK. */
#define RCACHE_FEATURE_MOVE     (UINT64_C(1) << 0)  /* REVOKE, MOVE, ... */
#define RCACHE_FEATURE_DRAIN    (UINT64_C(1) << 1)  /* of a host: DRAIN */
#define RCACHE_FEATURE_AVOID    (UINT64_C(1) << 2)  /* of an arbiter: hosts */
                                                    /* to avoid are taken */
#define RCACHE_FEATURE_EVICT    (UINT64_C(1) << 3)  /* of a host: EVICT */
#define RCACHE_FEATURE_DIGEST   (UINT64_C(1) << 4)  /* what arrived is */
                                                    /* confirmed */
#define RCACHE_FEATURE_WITHDRAW (UINT64_C(1) << 5)  /* of a host: WITHDRAW */
#define RCACHE_FEATURE_LABELS   (UINT64_C(1) << 6)  /* LEASE_REPLY has labels */
#define RCACHE_FEATURE_UPGRADE  (UINT64_C(1) << 8)  /* of a host: UPGRADE */
                                                    /* and copies are known */
#define RCACHE_FEATURE_SUMS     (UINT64_C(1) << 7)  /* of a provider: SUMS */
#define RCACHE_FEATURE_OWNER    (UINT64_C(1) << 9)  /* RcacheOwner is taken: */
                                                    /* of a host in GRANT, */
                                                    /* of an arbiter in */
                                                    /* LEASE_REQUEST */
#define RCACHE_FEATURE_WHERE    (UINT64_C(1) << 10) /* of an arbiter: WHERE */
#define RCACHE_FEATURE_NAMED    (UINT64_C(1) << 11) /* of a provider: MOVE */
                                                    /* has a RcacheMoveTo */
#define RCACHE_FEATURE_SERVICE  (UINT64_C(1) << 12) /* of a requester: */
                                                    /* GET_REPLY may say how */
                                                    /* long it took */

#define RCACHE_BATCH_PAGES      64u             /* in one PUT or GET */
#define RCACHE_BATCH_FREES      1024u           /* slots in one FREE */
#define RCACHE_DATA_MAX         (RCACHE_BATCH_PAGES * (8u + 4096u))
#define RCACHE_CONTROL_MAX      (256u * 1024u)  /* payload, control */
#define RCACHE_DEFAULT_PORT     9470u           /* rcached */
#define RCACHE_ARBITER_PORT     9471u

enum RcacheType {
    /* both */
    RCACHE_HELLO = 1,
    RCACHE_HELLO_ACK = 2,
    RCACHE_PING = 3,
    RCACHE_PONG = 4,
    /* data: requester to provider, and the answers */
    RCACHE_PUT = 16,
    RCACHE_PUT_ACK = 17,
    RCACHE_GET = 18,
    RCACHE_GET_REPLY = 19,
    RCACHE_FREE = 20,
    RCACHE_FREE_ACK = 21,
    RCACHE_CLAIM = 22,
    RCACHE_CLAIM_ACK = 23,
    RCACHE_RENEW = 24,
    RCACHE_RENEW_ACK = 25,
    RCACHE_RELEASE = 26,
    RCACHE_RELEASE_ACK = 27,
    /* data: giving back, RCACHE_FEATURE_MOVE */
    RCACHE_EXPECT = 28,
    RCACHE_EXPECT_ACK = 29,
    RCACHE_MOVE = 30,
    RCACHE_MOVE_ACK = 31,
    RCACHE_CONFIRM = 32,
    RCACHE_CONFIRM_ACK = 33,
    RCACHE_DROP = 34,
    RCACHE_DROP_ACK = 35,
    RCACHE_REVOKE = 36,         /* provider to requester, unasked */
    RCACHE_PUSH = 37,           /* provider to provider, and the answers */
    RCACHE_PUSH_ACK = 38,
    RCACHE_PUSHED = 39,
    RCACHE_PUSHED_ACK = 40,
    /* data: what lies there, RCACHE_FEATURE_SUMS */
    RCACHE_SUMS = 41,
    RCACHE_SUMS_ACK = 42,
    /* control: host and arbiter */
    RCACHE_HEARTBEAT = 48,
    RCACHE_LEASE_REQUEST = 49,
    RCACHE_LEASE_REPLY = 50,
    RCACHE_GRANT = 51,
    RCACHE_GRANT_ACK = 52,
    RCACHE_DRAIN = 53,          /* arbiter to host, RCACHE_FEATURE_DRAIN */
    RCACHE_EVICT = 54,          /* the same, RCACHE_FEATURE_EVICT */
    RCACHE_EVICT_ACK = 55,
    RCACHE_WITHDRAW = 56,       /* the same, RCACHE_FEATURE_WITHDRAW */
    RCACHE_UPGRADE = 57,        /* the same, RCACHE_FEATURE_UPGRADE */
    RCACHE_UPGRADE_ACK = 58,
    RCACHE_WHERE = 59,          /* host to arbiter, RCACHE_FEATURE_WHERE */
    RCACHE_WHERE_ACK = 60
};

/* Status of an answer, in the frame's head; 0 is success. */
enum RcacheStatus {
    RCACHE_OK = 0,
    RCACHE_E_VERSION = 1,       /* no common version */
    RCACHE_E_BAD = 2,           /* malformed; the connection ends */
    RCACHE_E_LEASE = 3,         /* no such lease, or not yours */
    RCACHE_E_EPOCH = 4,         /* the lease has another epoch */
    RCACHE_E_SLOT = 5,          /* no such slot in the lease */
    RCACHE_E_FENCED = 6,        /* a newer session of this VM is here */
    RCACHE_E_NO_ROOM = 7,       /* not enough memory to lend */
    RCACHE_E_REFUSED = 8,       /* see the text */
    RCACHE_E_BUSY = 9           /* try again later */
};

struct RcacheHdr {
    uint32_t magic;
    uint8_t version;            /* RCACHE_HEAD_VERSION */
    uint8_t type;
    uint16_t flags;             /* 0 */
    uint32_t length;            /* bytes that follow this head */
    uint16_t status;            /* enum RcacheStatus */
    uint16_t count;             /* of what the payload lists */
    uint64_t tag;               /* of a request; its answer repeats it */
    uint64_t lease;             /* data: the lease; else 0 */
    uint32_t epoch;             /* data: its epoch; else 0 */
    uint32_t check;             /* of requests, RCACHE_FEATURE_DIGEST; of */
                                /* GET_REPLY, RCACHE_FEATURE_SERVICE: ns; */
                                /* else 0 */
} __attribute__((packed));

enum RcacheRole {
    RCACHE_ROLE_FAULT = 1,      /* requester: GETs a guest waits for */
    RCACHE_ROLE_BULK = 2,       /* requester: everything else */
    RCACHE_ROLE_HOST = 3,       /* rcached to an arbiter */
    RCACHE_ROLE_PUSH = 4        /* provider to provider: a slab's move */
};

struct RcacheHello {
    uint16_t version_min;
    uint16_t version_max;
    uint32_t role;
    uint64_t features;
    uint8_t boot_id[RCACHE_UUID_LEN];   /* of the host that speaks */
    uint8_t vm[RCACHE_UUID_LEN];        /* data; else 0 */
    uint64_t incarnation;               /* data; else 0 */
    uint64_t session;                   /* data; else 0 */
    char host[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];      /* host: where its provider listens */
} __attribute__((packed));

struct RcacheHelloAck {
    uint16_t version;
    uint16_t reserved;
    uint32_t heartbeat_ms;              /* arbiter: the period it wants */
    uint64_t features;
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX];
    char text[128];                     /* why it was refused */
} __attribute__((packed));

/*
 * PUT: count slots, then count pages.  GET: count slots; its reply: count
 * pages.  FREE: count slots.  SUMS: count slots; its answer: as many sums of
 * the pages, uint64_t.  A slot on the wire: slab number << 32 | page.
 */
typedef uint64_t RcacheSlot;

/* hdr.count is 1, or 0 without RCACHE_FEATURE_DIGEST. */
struct RcachePutAck {
    uint64_t digest;                    /* of slots and pages as they are */
} __attribute__((packed));

struct RcacheClaim {
    uint8_t token[RCACHE_TOKEN_LEN];
} __attribute__((packed));

/* Followed by hdr.count slab numbers (uint32_t). */
struct RcacheClaimAck {
    uint32_t slab_pages;
    uint32_t ttl_ms;
} __attribute__((packed));

struct RcacheRenewAck {
    uint32_t ttl_ms;
    uint32_t reserved;
} __attribute__((packed));

/* How much a provider wants back of the lease in the head. */
struct RcacheRevoke {
    uint32_t keep;                      /* slabs the lease may keep */
    uint32_t deadline_ms;               /* from now, for the others */
} __attribute__((packed));

/* EXPECT, CONFIRM, PUSH: the slab in the lease of the head. */
struct RcacheMoveToken {
    uint8_t token[RCACHE_TOKEN_LEN];    /* for one move; zeros: none */
    uint32_t slab;
    uint32_t reserved;                  /* 0 */
} __attribute__((packed));

struct RcacheMove {
    uint8_t token[RCACHE_TOKEN_LEN];
    uint64_t to_lease;
    uint32_t to_epoch;
    uint32_t to_slab;
    uint64_t to_session;                /* the requester's, at the new one */
    uint32_t slab;                      /* in the lease of the head */
    uint32_t reserved;                  /* 0 */
    char address[RCACHE_NAME_MAX];      /* of the new provider */
} __attribute__((packed));

/* Behind RcacheMove, RCACHE_FEATURE_NAMED: whose provider it is. */
struct RcacheMoveTo {
    char host[RCACHE_NAME_MAX];
} __attribute__((packed));

/* MOVE_ACK, CONFIRM_ACK, PUSHED. */
struct RcacheMoved {
    uint64_t pages;
    uint64_t digest;
} __attribute__((packed));

/* ------------------------------------------------------------- control */

struct RcacheLeaseRequest {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    uint64_t bytes;                     /* of each copy */
    uint32_t copies;                    /* 1 or 2 */
    uint32_t reserved;
} __attribute__((packed));

/* hdr.count of them follow RcacheLeaseRequest: no grant is to be there. */
#define RCACHE_AVOID_MAX        8u

struct RcacheAvoid {
    char host[RCACHE_NAME_MAX];
} __attribute__((packed));

/* At the end of LEASE_REQUEST and of GRANT, RCACHE_FEATURE_OWNER. */
struct RcacheOwner {
    uint64_t incarnation;               /* of the VM; not 0 */
} __attribute__((packed));

/* hdr.status and text say why there is less than was asked for. */
struct RcacheLeaseReply {
    uint64_t bytes;                     /* granted in all */
    char text[192];
} __attribute__((packed));

/* hdr.count of them follow RcacheLeaseReply. */
struct RcacheLeaseGrant {
    uint64_t lease;
    uint32_t epoch;
    uint32_t ttl_ms;
    uint64_t bytes;
    uint8_t token[RCACHE_TOKEN_LEN];
    char host[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];
} __attribute__((packed));

/* As many follow the grants, RCACHE_FEATURE_LABELS: of each grant's host. */
struct RcacheLabel {
    char label[RCACHE_NAME_MAX];        /* failure domain; "": has none */
} __attribute__((packed));

struct RcacheGrant {
    uint64_t lease;
    uint32_t epoch;
    uint32_t claim_ms;                  /* unclaimed for so long: dropped */
    uint64_t bytes;
    uint8_t token[RCACHE_TOKEN_LEN];
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];         /* of the VM */
    char host[RCACHE_NAME_MAX];         /* the requester */
} __attribute__((packed));

struct RcacheGrantAck {
    uint64_t lease;
    uint64_t bytes;                     /* whole slabs, 0 if refused */
    uint32_t ttl_ms;
    uint32_t reserved;
    char text[128];
} __attribute__((packed));

/* WHERE: one of the two; and WHERE_ACK: both. */
struct RcacheWhere {
    char host[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];      /* of its provider */
} __attribute__((packed));

/* An operator wants a host empty, or no longer. */
struct RcacheDrain {
    uint32_t drain;                     /* 1 or 0 */
    uint32_t reserved;                  /* 0 */
} __attribute__((packed));

/* Nobody will claim this lease. */
struct RcacheWithdraw {
    uint64_t lease;
} __attribute__((packed));

/* An operator wants cold pages of a VM to go. */
struct RcacheEvict {
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t bytes;                     /* not 0 */
} __attribute__((packed));

struct RcacheEvictAck {
    uint64_t bytes;                     /* that went */
    char text[128];                     /* why not all */
} __attribute__((packed));

/* Of UPGRADE, which has no payload. */
struct RcacheUpgradeAck {
    uint32_t pid;                       /* of the daemon that is to end */
    uint32_t reserved;                  /* 0 */
    char text[128];                     /* why it does not */
} __attribute__((packed));

/*
 * HEARTBEAT: sections, each a head and a structure.  A section may be longer
 * than the structure known here (the rest is skipped) but not shorter, except
 * by fields that are marked as added; an unknown one is skipped whole.  The
 * first section is HOST.
 */
enum RcacheSectionType {
    RCACHE_SECTION_HOST = 1,
    RCACHE_SECTION_GUEST = 2,           /* a VM of the host, any number */
    RCACHE_SECTION_LEASE = 3,           /* a lease this provider has given */
    RCACHE_SECTION_HELD = 4,            /* a lease a VM here makes use of */
    RCACHE_SECTION_TERM = 5,            /* a term of the prediction */
    RCACHE_SECTION_TROUBLE = 6,         /* what a VM here finds wrong with a */
                                        /* provider */
    RCACHE_SECTION_DELAYS = 7           /* what the guest of a VM waits for: */
                                        /* numbers of any length, not a */
                                        /* structure */
};

struct RcacheSection {
    uint16_t type;
    uint16_t reserved;
    uint32_t length;                    /* bytes that follow this head */
} __attribute__((packed));

#define RCACHE_HOST_LENDS       (1u << 0)
#define RCACHE_HOST_DRAINING    (1u << 1)

struct RcacheBeatHost {
    uint64_t seq;
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint64_t mem_total;                 /* bytes, and so are the next */
    uint64_t mem_available;
    uint64_t offered;                   /* leased + free to lend */
    uint64_t leased;
    uint64_t stored;
    uint64_t spilled;                   /* of leased: on disk, not in memory */
    uint64_t reserve;
    uint32_t psi_some_avg10;            /* hundredths of a percent */
    uint32_t psi_full_avg10;
    uint32_t flags;                     /* RCACHE_HOST_* */
    uint32_t slab_pages;
    char label[RCACHE_NAME_MAX];        /* failure domain */
    /* added */
    uint32_t pid;                       /* of the daemon; 0: not said */
    uint32_t pagers_to_replace;         /* that are of another build than it */
} __attribute__((packed));

#define RCACHE_GUEST_MANAGED    (1u << 0)       /* has a remote-cache object */
#define RCACHE_GUEST_BALLOON    (1u << 1)       /* the balloon figures hold */
#define RCACHE_GUEST_PAGER      (1u << 2)       /* its pager is attached */
/* Neither of the next: not known. */
#define RCACHE_GUEST_SEALED     (1u << 3)       /* its pages are encrypted */
#define RCACHE_GUEST_UNSEALED   (1u << 4)       /* they are not (seal=off) */
#define RCACHE_GUEST_HELD       (1u << 5)       /* an operator holds it, */
#define RCACHE_GUEST_OBEYS      (1u << 6)       /* its pager knows that, and */
#define RCACHE_GUEST_NO_ROOM    (1u << 7)       /* its host has no room for */
                                                /* all of it that is away */

/* A pager whose figures are older is stuck. */
#define RCACHE_FIGURES_MAX_MS   5000u

struct RcacheBeatGuest {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    uint32_t flags;
    uint32_t pager_restarts;
    uint64_t guest;                     /* bytes, and so are the next */
    uint64_t resident;
    uint64_t remote;
    uint64_t zero;
    uint64_t local_max;
    uint64_t size;
    uint64_t balloon_free;
    uint64_t balloon_available;
    uint64_t balloon_total;
    uint64_t balloon_age_ms;
    uint64_t faults;                    /* counts */
    uint64_t evicted_pages;
    uint64_t fault_p50_ns;
    uint64_t fault_p99_ns;
    uint64_t stall_ns;                  /* the oldest wait now */
    uint64_t figures_age_ms;            /* of these; 0: there is no pager */
    /* added */
    uint32_t copies;                    /* of a page, that the VM wants */
    uint32_t reserved;                  /* 0 */
    uint64_t one_copy;                  /* of remote: one copy or none can be */
                                        /* had now */
    uint64_t repairing;                 /* of remote: still to be copied */
} __attribute__((packed));

enum RcacheLeaseState {
    RCACHE_LEASE_GRANTED = 1,           /* by the provider, not yet claimed */
    RCACHE_LEASE_CLAIMED = 2,
    RCACHE_LEASE_EXPIRED = 3            /* its bytes are still kept */
};

struct RcacheBeatLease {
    uint64_t lease;
    uint32_t epoch;
    uint32_t state;
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];         /* of the VM */
    char host[RCACHE_NAME_MAX];         /* LEASE: requester; HELD: provider */
    uint64_t bytes;
    uint64_t stored;
    uint64_t expires_ms;                /* from now */
    /* added */
    uint64_t sole;                      /* HELD: bytes of .stored with no */
                                        /* other live copy */
} __attribute__((packed));

/* Why a requester puts nothing new on a provider, the worst last. */
enum RcacheCause {
    RCACHE_CAUSE_NONE = 0,
    RCACHE_CAUSE_SLOW = 1,              /* its answers take far longer */
    RCACHE_CAUSE_NO_PAGES = 2,          /* small frames pass, pages do not */
    RCACHE_CAUSE_HUNG = 3,              /* connected, and it does not answer */
    RCACHE_CAUSE_UNREACHABLE = 4,       /* no connection to its data port */
    RCACHE_CAUSE_WRONG = 5,             /* pages came back wrong, lately */
    RCACHE_CAUSE_LOST = 6               /* it does not know its lease */
};

struct RcacheBeatTrouble {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];         /* of the VM */
    char host[RCACHE_NAME_MAX];         /* the provider; "": none in */
                                        /* particular */
    uint32_t cause;                     /* enum RcacheCause */
    uint32_t since_s;                   /* seconds that the cause has lasted */
    uint64_t lost;                      /* bytes that were there, now gone */
    uint64_t wrong;                     /* pages that came back wrong, so far */
} __attribute__((packed));

struct RcacheBeatTerm {
    char name[32];
    int64_t bytes;                      /* added to what is offered */
} __attribute__((packed));

#endif
