/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake: slabs that another provider is to fill (docs/protocol.rst, "The
 * move of a slab": the new provider's part).
 *
 *   (ordinary) --EXPECT--> EXPECTED --PUSH--> TAKEN --PUSHED--> DONE
 *       ^                     |                 |                |
 *       +------ EXPECT of zeros, CONFIRM of DONE, session ends --+
 *
 * An Intake belongs to the requester's connection that asked for it and goes
 * with it.  A push is a member of the requester's session, so a newer session
 * of the VM ends it as it ends the requester's own connections.  While a slab
 * is expected only its push may write to it, and only until PUSHED.
 */
#ifndef RCACHED_PROVIDER_INTAKE_H
#define RCACHED_PROVIDER_INTAKE_H

#include "common/wire-move.h"
#include "common/wire.h"
#include "rcached/provider/store.h"

struct Peer;

typedef struct Intake {
    struct Peer *owner;         /* the requester's connection */
    struct Peer *push;          /* the one that fills it, or NULL */
    StoreLease *lease;          /* referenced */
    uint32_t epoch;
    uint32_t slab;
    uint8_t token[RCACHE_TOKEN_LEN];
    bool taken;                 /* the token has been used */
    bool done;
    WireMoved got;
} Intake;

/* What each frame does; NULL, or why the connection is to end. */
const char *intake_expect(struct Peer *peer, const WireHead *head,
                          const uint8_t *payload);
const char *intake_confirm(struct Peer *peer, const WireHead *head,
                           const uint8_t *payload);
const char *intake_push(struct Peer *peer, const WireHead *head,
                        const uint8_t *payload);
const char *intake_pushed(struct Peer *peer, const WireHead *head,
                          const uint8_t *payload);

/** intake_may_touch() - may @peer PUT to or GET from a slab of its lease? */
bool intake_may_touch(const struct Peer *peer, const Slab *slab);

/** intake_stored() - a push has filled a page with @bytes; the store's lock
 * is held */
void intake_stored(struct Peer *peer, const uint8_t *bytes, uint32_t page);

/** intake_leave() - a connection ends; the store's lock is held */
void intake_leave(struct Peer *peer);

/**
 * intake_forget() - nothing is expected of a slab any more
 *
 * The store's lock is held.  Return: false if a push into it is under way
 */
bool intake_forget(const struct Peer *peer, uint64_t lease, uint32_t slab);

#endif
