/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arrival: what follows when a page is here, or is not.  See arrival.h. */
#include "rcached/pager/arrival.h"

#include <errno.h>

#include "common/crash-point.h"
#include "rcached/pager/pager.h"

/* One event a page; where there are many, the figures are enough. */
#define EVENTS_MAX      16u

static bool is_told(const Pager *p)
{
    uint64_t page, since;

    return page_errors_oldest(&p->errors, &page, &since) <= EVENTS_MAX;
}

static void arrival_refused(Pager *p, uint64_t page, int err)
{
    bool soon;

    if (page_errors_add(&p->errors, page, pager_now(), &soon) && is_told(p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, page,
                     "the kernel cannot put this page into the guest (%s): the "
                     "guest waits when it touches the page, and the pager "
                     "tries again every second", g_strerror(-err));
    }
    if (soon) {
        pager_soon(p);
    }
}

void arrival_passed(Pager *p, uint64_t page)
{
    uint64_t other, since;

    if (stalls_may_wait(&p->delays.stalls, page)) {
        stalls_end(&p->delays.stalls, page, pager_now());
    }
    if (page_errors_end(&p->errors, page) &&
        !page_errors_oldest(&p->errors, &other, &since)) {
        report_event(p, RCACHE_EVENT_RECOVERED, REPORT_NO_PAGE,
                     "the kernel takes every page of the guest again");
    }
}

bool arrival_failed(Pager *p, uint64_t page, int err)
{
    switch (err) {
    case -EAGAIN:
    case -ENOMEM:
        pager_soon(p);
        return true;
    case -ESRCH:
    case -ENOENT:
        /* The VMM's address space is gone, or this mapping in it is. */
        p->vmm.gone |= err == -ESRCH;
        arrival_passed(p, page);
        return false;
    default:
        arrival_refused(p, page, err);
        return true;
    }
}

void arrival_hot(Pager *p, uint64_t page, uint64_t slot)
{
    uint64_t word = table_load(&p->table, page);
    uint64_t hot = page_to(word, RCACHE_HOT);
    /* The word is shared with the VMM, the map of slots is not. */
    bool keep = slot && page_slot(word) == slot &&
                !slots_kept(&p->slots, slot).page;

    hot = keep ? hot | RCACHE_CLEAN : page_with_slot(hot, 0);
    if (page_state(word) != RCACHE_FILLING ||
        !table_step(&p->table, page, word, hot)) {
        g_critical("vm %s: page %" G_GUINT64_FORMAT " changed state "
                   "unexpectedly while it was filled: its word is %016"
                   G_GINT64_MODIFIER "x", p->name, page, word);
        return;
    }
    p->takeover.arrived++;
    if (keep) {
        slots_keep(&p->slots, page_slot(word), page,
                   p->table.sides[page].version);
        crash_point("slot-kept");
    } else if (page_slot(word)) {
        crash_point("arrived");
        location_free(p, page_slot(word));
    }
    arrival_passed(p, page);
}
