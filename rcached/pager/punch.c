/* SPDX-License-Identifier: GPL-2.0-or-later */
/* punch: pages that have gone give their memory back.  See punch.h. */
#include "rcached/pager/punch.h"

#include <errno.h>

#include "common/crash-point.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

#define PUNCH_TRIES     8
/* Pages that are away already, between two that are punched in one piece. */
#define PUNCH_GAP       128u

/*
 * Punch pages @page..@page+@n, PUNCHING or REMOTE all; verify; say where they
 * are.
 */
static void punch_run(Pager *p, uint64_t page, unsigned n)
{
    int64_t data = -EIO;

    for (int i = 0; i < PUNCH_TRIES && data != (int64_t)(page + n); i++) {
        if (i) {
            p->report.counts->intruders++;
        }
        guest_punch(&p->guest, page, n);
        crash_point("punched");
        data = guest_next_data(&p->guest, page, page + n);
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t word = table_load(&p->table, page + i);

        if (page_state(word) != RCACHE_PUNCHING) {
            continue;
        }
        if (data != (int64_t)(page + n)) {
            uint64_t stuck = page + i;

            g_array_append_val(p->evictor.stuck, stuck);
        } else {
            table_step(&p->table, page + i, word,
                       page_to(word, page_slot(word) ? RCACHE_REMOTE
                                                     : RCACHE_ZERO));
        }
    }
}

void punch_retry(Pager *p)
{
    g_autoptr(GArray) stuck = g_steal_pointer(&p->evictor.stuck);

    p->evictor.stuck = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (guint i = 0; i < stuck->len; i++) {
        uint64_t page = g_array_index(stuck, uint64_t, i);

        if (guest_block_of_page(&p->guest, page) &&
            page_state(table_load(&p->table, page)) == RCACHE_PUNCHING) {
            punch_run(p, page, 1);
            install_wake(&p->guest, page);
        }
    }
}

bool punch_joins(Pager *p, uint64_t page, uint64_t next)
{
    const GuestBlock *b = guest_block_of_page(&p->guest, page);

    return b && b == guest_block_of_page(&p->guest, next) &&
           next - page - 1 <= PUNCH_GAP &&
           table_all_are(&p->table, page + 1, next, RCACHE_REMOTE);
}

void punch_marked(Pager *p, const uint64_t *page, const bool *go, unsigned n)
{
    for (unsigned i = 0, run; i < n; i += run) {
        run = 1;
        if (!go[i]) {
            continue;
        }
        while (i + run < n && go[i + run] &&
               punch_joins(p, page[i + run - 1], page[i + run])) {
            run++;
        }
        punch_run(p, page[i], page[i + run - 1] - page[i] + 1);
    }
}
