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
 * enough divides nothing.
 *
 * While all of the guest may be here, whoever has said so, pages go on command
 * only: no room is made for what may come, and RAM does not come under
 * management.  RAM that is plugged in, or a resize, can change that at any
 * time, so that limit_is_all() is asked again and again.
 *
 * A VM that is held (hold=on) keeps its own limits, which count again when the
 * hold ends.  Until then nothing may be away, and as much may be here as
 * rcached says that the host has room for, if that is more than local_max.
 * Where it has no more a guest may still need a page that is not here: one goes
 * for it then, as at any limit, or the guest would stand still.
 */
#include "rcached/pager/pager.h"

void limit_begin(Pager *p, uint64_t ram)
{
    p->limits.auto_least = p->limits.local_max;
    p->limits.local_max = p->limits.auto_limit = MAX(p->limits.local_max, ram);
}

void limit_end(Pager *p)
{
    p->limits.auto_least = 0;
    uplink_auto(p);
}

void limit_resume(Pager *p, uint64_t least)
{
    p->limits.auto_least = least;
    uplink_auto(p);
}

void limit_told(Pager *p, uint64_t bytes)
{
    if (p->limits.auto_least) {
        p->limits.auto_limit = MAX(bytes / RCACHE_PAGE_SIZE,
                                   p->limits.auto_least);
    }
}

void limit_hold(Pager *p, bool held, uint64_t bytes)
{
    Limits *l = &p->limits;

    if (held != l->held) {
        g_message("vm %s: %s", p->name, held
                  ? "held: nothing more of it goes, and what is away comes home"
                  : "not held any more: its limits count again");
    }
    l->held = held;
    l->held_max = held ? bytes / RCACHE_PAGE_SIZE : 0;
}

bool limit_is_all(const Pager *p)
{
    const Limits *l = &p->limits;

    if (l->held && l->held_max >= l->ram) {
        return true;
    }
    return (l->auto_least ? l->auto_limit : l->local_max) >= l->ram;
}

void limit_tick(Pager *p)
{
    uint64_t limit = p->limits.auto_limit;

    if (!p->limits.auto_least || p->command.active.kind == COMMAND_RESIZE) {
        return;
    }
    /* What may not be away has to be here. */
    if (p->limits.ram > p->limits.size) {
        limit = MAX(limit, p->limits.ram - p->limits.size);
    }
    if (limit < p->limits.local_max) {
        limit = MAX(limit, MIN(p->limits.local_max, pager_resident(p)));
    }
    p->limits.local_max = limit;
}

uint64_t limit_low_water(const Pager *p)
{
    uint64_t room = CLAMP(p->limits.local_max / 32, 64, 4096);

    if (limit_is_all(p)) {
        return MAX(p->limits.local_max, p->limits.ram);
    }
    if (p->limits.held) {
        return limit_here(&p->limits);  /* no room for what may come */
    }
    return p->limits.local_max > room ? p->limits.local_max - room : 0;
}

uint64_t limit_allowance(const Pager *p)
{
    uint64_t away = table_away(&p->table);
    uint64_t going = MAX(p->table.count[RCACHE_EVICTING], 0);

    if (p->limits.held && !room_queue_len(&p->faults.room)) {
        return 0;
    }
    /* A provider that hangs must not have the others wait at size. */
    going -= MIN(going, location_overdue(p, pager_now()));
    return p->limits.size - MIN(away + going, p->limits.size);
}

/*
 * When as much is away as may be, nothing can go before something has come:
 * then a page may take memory a little over local_max, and one goes for it.  So
 * it may while nothing can go because not all pages are known yet.  This holds
 * for pages of zeros too: if only those that come back had it, they could leave
 * none for a page that waits.  A VM that is held has it always: pages come home
 * up to its limit, and that is no reason to send one away for the next fault.
 */
uint64_t limit_room(const Pager *p)
{
    uint64_t coming = MAX(p->table.count[RCACHE_FETCHING], 0);
    uint64_t limit = stretch_limit(&p->faults.stretch,
                                   limit_here(&p->limits));
    uint64_t here = pager_resident(p) + coming;

    if (p->limits.held || !attach_is_done(&p->attach) ||
        limit_allowance(p) < limit_slack(p)) {
        limit += limit_slack(p);
    }
    return limit > here ? limit - here : 0;
}

uint64_t limit_slack(const Pager *p)
{
    return CLAMP(limit_here(&p->limits) / 64, 64, 2048);
}
