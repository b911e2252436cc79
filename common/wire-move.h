/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-move: the codec of the messages by which slabs move.  See wire.h. */
#ifndef RCACHE_WIRE_MOVE_H
#define RCACHE_WIRE_MOVE_H

#include "common/wire.h"

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
    char host[RCACHE_NAME_MAX];         /* "": is not said */
} WireMove;

typedef struct WireMoved {
    uint64_t pages;
    uint64_t digest;
} WireMoved;

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

#endif
