/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evict: pages go: zap, seal, PUT, commit, punch.
 *
 * The front hand zaps: HOT → ZAPPING, one message to the VMM, and with its
 * answer → ZAPPED (or HOT again, if the page is pinned for DMA).  From then
 * on every access of the guest comes as a fault, so the bytes stand still.
 * The back hand takes what is still ZAPPED later: → EVICTING, pread, sealed,
 * PUT to fresh slots.  With the ack, if it confirms the bytes that were sent:
 * tag and checksum stored, → PUNCHING with the slot by one compare-and-swap
 * (the commit), punch, verify the hole, → REMOTE.  The last three happen in one
 * piece, so that no fault ever sees PUNCHING.  A page that keeps its slot and
 * is proved clean goes by clean.c (kept.h).
 *
 * A touch at any time before the commit calls the page's eviction off: the
 * word is not the one that this file made, and the slot is freed.  Zero pages
 * are not sent: they go through PUNCHING without a slot and end as ZERO.
 *
 * No scan for "still unmapped" is needed after a zap: only CONTINUE and COPY
 * can map a page of a registered range, each makes the word HOT first, and a
 * zap's answer counts only for the very word that the zap put there.
 */
#include <errno.h>
#include <string.h>

#include "common/crash-point.h"
#include "common/wire-check.h"
#include "rcached/pager/clean.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/punch.h"
#include "rcached/pager/zap-send.h"

/* Punches between two looks at the faults. */
#define PUNCH_RUNS      SLICE_PAGES

void evictor_init(Evictor *evictor)
{
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        evictor->batch[i].bytes = g_malloc(RCACHE_BATCH_PAGES *
                                           RCACHE_PAGE_SIZE);
    }
    evictor->stuck = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    page_errors_init(&evictor->unreadable);
}

void evictor_deinit(Evictor *evictor)
{
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        g_free(evictor->batch[i].bytes);
    }
    g_array_free(evictor->stuck, TRUE);
    page_errors_deinit(&evictor->unreadable);
}

/*
 * Pages that the next batch may have.  Near size each page that comes back
 * lets one go: they are collected for a batch, unless nothing is on its way
 * that would let more go, or a command is waiting for just these.  What a
 * provider does not answer is on no way: others' pages must not wait for it.
 */
static uint64_t evict_may_go(const Pager *p, uint64_t now)
{
    uint64_t may = limit_allowance(p);
    uint64_t going = MAX(p->table.count[RCACHE_EVICTING], 0);
    bool moving = going > location_overdue(p, now) ||
                  location_is_coming(p, now);
    bool few = may < MIN(limit_slack(p) / 4, RCACHE_BATCH_PAGES);

    return few && moving && !command_wants(p) ? 0 : may;
}

/* Pages that should go beyond those on their way. */
static uint64_t evict_excess(const Pager *p, uint64_t now)
{
    uint64_t moving = MAX(p->table.count[RCACHE_EVICTING], 0);
    uint64_t overdue = location_overdue(p, now);
    uint64_t going = moving > overdue ? moving - overdue : 0;
    uint64_t here = pager_resident(p), low = limit_low_water(p);
    uint64_t excess = here > low + going ? here - low - going : 0;
    uint64_t command = command_wants(p);

    return MAX(excess, command > going ? command - going : 0);
}

/* ------------------------------------------------------------------ zap */

/* How many zapped pages the hands keep between them. */
static uint64_t zap_target(const Pager *p)
{
    return CLAMP(p->limits.local_max / 8, ZAP_PAGES, 8192);
}

/*
 * Zapped pages that the back hand has before it, at most: those it has left
 * behind (a PUT that was called off) come up again a turn later.
 */
static uint64_t zap_ahead(const Pager *p)
{
    int64_t zapped = p->table.count[RCACHE_ZAPPED] +
                     p->table.count[RCACHE_ZAPPING];

    return MIN((uint64_t)MAX(zapped, 0), p->clock.between);
}

