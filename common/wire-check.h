/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-check: how a bit that flips on the way is found.  See wire.h.
 *
 * RCACHE_FEATURE_DIGEST, docs/protocol.rst, "What arrived".  A requester's
 * frames carry a check of all but pages, so that a provider does nothing that
 * was not asked of it.  Of pages the provider says in PUT_ACK what it has, and
 * the requester compares that with what it sent.  Later it can ask for the sums
 * of pages as they are then (RCACHE_FEATURE_SUMS).
 */
#ifndef RCACHE_WIRE_CHECK_H
#define RCACHE_WIRE_CHECK_H

#include "common/wire.h"

/**
 * wire_check_set() - write the check into a frame, which is else complete
 * @frame: head and payload; of a PUT its slots, and no pages
 * @len: bytes of @frame, at least WIRE_HEAD_LEN
 *
 * Leaves frames alone that carry none: PING, and a HELLO whose features do
 * not have RCACHE_FEATURE_DIGEST.
 */
void wire_check_set(void *frame, size_t len);

/**
 * wire_check() - is a frame as wire_check_set() left it?
 * @frame: as there; its head has been decoded
 *
 * Return: WIRE_OK, also for frames that carry none; WIRE_E_CHECK
 */
WireError wire_check(const void *frame, size_t len);

/** wire_page_sum() - the sum of a page's WIRE_PAGE_SIZE bytes */
uint64_t wire_page_sum(const void *page);

/**
 * wire_put_digest() - what PUT_ACK confirms
 * @slots: the PUT's, in its order
 * @sums: wire_page_sum() of the page that is in each
 * @n: how many, at most RCACHE_BATCH_PAGES
 */
uint64_t wire_put_digest(const RcacheSlot *slots, const uint64_t *sums,
                         unsigned n);

/** wire_append_sums() - append a SUMS_ACK with @n sums, at most
 * RCACHE_BATCH_PAGES; status 0 */
void wire_append_sums(GByteArray *out, const WireHead *head,
                      const uint64_t *sums, unsigned n);
/** wire_sum() - sum @i, below its count, of the payload of a SUMS_ACK */
uint64_t wire_sum(const void *payload, unsigned i);

/** wire_append_put_ack() - append a PUT_ACK with a digest; status 0 */
void wire_append_put_ack(GByteArray *out, const WireHead *head,
                         uint64_t digest);
/** wire_put_ack_decode() - @len bytes of payload of a PUT_ACK to a digest */
WireError wire_put_ack_decode(const void *payload, size_t len,
                              uint64_t *digest);

#endif
