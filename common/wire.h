/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire: the codec of the protocol between machines (rcache/proto.h,
 * docs/protocol.rst).
 *
 * Pure: bytes in, structures in host order out, and back.  It knows no
 * descriptor, no log and no clock, so that every byte of it can be fuzzed.
 *
 * What a decoder hands out has been checked: lengths against the type's own
 * limit, counts against lengths, texts for their NUL and for characters that
 * may go to a terminal or a log.  What the values mean (whose lease it is,
 * how much one may ask for) is for the caller to judge.
 *
 * Encoders append to a GByteArray and cannot fail, but for heartbeats, which
 * have a size to keep to.  A text that is too long is cut.  The data path
 * writes heads and slots straight into its own buffers: wire_head_encode(),
 * wire_slots_encode().
 */
#ifndef RCACHE_WIRE_H
#define RCACHE_WIRE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"

#define WIRE_PAGE_SIZE          4096u
#define WIRE_HEAD_LEN           40u
#define WIRE_GRANTS_MAX         16u     /* in one LEASE_REPLY */

/* Why bytes were not taken; wire_reason() has the words. */
typedef enum WireError {
    WIRE_OK = 0,
    WIRE_E_MAGIC,
    WIRE_E_VERSION,
    WIRE_E_TYPE,        /* no such type, or not one for this side */
    WIRE_E_RESERVED,    /* flags or reserved fields that are not zero */
    WIRE_E_STATUS,      /* a request with a status, or an unknown one */
    WIRE_E_COUNT,
    WIRE_E_LENGTH,
    WIRE_E_TEXT,        /* not terminated, not printable, or missing */
    WIRE_E_VALUE,       /* a field outside what the protocol allows */
    WIRE_E_SECTION,     /* a heartbeat's sections do not fit together */
    WIRE_E_MAX_
} WireError;

/* Who reads: each side takes only the types meant for it. */
typedef enum WireSide {
    WIRE_PROVIDER,      /* the end of a data connection that answers */
    WIRE_REQUESTER,     /* the end of a data connection that asks */
    WIRE_ARBITER,       /* the arbiter's end of a control connection */
    WIRE_HOST,          /* the host's end of a control connection */
    WIRE_ANY            /* whatever the protocol has (tools, tests) */
} WireSide;

typedef struct WireHead {
    uint8_t type;               /* enum RcacheType */
    uint16_t status;            /* enum RcacheStatus */
    uint16_t count;
    uint32_t length;            /* bytes of payload */
    uint32_t epoch;
    uint64_t tag;
    uint64_t lease;
} WireHead;

typedef struct WireHello {
    uint16_t version_min;
    uint16_t version_max;
    uint32_t role;              /* enum RcacheRole */
    uint64_t features;
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
    uint64_t session;
    char host[RCACHE_NAME_MAX];         /* never empty */
    char address[RCACHE_NAME_MAX];
} WireHello;

typedef struct WireHelloAck {
    uint16_t version;
    uint32_t heartbeat_ms;
    uint64_t features;
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX];
    char text[128];
} WireHelloAck;

typedef struct WireClaimAck {
    uint32_t slab_pages;
    uint32_t ttl_ms;
    uint16_t nr_slabs;
    /* The numbers: wire_claim_ack_slab() reads them from the payload. */
} WireClaimAck;

typedef struct WireRevoke {
    uint32_t keep;
    uint32_t deadline_ms;
} WireRevoke;

typedef struct WireMoveToken {
    uint8_t token[RCACHE_TOKEN_LEN];
    uint32_t slab;
} WireMoveToken;

typedef struct WireMove {
    uint8_t token[RCACHE_TOKEN_LEN];
    uint64_t to_lease;
    uint32_t to_epoch;
    uint32_t to_slab;
    uint64_t to_session;
    uint32_t slab;
    char address[RCACHE_NAME_MAX];      /* never empty */
} WireMove;

typedef struct WireMoved {
    uint64_t pages;
    uint64_t digest;
} WireMoved;

typedef struct WireLeaseRequest {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    uint64_t bytes;
    uint32_t copies;
    uint32_t nr_avoid;          /* at most RCACHE_AVOID_MAX */
    char avoid[RCACHE_AVOID_MAX][RCACHE_NAME_MAX];
} WireLeaseRequest;

