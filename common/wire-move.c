/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-move: the frames by which a slab moves.  See wire-move.h. */
#include "common/wire-move.h"

#include <endian.h>
#include <string.h>

#include "common/wire-internal.h"

_Static_assert(sizeof(struct RcacheRevoke) == 8, "REVOKE");
_Static_assert(sizeof(struct RcacheMoveToken) == 24, "EXPECT");
_Static_assert(sizeof(struct RcacheMove) == 112, "MOVE");
_Static_assert(sizeof(struct RcacheMoved) == 16, "MOVE_ACK");

void wire_append_revoke(GByteArray *out, const WireHead *head,
                        const WireRevoke *revoke)
{
    struct RcacheRevoke raw = {
        .keep = htole32(revoke->keep),
        .deadline_ms = htole32(revoke->deadline_ms),
    };
    WireHead whole = *head;

    whole.type = RCACHE_REVOKE;
    wire_append_frame(out, &whole, &raw, sizeof(raw));
}

WireError wire_revoke_decode(const void *payload, size_t len,
                             WireRevoke *out)
{
    struct RcacheRevoke raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireRevoke) {
        .keep = le32toh(raw.keep),
        .deadline_ms = le32toh(raw.deadline_ms),
    };
    return WIRE_OK;
}

void wire_append_move_token(GByteArray *out, const WireHead *head,
                            const WireMoveToken *token)
{
    struct RcacheMoveToken raw = { .slab = htole32(token->slab) };

    memcpy(raw.token, token->token, sizeof(raw.token));
    wire_append_frame(out, head, &raw, sizeof(raw));
}

WireError wire_move_token_decode(const void *payload, size_t len,
                                 WireMoveToken *out)
{
    struct RcacheMoveToken raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    if (raw.reserved) {
        return WIRE_E_RESERVED;
    }
    *out = (WireMoveToken) { .slab = le32toh(raw.slab) };
    memcpy(out->token, raw.token, sizeof(out->token));
    return WIRE_OK;
}

void wire_append_move(GByteArray *out, const WireHead *head,
                      const WireMove *move)
{
    struct RcacheMove raw = {
        .to_lease = htole64(move->to_lease),
        .to_epoch = htole32(move->to_epoch),
        .to_slab = htole32(move->to_slab),
        .to_session = htole64(move->to_session),
        .slab = htole32(move->slab),
    };
    struct {
        struct RcacheMove move;
        struct RcacheMoveTo to;
    } __attribute__((packed)) both;
    WireHead whole = *head;

    whole.type = RCACHE_MOVE;
    memcpy(raw.token, move->token, sizeof(raw.token));
    wire_text_copy(raw.address, sizeof(raw.address), move->address);
    both.move = raw;
    wire_text_copy(both.to.host, sizeof(both.to.host), move->host);
    wire_append_frame(out, &whole, &both, *move->host ? sizeof(both)
                                                      : sizeof(raw));
}

WireError wire_move_decode(const void *payload, size_t len, WireMove *out)
{
    const uint8_t *at = payload;
    struct RcacheMove raw;
    struct RcacheMoveTo to = { "" };
    bool named = len == sizeof(raw) + sizeof(to);

    if (len != sizeof(raw) && !named) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, at, sizeof(raw));
    if (named) {
        memcpy(&to, at + sizeof(raw), sizeof(to));
    }
    if (raw.reserved) {
        return WIRE_E_RESERVED;
    }
    *out = (WireMove) {
        .to_lease = le64toh(raw.to_lease),
        .to_epoch = le32toh(raw.to_epoch),
        .to_slab = le32toh(raw.to_slab),
        .to_session = le64toh(raw.to_session),
        .slab = le32toh(raw.slab),
    };
    memcpy(out->token, raw.token, sizeof(out->token));
    if (wire_text_decode(out->address, raw.address, sizeof(raw.address)) ||
        wire_text_decode(out->host, to.host, sizeof(to.host)) ||
        !out->address[0] || (named && !out->host[0])) {
        return WIRE_E_TEXT;
    }
    return out->to_lease && out->to_session ? WIRE_OK : WIRE_E_VALUE;
}

void wire_append_moved(GByteArray *out, const WireHead *head,
                       const WireMoved *moved)
{
    struct RcacheMoved raw = {
        .pages = htole64(moved->pages),
        .digest = htole64(moved->digest),
    };

    wire_append_frame(out, head, &raw, sizeof(raw));
}

WireError wire_moved_decode(const void *payload, size_t len, WireMoved *out)
{
    struct RcacheMoved raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireMoved) {
        .pages = le64toh(raw.pages),
        .digest = le64toh(raw.digest),
    };
    return WIRE_OK;
}
