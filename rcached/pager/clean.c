/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clean: pages leave without bytes.
 *
 * Zap, scan, compare-and-swap, in that order (K2 of docs/design.md): when a zap
 * is answered the page tables are asked about the pages in it that keep their
 * slot.  Those that are proved clean become ZAPPED with CLEAN, and any access
 * ends that state.  So what the back hand finds in it has not been written
 * since it came, and its slot has the same bytes.  It steps to PUNCHING with
 * that slot, as a page does whose PUT has been confirmed, and is punched.
 */
#include "rcached/pager/clean.h"

#include <string.h>

#include "common/crash-point.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/punch.h"
#include "rcached/pager/written.h"

/* Pages of one scan, those between that are not asked about included. */
#define SCAN_PAGES      1024u
#define SCAN_GAP        16u
/* Runs that are punched between two looks at the faults. */
#define GO_RUNS         SLICE_PAGES

/* The next page of a zap from @i on that keeps its slot; z->n: none. */
static unsigned scan_next(const Pager *p, const Zap *z, unsigned i)
{
    while (i < z->n && !kept_is_of(&p->slots, z->page[i], z->word[i])) {
        i++;
    }
    return i;
}

void clean_scan(Pager *p, const Zap *z, uint8_t clean[ZAP_PAGES])
{
    const GuestBlock *b = &p->guest.block[z->block];
    uint8_t found[SCAN_PAGES];
    unsigned next;

    memset(clean, 0, z->n);
    if (!p->slots.nr_kept || !b->present || !b->tracked) {
        return;
    }
    for (unsigned i = scan_next(p, z, 0); i < z->n; i = next) {
        unsigned last = i;

        next = scan_next(p, z, i + 1);
        while (next < z->n && z->page[next] - z->page[last] <= SCAN_GAP &&
               z->page[next] - z->page[i] < SCAN_PAGES) {
            last = next;
            next = scan_next(p, z, next + 1);
        }
        if (written_clean(p->guest.pagemap_fd, block_address(b, z->page[i]),
                          z->page[last] - z->page[i] + 1, found) < 0) {
            continue;
        }
        for (unsigned k = i; k <= last; k++) {
            clean[k] = found[z->page[k] - z->page[i]] &&
                       kept_is_of(&p->slots, z->page[k], z->word[k]);
        }
    }
}

/* One page; false: it has to go with bytes, or not now. */
static bool page_goes(Pager *p, uint64_t page, uint64_t now)
{
    uint64_t word = table_load(&p->table, page);

    if (page_state(word) != RCACHE_ZAPPED ||
        !kept_may_leave(p, page, word, now) ||
        table_away(&p->table) >= p->limits.size ||
        !table_step(&p->table, page, word, page_to(word, RCACHE_PUNCHING))) {
        return false;
    }
    slots_unkeep(&p->slots, page_slot(word));
    return true;
}

/* Pages of a piece have gone, or not. */
static void piece_gone(Pager *p, const uint64_t *page, const bool *go,
                       unsigned n, unsigned gone)
{
    crash_point("clean-committed");
    punch_marked(p, page, go, n);
    p->kept.left += gone;
    p->report.counts->evicted += gone;
    progress_made(&p->evictor.progress, pager_now());
    command_evicted(p, gone);
    fault_poll(p);
}

/* A piece from @page on; how many pages of @n are in it. */
static unsigned piece_go(Pager *p, const uint64_t *page, unsigned n,
                         uint64_t may, bool *go)
{
    uint64_t now = pager_now();
    unsigned runs = 0, gone = 0, i;

    for (i = 0; i < n; i++) {
        bool run = i && go[i - 1] && page[i] == page[i - 1] + 1;

        if (!run && runs == GO_RUNS) {
            break;
        }
        go[i] = gone < may && page_goes(p, page[i], now);
        gone += go[i];
        runs += go[i] && !run;
    }
    if (gone) {
        piece_gone(p, page, go, i, gone);
    }
    return i;
}

unsigned clean_go(Pager *p, uint64_t *page, unsigned n, uint64_t may)
{
    bool go[RCACHE_BATCH_PAGES];
    unsigned stay = 0;

    if (!p->slots.nr_kept) {
        return n;
    }
    for (unsigned i = 0, piece; i < n; i += piece) {
        piece = piece_go(p, page + i, n - i, may, go);
        for (unsigned k = 0; k < piece; k++) {
            may -= go[k];
            if (!go[k]) {
                page[stay++] = page[i + k];
            }
        }
    }
    return stay;
}

unsigned clean_leave(Pager *p, uint64_t may)
{
    uint64_t page[RCACHE_BATCH_PAGES];
    Clock ahead = p->clock;
    unsigned n, stay;

    if (!p->slots.nr_kept || !may) {
        return 0;
    }
    n = evict_pick(p, &ahead, page, MIN(may, RCACHE_BATCH_PAGES));
    stay = clean_go(p, page, n, may);
    if (n && !stay) {
        p->clock = ahead;
    }
    return n - stay;
}
