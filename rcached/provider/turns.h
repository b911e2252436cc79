/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turns: whose turn it is on the provider's thread.
 *
 * A connection that has something to be done waits here, and each turn does a
 * little of it.  Hosts take turns, however many connections they have: a host
 * that has just come is first (what one VM waits for is not to stand behind
 * what another host asks without end), and may use TURNS_QUANTUM; then it goes
 * behind the others, and who has used more than that sits out rounds until it
 * is even. (It is the order of fq_codel's queues, for the same reason.)
 *
 * Connections that faults go over are served before all others, which get a
 * turn for each TURNS_FAULTS that those have used: a flood of faults slows
 * down what is evicted, and does not stop it.
 *
 * Who has not said HELLO is nobody's host yet; all of those have one lane, with
 * the parts of the hosts that are known to be among them: a hundred hosts that
 * come back at once do not wait for a hundredth of what they would have.
 *
 * Pure.  What a turn costs is said when it is over, in pages or what takes as
 * long.
 */
#ifndef RCACHED_PROVIDER_TURNS_H
#define RCACHED_PROVIDER_TURNS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TURNS_QUANTUM   16
#define TURNS_FAULTS    64u
/* A guest waits for page after page: so many turns in which a page was asked
 * for that a guest waits for, of hosts that ask for little, within so many us.
 */
#define TURNS_DENSE     10u
#define TURNS_DENSE_US  20000
/* A pause of so many us is worth a page. */
#define TURNS_PAUSE     4

typedef enum TurnClass {
    TURN_FAULT,
    TURN_BULK,
    NR_TURN_CLASSES
} TurnClass;

typedef struct TurnsHost TurnsHost;

/* A host's, of one class.  All zeros (but .host) is one that waits for none. */
typedef struct TurnsLane {
    TurnsHost *host;
    GList link;                 /* in .fresh or .others, */
    GQueue *in;                 /* whichever that is, or NULL */
    const GQueue *fresh;
    GQueue ready;               /* of Turn */
    int credit;                 /* pages */
    int64_t idle_us;            /* nothing to be done since then */
} TurnsLane;

struct TurnsHost {
    TurnsLane lane[NR_TURN_CLASSES];
    unsigned parts;             /* it is so many hosts; 0: one */
};

/* Embedded in a connection; all zeros while it has nothing to do. */
typedef struct Turn {
    GList link;
    TurnsLane *lane;            /* where it waits, or NULL */
} Turn;

typedef struct Turns {
    GQueue fresh[NR_TURN_CLASSES];      /* of TurnsLane */
    GQueue others[NR_TURN_CLASSES];
    unsigned waiting[NR_TURN_CLASSES];  /* connections */
    unsigned faults;            /* pages, while others wait */
    const TurnsHost *host;      /* whose fault was served last */
    int64_t window_us;          /* since then so many turns of faults, */
    unsigned few;
    bool dense;                 /* and in the window before it enough */
} Turns;

void turns_init(Turns *turns);
void turns_host_init(TurnsHost *host);

/** turns_host_deinit() - none of its connections waits */
void turns_host_deinit(TurnsHost *host);

/** turns_add() - a connection has something to be done; it may wait already */
void turns_add(Turns *turns, Turn *turn, TurnsHost *host, TurnClass which,
               int64_t now_us);

/** turns_remove() - it has not, or ends */
void turns_remove(Turns *turns, Turn *turn);

/**
 * turns_next() - whose turn it is: removed, or NULL if nobody waits
 * @lane: for turns_charge()
 */
Turn *turns_next(Turns *turns, TurnsLane **lane);

/**
 * turns_charge() - that turn has cost so many @pages
 * @fault: a guest waits for one of them; what else is asked where faults are
 *         (PINGs above all: each VM sends some) is nothing to make room for
 */
void turns_charge(Turns *turns, TurnsLane *lane, unsigned pages, bool fault,
                  int64_t now_us);

/** turns_wait() - does anybody wait? */
bool turns_wait(const Turns *turns);

/** turns_compete() - does a guest of another host wait for page after page? */
bool turns_compete(const Turns *turns, const TurnsHost *host, int64_t now_us);

#endif