typedef struct WireLeaseGrant {
    uint64_t lease;
    uint32_t epoch;
    uint32_t ttl_ms;
    uint64_t bytes;
    uint8_t token[RCACHE_TOKEN_LEN];
    char host[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];
} WireLeaseGrant;

typedef struct WireLeaseReply {
    uint16_t status;            /* goes to and comes from the head */
    uint16_t nr_grants;
    uint64_t bytes;
    char text[192];
    WireLeaseGrant grant[WIRE_GRANTS_MAX];
} WireLeaseReply;

typedef struct WireGrant {
    uint64_t lease;
    uint32_t epoch;
    uint32_t claim_ms;
    uint64_t bytes;
    uint8_t token[RCACHE_TOKEN_LEN];
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
} WireGrant;

typedef struct WireGrantAck {
    uint16_t status;            /* goes to and comes from the head */
    uint64_t lease;
    uint64_t bytes;
    uint32_t ttl_ms;
    char text[128];
} WireGrantAck;

typedef struct WireEvict {
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t bytes;
} WireEvict;

typedef struct WireEvictAck {
    uint16_t status;
    uint64_t bytes;             /* that went, whatever the status */
    char text[128];
} WireEvictAck;

typedef struct WireBeatHost {
    uint64_t seq;
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint64_t mem_total;
    uint64_t mem_available;
    uint64_t offered;
    uint64_t leased;
    uint64_t stored;
    uint64_t spilled;           /* of leased: on disk, not in memory */
    uint64_t reserve;
    uint32_t psi_some_avg10;    /* hundredths of a percent */
    uint32_t psi_full_avg10;
    uint32_t flags;             /* RCACHE_HOST_* */
    uint32_t slab_pages;
    char label[RCACHE_NAME_MAX];
} WireBeatHost;

typedef struct WireBeatGuest {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    uint32_t flags;             /* RCACHE_GUEST_* */
    uint32_t pager_restarts;
    uint64_t guest;
    uint64_t resident;
    uint64_t remote;
    uint64_t zero;
    uint64_t local_max;
    uint64_t size;
    uint64_t balloon_free;
    uint64_t balloon_available;
    uint64_t balloon_total;
    uint64_t balloon_age_ms;
    uint64_t faults;
    uint64_t evicted_pages;
    uint64_t fault_p50_ns;
    uint64_t fault_p99_ns;
    uint64_t stall_ns;
    uint64_t figures_age_ms;
} WireBeatGuest;

typedef struct WireBeatLease {
    uint64_t lease;
    uint32_t epoch;
    uint32_t state;             /* enum RcacheLeaseState */
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
    uint64_t bytes;
    uint64_t stored;
    uint64_t expires_ms;        /* from now */
} WireBeatLease;

typedef struct WireBeatTerm {
    char name[32];
    int64_t bytes;
} WireBeatTerm;

typedef struct WireBeatTrouble {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
    uint32_t cause;             /* enum RcacheCause */
    uint32_t since_s;
    uint64_t lost;              /* bytes */
    uint64_t wrong;             /* pages */
} WireBeatTrouble;

typedef struct WireSection {
    enum RcacheSectionType type;
    union {
        WireBeatHost host;      /* HOST */
        WireBeatGuest guest;    /* GUEST */
        WireBeatLease lease;    /* LEASE and HELD */
        WireBeatTerm term;      /* TERM */
        WireBeatTrouble trouble;        /* TROUBLE */
    };
} WireSection;

/* A walk over a HEARTBEAT's payload, which must outlive it. */
typedef struct WireBeatIter {
    const uint8_t *at;
    size_t left;
    unsigned seen;
} WireBeatIter;

/* ---------------------------------------------------------------- words */

/** wire_reason() - a WireError in words, for the log; never NULL */
const char *wire_reason(WireError err);

/** wire_type_name() - "PUT_ACK" and the like; "?" for an unknown type */
const char *wire_type_name(uint8_t type);

/** wire_status_name() - an enum RcacheStatus in words; "?" for unknown */
const char *wire_status_name(uint16_t status);

/** wire_cause_text() - what a provider does, for an enum RcacheCause: "cannot
 * be reached" and the like; never NULL */
const char *wire_cause_text(uint32_t cause);

