/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stalls: for how long threads of the VMM wait for pages that are away.
 *
 * A thread waits for one page at most: its next fault says that the wait before
 * has ended, unless it is for the same page, which is the same wait.  Several
 * threads may wait for one page.  The kernel of a VMM that does not ask for it
 * does not say who waits (thread 0); then it is one wait a page.
 *
 * A fault that is answered at once is none of this: nothing is kept of it.
 * The waits are a row without order, which is gone through for a page or thread
 * only if the count of those with its hash says that it may be there: once a
 * wait, when it ends.
 *
 * Pure.  Time is in nanoseconds.
 */
#ifndef PAGER_STALLS_H
#define PAGER_STALLS_H

#include <stdbool.h>
#include <stdint.h>

#define STALLS_MAX      1024u   /* more are not counted */
#define STALLS_HASH_BITS 10
#define STALLS_HASHES   (1u << STALLS_HASH_BITS)
/* Who waits for longer waits for a provider or a network that is in trouble,
 * and would with more memory, too. */
#define STALLS_LONG_NS  UINT64_C(250000000)

/**
 * struct Stalls - who waits; private to stalls.c, but for .nr
 * @thread: the waits, in no order; the others by the same index
 * @nr: how many there are
 * @pages: of them, by the hash of the page; and of the thread
 * @ended: ns of all that have ended
 * @ended_short: of these, those that were not long (STALLS_LONG_NS)
 * @nr_long: how many that were have ended
 */
typedef struct Stalls {
    uint32_t thread[STALLS_MAX];
    uint64_t page[STALLS_MAX];
    uint64_t since[STALLS_MAX];
    unsigned nr;
    uint16_t pages[STALLS_HASHES];
    uint16_t threads[STALLS_HASHES];
    uint64_t ended;
    uint64_t ended_short;
    uint64_t nr_long;
} Stalls;

/**
 * stalls_begin() - a fault was read at @now and could not be answered at once
 * @thread: who waits; 0: it is not known
 */
void stalls_begin(Stalls *stalls, uint32_t thread, uint64_t page,
                  uint64_t now);

/** stalls_may_wait() - false: nobody waits for the page */
bool stalls_may_wait(const Stalls *stalls, uint64_t page);

/** stalls_since() - ns, the oldest wait for a page; 0: nobody waits for it */
uint64_t stalls_since(const Stalls *stalls, uint64_t page);

/** stalls_end() - nobody waits for the page any more */
void stalls_end(Stalls *stalls, uint64_t page, uint64_t now);

/**
 * stalls_sweep() - end the waits for pages that are here
 * @here: is it?
 *
 * A thread may be gone, or may have been woken by the VMM.
 */
void stalls_sweep(Stalls *stalls, bool (*here)(void *opaque, uint64_t page),
                  void *opaque, uint64_t now);

/** stalls_total() - ns of all waits, of those too that go on */
uint64_t stalls_total(const Stalls *stalls, uint64_t now);

/** stalls_oldest() - ns that the wait which began first has taken so far; 0:
 * there is none */
uint64_t stalls_oldest(const Stalls *stalls, uint64_t now);

#endif
