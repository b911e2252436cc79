/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reconcile: what a new pager makes of the words.  See reconcile.h. */
#include "rcached/pager/reconcile.h"

#include <glib.h>
#include <string.h>

#include "common/crash-point.h"

/* A page whose word the VMM changes each time it is looked at. */
#define TRIES   1000

void reconcile_init(Reconcile *r, Table *table, Slots *slots,
                    const ReconcileOps *ops, void *owner)
{
    *r = (Reconcile) { .table = table, .slots = slots, .ops = ops,
                       .owner = owner };
}

void reconcile_deinit(Reconcile *r)
{
    for (unsigned i = 0; i < RCACHE_BLOCKS_MAX; i++) {
        g_clear_pointer(&r->range[i].pending, g_free);
    }
}

/* ------------------------------------------------------------- the memfd */

/* Does data that is not in memory matter under this word? */
static bool word_doubts(uint64_t word)
{
    switch (page_state(word)) {
    case RCACHE_UNMANAGED:
    case RCACHE_DISCARDING:
    case RCACHE_LOST:
        return false;
    case RCACHE_REMOTE:
    case RCACHE_FETCHING:
        return false;           /* an intruder's; COPY's EEXIST finds it */
    default:
        return true;
    }
}

int reconcile_ask(Reconcile *r, uint64_t page, unsigned n,
                  const uint64_t *word, uint8_t *has)
{
    bool all = r->ops->present(r->owner, page, n, has) < 0;

    if (all) {
        memset(has, 0, n);
    }
    for (unsigned i = 0, run; i < n; i += run) {
        int64_t data;

        run = 1;
        if (has[i] || (!all && !word_doubts(word[i]))) {
            continue;
        }
        while (i + run < n && !has[i + run] &&
               (all || word_doubts(word[i + run]))) {
            run++;
        }
        data = r->ops->next_data(r->owner, page + i, page + i + run);
        if (data < 0) {
            return data;
        }
        if (data < (int64_t)(page + i + run)) {
            run = data - page - i + 1;
            has[i + run - 1] = 1;
        }
    }
    return 0;
}

/* Data under these is new to the table: it may have been read only. */
static bool word_lacks_data(uint64_t word)
{
    return page_state(word) == RCACHE_UNTOUCHED ||
           page_state(word) == RCACHE_ZERO;
}

/*
 * Such data is to be kept before a word says HOT over it.  Where there is no
 * memory for that the word stays as it is: a fault then finds the data.
 */
static void keep_data(Reconcile *r, uint64_t page, unsigned n,
                      const uint64_t *word, uint8_t *has)
{
    for (unsigned i = 0, run; i < n; i += run) {
        run = 1;
        if (!has[i] || !word_lacks_data(word[i])) {
            continue;
        }
        while (i + run < n && has[i + run] && word_lacks_data(word[i + run])) {
            run++;
        }
        if (r->ops->keep(r->owner, page + i, run) < 0) {
            memset(has + i, 0, run);
        }
    }
}

/* -------------------------------------------------------------- one page */

static bool slot_mark(Reconcile *r, uint64_t slot)
{
    if (!slots_valid(r->slots, slot) || slots_used(r->slots, slot)) {
        return false;
    }
    slots_mark(r->slots, slot);
    return true;
}

static bool page_lost(Reconcile *r, uint64_t page, uint64_t word,
                      const char *why)
{
    if (!table_step(r->table, page, word,
                    page_with_slot(page_to(word, RCACHE_LOST), 0))) {
        return false;
    }
    r->ops->lost(r->owner, page, why);
    return true;
}

/* A page whose bytes are at a provider, whatever was under way. */
static bool page_remote(Reconcile *r, uint64_t page, uint64_t word, bool data)
{
    uint64_t remote = page_to(word, RCACHE_REMOTE);

    if (data) {
        /* Not ours: COPY happens only under FILLING. */
        r->ops->punch(r->owner, page);
        crash_point("reconcile-punched");
        return false;           /* ask the memfd again */
    }
    if (word != remote && !table_step(r->table, page, word, remote)) {
        return false;
    }
    if (!slot_mark(r, page_slot(word))) {
        page_lost(r, page, remote,
                  "the page's word names a slot that is not leased");
    }
    return true;
}

/* A page whose bytes may be here. */
static bool page_local(Reconcile *r, uint64_t page, uint64_t word, bool data)
{
    uint64_t hot = page_with_slot(page_to(word, RCACHE_HOT), 0);
    uint64_t zero = page_with_slot(page_to(word, RCACHE_ZERO), 0);

    if (data) {
        return word == hot || table_step(r->table, page, word, hot);
    }
    if (page_state(word) == RCACHE_UNTOUCHED && !page_slot(word)) {
        return true;
    }
    return word == zero || table_step(r->table, page, word, zero);
}

/* One page, by rule 2's table; false: read the word and ask again. */
static bool page_by_rule(Reconcile *r, uint64_t page, uint64_t word, bool data)
{
    switch (page_state(word)) {
    case RCACHE_DISCARDING:
        /* The VMM's; but its slot is not free until the flip says so. */
        slot_mark(r, page_slot(word));
        return true;
    case RCACHE_UNMANAGED:
    case RCACHE_LOST:
        return true;
    case RCACHE_REMOTE:
    case RCACHE_FETCHING:
        return page_remote(r, page, word, data);
    case RCACHE_PUNCHING:
        if (page_slot(word) || data) {
            return page_remote(r, page, word, data);
        }
        return page_local(r, page, word, false);
    case RCACHE_CACHED:
    case RCACHE_FILLING:
        if (!data && (page_slot(word) || page_state(word) == RCACHE_CACHED)) {
            return page_remote(r, page, word, false);
        }
        return page_local(r, page, word, data);
    case RCACHE_HOT:
    case RCACHE_ZAPPING:
    case RCACHE_ZAPPED:
    case RCACHE_EVICTING:
        if (!data) {
            return page_lost(r, page, word, "the page should be on this host, "
                             "but its memory is gone");
        }
        return page_local(r, page, word, true);
    case RCACHE_UNTOUCHED:
    case RCACHE_ZERO:
        return page_local(r, page, word, data);
    default:
        return page_lost(r, page, word, "the page's word is in a state that "
                         "does not exist");
    }
}

