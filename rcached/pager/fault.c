/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault: what a fault asks for, decided from the page's word alone (rule 5).
 *
 * The message says only where; its flags can be out of date and are not read.
 * The same fault may be delivered many times: a page that is on its way is
 * left alone, and one that has arrived is answered again, which wakes.
 *
 * A page that would take resident memory over local_max waits in a queue
 * until evictions have made room: bounded by their progress.  If nothing can
 * be evicted any more (no provider with room), local_max gives way: stretch.h.
 * A page of a provider that is asked for as many pages as it may be waits in a
 * queue of that provider.
 *
 * Faults on pages that are away also say which ones will be wanted: ahead.h.
 */
#include <errno.h>

#include "common/crash-point.h"
#include "rcached/pager/ahead.h"
#include "rcached/pager/arrival.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

/* No eviction has ended for so long: waiting any longer is no use. */
#define NO_PROGRESS_NS  (500 * NS_PER_MS)
/* But an answer to a request for leases is waited for. */
#define NO_LEASE_NS     (5 * NS_PER_SEC)
/* The loop turns more often than that, if it is run at all. */
#define LOOK_MOST_NS    (150 * NS_PER_MS)

void faults_init(Faults *faults)
{
    room_queue_init(&faults->room);
    fetch_queue_init(&faults->fetch);
    room_queue_init(&faults->retry);
}

void faults_deinit(Faults *faults)
{
    room_queue_deinit(&faults->room);
    fetch_queue_deinit(&faults->fetch);
    room_queue_deinit(&faults->retry);
}

/* Zeros into a page that is FILLING without a slot. */
static void fill_zero(Pager *p, uint64_t page)
{
    int ret;

    crash_point("zero-filling");
    ret = install_zero(&p->guest, page);
    if (ret == 0) {
        crash_point("zero-filled");
        p->report.counts->faults_zero++;
        arrival_hot(p, page);
    } else if (arrival_failed(p, page, ret)) {
        room_queue_add(&p->faults.retry, page, pager_now());
    }
}

/* A page whose bytes are here; false: the word has changed, look again. */
static bool fault_present(Pager *p, uint64_t page, uint64_t word)
{
    enum RcachePageState state = page_state(word);
    uint64_t hot = page_with_slot(page_to(word, RCACHE_HOT), 0);
    int ret;

    if (state != RCACHE_HOT && state != RCACHE_ZAPPING) {
        hot = clock_credit(hot);
    }
    if (hot != word && !table_step(&p->table, page, word, hot)) {
        return false;
    }
    if (page_slot(word)) {
        location_free(p, page_slot(word));
    }
    if (state != RCACHE_HOT) {
        p->report.counts->faults_minor++;
    }
    crash_point("present");
    ret = install_present(&p->guest, page);
    if (ret != -ENODATA) {
        if (!ret) {
            arrival_passed(p, page);
        } else if (arrival_failed(p, page, ret)) {
            room_queue_add(&p->faults.retry, page, pager_now());
        }
        return true;
    }
    /* Nothing to map: the VMM has discarded it, and then the word differs. */
    if (guest_next_data(&p->guest, page, page + 1) == (int64_t)page + 1 &&
        table_step(&p->table, page, hot, page_to(hot, RCACHE_LOST))) {
        report_event(p, RCACHE_EVENT_PAGE_LOST, page,
                     "the page should be on this host, but its memory is gone");
    }
    return false;
}

/* May an answer add a page?  One of zeros as well as one that comes back. */
static bool room_there(const Pager *p)
{
    return limit_room(p);
}

/* A page that is away, and has waited before; false: the word has changed. */
static bool fault_remote(Pager *p, uint64_t page, uint64_t word, bool waited,
                         uint64_t now)
{
    const Remote *r = location_remote(p, page_slot(word));
    int ret = -EBUSY;

    if (waited || !fetch_queue_waits(&p->faults.fetch, r)) {
        ret = fetch_start(p, page, word, true, now);
    }
    if (ret == -EBUSY) {
        fetch_queue_add(&p->faults.fetch, r, page, now);
    } else if (ret == 0) {
        ahead_fault(p, page, now);
    }
    return ret != -EAGAIN;
}

