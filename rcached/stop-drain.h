/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop-drain: how long the end of this daemon waits for what is lent to leave
 * it.  Pure.
 *
 * It is over when nothing is lent any more, or nothing has been stored for a
 * second (a lease in which nothing is stored loses nothing).  It is given up
 * when less has left than that and nothing at all has for the whole limit: a
 * host with much to give up takes its time, one that nobody can help does not
 * hold up the end for ever.
 */
#ifndef RCACHED_STOP_DRAIN_H
#define RCACHED_STOP_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

typedef enum StopVerdict {
    STOP_WAITS,
    STOP_STUCK,                 /* waits, and who holds it up is to be told:
                                 * once each time that it gets stuck */
    STOP_EMPTY,                 /* over: nothing is lost */
    STOP_GIVEN_UP               /* over: what is left is lost */
} StopVerdict;

/* Read by everybody, written here only.  Times are us of any clock. */
typedef struct StopDrain {
    uint64_t limit_us;          /* 0: it is never given up */
    uint64_t leased, stored;    /* the least so far, in bytes */
    int64_t moved_at;           /* when that was first so */
    int64_t empty_at;           /* nothing stored since; 0: something is */
    bool told;                  /* of being stuck */
} StopDrain;

/** stop_drain_begin() - the end has been asked for */
void stop_drain_begin(StopDrain *drain, uint64_t limit_ms, int64_t now);

/**
 * stop_drain_look() - what follows from what is there now
 * @leased: bytes, and of them @stored
 */
StopVerdict stop_drain_look(StopDrain *drain, uint64_t leased,
                            uint64_t stored, int64_t now);

/** stop_drain_still() - us in which nothing has left */
int64_t stop_drain_still(const StopDrain *drain, int64_t now);

#endif
