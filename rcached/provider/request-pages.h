/* SPDX-License-Identifier: GPL-2.0-or-later */
/* request-pages: PUT, GET, SUMS and FREE.  See request-pages.c. */
#ifndef RCACHED_PROVIDER_REQUEST_PAGES_H
#define RCACHED_PROVIDER_REQUEST_PAGES_H

#include "rcached/provider/peer.h"

/** request_put_begin() - a PUT's head and slots are here */
void request_put_begin(Peer *peer, const WireHead *head,
                       const uint8_t *slots);

/** request_put_end() - its last page is here */
void request_put_end(Peer *peer);

/** request_get() - a whole GET is here: queue its answer */
void request_get(Peer *peer, const WireHead *head, const uint8_t *payload);

/**
 * request_sums() - a whole SUMS is here: queue its answer
 *
 * It is made at once: of 64 pages it takes some 30 us.
 */
void request_sums(Peer *peer, const WireHead *head, const uint8_t *payload);

/** request_free() - a whole FREE is here: all of its slots are freed, or none
 */
void request_free(Peer *peer, const WireHead *head, const uint8_t *payload);

#endif