/**
 * wire_text_copy() - copy a text into a field, cut to fit, zero filled
 * @to: the field
 * @size: its size, at least 1
 * @from: the text; NULL counts as empty
 *
 * A cut never splits a UTF-8 character.
 */
void wire_text_copy(char *to, size_t size, const char *from);

/* ---------------------------------------------------------------- heads */

/**
 * wire_head_decode() - read and check the head of a frame
 * @bytes: WIRE_HEAD_LEN bytes, of any alignment
 * @side: who reads
 * @out: the head; its type is set, if the magic was right, even on failure
 *
 * Checks magic, version, type, flags, status, and that length and count are
 * within the limits of the type and agree with each other.  After success
 * length is what payload the type has, at most RCACHE_DATA_MAX or
 * RCACHE_CONTROL_MAX.
 */
WireError wire_head_decode(const void *bytes, WireSide side, WireHead *out);

/** wire_head_encode() - write a head; @out has WIRE_HEAD_LEN bytes */
void wire_head_encode(void *out, const WireHead *head);

/** wire_append_bare() - append a frame without payload (RENEW, PING...) */
void wire_append_bare(GByteArray *out, const WireHead *head);

/* ----------------------------------------------------------------- data */

/** wire_slot() - the wire's name of @page in slab number @slab */
static inline RcacheSlot wire_slot(uint32_t slab, uint32_t page)
{
    return (uint64_t)slab << 32 | page;
}

static inline uint32_t wire_slot_slab(RcacheSlot slot)
{
    return slot >> 32;
}

static inline uint32_t wire_slot_page(RcacheSlot slot)
{
    return (uint32_t)slot;
}

/** wire_slots_encode() - write @n slots (8 bytes each) to @out */
void wire_slots_encode(void *out, const RcacheSlot *slots, unsigned n);

/** wire_slots_decode() - read @n slots from @bytes, of any alignment */
void wire_slots_decode(const void *bytes, RcacheSlot *slots, unsigned n);

/** wire_append_slots() - append a whole GET or FREE (head.length is set) */
void wire_append_slots(GByteArray *out, const WireHead *head,
                       const RcacheSlot *slots);

/** wire_append_claim() - append a CLAIM; @head names tag, lease, epoch */
void wire_append_claim(GByteArray *out, const WireHead *head,
                       const uint8_t token[RCACHE_TOKEN_LEN]);
/** wire_claim_decode() - @len bytes of payload to a token */
WireError wire_claim_decode(const void *payload, size_t len,
                            uint8_t token[RCACHE_TOKEN_LEN]);

/** wire_append_claim_ack() - append a CLAIM_ACK with @ack->nr_slabs numbers */
void wire_append_claim_ack(GByteArray *out, const WireHead *head,
                           const WireClaimAck *ack, const uint32_t *slabs);
/** wire_claim_ack_decode() - the payload of a CLAIM_ACK whose status is 0 */
WireError wire_claim_ack_decode(const void *payload, size_t len,
                                WireClaimAck *out);
/** wire_claim_ack_slab() - number @i (below nr_slabs) of a decoded payload */
uint32_t wire_claim_ack_slab(const void *payload, unsigned i);

void wire_append_renew_ack(GByteArray *out, const WireHead *head,
                           uint32_t ttl_ms);
/** wire_renew_ack_decode() - the payload of a RENEW_ACK whose status is 0 */
WireError wire_renew_ack_decode(const void *payload, size_t len,
                                uint32_t *ttl_ms);

/* ---------------------------------------------------------------- moves */

/* Each appends one whole frame; @head names tag, lease and epoch. */
void wire_append_revoke(GByteArray *out, const WireHead *head,
                        const WireRevoke *revoke);
/** wire_append_move_token() - EXPECT, CONFIRM or PUSH, as @head->type says */
void wire_append_move_token(GByteArray *out, const WireHead *head,
                            const WireMoveToken *token);
void wire_append_move(GByteArray *out, const WireHead *head,
                      const WireMove *move);
/** wire_append_moved() - MOVE_ACK, CONFIRM_ACK or PUSHED, as @head->type
 * says */
void wire_append_moved(GByteArray *out, const WireHead *head,
                       const WireMoved *moved);

/* Each reads the @len bytes of payload of a frame whose status is 0. */
WireError wire_revoke_decode(const void *payload, size_t len,
                             WireRevoke *out);
