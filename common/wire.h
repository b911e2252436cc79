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
 * This file is what all frames share, and the data path; wire-control.h,
 * wire-beat.h and wire-move.h have the other messages, wire-check.h the checks
 * of what arrived.
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

/* Why bytes were not taken; wire_reason() has the words. */
typedef enum WireError {
    WIRE_OK = 0,
    WIRE_E_MAGIC,
    WIRE_E_TLS,         /* the other side speaks TLS */
    WIRE_E_VERSION,
    WIRE_E_TYPE,        /* no such type, or not one for this side */
    WIRE_E_RESERVED,    /* flags or reserved fields that are not zero */
    WIRE_E_STATUS,      /* a request with a status, or an unknown one */
    WIRE_E_COUNT,
    WIRE_E_LENGTH,
    WIRE_E_TEXT,        /* not terminated, not printable, or missing */
    WIRE_E_VALUE,       /* a field outside what the protocol allows */
    WIRE_E_CHECK,       /* another bit than was sent */
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
    uint32_t check;             /* of a request; not checked here.  Of
                                 * GET_REPLY: ns that it took; 0: not said */
    uint64_t tag;
    uint64_t lease;
    uint64_t came;              /* not on the wire: boottime_ns() when it came;
                                 * of an answer, when it began to; or 0 */
} WireHead;

typedef struct WireClaimAck {
    uint32_t slab_pages;
    uint32_t ttl_ms;
    uint16_t nr_slabs;
    /* The numbers: wire_claim_ack_slab() reads them from the payload. */
} WireClaimAck;

/* ---------------------------------------------------------------- words */

/** wire_reason() - a WireError in words, for the log; never NULL */
const char *wire_reason(WireError err);

/** wire_type_name() - "PUT_ACK" and the like; "?" for an unknown type */
const char *wire_type_name(uint8_t type);

/** wire_status_name() - an enum RcacheStatus in words; "?" for unknown */
const char *wire_status_name(uint16_t status);

/** wire_type_is_checked() - has it a check with RCACHE_FEATURE_DIGEST? */
bool wire_type_is_checked(uint8_t type);

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

/** wire_is_tls() - do @len bytes look like the first ones of TLS? */
bool wire_is_tls(const void *bytes, size_t len);

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

/** wire_slot_slab(), wire_slot_page() - what such a name is made of */
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

/** wire_append_renew_ack() - the lease lives for @ttl_ms from now */
void wire_append_renew_ack(GByteArray *out, const WireHead *head,
                           uint32_t ttl_ms);
/** wire_renew_ack_decode() - the payload of a RENEW_ACK whose status is 0 */
WireError wire_renew_ack_decode(const void *payload, size_t len,
                                uint32_t *ttl_ms);

#endif
