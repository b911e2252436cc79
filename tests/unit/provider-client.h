/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A requester in a few blocking calls, for the provider's tests.  Whatever
 * goes wrong fails the test; client_try_recv() is for answers that may not
 * come.
 */
#ifndef TESTS_PROVIDER_CLIENT_H
#define TESTS_PROVIDER_CLIENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tls-stream.h"
#include "common/wire.h"

typedef struct Client {
    int fd;
    TlsStream *tls;             /* NULL: without */
    const char *host;           /* for HELLO; NULL: "req" */
    uint64_t lease;
    uint32_t epoch;
    uint64_t tag;
    uint32_t role;              /* for HELLO; 0: bulk */
    uint64_t features;          /* for HELLO */
    uint64_t digest;            /* of the last PUT_ACK; 0: there was none */
    uint32_t slab_pages;
    uint32_t nr_slabs;
    uint32_t slabs[64];
} Client;

/** client_default_tls() - what client_connect() speaks from now on; NULL:
 * without TLS; stays the caller's */
void client_default_tls(TlsCredentials *creds);

/** client_connect() - only connect, with TLS to the end of its handshake;
 * @address as provider_address() */
Client client_connect(const char *address);

/** client_connect_plain() - only connect */
Client client_connect_plain(const char *address);

/** client_try_tls() - shake hands; false if the provider does not */
bool client_try_tls(Client *c, TlsCredentials *creds);

/** client_connect_from() - the same from another address of this host's */
Client client_connect_from(const char *address, const char *from);

void client_close(Client *c);

/** client_send() - send bytes, all of them */
void client_send(Client *c, const void *bytes, size_t len);

/** client_try_send() - the same, without an assertion; false if it fails */
bool client_try_send(Client *c, const void *bytes, size_t len);

/** client_send_head() - a head; the length and check are the caller's */
void client_send_head(Client *c, const WireHead *head);

/**
 * client_try_recv() - the next frame
 * @payload: new, or NULL if the frame has none
 *
 * Return: false at the end of the connection
 */
bool client_try_recv(Client *c, WireHead *head, uint8_t **payload);

/** client_ended() - is the connection over, within the time-out of 5 s? */
bool client_ended(Client *c);

/** client_hello() - say HELLO as session @session of VM @vm, incarnation 1;
 * return the status of the answer */
uint16_t client_hello(Client *c, uint8_t vm, uint64_t session);

/** client_session() - connect, and HELLO must be welcome */
Client client_session(const char *address, uint8_t vm, uint64_t session);

/** client_claim() - claim lease @id whose token is @id in every byte */
uint16_t client_claim(Client *c, uint64_t id);

/** client_slot() - the slot of page @page of all pages of the lease */
RcacheSlot client_slot(const Client *c, uint32_t page);

/** client_send_frame() - a whole frame, but a PUT's pages; with a check if
 * RCACHE_FEATURE_DIGEST is among the features */
void client_send_frame(Client *c, void *frame, size_t len);

/** client_put_begin() - send PUT's head and slots, and no pages */
void client_put_begin(Client *c, const RcacheSlot *slots, unsigned n);

/** client_fill() - make @n pages that tell which slot and value they have */
void client_fill(uint8_t *pages, const RcacheSlot *slots, unsigned n,
                 uint64_t value);

/** client_put() - PUT pages of client_fill(); return the answer's status */
uint16_t client_put(Client *c, const RcacheSlot *slots, unsigned n,
                    uint64_t value);

/** client_put_answer() - the answer to a PUT; return its status */
uint16_t client_put_answer(Client *c);

/** client_get() - GET into @pages; return the answer's status */
uint16_t client_get(Client *c, const RcacheSlot *slots, unsigned n,
                    uint8_t *pages);

/** client_has() - GET one page: is it of client_fill() with this value? */
bool client_has(Client *c, RcacheSlot slot, uint64_t value);

/** client_slots() - send a GET or FREE and do not wait */
void client_send_slots(Client *c, uint8_t type, const RcacheSlot *slots,
                       unsigned n);

/** client_free() - FREE slots; return the answer's status */
uint16_t client_free(Client *c, const RcacheSlot *slots, unsigned n);

/** client_answer() - the answer to the last request, which must be @type;
 * @payload (new) and @length may be NULL.  Return: its status */
uint16_t client_answer(Client *c, uint8_t type, uint8_t **payload,
                       uint32_t *length);

/** client_bare() - send RENEW, RELEASE or PING; return the answer's status */
uint16_t client_bare(Client *c, uint8_t type);

#endif
