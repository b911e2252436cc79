/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach: a new pager takes over a running guest.  See attach.h. */
#include "rcached/pager/attach.h"

#include "common/crash-point.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

/* Between two looks at the faults: a few frames. */
#define SLICE_NS        (200 * 1000ull)

/* --------------------------------------------------------------- the memfd */

static int memfd_present(void *owner, uint64_t page, unsigned n, uint8_t *has)
{
    Pager *p = owner;

    return guest_present(&p->guest, page, n, has);
}

static int64_t memfd_next_data(void *owner, uint64_t page, uint64_t end)
{
    Pager *p = owner;

    return guest_next_data(&p->guest, page, end);
}

static void memfd_punch(void *owner, uint64_t page)
{
    Pager *p = owner;

    guest_punch(&p->guest, page, 1);
}

static int memfd_keep(void *owner, uint64_t page, unsigned n)
{
    Pager *p = owner;

    return guest_keep(&p->guest, page, n);
}

static void memfd_lost(void *owner, uint64_t page, const char *why)
{
    report_event(owner, RCACHE_EVENT_PAGE_LOST, page, "%s", why);
}

static const ReconcileOps memfd_ops = {
    .present = memfd_present,
    .next_data = memfd_next_data,
    .punch = memfd_punch,
    .keep = memfd_keep,
    .lost = memfd_lost,
};

/* -------------------------------------------------------------------- life */

/*
 * The hands begin at a page by chance.  Pagers that die before their hands
 * have been round would else take the first pages of the guest again and
 * again, however often it touches them, and never come to the last.
 */
static void hands_start(Pager *p)
{
    uint64_t pages = guest_ram_pages(&p->guest);
    uint64_t n = g_random_double() * pages;

    clock_start(&p->clock, guest_page_number(&p->guest, n));
}

bool attach_begin(Pager *p, GError **error)
{
    struct RcacheState *s = p->guest.state;
    /* From before the words are counted: what comes after is news. */
    uint64_t discard_seq = __atomic_load_n(&s->discard_seq, __ATOMIC_ACQUIRE);

    if (table_init(&p->table, guest_words(&p->guest), guest_sides(&p->guest),
                   p->guest.layout.nr_pages) < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                    "no memory for the counts of the page words");
        return false;
    }
    p->report.counts = &s->counts;
    p->evictor.zap_seq = s->zap_seq;
    p->takeover.discard_seq = discard_seq;
    p->takeover.block_bytes = guest_blocks_bytes(&p->guest);
    slots_init(&p->slots);
    lease_load(p);
    reconcile_init(&p->attach.reconcile, &p->table, &p->slots, &memfd_ops, p);
    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        if (p->guest.block[i].present) {
            attach_block(p, i);
        }
    }
    if (s->zap_seq) {
        hands_start(p);
    }
    /* Faults that somebody has read before us are not delivered again. */
    install_wake_all(&p->guest);
    crash_point("woken");
    /* Not with the next tick: a guest waits for pages that are away. */
    providers_tick(p, pager_now());
    return true;
}

void attach_deinit(Attach *attach)
{
    reconcile_deinit(&attach->reconcile);
}

void attach_block(Pager *p, unsigned block)
{
    const GuestBlock *b = &p->guest.block[block];

    if (attach_is_done(&p->attach)) {
        p->attach.since = pager_now();
    }
    p->slots.partial = true;
    reconcile_add(&p->attach.reconcile, block, b->first, b->pages);
}

/* The map of used slots is whole: now it says what is unused. */
static void attach_done(Pager *p)
{
    p->slots.partial = false;
    guest_unmap(&p->guest);
    p->takeover.managing |= p->attach.reconcile.managed;
    progress_made(&p->evictor.progress, pager_now());
    g_message("vm %s: all pages have been checked, %" G_GUINT64_FORMAT " ms "
              "after the attach: %" G_GUINT64_FORMAT " of them are on other "
              "hosts", p->name,
              (guint64)((pager_now() - p->attach.since) / NS_PER_MS),
              table_away(&p->table));
    p->report.stats_at = 0;     /* the figures are whole now: tell the VMM */
    report_tick(p, pager_now());
}

void attach_block_gone(Pager *p, unsigned block)
{
    bool was_done = attach_is_done(&p->attach);

    reconcile_remove(&p->attach.reconcile, block);
    if (!was_done && attach_is_done(&p->attach)) {
        attach_done(p);
    }
}

void attach_page(Pager *p, uint64_t page)
{
    GuestBlock *b;

    if (attach_is_done(&p->attach)) {
        return;
    }
    b = guest_block_of_page(&p->guest, page);
    reconcile_page(&p->attach.reconcile, b - p->guest.block, page);
    if (attach_is_done(&p->attach)) {
        attach_done(p);
    }
}

bool attach_work(Pager *p)
{
    uint64_t now = pager_now(), until = now + SLICE_NS;

    if (attach_is_done(&p->attach)) {
        return false;
    }
    while (now < until && reconcile_next(&p->attach.reconcile)) {
        crash_point("frame-reconciled");
        now = pager_now();
    }
    progress_made(&p->evictor.progress, now);
    if (!attach_is_done(&p->attach)) {
        return true;
    }
    attach_done(p);
    return false;
}

void attach_finish(Pager *p)
{
    while (attach_work(p)) {
    }
}