WireError wire_move_token_decode(const void *payload, size_t len,
                                 WireMoveToken *out);
WireError wire_move_decode(const void *payload, size_t len, WireMove *out);
WireError wire_moved_decode(const void *payload, size_t len, WireMoved *out);

/* -------------------------------------------------------------- control */

/* Each appends one whole frame.  @tag as in the head. */
void wire_append_hello(GByteArray *out, uint64_t tag, const WireHello *hello);
void wire_append_hello_ack(GByteArray *out, uint64_t tag, uint16_t status,
                           const WireHelloAck *ack);
void wire_append_lease_request(GByteArray *out, uint64_t tag,
                               const WireLeaseRequest *req);
/* A status, or more than WIRE_GRANTS_MAX, leaves the grants out. */
void wire_append_lease_reply(GByteArray *out, uint64_t tag,
                             const WireLeaseReply *reply);
void wire_append_grant(GByteArray *out, uint64_t tag, const WireGrant *grant);
void wire_append_grant_ack(GByteArray *out, uint64_t tag,
                           const WireGrantAck *ack);

void wire_append_drain(GByteArray *out, bool drain);
void wire_append_evict(GByteArray *out, uint64_t tag, const WireEvict *evict);
void wire_append_evict_ack(GByteArray *out, uint64_t tag,
                           const WireEvictAck *ack);

/* Each reads the @len bytes of payload that belong to a decoded head. */
WireError wire_drain_decode(const void *payload, size_t len, bool *drain);
WireError wire_evict_decode(const void *payload, size_t len, WireEvict *out);
WireError wire_evict_ack_decode(const WireHead *head, const void *payload,
                                size_t len, WireEvictAck *out);
WireError wire_hello_decode(const void *payload, size_t len, WireHello *out);
WireError wire_hello_ack_decode(const void *payload, size_t len,
                                WireHelloAck *out);
WireError wire_lease_request_decode(const void *payload, size_t len,
                                    WireLeaseRequest *out);
WireError wire_lease_reply_decode(const WireHead *head, const void *payload,
                                  size_t len, WireLeaseReply *out);
WireError wire_grant_decode(const void *payload, size_t len, WireGrant *out);
WireError wire_grant_ack_decode(const WireHead *head, const void *payload,
                                size_t len, WireGrantAck *out);

/**
 * wire_version_choose() - the highest version both sides speak
 *
 * Return: the version, or 0 if there is none
 */
uint16_t wire_version_choose(const WireHello *hello);

/*
 * A heartbeat is begun, given its sections, and ended.  The frame starts at
 * the array's length when it was begun: keep that as @start.
 */

/** wire_beat_begin() - append an open HEARTBEAT, return where it starts */
guint wire_beat_begin(GByteArray *out);

/*
 * wire_beat_host() and its kind - append a section to the frame at @start;
 * HOST comes first.  @type of wire_beat_lease(): RCACHE_SECTION_LEASE or
 * RCACHE_SECTION_HELD.
 *
 * Return: false, with nothing appended, if the frame has no room for it.
 */
bool wire_beat_host(GByteArray *out, guint start, const WireBeatHost *host);
bool wire_beat_guest(GByteArray *out, guint start, const WireBeatGuest *guest);
bool wire_beat_lease(GByteArray *out, guint start, enum RcacheSectionType type,
                     const WireBeatLease *lease);
bool wire_beat_term(GByteArray *out, guint start, const WireBeatTerm *term);
bool wire_beat_trouble(GByteArray *out, guint start,
                       const WireBeatTrouble *trouble);

/** wire_beat_end() - write the frame's length; it can be sent now */
void wire_beat_end(GByteArray *out, guint start);

/** wire_beat_iter_init() - start over the @len bytes of a HEARTBEAT */
void wire_beat_iter_init(WireBeatIter *iter, const void *payload, size_t len);

/**
 * wire_beat_next() - the next known section
 * @iter: the walk
 * @out: the section
 * @err: why the walk ended; WIRE_OK at the end of the payload
 *
 * The first one is always HOST, and there is only one HOST.  Unknown
 * sections are skipped.
 *
 * Return: true with *@out set, or false
 */
bool wire_beat_next(WireBeatIter *iter, WireSection *out, WireError *err);

#endif
