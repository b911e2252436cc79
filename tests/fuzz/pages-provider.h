/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages-provider: the providers of fuzz-pages, in the steps of an input.
 *
 * Left alone a lender does what docs/protocol.rst says, at once: it fences,
 * keeps what is put, pushes slabs to the others.  A step can make it hold what
 * it is asked, and answer any of that later, in any order and in any way; let
 * connections end; lose leases; change what it keeps; and say what nobody has
 * asked for.  What it holds is done late as well, but for an EXPECT, which is
 * done before anything that was asked behind it.
 *
 * What has gone to the pager is noted, whoever sent it: which pages a lender
 * has confirmed, rightly or not.  That is what the pager may rely on, and it
 * may on nothing else.  A page counts as confirmed from the answer to the
 * request that stored it until another request that changes its slot has come,
 * whether that is done or not.  An answer is one to a request of the same
 * session: another pager uses the same tags again, and what a lender says once
 * more of an older request changes nothing.
 */
#ifndef TESTS_FUZZ_PAGES_PROVIDER_H
#define TESTS_FUZZ_PAGES_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

#define LENDERS         3u
#define LENDERS_SUMS    2u      /* the first of them know SUMS */
#define LEASES          12u     /* in all: numbers 1 to 12 */
#define LENDER_SLABS    4u      /* of each lease */
#define LENDER_PAGES    16u     /* of each slab */

/** enum How - what becomes of a request */
enum How {
    HOW_WELL,
    HOW_BUSY,                   /* refused with BUSY, and not done */
    HOW_TWICE,                  /* done, and answered twice */
    HOW_OTHER_WAY,              /* on the other connection */
    HOW_UNANSWERED,             /* done, and that is all */
    HOW_DISCONNECTED,           /* done, and half an answer */
    HOW_HONEST,                 /* all below are lies */
    HOW_STATUS = HOW_HONEST,    /* refused with any status, and not done */
    HOW_WRONG,                  /* done, but for some bits in the answer */
    HOW_UNDONE,                 /* not done, and confirmed */
    HOW_OTHER_TAG,              /* done, and another request is answered */
    HOW_OTHER_TYPE,             /* another answer than the right one */
    HOW_OTHER_LENDER,           /* somebody else answers */
    HOWS
};

/** lenders_begin() - all are well, and have nothing */
void lenders_begin(void);
void lenders_end(void);

/** lenders_lied() - has a page that was confirmed perhaps been lost? */
bool lenders_lied(void);

/** lenders_heal() - end all connections; from now on all are well */
void lenders_heal(void);

/** lender_grant() - lease @lease, 1 to LEASES, is at a lender; once */
bool lender_grant(unsigned lender, unsigned lease);

/** lender_hold() - keep requests for lender_answer(), or no more */
void lender_hold(unsigned lender, bool hold);

/** lender_refuse() - take no connections, or again */
void lender_refuse(unsigned lender, bool refuse);

/** lender_old() - a release before PUT_ACK had a digest, at the next HELLO */
void lender_old(unsigned lender, bool old);

/**
 * lender_answer() - one of the requests that it holds
 * @which: of them, in turn
 * @arg: what @how leaves open: a status, a bit, another request
 */
void lender_answer(unsigned lender, unsigned which, enum How how,
                   uint32_t arg);

/** lender_close() - end its @which connection, in turn */
void lender_close(unsigned lender, unsigned which);

/** lender_lose() - it knows a lease no more */
void lender_lose(unsigned lease);

/** lender_spoil() - change a bit of a page that it keeps, or swap two */
void lender_spoil(unsigned lender, unsigned which, uint32_t arg);

/** lender_revoke() - REVOKE of that lease */
void lender_revoke(unsigned lease, uint32_t keep);

/**
 * lender_say() - a frame of its own
 * @which: the connection, and the request whose tag it has, if it has one
 * @payload: @len bytes
 */
void lender_say(unsigned lender, unsigned which, uint8_t type,
                uint16_t status, uint16_t count, const void *payload,
                size_t len);

/**
 * lenders_confirmed() - has its lender said that it keeps this page?
 * @slot: the lender's
 */
bool lenders_confirmed(uint64_t lease, RcacheSlot slot, uint64_t sum);

/**
 * lenders_denied() - was this page confirmed, and that lease denied since?
 *
 * That proves the place gone.  A place that had been given up before may be all
 * that is left then, and counts again, without the page.
 */
bool lenders_denied(uint64_t sum);

#endif
