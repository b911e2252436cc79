/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arrival: what follows when a page is here, or is not.  See arrival.h. */
#include "rcached/pager/arrival.h"

#include <errno.h>

#include "rcached/pager/pager.h"

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
        return false;
    default:
        g_warning("vm %s: page %" G_GUINT64_FORMAT ": userfaultfd: %s",
                  p->name, page, g_strerror(-err));
        pager_soon(p);
        return true;
    }
}

void arrival_hot(Pager *p, uint64_t page)
{
    uint64_t word = table_load(&p->table, page);

    if (page_state(word) != RCACHE_FILLING ||
        !table_step(&p->table, page, word,
                    page_with_slot(page_to(word, RCACHE_HOT), 0))) {
        g_critical("vm %s: page %" G_GUINT64_FORMAT " changed state "
                   "unexpectedly while it was filled: its word is %016"
                   G_GINT64_MODIFIER "x", p->name, page, word);
        return;
    }
    if (page_slot(word)) {
        location_free(p, page_slot(word));
    }
}
