/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ahead: pages are fetched before a guest wants them.  See ahead.h. */
#include "rcached/pager/ahead.h"

#include "rcached/pager/pager.h"

/* Where a frame was refused none is sent for so long. */
#define REFUSED_NS      NS_PER_SEC

_Static_assert(READAHEAD_MOST <= RCACHE_BATCH_PAGES, "one fetch_ahead()");

/* How many pages may come that nobody waits for. */
static uint64_t ahead_room(const Pager *p, uint64_t now)
{
    uint64_t refused = p->locations.many.refused_at;

    uint64_t ahead = p->fetches.nr_ahead, half;

    if (!attach_is_done(&p->attach) ||
        p->command.active.kind != COMMAND_NONE || p->command.homing ||
        room_queue_len(&p->faults.room) ||
        p->faults.stretch.state != STRETCH_OFF ||
        (refused && now < refused + REFUSED_NS)) {
        return 0;
    }
    /* Of what there is, and of what those that are ahead have taken. */
    half = (limit_room(p) + ahead) / 2;
    return half > ahead ? half - ahead : 0;
}

/* The pages of a window that are in the block of @page; how many. */
static unsigned ahead_pages(Pager *p, const ReadaheadWindow *w, uint64_t page,
                            uint64_t room, uint64_t *out)
{
    const GuestBlock *b = guest_block_of_page(&p->guest, page);
    unsigned n = 0;

    while (n < MIN(w->n, room)) {
        uint64_t next = w->first + (int64_t)n * w->stride;

        if (next < b->first || next >= b->first + b->pages) {
            break;
        }
        out[n++] = next;
    }
    return n;
}

void ahead_fault(Pager *p, uint64_t page, uint64_t now)
{
    uint64_t pages[READAHEAD_MOST];
    ReadaheadWindow w;
    unsigned n;

    if (readahead_fault(&p->ahead, page, now, &w)) {
        n = ahead_pages(p, &w, page, ahead_room(p, now), pages);
        readahead_asked(&p->ahead, &w, fetch_ahead(p, pages, n, now));
    }
}
