/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compare: what lies in a slab at a provider, page by page, against the sums
 * that are kept here (docs/protocol.rst, "The move of a slab", CHECKING).
 *
 *   LISTING → ASKING the place that is compared → ASKING the one that was
 *   copied from → ASKING the slab's other place → the verdict
 *
 * The slab is frozen, and all that was sent into it is answered: so which of
 * its slots a word names only becomes less, and what is in them stays.  LISTING
 * finds them, in slices between faults.  Each place is then asked for the sums
 * (SUMS) of those pages that were right nowhere so far, one batch at a time, so
 * that it never keeps a provider from a GET for longer than a batch takes.
 *
 * A slab that its provider could not read all of is compared as well, to know
 * which pages those are.  They, too, are fetched from the other place.
 * If there is none the others are fetched, some at a time, until nothing but
 * what cannot be read is left there.
 *
 * Pages that are wrong in a place that the table names, and right in the other
 * one, are fetched, and so stored anew elsewhere: compare_tick().  The slab is
 * left alone until they are here (compare_keeps_off()).  So is one with pages
 * that are wrong in all places that could be asked, while one could not be: its
 * bytes may be the right ones.
 */
#ifndef PAGER_COMPARE_H
#define PAGER_COMPARE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

#define COMPARES_MAX    4u
#define COMPARE_PLACES  3u      /* that may be asked, one after the other */

enum CompareVerdict {
    COMPARE_RIGHT,              /* every page is what it has to be */
    COMPARE_NOWHERE,            /* some are not, and it cannot be helped */
    COMPARE_NOT_YET,            /* some are not: try again later */
    COMPARE_BAD_COPY,           /* some are not, though they were copied from
                                 * a place where they are */
};

typedef void CompareDone(Pager *p, unsigned i, enum CompareVerdict verdict);

/**
 * struct ComparePlace - a slab at a provider
 * @lease: NULL: there is no such place
 * @number: the provider's
 */
typedef struct ComparePlace {
    Lease *lease;
    uint32_t number;
} ComparePlace;

enum CompareState {
    COMPARE_NONE,
    COMPARE_LISTING,
    COMPARE_ASKING
};

/**
 * struct Compare - private to compare.c
 * @next: LISTING: the next word to look at
 * @unread: as compare_begin() says
 * @one_by_one: @at below which pages are asked for singly
 * @page_of: by page of the slab: the guest's page that is there, plus one; 0:
 *           none; owned
 * @place: in the order in which they are asked
 * @turn: of @place, who is being asked
 * @todo: of uint32_t, pages of the slab that were right nowhere so far
 * @at: of @todo, the next to be asked for
 * @out: how many of @todo from @at on are being asked for
 * @left: of uint32_t, those of @todo that are not right in this place either
 * @tag: of the SUMS that is out
 * @asked_at: ns, it was sent
 * @retry_at: ns, ask again; 0: a SUMS is out
 * @found: pages that were right in @place, and nowhere before
 * @rescued: pages that are fetched because others cannot be read
 * @not_asked: by @place: there were pages to ask it for, but it was not there
 */
typedef struct Compare {
    enum CompareState state;
    uint32_t slab;
    bool unread;
    guint one_by_one;
    CompareDone *done;
    uint64_t next;
    uint64_t *page_of;
    ComparePlace place[COMPARE_PLACES];
    unsigned turn;
    GArray *todo, *left;
    guint at, out;
    uint64_t tag;
    uint64_t asked_at;
    uint64_t retry_at;
    uint64_t found[COMPARE_PLACES];
    unsigned rescued;
    bool not_asked[COMPARE_PLACES];
} Compare;

/**
 * struct ComparePage - a page that is right in one place only
 * @page: the guest's
 * @slot: in its word; when that is another the page is stored anew
 */
typedef struct ComparePage {
    uint64_t page;
    uint64_t slot;
} ComparePage;

/**
 * struct Compares - all of them; private to compare.c
 * @to_fetch: of ComparePage
 * @waits: by slab: the id of the lease that has to be asked; owned
 */
typedef struct Compares {
    Compare entry[COMPARES_MAX];
    GArray *to_fetch;
    GHashTable *waits;
} Compares;

void compares_init(Compares *compares);
void compares_deinit(Compares *compares);

/** compare_is_possible() - can the provider of a lease be asked for sums? */
bool compare_is_possible(const Lease *l);

/**
 * compare_begin() - compare a slab, which is frozen and quiet
 * @i: the caller's number for it, below COMPARES_MAX, not in use
 * @at: the place to be compared, at a provider that can be asked
 * @source: the lease that its bytes were copied from; @at's own, if none were
 * @unread: its provider could not read all of it: nothing was copied
 * @done: called once, and not from here
 */
void compare_begin(Pager *p, unsigned i, uint32_t slab, ComparePlace at,
                   Lease *source, bool unread, CompareDone *done);

/** compare_end() - the caller is done with number @i, whatever it does */
void compare_end(Pager *p, unsigned i);

/** compare_wants() - is a page to be stored anew, as a copy lacks it? */
bool compare_wants(const Pager *p, uint64_t page);

/** compare_keeps_off() - is a slab not to be copied, nor a place given up? */
bool compare_keeps_off(const Pager *p, uint32_t slab);

/** compare_work() - list pages for a while; true: there is more to do */
bool compare_work(Pager *p);

/** compare_tick() - fetch what is right in one place, ask again who was busy */
void compare_tick(Pager *p, uint64_t now);

/** compare_answer() - SUMS_ACK; from another than was asked it is dropped */
void compare_answer(Pager *p, const Remote *remote, const WireHead *head,
                    const void *payload);

/** compare_remote_down() - what was asked of @remote is not answered */
void compare_remote_down(Pager *p, const Remote *remote);

/** compare_lease_gone() - ask nothing of @l any more */
void compare_lease_gone(Pager *p, const Lease *l);

#endif
