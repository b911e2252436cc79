/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager-end: from the VMM's end to the pager's.  See pager-end.h. */
#include "rcached/pager/pager-end.h"

#include <poll.h>
#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

/* ------------------------------------------------------------------ seen */

static bool is_readable(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return fd >= 0 && poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

/* Its address space is asked about by an address of ours in it. */
static bool space_is_gone(const Guest *guest)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        if (guest->block[i].present) {
            return uffd_is_dead(guest->uffd, guest->block[i].address);
        }
    }
    return false;
}

static bool vmm_is_dead(Pager *p)
{
    p->vmm.gone |= is_readable(p->vmm.pidfd) ||
                   (p->guest.uffd >= 0 && space_is_gone(&p->guest));
    return p->vmm.gone;
}

/*
 * Is there anybody who had to wait for this pager's end?  All that report.c
 * counts as waiting, and faults that nobody has read.
 */
static bool guest_waits(const Pager *p)
{
    uint64_t page, since;

    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        if (p->fetches.entry[i].used && p->fetches.entry[i].demand) {
            return true;
        }
    }
    return is_readable(p->guest.uffd) ||
           room_queue_len(&p->faults.room) ||
           room_queue_len(&p->faults.retry) || p->faults.fetch.len ||
           p->faults.lost.nr || page_errors_oldest(&p->errors, &page, &since);
}

static bool any_lease(const Pager *p)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        return true;
    }
    return false;
}

static bool any_reached(const Pager *p)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->state == REMOTE_UP) {
            return true;
        }
    }
    return false;
}

static FarewellState look(Pager *p)
{
    const FarewellSeen seen = {
        .dead = vmm_is_dead(p), .bye = p->vmm.bye,
        .alone = !p->vmm.sock.by_peer || p->uplink.sock.fd < 0 ||
                 p->uplink.sock.closing,
        .waits = p->attached && guest_waits(p),
        .home = p->attached && attach_is_done(&p->attach) &&
                !table_away(&p->table),
        .held = any_lease(p), .reached = any_reached(p),
    };

    return farewell_look(&p->farewell, &seen, pager_now());
}

/* -------------------------------------------------------------- releasing */

/*
 * A VM that ended before this pager served it has leases all the same, of its
 * pagers before.
 */
static void load_leases(Pager *p)
{
    if (!p->attached && !any_lease(p) &&
        !memcmp(p->guest.state->uuid, p->self.vm, RCACHE_UUID_LEN) &&
        p->guest.state->incarnation == p->self.incarnation) {
        slots_init(&p->slots);
        lease_load(p);
    }
}

/* No page is moved from here on: the host has the memory back at once. */
static void let_go(Pager *p)
{
    ring_cancel(p->ring, &p->faults_op);
    while (ring_op_busy(&p->faults_op)) {
        ring_run_once(p->ring, true);
    }
    guest_let_go(&p->guest);
}

/*
 * Whoever has lent memory, and the daemon, hear of the end before anything that
 * could take long.
 */
static void releasing_begins(Pager *p)
{
    load_leases(p);
    farewell_release(p, pager_now());
    p->uplink.stats_at = 0;
    uplink_tick(p, pager_now());
    let_go(p);
}

/* ------------------------------------------------------------------ life */

void pager_end_tick(Pager *p, uint64_t now)
{
    if (p->farewell.state == FAREWELL_DOUBT && p->attached) {
        uplink_tick(p, now);
    } else if (p->farewell.state == FAREWELL_RELEASING) {
        providers_tick(p, now);
        farewell_tick(p, now);
        uplink_tick(p, now);
    }
}

/* One look; false: that was all. */
static bool step(Pager *p)
{
    FarewellState before = p->farewell.state, state = look(p);

    if (state == FAREWELL_RELEASING && before != state) {
        releasing_begins(p);
    }
    return state != FAREWELL_OVER;
}

bool pager_end_alone(Pager *p, const uint8_t *vm, uint64_t incarnation,
                     const char *name, int state_fd, GError **errp)
{
    memcpy(p->self.vm, vm, sizeof(p->self.vm));
    p->self.incarnation = incarnation;
    wire_text_copy(p->name, sizeof(p->name), name);
    if (!guest_map_state(&p->guest, state_fd, errp)) {
        return false;
    }
    p->vmm.gone = p->done = true;
    pager_end(p);
    return true;
}

void pager_end(Pager *p)
{
    bool more;

    if (!p->guest.state || p->vmm.refused ||
        (!p->attached && !p->vmm.sock.by_peer && !vmm_is_dead(p))) {
        return;
    }
    if (p->vmm.sock.fd >= 0 && !p->vmm.bye) {
        seqsock_close(&p->vmm.sock, "the pager ends");  /* it connects again */
    }
    farewell_begin(&p->farewell, pager_now());
    if (p->vmm.pidfd >= 0) {
        ring_poll(p->ring, &p->gone_op, p->vmm.pidfd, POLLIN);
    }
    more = step(p);
    if (p->farewell.state == FAREWELL_DOUBT) {
        g_message("vm %s: the pager waits for the VMM to end, or to connect "
                  "again", p->name);
    }
    while (more && ring_run_once(p->ring, true) >= 0) {
        more = step(p);
    }
    if (p->vmm.gone || p->vmm.bye) {
        farewell_tell(p);
    }
}
