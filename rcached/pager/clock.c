/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock: the two hands that choose which pages go.  See clock.h. */
#include "rcached/pager/clock.h"

#include <glib.h>

void clock_start(Clock *clock, uint64_t page)
{
    clock->front = clock->back = page;
    clock->between = 0;
}

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
    clock->swept += n;
}

/* The front hand's words @page..@stop, of one frame; where it stopped. */
static uint64_t front_look(Table *table, uint64_t page, uint64_t stop,
                           uint64_t *out, unsigned *n, unsigned max)
{
    for (; page < stop && *n < max; page++) {
        uint64_t word = table_load(table, page);
        unsigned credit = page_credit(word);

        if (page_state(word) != RCACHE_HOT) {
            continue;
        }
        if (!credit) {
            out[(*n)++] = page;
        } else {
            /* Lost to a discard: then there is no credit left anyway. */
            table_step(table, page, word, page_with_credit(word, credit - 1));
        }
    }
    return page;
}

unsigned clock_front(Clock *clock, Table *table, uint64_t start, uint64_t end,
                     uint64_t *out, unsigned max)
{
    /*
     * Less than a turn: in a whole one it would push the back hand past the
     * page that this hand is at, whenever their turn comes round.
     */
    uint64_t left = table->nr - 1, looks = 0;
    unsigned n = 0;

    while (looks < CLOCK_SCAN_MAX && left && n < max) {
        uint64_t page = clock->front, to;

        if (page < start || page >= end) {
            break;
        }
        to = page + MIN(frame_rest(page, end), left);
        if (table_frame_has(table, page, RCACHE_HOT)) {
            to = front_look(table, page,
                            MIN(to, page + CLOCK_SCAN_MAX - looks), out, &n,
                            max);
            looks += to - page;
        } else {
            looks++;
        }
        left -= to - page;
        clock_front_step(clock, table->nr, to - page);
        if (n >= CLOCK_ENOUGH && to % RCACHE_FRAME_PAGES == 0) {
            break;
        }
    }
    return n;
}

/* The back hand's; it stops at a page that is still ZAPPING. */
static uint64_t back_look(const Table *table, uint64_t page, uint64_t stop,
                          uint64_t *out, unsigned *n, unsigned max)
{
    for (; page < stop && *n < max; page++) {
        enum RcachePageState state = page_state(table_load(table, page));

        if (state == RCACHE_ZAPPING) {
            break;
        }
        if (state == RCACHE_ZAPPED) {
            out[(*n)++] = page;
        }
    }
    return page;
}

unsigned clock_back(Clock *clock, const Table *table, uint64_t start,
                    uint64_t end, uint64_t *out, unsigned max)
{
    uint64_t looks = 0;
    unsigned n = 0;

    while (looks < CLOCK_SCAN_MAX && clock->between &&
           clock->back >= start && clock->back < end && n < max) {
        uint64_t page = clock->back, to;
        uint64_t stop = page + MIN(frame_rest(page, end), clock->between);

        if (!table_frame_has(table, page, RCACHE_ZAPPED) &&
            !table_frame_has(table, page, RCACHE_ZAPPING)) {
            clock_back_step(clock, table->nr, stop - page);
            looks++;
            continue;
        }
        stop = MIN(stop, page + CLOCK_SCAN_MAX - looks);
        to = back_look(table, page, stop, out, &n, max);
        clock_back_step(clock, table->nr, to - page);
        looks += to - page;
        if (to < stop) {
            break;              /* at a page that is ZAPPING, or all found */
        }
    }
    return n;
}

uint64_t clock_front_rests(Clock *clock, const Table *table)
{
    uint64_t steps = table->nr - 1 - clock->between;

    clock_front_step(clock, table->nr, steps);
    return steps;
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
