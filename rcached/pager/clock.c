/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock: the two hands that choose which pages go.  See clock.h. */
#include "rcached/pager/clock.h"

#include <glib.h>

/* One word on; the front hand that laps the back hand pushes it along. */
static void clock_front_step(Clock *clock, uint64_t nr)
{
    clock->front = clock->front + 1 == nr ? 0 : clock->front + 1;
    if (clock->between < nr - 1) {
        clock->between++;
    } else {
        clock->back = clock->back + 1 == nr ? 0 : clock->back + 1;
    }
}

unsigned clock_front(Clock *clock, Table *table, uint64_t start, uint64_t end,
                     uint64_t *out, unsigned max)
{
    /*
     * Less than a turn: in a whole one it would push the back hand past the
     * page that this hand is at, whenever their turn comes round.
     */
    unsigned most = MIN(CLOCK_SCAN_MAX, table->nr - 1);
    unsigned n = 0;

    for (unsigned scanned = 0; scanned < most && n < max; scanned++) {
        uint64_t page = clock->front, word;

        if (page < start || page >= end) {
            break;
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
        clock_front_step(clock, table->nr);
    }
    return n;
}

unsigned clock_back(Clock *clock, const Table *table, uint64_t *out,
                    unsigned max)
{
    unsigned n = 0;

    for (unsigned scanned = 0;
         scanned < CLOCK_SCAN_MAX && clock->between && n < max; scanned++) {
        enum RcachePageState state = page_state(table_load(table,
                                                           clock->back));

        if (state == RCACHE_ZAPPING) {
            break;
        }
        if (state == RCACHE_ZAPPED) {
            out[n++] = clock->back;
        }
        clock->back = clock->back + 1 == table->nr ? 0 : clock->back + 1;
        clock->between--;
    }
    return n;
}
