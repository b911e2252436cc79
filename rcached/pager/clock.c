/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock: the two hands that choose which pages go.  See clock.h. */
#include "rcached/pager/clock.h"

#include <glib.h>

/* Words of @page..@end up to the end of its frame. */
static uint64_t frame_rest(uint64_t page, uint64_t end)
{
    uint64_t stop = (page / RCACHE_FRAME_PAGES + 1) * RCACHE_FRAME_PAGES;

    return MIN(stop, end) - page;
}

/* @n words on; the front hand that laps the back hand pushes it along. */
static void clock_front_step(Clock *clock, uint64_t nr, uint64_t n)
{
    clock->front = (clock->front + n) % nr;
    clock->between += n;
    if (clock->between > nr - 1) {
        clock->back = (clock->back + clock->between - (nr - 1)) % nr;
        clock->between = nr - 1;
    }
}

static void clock_back_step(Clock *clock, uint64_t nr, uint64_t n)
{
    clock->back = (clock->back + n) % nr;
    clock->between -= n;
}

unsigned clock_front(Clock *clock, Table *table, uint64_t start, uint64_t end,
                     uint64_t *out, unsigned max)
{
    /*
     * Less than a turn: in a whole one it would push the back hand past the
     * page that this hand is at, whenever their turn comes round.
     */
    uint64_t left = table->nr - 1, step;
    unsigned n = 0;

    for (unsigned looks = 0; looks < CLOCK_SCAN_MAX && left && n < max;
         looks++, left -= step) {
        uint64_t page = clock->front, word;

        step = 1;
        if (page < start || page >= end) {
            break;
        }
        if (!table_frame_has(table, page, RCACHE_HOT)) {
            step = MIN(frame_rest(page, end), left);
            clock_front_step(clock, table->nr, step);
            continue;
        }
        word = table_load(table, page);
        if (page_state(word) == RCACHE_HOT) {
            unsigned credit = page_credit(word);

            if (!credit) {
                out[n++] = page;
            } else {
                /* Lost to a discard: then there is no credit left anyway. */
                table_step(table, page, word,
                           page_with_credit(word, credit - 1));
            }
        }
        clock_front_step(clock, table->nr, 1);
    }
    return n;
}

unsigned clock_back(Clock *clock, const Table *table, uint64_t start,
                    uint64_t end, uint64_t *out, unsigned max)
{
    unsigned n = 0;

    for (unsigned looks = 0; looks < CLOCK_SCAN_MAX && clock->between &&
         clock->back >= start && clock->back < end && n < max; looks++) {
        uint64_t page = clock->back;
        enum RcachePageState state;

        if (!table_frame_has(table, page, RCACHE_ZAPPED) &&
            !table_frame_has(table, page, RCACHE_ZAPPING)) {
            clock_back_step(clock, table->nr,
                            MIN(frame_rest(page, end), clock->between));
            continue;
        }
        state = page_state(table_load(table, page));
        if (state == RCACHE_ZAPPING) {
            break;
        }
        if (state == RCACHE_ZAPPED) {
            out[n++] = page;
        }
        clock_back_step(clock, table->nr, 1);
    }
    return n;
}

void clock_skip_front(Clock *clock, const Table *table, uint64_t to)
{
    clock_front_step(clock, table->nr,
                     (to + table->nr - clock->front) % table->nr);
}

void clock_skip_back(Clock *clock, const Table *table, uint64_t to)
{
    uint64_t n = (to + table->nr - clock->back) % table->nr;

    clock_back_step(clock, table->nr, MIN(n, clock->between));
}
