/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stalls: how long threads wait.  See stalls.h. */
#include "rcached/pager/stalls.h"

static unsigned hash_of(uint64_t x)
{
    return x * UINT64_C(0x9e3779b97f4a7c15) >> (64 - STALLS_HASH_BITS);
}

bool stalls_may_wait(const Stalls *stalls, uint64_t page)
{
    return stalls->pages[hash_of(page)];
}

static uint64_t age(const Stalls *stalls, unsigned i, uint64_t now)
{
    return now > stalls->since[i] ? now - stalls->since[i] : 0;
}

/* The last one takes its place. */
static void end_at(Stalls *stalls, unsigned i, uint64_t now)
{
    uint64_t took = age(stalls, i, now);
    unsigned last = --stalls->nr;

    stalls->ended += took;
    if (took < STALLS_LONG_NS) {
        stalls->ended_short += took;
    } else {
        stalls->nr_long++;
    }
    stalls->pages[hash_of(stalls->page[i])]--;
    stalls->threads[hash_of(stalls->thread[i])]--;
    stalls->thread[i] = stalls->thread[last];
    stalls->page[i] = stalls->page[last];
    stalls->since[i] = stalls->since[last];
}

/* The wait of a thread; of one that is not known, that for the page. */
static bool find(const Stalls *stalls, uint32_t thread, uint64_t page,
                 unsigned *at)
{
    if (thread ? !stalls->threads[hash_of(thread)]
               : !stalls->pages[hash_of(page)]) {
        return false;
    }
    for (unsigned i = 0; i < stalls->nr; i++) {
        if (stalls->thread[i] == thread &&
            (thread || stalls->page[i] == page)) {
            *at = i;
            return true;
        }
    }
    return false;
}

void stalls_begin(Stalls *stalls, uint32_t thread, uint64_t page,
                  uint64_t now)
{
    unsigned i;

    if (find(stalls, thread, page, &i)) {
        if (stalls->page[i] == page) {
            return;
        }
        end_at(stalls, i, now);
    }
    if (stalls->nr < STALLS_MAX) {
        i = stalls->nr++;
        stalls->thread[i] = thread;
        stalls->page[i] = page;
        stalls->since[i] = now;
        stalls->pages[hash_of(page)]++;
        stalls->threads[hash_of(thread)]++;
    }
}

uint64_t stalls_since(const Stalls *stalls, uint64_t page)
{
    uint64_t since = 0;

    for (unsigned i = 0; stalls_may_wait(stalls, page) && i < stalls->nr;
         i++) {
        if (stalls->page[i] == page && (!since || stalls->since[i] < since)) {
            since = stalls->since[i];
        }
    }
    return since;
}

void stalls_end(Stalls *stalls, uint64_t page, uint64_t now)
{
    for (unsigned i = stalls->nr; stalls_may_wait(stalls, page) && i-- > 0;) {
        if (stalls->page[i] == page) {
            end_at(stalls, i, now);
        }
    }
}

void stalls_sweep(Stalls *stalls, bool (*here)(void *opaque, uint64_t page),
                  void *opaque, uint64_t now)
{
    for (unsigned i = stalls->nr; i-- > 0;) {
        if (here(opaque, stalls->page[i])) {
            end_at(stalls, i, now);
        }
    }
}

uint64_t stalls_total(const Stalls *stalls, uint64_t now)
{
    uint64_t total = stalls->ended;

    for (unsigned i = 0; i < stalls->nr; i++) {
        total += age(stalls, i, now);
    }
    return total;
}

uint64_t stalls_oldest(const Stalls *stalls, uint64_t now)
{
    uint64_t oldest = 0;

    for (unsigned i = 0; i < stalls->nr; i++) {
        uint64_t took = age(stalls, i, now);

        oldest = took > oldest ? took : oldest;
    }
    return oldest;
}
