/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report: figures ten times a second, for the VMM and rcached. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rcached/pager/copies-count.h"
#include "rcached/pager/pager.h"

#define STATS_NS        (100 * NS_PER_MS)
#define WAITING_NS      NS_PER_SEC

static uint64_t bytes_of(const Pager *p, enum RcachePageState state)
{
    return (uint64_t)MAX(p->table.count[state], 0) * RCACHE_PAGE_SIZE;
}

static uint64_t own_rss(void)
{
    unsigned long total, rss = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        if (fscanf(f, "%lu %lu", &total, &rss) != 2) {
            rss = 0;
        }
        fclose(f);
    }
    return (uint64_t)rss * sysconf(_SC_PAGESIZE);
}

static void stats_pages(const Pager *p, struct RcacheVmmStats *s)
{
    s->guest = p->limits.ram * RCACHE_PAGE_SIZE;
    s->untouched = bytes_of(p, RCACHE_UNTOUCHED);
    s->hot = bytes_of(p, RCACHE_HOT) + bytes_of(p, RCACHE_ZAPPING);
    s->zapped = bytes_of(p, RCACHE_ZAPPED) + bytes_of(p, RCACHE_EVICTING);
    s->cached = bytes_of(p, RCACHE_CACHED);
    s->remote = bytes_of(p, RCACHE_REMOTE) + bytes_of(p, RCACHE_PUNCHING) +
                bytes_of(p, RCACHE_FETCHING) + bytes_of(p, RCACHE_FILLING);
    s->zero = bytes_of(p, RCACHE_ZERO) + bytes_of(p, RCACHE_DISCARDING);
    s->lost = bytes_of(p, RCACHE_LOST);
    /* What is left, so that the sum is the guest: words outside blocks too */
    s->unmanaged = s->guest - MIN(s->guest, s->untouched + s->hot +
                                  s->zapped + s->cached + s->remote +
                                  s->zero + s->lost);
    s->resident = pager_resident(p) * RCACHE_PAGE_SIZE;
    s->size = p->limits.size * RCACHE_PAGE_SIZE;
    s->local_max = limit_here(&p->limits) * RCACHE_PAGE_SIZE;
}

/*
 * What becomes of a wait.  A page that is lost can be poisoned, so the VMM must
 * hear of it also where one that is given up has been waited for longer.
 */
typedef enum WaitHope {
    WAIT_FOR_A_WHILE,
    WAIT_GIVEN_UP,              /* its providers may yet be back */
    WAIT_LOST,
} WaitHope;

/* Why a fault waits: the worst counts, of those as bad the oldest. */
typedef struct Waits {
    struct RcacheVmmStats *s;
    uint64_t page;
    WaitHope hope;
} Waits;

static void waits_consider(Waits *w, uint64_t page, uint64_t age,
                           const char *what, WaitHope hope)
{
    if (w->hope > hope || (w->hope == hope && age < w->s->oldest_wait)) {
        return;
    }
    w->page = page;
    w->hope = hope;
    w->s->oldest_wait = age;
    wire_text_copy(w->s->waiting_for, sizeof(w->s->waiting_for), what);
}

/* Pages that are asked for, and that will not come if all is given up. */
static void waits_fetches(Pager *p, Waits *w, uint64_t now)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        const Fetch *f = &p->fetches.entry[i];
        uint64_t slot = page_slot(f->word);
        bool hopeless;

        if (!f->used || !f->demand || page_errors_has(&p->errors, f->page)) {
            continue;
        }
        hopeless = location_is_given_up(p, slot, now) ||
                   (f->wrong_since &&
                    now >= f->wrong_since + p->copies.give_up_ns);
        w->s->waiting_pages++;
        w->s->hopeless += hopeless;
        waits_consider(w, f->page, now - f->started, location_host(p, slot),
                       hopeless ? WAIT_GIVEN_UP : WAIT_FOR_A_WHILE);
    }
}

/* Pages that are not asked for yet, as their provider has enough to answer. */
static void waits_lanes(Pager *p, Waits *w, uint64_t now)
{
    uint64_t page, since;

    w->s->waiting_pages += p->faults.fetch.len;
    if (fetch_queue_oldest(&p->faults.fetch, &page, &since)) {
        waits_consider(w, page, now - since,
                       location_host(p, page_slot(table_load(&p->table, page))),
                       WAIT_FOR_A_WHILE);
    }
}

/* How many faults wait; which of them matters most, and what it waits for. */
static void stats_waiting(Pager *p, struct RcacheVmmStats *s, uint64_t now)
{
    const LostWait *lost = lost_wait_oldest(&p->faults.lost);
    Waits w = { .s = s, .page = REPORT_NO_PAGE };
    uint64_t page, since;
    unsigned refused;
    GuestBlock *b;

    s->hopeless = p->faults.lost.nr;
    s->waiting_pages = room_queue_len(&p->faults.room) + p->faults.lost.nr;
    if (room_queue_len(&p->faults.room)) {
        waits_consider(&w, room_queue_first(&p->faults.room),
                       now - p->faults.room.since, "room", WAIT_FOR_A_WHILE);
    }
    if (lost) {
        waits_consider(&w, lost->page, now - lost->since,
                       "a page that is lost", WAIT_LOST);
    }
    refused = page_errors_oldest(&p->errors, &page, &since);
    if (refused) {
        waits_consider(&w, page, now - since,
                       "memory that the kernel refuses", WAIT_FOR_A_WHILE);
    }
    s->waiting_pages += refused;
    waits_lanes(p, &w, now);
    waits_fetches(p, &w, now);
    if (s->oldest_wait && (b = guest_block_of_page(&p->guest, w.page))) {
        s->waiting_block = b - p->guest.block;
        s->waiting_offset = (w.page - b->first) * RCACHE_PAGE_SIZE;
    }
}

