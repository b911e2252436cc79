/* SPDX-License-Identifier: GPL-2.0-or-later */
/* request: what each frame of a requester does.  See request.c. */
#ifndef RCACHED_PROVIDER_REQUEST_H
#define RCACHED_PROVIDER_REQUEST_H

#include "rcached/provider/peer.h"

/** request_tell_revoked() - REVOKE, where it has not been said yet */
void request_tell_revoked(Peer *peer);

/** request_handle() - any other frame, whole; NULL, or why it is wrong */
const char *request_handle(Peer *peer, const WireHead *head,
                           const uint8_t *payload);

/** request_claim_done() - the older sessions are gone: a CLAIM is answered */
void request_claim_done(Peer *peer);

/** request_release_done() - the memory has been given back */
void request_release_done(PeerRelease *release);

#endif