/* A page whose bytes are not here; false: the word has changed. */
static bool fault_absent(Pager *p, uint64_t page, uint64_t word, bool waited,
                         uint64_t now)
{
    uint64_t filling = page_with_slot(page_to(word, RCACHE_FILLING), 0);

    /* First come, first served: nobody passes those that wait. */
    if (!room_there(p) || (!waited && room_queue_len(&p->faults.room))) {
        room_queue_add(&p->faults.room, page, now);
        return true;
    }
    if (page_state(word) == RCACHE_REMOTE) {
        return fault_remote(p, page, word, waited, now);
    }
    if (!table_step(&p->table, page, word, filling)) {
        return false;
    }
    if (page_slot(word)) {
        location_free(p, page_slot(word));
    }
    fill_zero(p, page);
    return true;
}

static bool fault_once(Pager *p, uint64_t page, bool waited, uint64_t now)
{
    uint64_t word = table_load(&p->table, page);

    switch (page_state(word)) {
    case RCACHE_HOT:
    case RCACHE_ZAPPING:
    case RCACHE_ZAPPED:
    case RCACHE_EVICTING:
    case RCACHE_CACHED:
        return fault_present(p, page, word);
    case RCACHE_UNTOUCHED:
    case RCACHE_ZERO:
    case RCACHE_REMOTE:
        return fault_absent(p, page, word, waited, now);
    case RCACHE_UNMANAGED:
        takeover_page(p, page);
        return false;
    case RCACHE_FETCHING:       /* its arrival wakes */
        fetch_wanted(p, page, now);
        ahead_fault(p, page, now);
        return true;
    case RCACHE_FILLING:
    case RCACHE_PUNCHING:       /* punch_retry() wakes */
    case RCACHE_DISCARDING:     /* the VMM wakes */
        return true;
    case RCACHE_LOST:           /* waits for an operator */
        lost_wait_add(&p->faults.lost, page, now);
        return true;
    default:
        return true;
    }
}

/* @waited: it does not go to the end of its provider's queue. */
static void fault_answer(Pager *p, uint64_t page, bool waited, uint64_t now)
{
    if (!guest_block_of_page(&p->guest, page)) {
        return;                 /* removed while the fault waited for room */
    }
    attach_page(p, page);
    for (int i = 0; i < 16; i++) {
        if (fault_once(p, page, waited, now)) {
            return;
        }
    }
    /* The VMM keeps changing the word: let it get on with that. */
    room_queue_add(&p->faults.retry, page, now);
    pager_soon(p);
}

void fault_page(Pager *p, uint64_t page, uint64_t now)
{
    fault_answer(p, page, false, now);
}

/* Does the thread go on to wait?  Not for a page that is mapped by now. */
static void fault_stalls(Pager *p, uint32_t thread, uint64_t page,
                         uint64_t now)
{
    enum RcachePageState state = page_state(table_load(&p->table, page));

    if (state != RCACHE_HOT && state != RCACHE_ZAPPING) {
        stalls_begin(&p->delays.stalls, thread, page, now);
    }
}

void fault_poll(Pager *p)
{
    uint64_t addr[UFFD_READ_MAX], page;
    uint32_t thread[UFFD_READ_MAX];
    int n;

    do {
        uint64_t now;

        n = uffd_read(p->guest.uffd, addr, thread);
        if (n < 0) {
            pager_quit(p, "faults cannot be read: %s", g_strerror(-n));
            return;
        }
        if (!n) {
            return;
        }
        crash_point("faults-read");
        now = pager_now();
        for (int i = 0; i < n; i++) {
            if (guest_page_of_address(&p->guest, addr[i], &page)) {
                fault_page(p, page, now);
                fault_stalls(p, thread[i], page, now);
            }
        }
    } while (n == UFFD_READ_MAX);
}

