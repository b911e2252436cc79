/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages-kept: what the providers of fuzz-pages keep, and what they have
 * confirmed; for pages-provider.c.
 */
#ifndef TESTS_FUZZ_PAGES_KEPT_H
#define TESTS_FUZZ_PAGES_KEPT_H

#include <glib.h>

#include "common/wire-move.h"
#include "tests/fuzz/pages-provider.h"

/**
 * struct Way - a connection; it outlives its end until a new session fences it
 * @session: that HELLO said, so @bulk; 0: it has not come yet
 * @features: that HELLO_ACK said
 * @over: the pager is to see its end
 */
typedef struct Way {
    int fd;
    unsigned lender;
    uint64_t session, features;
    bool bulk, over;
    GByteArray *in, *out;
} Way;

/**
 * struct Asked - a request that has come
 * @way: NULL: that connection is fenced
 * @held: not answered yet
 * @done: @held, but done: @status and @result go with the answer
 * @counted: a GET: the places of all its slots counted for the pager
 * @noted: a CONFIRM whose answer has been noted
 * @serial: how many had come before
 * @sum: of each page of a PUT, whose @payload loses its pages when it is done
 * @moved: of WireMoved, what all MOVE_ACKs said
 */
typedef struct Asked {
    Way *way;
    unsigned lender;
    bool held, done, counted, noted;
    uint16_t status;
    WireMoved result;
    uint64_t serial;
    WireHead head;
    uint8_t *payload;
    uint64_t *sum;
    GArray *moved;
} Asked;

#define ASKED_MAX       256u    /* that are done; MOVEs come on top */

typedef struct Lender {
    bool hold, refuse, old;
    uint64_t session;
    uint64_t features;
} Lender;

/**
 * struct Kept - a lease
 * @slabs: bit by number
 * @moved: what was pushed into each, for CONFIRM
 */
typedef struct Kept {
    bool known;
    unsigned lender;
    uint32_t slabs;
    uint8_t token[LENDER_SLABS][RCACHE_TOKEN_LEN];
    WireMoved moved[LENDER_SLABS];
} Kept;

typedef struct Lenders {
    Lender lender[LENDERS];
    Kept lease[LEASES + 1];
    GPtrArray *ways;            /* of Way */
    GPtrArray *asked;           /* of Asked */
    GHashTable *pages;          /* of bytes, by lease and slot */
    GHashTable *confirmed;      /* of sums, by lease and slot */
    GHashTable *changed;        /* of the last Asked.serial, so */
    GHashTable *gone;           /* sums that leases in @denied had confirmed */
    bool denied[LEASES + 1];    /* the pager was told that it is not known */
    uint64_t nr_asked;
    bool lied;
} Lenders;

extern Lenders all;

/** key_lease() - of a key of all.pages */
uint64_t key_lease(const void *key);

/** lease_of() - a lease that this lender knows, or NULL */
Kept *lease_of(unsigned lender, uint64_t id);

/** has_slab() - has the lease, or NULL, a slab of that number? */
bool has_slab(const Kept *kept, uint32_t number);

/** kept_page() - the bytes in a slot, or NULL */
const uint8_t *kept_page(uint64_t lease, RcacheSlot slot);

/** forget_lease() - it is known no more, and its pages are gone */
void forget_lease(uint64_t lease);

/* The slots and pages that a request names. */
RcacheSlot asked_slot(const Asked *asked, unsigned i);
const uint8_t *asked_page(const Asked *asked, unsigned i);

/**
 * asked_do() - do what is asked, and what has to be done before
 * @moved: what a MOVE_ACK or CONFIRM_ACK says
 *
 * Return: the answer's status
 */
uint16_t asked_do(const Asked *asked, WireMoved *moved);

/** note_asked() - a request has come: what is there no more? */
void note_asked(Asked *asked);

/** note_answer() - a frame goes to the pager: what does it confirm? */
void note_answer(const Way *way, const WireHead *head,
                 const uint8_t *payload);

#endif