/* A HOT page is the zap's next; a slot that it does not keep is taken out. */
static void zap_add(Pager *p, Zap *z, uint64_t page)
{
    uint64_t word = table_load(&p->table, page);
    uint64_t clean = kept_clean(&p->slots, page, word);
    uint64_t zapping = page_begin(clean ? word : page_with_slot(word, 0),
                                  RCACHE_ZAPPING) | clean;

    if (page_state(word) == RCACHE_HOT &&
        page_errors_due(&p->evictor.unreadable, page, pager_now()) &&
        table_step(&p->table, page, word, zapping)) {
        z->page[z->n] = page;
        z->word[z->n++] = zapping;
        if (!clean) {
            kept_end(p, page, word);
        }
    }
}

/* A few laps without a page to pick (all pinned, say): give it a rest. */
static bool zap_rests(Pager *p, uint64_t steps)
{
    p->evictor.zap_fruitless += steps;
    return steps && p->evictor.zap_fruitless <
           p->limits.ram * (CLOCK_CREDIT_MAX + 2) + CLOCK_SCAN_MAX;
}

/* Let the front hand pick one batch; false if there is nothing to pick. */
static bool zap_some(Pager *p)
{
    uint64_t page[ZAP_PAGES], at;
    GuestBlock *b = guest_next_block(&p->guest, p->clock.front, &at);
    Zap *z = NULL;
    unsigned n;

    for (unsigned i = 0; i < ZAP_MAX && !z; i++) {
        z = p->evictor.zap[i].seq ? NULL : &p->evictor.zap[i];
    }
    if (!z || !b) {
        return false;
    }
    if (p->table.count[RCACHE_HOT] <= 0) {
        return zap_rests(p, clock_front_rests(&p->clock, &p->table));
    }
    clock_skip_front(&p->clock, &p->table, at);
    n = clock_front(&p->clock, &p->table, b->first, b->first + b->pages, page,
                    ZAP_PAGES);
    z->n = 0;
    for (unsigned i = 0; i < n; i++) {
        zap_add(p, z, page[i]);
    }
    if (z->n) {
        crash_point("zap-marked");
        z->block = b - p->guest.block;
        zap_send(p, z, b);
        crash_point("zap-sent");
        p->evictor.zap_fruitless = 0;
        return true;
    }
    return zap_rests(p, 1 + (p->clock.front + p->table.nr - at) % p->table.nr);
}

static bool zap_is_pinned(const struct RcacheVmmZapDone *msg, uint32_t page)
{
    for (uint32_t i = 0; i < msg->nr_pinned; i++) {
        if (msg->pinned[i] == page) {
            return true;
        }
    }
    return false;
}

/*
 * Rule 14: the answer counts only for the word that this zap put there.
 * @clean: it is proved that the slot has the page's bytes
 */
static void zap_answered(Pager *p, uint64_t page, uint64_t word, bool pinned,
                         bool clean)
{
    uint64_t new = page_to(word, pinned ? RCACHE_HOT : RCACHE_ZAPPED);

    new = clean && !pinned ? new | RCACHE_CLEAN : page_with_slot(new, 0);
    if (table_step(&p->table, page, word, new) && !page_slot(new)) {
        kept_end(p, page, word);
    }
    crash_point("zap-answered");
}

void evict_zap_done(Pager *p, const struct RcacheVmmZapDone *msg)
{
    uint8_t clean[ZAP_PAGES];
    Zap *z = NULL;

    for (unsigned i = 0; i < ZAP_MAX && !z; i++) {
        z = p->evictor.zap[i].seq == msg->seq ? &p->evictor.zap[i] : NULL;
    }
    if (!z || !msg->seq) {
        return;                 /* of a zap that nobody waits for */
    }
    clean_scan(p, z, clean);
    for (unsigned i = 0; i < z->n; i++) {
        uint64_t first = p->guest.block[z->block].first;
        bool pinned = msg->status ||
                      zap_is_pinned(msg, z->page[i] - first);

        zap_answered(p, z->page[i], z->word[i], pinned, clean[i]);
    }
    z->seq = 0;
}