/* What an operator can do something about. */
static const char *no_room_why(const Pager *p)
{
    if (location_has_room(p)) {
        return table_away(&p->table) >= p->limits.size
                   ? "size allows no more memory to be away"
                   : "providers have room, but no cold page was found or "
                     "stored";
    }
    return *p->want.text ? p->want.text
                         : "no provider with a free slab can be reached";
}

/*
 * How long has there been no reason to wait on?  While the host did not run
 * this process no answer could be taken, so that it proves nothing.
 */
static uint64_t room_waited(Pager *p, uint64_t now)
{
    RoomWait *w = &p->faults.room_wait;
    uint64_t since = MAX(p->evictor.progress.at, p->faults.room.since);

    if (since != w->since) {
        *w = (RoomWait) { .since = since, .looked_at = since };
    }
    /* Progress may be newer than @now: a slice of the attach counts as such. */
    w->ns += now > w->looked_at ? MIN(now - w->looked_at, LOOK_MOST_NS) : 0;
    w->looked_at = MAX(w->looked_at, now);
    return w->ns;
}

/* Has waiting for an eviction become pointless? */
static bool room_is_stuck(Pager *p, uint64_t now)
{
    uint64_t patience = lease_is_coming(p) ? NO_LEASE_NS : NO_PROGRESS_NS;
    uint64_t waited = room_waited(p, now);

    return room_queue_len(&p->faults.room) && !room_there(p) &&
           waited > patience;
}

static void room_consider(Pager *p, uint64_t now)
{
    Stretch *stretch = &p->faults.stretch;
    enum StretchState before = stretch->state;
    StretchInput in = {
        .waiting = room_queue_len(&p->faults.room),
        .stuck = room_is_stuck(p, now), .resident = pager_resident(p),
        .local_max = limit_here(&p->limits), .slack = limit_slack(p),
        .evicted = p->report.counts->evicted + p->report.counts->zero_evicted,
    };

    stretch_look(stretch, &in, now);
    if (before == STRETCH_OFF && stretch->state != STRETCH_OFF) {
        report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE,
                     "cold pages have nowhere to go: local-max is stretched "
                     "(%s)", no_room_why(p));
    } else if (before != STRETCH_OFF && stretch->state == STRETCH_OFF) {
        report_event(p, RCACHE_EVENT_RECOVERED, REPORT_NO_PAGE,
                     "cold pages can go again: local-max holds");
    }
}

static bool turn_has_come(void *owner, uint64_t page)
{
    Pager *p = owner;
    uint64_t word = table_load(&p->table, page);

    return page_state(word) != RCACHE_REMOTE ||
           location_may_get(p, page_slot(word), FETCH_MAX);
}

static void turn_take(void *owner, uint64_t page, uint64_t now)
{
    fault_answer(owner, page, true, now);
}

void fault_work(Pager *p, uint64_t now)
{
    RoomQueue *room = &p->faults.room;

    fetch_queue_serve(&p->faults.fetch, now, turn_has_come, turn_take, p);
    room_consider(p, now);
    /* Not those that come to wait again. */
    for (guint n = room_queue_len(room); n && room_there(p); n--) {
        fault_answer(p, room_queue_take(room, now), true, now);
    }
}

void fault_retry(Pager *p, uint64_t now)
{
    RoomQueue *retry = &p->faults.retry;

    for (guint n = room_queue_len(retry); n; n--) {
        uint64_t page = room_queue_take(retry, now);
        uint64_t word = table_load(&p->table, page);

        if (!guest_block_of_page(&p->guest, page)) {
            arrival_passed(p, page);
            continue;
        }
        if (!page_errors_due(&p->errors, page, now)) {
            room_queue_add(retry, page, now);
        } else if (page_state(word) == RCACHE_FILLING && !page_slot(word)) {
            fill_zero(p, page);
        } else {
            fault_page(p, page, now);
        }
    }
}