static void stats_leases(const Pager *p, struct RcacheVmmStats *s)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        struct RcacheStatsLease *out = &s->lease[s->nr_leases];
        uint64_t used = slots_used_in(&p->slots, l->index);

        if (s->nr_leases == RCACHE_STATS_LEASES) {
            return;
        }
        out->id = l->known.id;
        out->bytes = p->slots.pages[l->index] * RCACHE_PAGE_SIZE;
        out->stored = used * RCACHE_PAGE_SIZE;
        out->connected = lease_ready(l);
        wire_text_copy(out->provider, sizeof(out->provider), l->remote->host);
        s->nr_leases++;
    }
}

/* Of what is away: a slot that is on its way back has no page any more. */
static void stats_copies(const Pager *p, struct RcacheVmmStats *s)
{
    CopiesCount count;

    copies_count(p, &count);
    s->copies = p->locations.copies;
    s->one_copy = MIN(count.one * RCACHE_PAGE_SIZE, s->remote);
    s->copying = MIN(count.pending * RCACHE_PAGE_SIZE, s->remote);
}

void report_stats(Pager *p, struct RcacheVmmStats *s, uint64_t now)
{
    *s = (struct RcacheVmmStats) {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_STATS,
                 .size = sizeof(*s),
                 .flags = attach_is_done(&p->attach) ?
                          RCACHE_STATS_RECONCILED : 0 },
        .pager_rss = own_rss(),
        .faults_remote = p->report.counts->faults_remote,
        .faults_zero = p->report.counts->faults_zero,
        .faults_minor = p->report.counts->faults_minor,
        .evicted_pages = p->report.counts->evicted,
        .fetched_pages = p->report.counts->fetched,
        .zero_evicted_pages = p->report.counts->zero_evicted,
        .checksum_errors = p->report.counts->checksum_errors,
        .intruders = p->report.counts->intruders,
        .fault_p50 = histogram_quantile(&p->report.fault_ns, 0.5),
        .fault_p99 = histogram_quantile(&p->report.fault_ns, 0.99),
        .fault_p999 = histogram_quantile(&p->report.fault_ns, 0.999),
        .fault_max = histogram_max(&p->report.fault_ns),
        .network_p50 = histogram_quantile(&p->report.network_ns, 0.5),
    };
    stats_pages(p, s);
    stats_waiting(p, s, now);
    stats_leases(p, s);
    stats_copies(p, s);
}

static bool page_is_here(void *opaque, uint64_t page)
{
    Pager *p = opaque;
    enum RcachePageState state = page_state(table_load(&p->table, page));

    return state == RCACHE_HOT || state == RCACHE_ZAPPING ||
           state == RCACHE_UNMANAGED;
}

void report_delays(Pager *p, struct RcacheVmmDelays *delays, uint64_t now)
{
    *delays = (struct RcacheVmmDelays) {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_DELAYS,
                 .size = sizeof(*delays) },
    };
    stalls_sweep(&p->delays.stalls, page_is_here, p, now);
    delays_fill(&p->delays, now, delays);
}

/* Once a second is enough, for they are of a minute. */
static void delays_tell(Pager *p, uint64_t now)
{
    struct RcacheVmmDelays delays;

    if (p->vmm.features & RCACHE_VMM_F_DELAYS && now >= p->report.delays_at) {
        p->report.delays_at = now + NS_PER_SEC;
        report_delays(p, &delays, now);
        seqsock_send(&p->vmm.sock, &delays, sizeof(delays), -1);
    }
}

/* One event when a fault has waited long, one when none does any more. */
static void report_waiting(Pager *p, const struct RcacheVmmStats *s)
{
    bool waiting = s->oldest_wait > WAITING_NS;

    if (waiting && !p->report.waiting) {
        GuestBlock *b = &p->guest.block[s->waiting_block];

        report_event(p, RCACHE_EVENT_WAITING,
                     b->first + s->waiting_offset / RCACHE_PAGE_SIZE,
                     "the guest waits for %s (%" G_GUINT64_FORMAT " pages)",
                     s->waiting_for, s->waiting_pages);
    } else if (!waiting && p->report.waiting) {
        report_event(p, RCACHE_EVENT_RECOVERED, REPORT_NO_PAGE,
                     "the guest waits for no page any more");
    }
    p->report.waiting = waiting;
}

bool report_tick(Pager *p, uint64_t now)
{
    struct RcacheVmmStats stats;

    if (now < p->report.stats_at) {
        return false;
    }
    p->report.stats_at = now + STATS_NS;
    report_stats(p, &stats, now);
    if (!(p->vmm.features & RCACHE_VMM_F_COPIES)) {
        stats.hdr.size = RCACHE_STATS_SIZE_1;
    }
    seqsock_send(&p->vmm.sock, &stats, stats.hdr.size, -1);
    delays_tell(p, now);
    report_waiting(p, &stats);
    return true;
}