/* ------------------------------------------------------------------ PUT */

static bool page_is_zero(const uint8_t *bytes)
{
    const uint64_t *w = (const uint64_t *)bytes;

    for (unsigned i = 0; i < RCACHE_PAGE_SIZE / 8; i += 8) {
        if (w[i] | w[i + 1] | w[i + 2] | w[i + 3] |
            w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7]) {
            return false;
        }
    }
    return true;
}

/* One page of broken memory does not keep those beside it here. */
static void batch_read_run(Pager *p, const uint64_t *page, uint64_t *word,
                           unsigned n, uint8_t *bytes)
{
    bool soon;

    if (guest_read(&p->guest, page[0], n, bytes) == 0) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        int ret = guest_read(&p->guest, page[i], 1,
                             bytes + i * RCACHE_PAGE_SIZE);

        if (ret == 0) {
            continue;
        }
        table_step(&p->table, page[i], word[i],
                   page_to(word[i], RCACHE_HOT));
        word[i] = 0;
        if (ret != -ENOENT && page_errors_add(&p->evictor.unreadable, page[i],
                                              pager_now(), &soon)) {
            const GuestBlock *b = guest_block_of_page(&p->guest, page[i]);

            g_warning("vm %s: block %s offset 0x%" G_GINT64_MODIFIER "x: this "
                      "page cannot be read (%s), so it stays on this host",
                      p->name, b->name,
                      (page[i] - b->first) * RCACHE_PAGE_SIZE,
                      g_strerror(-ret));
        }
    }
}

/* ZAPPED pages of @page to EVICTING, and their bytes read, run by run. */
static unsigned batch_read(Pager *p, const uint64_t *page, unsigned n,
                           uint64_t *got, uint64_t *word, uint8_t *bytes)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t old = table_load(&p->table, page[i]);
        uint64_t new = page_with_slot(page_begin(old, RCACHE_EVICTING), 0);

        if (page_state(old) == RCACHE_ZAPPED &&
            table_step(&p->table, page[i], old, new)) {
            kept_end(p, page[i], old);
            got[taken] = page[i];
            word[taken++] = new;
        }
    }
    for (unsigned i = 0, run; i < taken; i += run) {
        run = 1;
        while (i + run < taken && got[i + run] == got[i] + run &&
               guest_block_of_page(&p->guest, got[i]) ==
               guest_block_of_page(&p->guest, got[i + run])) {
            run++;
        }
        batch_read_run(p, got + i, word + i, run,
                       bytes + i * RCACHE_PAGE_SIZE);
    }
    return taken;
}

/*
 * A page that is in @bytes is the batch's next, sealed in place.  One that
 * cannot be sealed stays here.
 */
static void batch_seal(Pager *p, Batch *b, uint64_t page, uint64_t word,
                       uint8_t *bytes)
{
    if (!seal_page(p->seal, page, &p->table.sides[page], bytes,
                   &b->mark[b->n])) {
        table_step(&p->table, page, word, page_to(word, RCACHE_HOT));
        if (!p->evictor.unsealed_told) {
            p->evictor.unsealed_told = true;
            g_warning("vm %s: page %" G_GUINT64_FORMAT " cannot be sealed, so "
                      "it stays on this host, as others may", p->name, page);
        }
        return;
    }
    b->sum[b->n] = wire_page_sum(bytes);
    b->page[b->n] = page;
    b->word[b->n++] = word;
}

/*
 * Take up to SLICE_PAGES of @page into the batch: zero pages are dealt with
 * at once, the others are moved together and sealed.
 */
