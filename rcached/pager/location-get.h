/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * location-get: a page is asked for at the places its slab has.
 *
 *   wanted --sent--> out at the better place --right bytes--> over
 *      ^                |
 *      |                +--no answer for the hedge delay--> out at both
 *      |                +--wrong, refused, session ended--> the other place
 *      +--no place is ready, or all have been tried (ops->missing)
 *
 * A GET that cannot be sent now, since no place's provider is there, is kept
 * and sent when a lease is ready or the slab has moved to where one is.  One
 * that is answered with BUSY, where no other place can be asked, is sent again
 * after a millisecond, then after two, and so on, up to ten times a second.
 *
 * The hedge delay is the 95th percentile of the answers of the last minute, but
 * no more than four times what the other place's answers have taken lately; a
 * millisecond at least.  One provider that is slow would else make the delay as
 * long as its own answers take, and nothing would be asked for elsewhere.  The
 * first right answer counts.  A GET that nobody wants any more stays out until
 * it is answered everywhere, as its slot must not be used again before; its
 * number is not free until then.
 *
 * All providers share the GETs.  One may be asked for no more pages than could
 * still be asked of others: alone it has half of all, and however many hang,
 * the next finds some.  That is so of two things:
 * - Pages that are waited for.  One counts, against the provider that was asked
 *   first, from location_get() to location_forget(), so that wrong bytes and
 *   bytes that wait for memory count too.
 * - GETs that are out, wanted or not: with two places the other's bytes end the
 *   wait, but the number is not free until the one that hangs has answered.  A
 *   place with as many as it may have is full.  It is asked neither first nor
 *   as the other one; a GET that has no place but full ones waits as after
 *   BUSY.
 *
 * Pages that nobody waits for are asked for many in a frame (location-many.h).
 * Such a GET is idle: what the frame brings is all that it gets.  When a guest
 * comes to wait for the page it goes on as any other GET does: the page is
 * asked for alone if the frame takes longer than the hedge delay, or is of no
 * use.
 */
#ifndef PAGER_LOCATION_GET_H
#define PAGER_LOCATION_GET_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/get-choice.h"
#include "rcached/pager/leases.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

#define LOCATION_GETS   512u    /* GETs on their way, or waiting to be sent */

/**
 * struct GetAt - a GET at one place; private to location-get.c
 * @remote: where it is out; NULL: it is not
 * @serial: of the tag
 * @sent: ns
 * @tried: it was answered, and of no use
 */
typedef struct GetAt {
    Remote *remote;
    uint32_t serial;
    uint64_t sent;
    bool tried;
} GetAt;

/**
 * struct Get - a page that is asked for; private to location-get.c
 * @held: its caller has not called location_forget()
 * @wanted: its caller has not had its answer
 * @idle: nobody waits for the page
 * @free_slot: nobody needs the slot once the GET is in everywhere
 * @many_place: see @many
 * @pause: ns, how long it waited after the last BUSY, or for a full place
 * @again_at: ns, send it again; 0: a lease says when
 * @counted: the provider that it counts against; NULL: none
 * @since: ns, somebody has come to wait for what was @idle
 * @many: where it is out in a frame of many; its slab's place @many_place
 * @at: by the places of its slab when it was sent
 */
typedef struct Get {
    bool held;
    bool wanted;
    bool idle;
    bool free_slot;
    uint8_t many_place;
    uint64_t slot;
    uint64_t pause;
    uint64_t again_at;
    uint64_t since;
    Remote *counted;
    GetAt many;
    GetAt at[SLOTS_PLACES];
} Get;

/**
 * struct Gets - all of them
 * @nr: held or out: their numbers are not free
 * @nr_counted: of which .counted is set
 * @nr_hedges: sent to a second place although the first had not answered
 * @hedge_ns: how long the first has, if the other is not known to be quicker
 */
typedef struct Gets {
    Get get[LOCATION_GETS];
    unsigned nr;
    unsigned nr_counted;
    uint64_t nr_hedges;
    uint64_t hedge_ns;
} Gets;

/**
 * location_may_get() - may one more page be asked of the provider of a slot?
 * @pool: of so many, at most LOCATION_GETS, which all providers share
 */
bool location_may_get(const Pager *p, uint64_t slot, unsigned pool);

/**
 * location_get() - ask for the bytes of a known slot
 * @i: the caller's number for it, below LOCATION_GETS, not busy
 *
 * ops->got() or ops->missing() follows.  After missing() the same may be asked
 * for again.
 */
void location_get(Pager *p, unsigned i, uint64_t slot);

/**
 * location_get_wanted() - somebody has come to wait for the caller's GET @i
 *
 * No effect unless it is an idle one.
 */
void location_get_wanted(Pager *p, unsigned i, uint64_t now);

/** location_is_coming() - has a page been asked for that is still expected? */
bool location_is_coming(const Pager *p, uint64_t now);

/** location_get_is_out() - does the caller's GET @i wait for an answer? */
bool location_get_is_out(const Pager *p, unsigned i);

/**
 * location_get_failed() - has a place answered @i without the right bytes, so
 * that they came from the other one?
 */
bool location_get_failed(const Pager *p, unsigned i);

/** location_get_is_busy() - can number @i not be used for another GET? */
bool location_get_is_busy(const Pager *p, unsigned i);

/** location_forget() - the caller is done with number @i */
void location_forget(Pager *p, unsigned i);

/**
 * location_retry() - ask again for pages whose provider was BUSY, and the other
 * place where one takes long
 */
void location_retry(Pager *p, uint64_t now);

/** location_hedge_tick() - how long is long: ten times a second */
void location_hedge_tick(Pager *p);

/* For location-many.c: */

/** get_many_sent() - GET @i, a free number, is out in a frame to @remote */
void get_many_sent(Pager *p, unsigned i, uint64_t slot, unsigned place,
                   const GetAt *at);

/**
 * get_many_in() - the frame that GET @i was out in is not out any more
 * @bytes: its page; NULL: there is none
 */
void get_many_in(Pager *p, unsigned i, const void *bytes);

/* For location.c and freeing.c: */

/** location_get_free() - free @slot when its GETs are in */
void location_get_free(Pager *p, uint64_t slot);

/** location_is_read() - is a GET on a slab out at @remote? */
bool location_is_read(const Pager *p, const Remote *remote, uint32_t slab);

/** location_lease_ready() - send the GETs that waited for @l */
void location_lease_ready(Pager *p, const Lease *l);

/** location_get_answer() - GET_REPLY; false: to none that is out there */
bool location_get_answer(Pager *p, Remote *remote, const WireHead *head,
                         const void *payload);

/** location_get_down() - what is out at @remote will not be answered */
void location_get_down(Pager *p, const Remote *remote);

#endif