/* A page that changed, or whose memory did, since it was looked at. */
static void page_again(Reconcile *r, uint64_t page)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t word = table_load(r->table, page);
        int64_t at = r->ops->next_data(r->owner, page, page + 1);
        uint8_t data = at == (int64_t)page;

        keep_data(r, page, 1, &word, &data);
        if (at >= 0 && page_by_rule(r, page, word, data)) {
            return;
        }
    }
    g_critical("page %" G_GUINT64_FORMAT " kept changing while it was checked "
               "after the attach: the page is left as it is", page);
}

/* ---------------------------------------------------------------- frames */

/* @n pages from @first: of one frame and one block. */
static void frame_reconcile(Reconcile *r, uint64_t first, unsigned n)
{
    uint64_t word[RCACHE_FRAME_PAGES];
    uint8_t has[RCACHE_FRAME_PAGES];
    bool any = false;

    table_recount(r->table, first);
    for (unsigned i = 0; i < n; i++) {
        word[i] = table_load(r->table, first + i);
        any |= page_state(word[i]) != RCACHE_UNMANAGED;
    }
    if (!any) {
        return;
    }
    r->managed = true;
    if (reconcile_ask(r, first, n, word, has) < 0) {
        for (unsigned i = 0; i < n; i++) {
            page_again(r, first + i);
        }
        return;
    }
    keep_data(r, first, n, word, has);
    for (unsigned i = 0; i < n; i++) {
        if (!page_by_rule(r, first + i, word[i], has[i])) {
            page_again(r, first + i);
        }
    }
}

static uint64_t range_frames(const ReconcileRange *range)
{
    uint64_t base = range->first / RCACHE_FRAME_PAGES;

    return (range->first + range->pages - 1) / RCACHE_FRAME_PAGES - base + 1;
}

/* Where frame @i of the range begins, and how many pages of it are there. */
static uint64_t range_frame(const ReconcileRange *range, uint64_t i,
                            unsigned *n)
{
    uint64_t frame = range->first / RCACHE_FRAME_PAGES + i;
    uint64_t from = MAX(frame * RCACHE_FRAME_PAGES, range->first);
    uint64_t end = MIN((frame + 1) * RCACHE_FRAME_PAGES,
                       range->first + range->pages);

    *n = end - from;
    return from;
}

static bool range_is_pending(const ReconcileRange *range, uint64_t i)
{
    return range->pending[i / 64] >> (i % 64) & 1;
}

static void range_done(Reconcile *r, ReconcileRange *range, uint64_t i)
{
    range->pending[i / 64] &= ~(1ull << (i % 64));
    range->left--;
    r->left--;
}

void reconcile_add(Reconcile *r, unsigned block, uint64_t first,
                   uint64_t pages)
{
    ReconcileRange *range = &r->range[block];
    uint64_t frames;

    g_assert(block < RCACHE_BLOCKS_MAX && !range->pending && pages);
    *range = (ReconcileRange) { .first = first, .pages = pages };
    frames = range_frames(range);
    range->pending = g_new0(uint64_t, (frames + 63) / 64);
    for (uint64_t i = 0; i < frames; i++) {
        range->pending[i / 64] |= 1ull << (i % 64);
    }
    range->left = frames;
    r->left += frames;
}

void reconcile_remove(Reconcile *r, unsigned block)
{
    ReconcileRange *range = &r->range[block];

    for (uint64_t i = 0; range->pending && range->left; i++) {
        unsigned n;

        if (range_is_pending(range, i)) {
            table_recount(r->table, range_frame(range, i, &n));
            range_done(r, range, i);
        }
    }
    g_free(range->pending);
    *range = (ReconcileRange) { 0 };
}

static void range_reconcile(Reconcile *r, ReconcileRange *range, uint64_t i)
{
    unsigned n;
    uint64_t first = range_frame(range, i, &n);

    frame_reconcile(r, first, n);
    range_done(r, range, i);
}

void reconcile_page(Reconcile *r, unsigned block, uint64_t page)
{
    ReconcileRange *range = &r->range[block];
    uint64_t i = page / RCACHE_FRAME_PAGES -
                 range->first / RCACHE_FRAME_PAGES;

    if (range->left && range_is_pending(range, i)) {
        range_reconcile(r, range, i);
    }
}

bool reconcile_next(Reconcile *r)
{
    for (unsigned b = 0; r->left && b < RCACHE_BLOCKS_MAX; b++) {
        ReconcileRange *range = &r->range[b];

        if (!range->left) {
            continue;
        }
        while (!range->pending[range->next / 64]) {
            range->next = (range->next / 64 + 1) * 64;
        }
        range->next = range->next / 64 * 64 +
                      __builtin_ctzll(range->pending[range->next / 64]);
        range_reconcile(r, range, range->next);
        return true;
    }
    return false;
}