static void batch_take_slice(Pager *p, Batch *b, const uint64_t *page,
                             unsigned n)
{
    uint64_t got[SLICE_PAGES], word[SLICE_PAGES];
    uint8_t *bytes = b->bytes + b->n * RCACHE_PAGE_SIZE;
    bool zero[SLICE_PAGES] = { false };
    unsigned taken = batch_read(p, page, n, got, word, bytes), zeros = 0;

    for (unsigned i = 0; i < taken; i++) {
        uint8_t *from = bytes + i * RCACHE_PAGE_SIZE;
        uint8_t *to = b->bytes + b->n * RCACHE_PAGE_SIZE;

        if (!word[i]) {
            continue;
        }
        if (page_is_zero(from)) {
            zero[i] = table_step(&p->table, got[i], word[i],
                                 page_with_slot(page_to(word[i],
                                                        RCACHE_PUNCHING), 0));
            zeros += zero[i];
            continue;
        }
        if (to != from) {
            memcpy(to, from, RCACHE_PAGE_SIZE);
        }
        batch_seal(p, b, got[i], word[i], to);
    }
    if (zeros) {
        crash_point("zero-committed");
    }
    punch_marked(p, got, zero, taken);
    p->report.counts->zero_evicted += zeros;
    if (zeros) {
        progress_made(&p->evictor.progress, pager_now());
    }
}

static Batch *batch_free_one(Pager *p)
{
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        if (!p->evictor.batch[i].used) {
            return &p->evictor.batch[i];
        }
    }
    return NULL;
}

/* The pages of a batch that is called off stay here. */
static void batch_stay(Pager *p, Batch *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        table_step(&p->table, b->page[i], b->word[i],
                   page_to(b->word[i], RCACHE_ZAPPED));
    }
}

/*
 * Let the back hand pick up to @max pages of one block.  It goes on through
 * the blocks until it has one: where it stopped at the end of each, a front
 * hand that finds nothing hot could push it past the same page every turn.
 */
unsigned evict_pick(Pager *p, Clock *clock, uint64_t *page, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RCACHE_BLOCKS_MAX && !n; i++) {
        uint64_t hand = clock->back, at;
        GuestBlock *block = guest_next_block(&p->guest, hand, &at);

        if (!block) {
            break;
        }
        clock_skip_back(clock, &p->table, at);
        n = clock_back(clock, &p->table, block->first,
                       block->first + block->pages, page, max);
        if (clock->back == hand) {
            break;
        }
    }
    return n;
}

/* Send one batch of at most @max pages; false if there is nothing to send. */
static bool batch_some(Pager *p, unsigned max)
{
    uint64_t page[RCACHE_BATCH_PAGES], hand = p->clock.back;
    Batch *b = batch_free_one(p);
    unsigned picked, n, slots;

    if (!b) {
        return false;
    }
    slots = location_reserve(p, b->slot, MIN(max, RCACHE_BATCH_PAGES));
    if (!slots) {
        return false;
    }
    picked = evict_pick(p, &p->clock, page, slots);
    n = clean_go(p, page, picked);
    b->n = 0;
    for (unsigned i = 0; i < n; i += SLICE_PAGES) {
        batch_take_slice(p, b, page + i, MIN(SLICE_PAGES, n - i));
        fault_poll(p);
    }
    location_unreserve(p, b->slot + b->n, slots - b->n);
    if (b->n) {
        crash_point("evicting");
    }
    b->used = b->n && location_put(p, b - p->evictor.batch, b->slot, b->n,
                                   b->sum, b->bytes);
    if (b->used) {
        progress_hope(&p->evictor.progress, PROGRESS_SENT, pager_now());
    } else {
        location_unreserve(p, b->slot, b->n);
        batch_stay(p, b);
    }
    /* A hand that crosses a stretch of pages that are away has to go on. */
    return picked > 0 || p->clock.back != hand;
}

/* --------------------------------------------------------------- commit */

/*
 * Pages from @i on that are punched between two looks at the faults.  Much of
 * what a punch costs (locks, telling the CPUs that the VMM has run on) is the
 * same for one page and for many, so this is a number of punches, however many
 * pages each has.
 */
static unsigned batch_piece(Pager *p, const Batch *b, unsigned i)
{
    unsigned runs = 1, n = 1;

    while (i + n < b->n) {
        runs += !punch_joins(p, b->page[i + n - 1], b->page[i + n]);
        if (runs > PUNCH_RUNS) {
            break;
        }
        n++;
    }
    return n;
}

