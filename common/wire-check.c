/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-check: how a bit that flips on the way is found.  See wire-check.h.
 *
 * XXH3 throughout: it finds mistakes, not malice.  A flipped bit always gives
 * another frame and with it, but for one in 2^32, another check.
 */
#include "common/wire-check.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "common/wire-internal.h"
#include "common/xxh3.h"

/* The check is the last field of the head, so that it can be left out. */
#define CHECK_AT        offsetof(struct RcacheHdr, check)
_Static_assert(CHECK_AT + sizeof(uint32_t) == WIRE_HEAD_LEN, "check is last");

static uint64_t frame_sum(const uint8_t *head, const uint8_t *payload,
                          size_t len)
{
    return XXH3_64bits_withSeed(payload, len, XXH3_64bits(head, CHECK_AT));
}

static uint8_t frame_type(const uint8_t *frame)
{
    return frame[offsetof(struct RcacheHdr, type)];
}

/* A HELLO's check is its tag: a provider without the feature takes it. */
static bool hello_is_checked(const uint8_t *frame, size_t len)
{
    uint64_t features;

    if (len != WIRE_HEAD_LEN + sizeof(struct RcacheHello)) {
        return false;
    }
    memcpy(&features, frame + WIRE_HEAD_LEN +
           offsetof(struct RcacheHello, features), sizeof(features));
    return le64toh(features) & RCACHE_FEATURE_DIGEST;
}

static uint64_t hello_sum(const uint8_t *frame, size_t len)
{
    uint8_t head[WIRE_HEAD_LEN];

    memcpy(head, frame, sizeof(head));
    memset(head + offsetof(struct RcacheHdr, tag), 0, sizeof(uint64_t));
    return frame_sum(head, frame + WIRE_HEAD_LEN, len - WIRE_HEAD_LEN);
}

void wire_check_set(void *frame, size_t len)
{
    uint8_t *bytes = frame;

    if (frame_type(bytes) == RCACHE_HELLO && hello_is_checked(bytes, len)) {
        uint64_t tag = htole64(hello_sum(bytes, len));

        memcpy(bytes + offsetof(struct RcacheHdr, tag), &tag, sizeof(tag));
    } else if (wire_type_is_checked(frame_type(bytes))) {
        uint32_t check = htole32((uint32_t)frame_sum(bytes,
                                                     bytes + WIRE_HEAD_LEN,
                                                     len - WIRE_HEAD_LEN));

        memcpy(bytes + CHECK_AT, &check, sizeof(check));
    }
}

WireError wire_check(const void *frame, size_t len)
{
    const uint8_t *bytes = frame;
    uint64_t tag;
    uint32_t check;

    if (frame_type(bytes) == RCACHE_HELLO && hello_is_checked(bytes, len)) {
        memcpy(&tag, bytes + offsetof(struct RcacheHdr, tag), sizeof(tag));
        return le64toh(tag) == hello_sum(bytes, len) ? WIRE_OK : WIRE_E_CHECK;
    }
    if (wire_type_is_checked(frame_type(bytes))) {
        memcpy(&check, bytes + CHECK_AT, sizeof(check));
        return le32toh(check) == (uint32_t)frame_sum(bytes,
                                                     bytes + WIRE_HEAD_LEN,
                                                     len - WIRE_HEAD_LEN)
            ? WIRE_OK : WIRE_E_CHECK;
    }
    return WIRE_OK;
}

uint64_t wire_page_sum(const void *page)
{
    return XXH3_64bits(page, WIRE_PAGE_SIZE);
}

uint64_t wire_put_digest(const RcacheSlot *slots, const uint64_t *sums,
                         unsigned n)
{
    uint64_t raw[2 * RCACHE_BATCH_PAGES];

    for (unsigned i = 0; i < n; i++) {
        raw[2 * i] = htole64(slots[i]);
        raw[2 * i + 1] = htole64(sums[i]);
    }
    return XXH3_64bits(raw, 2 * n * sizeof(raw[0]));
}

void wire_append_sums(GByteArray *out, const WireHead *head,
                      const uint64_t *sums, unsigned n)
{
    uint64_t raw[RCACHE_BATCH_PAGES];
    WireHead whole = *head;

    for (unsigned i = 0; i < n; i++) {
        raw[i] = htole64(sums[i]);
    }
    whole.type = RCACHE_SUMS_ACK;
    whole.count = n;
    wire_append_frame(out, &whole, raw, n * sizeof(raw[0]));
}

uint64_t wire_sum(const void *payload, unsigned i)
{
    uint64_t raw;

    memcpy(&raw, (const uint8_t *)payload + i * sizeof(raw), sizeof(raw));
    return le64toh(raw);
}

void wire_append_put_ack(GByteArray *out, const WireHead *head,
                         uint64_t digest)
{
    struct RcachePutAck raw = { .digest = htole64(digest) };
    WireHead whole = *head;

    whole.type = RCACHE_PUT_ACK;
    whole.count = 1;
    wire_append_frame(out, &whole, &raw, sizeof(raw));
}

WireError wire_put_ack_decode(const void *payload, size_t len,
                              uint64_t *digest)
{
    struct RcachePutAck raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *digest = le64toh(raw.digest);
    return WIRE_OK;
}
