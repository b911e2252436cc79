/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * requests-conn: the connections of fuzz-requests, and what a provider may
 * answer on them.
 *
 * What is in each page of a slab is noted as its seed, as far as it is known:
 * what is in it, or UNKNOWN, or 0: nothing was put there.
 */
#ifndef TESTS_FUZZ_REQUESTS_CONN_H
#define TESTS_FUZZ_REQUESTS_CONN_H

#include <glib.h>
#include <stdbool.h>

#include "common/wire.h"

#define CONNS       4u
#define PAGES       16u         /* of a slab */
#define SLAB        (PAGES * (uint64_t)WIRE_PAGE_SIZE)
#define LEASES      4u          /* of 2 slabs each; VM by turns */
#define NUMBERS     64u         /* of slabs that are looked after */
#define BATCH       8u          /* pages in a PUT or GET */
#define UNKNOWN     UINT32_MAX  /* what is in a page */

enum What { BARE, HELLO, PUT, GET };

/**
 * struct Asked - a request that is out
 * @vm, @role, @session, @checks: the connection's when it was sent: a second
 *      HELLO, for which the provider ends the session, may have changed them
 *      before the answer is read
 * @seed: of a PUT's pages
 */
typedef struct Asked {
    enum What what;
    unsigned vm;
    uint32_t role;
    uint64_t session;
    bool checks;
    unsigned n;
    RcacheSlot slot[BATCH];
    uint32_t seed;
} Asked;

/**
 * struct Conn - a connection of a requester or pushing provider
 * @asked: by the lower bits of the tag
 * @partial: a frame has begun, and goes on with zeros
 */
typedef struct Conn {
    int fd;
    unsigned vm;
    uint32_t role;
    uint64_t session, tag;
    bool checks;
    size_t partial;
    Asked asked[256];
} Conn;

/* The highest session that was let in, of each VM. */
extern uint64_t conn_session[2];

/** notes_begin() - nothing is in any page */
void notes_begin(void);

/** page_note() - where it is noted what is in a slot, or NULL */
uint32_t *page_note(RcacheSlot slot);

/** slab_unknown() - anything can be in it from now on */
void slab_unknown(uint32_t slab);

/** all_unknown() - a lease ends: its slabs are others' soon */
void all_unknown(void);

/** page_fill() - the bytes of a page that says which it is */
void page_fill(uint8_t *page, RcacheSlot slot, uint32_t seed);

/** vm_of() - whose a lease is */
unsigned vm_of(uint64_t lease);

void conn_close(Conn *c);

/** conn_send() - all of it, or the connection has ended */
void conn_send(Conn *c, const void *bytes, size_t len);

/** conn_go_on() - send the rest of a frame that was begun */
void conn_go_on(Conn *c);

/** conn_send_frame() - one without pages, with a check if the session has it */
void conn_send_frame(Conn *c, GByteArray *frame);

/** conn_ask() - a request is to be sent; its tag goes into @head */
Asked *conn_ask(Conn *c, WireHead *head, enum What what);

/**
 * conn_settle() - check all answers, up to that to a PING
 *
 * The provider has to answer it, or end the connection.
 */
void conn_settle(Conn *c);

#endif