/*
 * Page @i of the batch is gone by this, unless it was called off meanwhile, or
 * others have gone for it: a PUT that is overdue has no claim to size.
 */
static bool batch_commit_page(Pager *p, const Batch *b, unsigned i)
{
    uint64_t page = b->page[i], word = b->word[i];

    if (table_load(&p->table, page) != word) {
        return false;
    }
    if (table_away(&p->table) >= p->limits.size) {
        table_step(&p->table, page, word, page_to(word, RCACHE_ZAPPED));
        return false;
    }
    /*
     * The record is written before the word, whose store commits; but not over
     * that of a later eviction of the same page.
     */
    if (!seal_store(&p->table.sides[page], &b->mark[i], b->sum[i])) {
        table_step(&p->table, page, word, page_to(word, RCACHE_ZAPPED));
        return false;
    }
    crash_point("sum-stored");
    return table_step(&p->table, page, word,
                      page_with_slot(page_to(word, RCACHE_PUNCHING),
                                     b->slot[i]));
}

static void batch_commit(Pager *p, Batch *b)
{
    for (unsigned i = 0, n; i < b->n; i += n) {
        bool go[RCACHE_BATCH_PAGES];
        unsigned gone = 0;

        n = batch_piece(p, b, i);
        for (unsigned k = 0; k < n; k++) {
            go[k] = batch_commit_page(p, b, i + k);
            if (!go[k]) {
                location_free(p, b->slot[i + k]);
            }
            gone += go[k];
        }
        if (gone) {
            crash_point("committed");
        }
        punch_marked(p, b->page + i, go, n);
        p->report.counts->evicted += gone;
        if (gone) {
            progress_made(&p->evictor.progress, pager_now());
        }
        command_evicted(p, gone);
        fault_poll(p);
    }
}

void evict_stored(Pager *p, unsigned i, bool ok)
{
    Batch *b = &p->evictor.batch[i];

    if (ok) {
        batch_commit(p, b);
    } else {
        batch_stay(p, b);
        crash_point("put-called-off");
        for (unsigned k = 0; k < b->n; k++) {
            location_free(p, b->slot[k]);
        }
    }
    b->used = false;
}

void evict_block_gone(Pager *p, uint64_t first, uint64_t end)
{
    clean_block_gone(p, first, end);
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        Batch *b = &p->evictor.batch[i];

        for (unsigned k = 0; b->used && k < b->n; k++) {
            if (b->page[k] >= first && b->page[k] < end) {
                b->word[k] = UINT64_MAX;        /* no word is that */
            }
        }
    }
}

bool evict_work(Pager *p, uint64_t now)
{
    uint64_t may, excess, asked = 0;
    bool urgent, room, busy, more = false;

    clean_late(p, now);
    may = evict_may_go(p, now);
    excess = MIN(evict_excess(p, now), may);
    urgent = may < RCACHE_BATCH_PAGES || room_queue_len(&p->faults.room) ||
             command_wants(p);
    if (clean_is_busy(p, now)) {
        pager_soon(p);          /* until an answer comes, or is late */
        return false;
    }
    if (excess >= RCACHE_BATCH_PAGES || urgent) {
        asked = clean_leave(p, excess);
        more = asked;
        /* Pages that need it are next, or there is none that may go. */
        if (asked < MIN(excess, RCACHE_BATCH_PAGES)) {
            kept_make_room(p, now);
        }
    }
    busy = clean_is_busy(p, now);       /* the next would go with bytes */
    room = excess && location_has_room(p);
    if (room && !busy &&
        (excess - asked >= RCACHE_BATCH_PAGES ||
         (urgent && excess > asked))) {
        more |= batch_some(p, MIN(excess - asked, RCACHE_BATCH_PAGES));
    }
    /* With nowhere for pages to go, sampling them would only cost faults. */
    if ((room || asked) && zap_ahead(p) < zap_target(p)) {
        more |= zap_some(p);
    }
    return more;
}
