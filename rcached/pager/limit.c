/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limit: a local_max that rcached chooses (local-max=auto).
 *
 * A higher one holds at once.  A lower one comes down with what is resident:
 * faults above local_max wait for eviction, and a guest is not to stand still
 * until all of a large step has gone.  local_max so stays at what is resident,
 * which eviction brings down, and never rises on the way.
 *
 * Until rcached says something all of the guest may be here: a host that has
 * enough divides nothing.  Then no room is made for what may come, and RAM
 * does not come under management for it.
 */
#include "rcached/pager/pager.h"

void limit_begin(Pager *p, uint64_t ram)
{
    p->auto_least = p->local_max;
    p->local_max = p->auto_limit = MAX(p->local_max, ram);
}

void limit_end(Pager *p)
{
    p->auto_least = 0;
    uplink_auto(p);
}

void limit_resume(Pager *p, uint64_t least)
{
    p->auto_least = least;
    uplink_auto(p);
}

void limit_told(Pager *p, uint64_t bytes)
{
    if (p->auto_least) {
        p->auto_limit = MAX(bytes / RCACHE_PAGE_SIZE, p->auto_least);
    }
}

bool limit_is_all(const Pager *p)
{
    return p->auto_least && p->auto_limit >= p->ram;
}

void limit_tick(Pager *p)
{
    uint64_t limit = p->auto_limit;

    if (!p->auto_least || p->command.kind == COMMAND_RESIZE) {
        return;
    }
    /* What may not be away has to be here. */
    limit = MAX(limit, p->ram > p->size ? p->ram - p->size : 0);
    if (limit < p->local_max) {
        limit = MAX(limit, MIN(p->local_max, pager_resident(p)));
    }
    p->local_max = limit;
}
