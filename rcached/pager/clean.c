/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clean: pages leave without bytes.
 *
 *   HOT ─zap, scan─► ZAPPED ─all places are asked─► EVICTING ─► PUNCHING
 *
 * each with CLEAN and the slot that the page keeps, up to PUNCHING.  Zap,
 * scan, compare-and-swap, in that order (K2 of docs/design.md): when a zap is
 * answered the page tables are asked about the pages in it that keep their
 * slot.  Those that are proved clean become ZAPPED with CLEAN, and any access
 * ends that state, and EVICTING.  So what the back hand finds in it has not
 * been written since it came.
 *
 * That its slot has the same bytes is the provider's to say, now: the page may
 * have been here for hours, and this is the only other copy (K3).  Each place
 * of its slab is asked for the sum of what is there (SUMS), by batches; nothing
 * leaves before all have answered, and what any of them has otherwise, or does
 * not say in time, is dirty and goes elsewhere with bytes.  That is what the
 * ack of a PUT says, and so it is as good: the page steps to PUNCHING with its
 * slot, and is punched.
 *
 * A touch calls it off, as the word is not the one that was made here.
 */
#include "rcached/pager/clean.h"

#include <string.h>

#include "common/crash-point.h"
#include "common/wire-check.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/punch.h"
#include "rcached/pager/tag.h"
#include "rcached/pager/written.h"

/* Pages of one scan, those between that are not asked about included. */
#define SCAN_PAGES      1024u
#define SCAN_GAP        128u
/* So long is an answer waited for before more pages go with bytes instead. */
#define BUSY_NS         (50 * NS_PER_MS)
/* Punches between two looks at the faults. */
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

/* ------------------------------------------------------------------ asking */

static CleanAsk *ask_free_one(Pager *p)
{
    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        if (!p->cleans.ask[i].n) {
            return &p->cleans.ask[i];
        }
    }
    return NULL;
}

/*
 * The batch that is being made of pages at the places of slab @s; NULL: no more
 * can be asked about now.
 */
static CleanAsk *ask_for(Pager *p, const SlotSlab *s)
{
    CleanAsk *ask;

    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        ask = &p->cleans.ask[i];
        if (ask->n && ask->n < RCACHE_BATCH_PAGES && !ask->sent &&
            ask->group == s->group) {
            return ask;
        }
    }
    ask = ask_free_one(p);
    if (ask) {
        *ask = (CleanAsk) { .group = s->group, .serial = ++p->serial };
        for (unsigned k = 0; k < SLOTS_PLACES; k++) {
            Lease *l = leases_of(&p->leases, s, k);

            ask->at[k] = (CleanAt) { l ? l->remote : NULL,
                                     l ? l->index : SLOTS_NO_LEASE };
        }
    }
    return ask;
}

/* A page that may leave is asked about; false: too many are just now. */
static bool ask_add(Pager *p, uint64_t page, uint64_t word)
{
    uint64_t asked = page_begin(word, RCACHE_EVICTING) | RCACHE_CLEAN;
    CleanAsk *ask = ask_for(p, slots_slab(&p->slots, page_slot(word)));

    if (!ask || !table_step(&p->table, page, word, asked)) {
        return false;
    }
    ask->page[ask->n] = page;
    ask->word[ask->n++] = asked;
    p->cleans.nr++;
    return true;
}

static void ask_send_to(Pager *p, const CleanAsk *ask, const CleanAt *at)
{
    const Lease *l = leases_at(&p->leases, at->lease);
    RcacheSlot wire[RCACHE_BATCH_PAGES];
    WireHead head = { .type = RCACHE_SUMS, .count = ask->n,
                      .lease = l->known.id, .epoch = l->known.epoch };

    head.tag = tag_encode(TAG_CLEAN, ask - p->cleans.ask, ask->serial);
    for (unsigned i = 0; i < ask->n; i++) {
        uint64_t slot = page_slot(ask->word[i]);
        const SlotSlab *s = slots_slab(&p->slots, slot);

        wire[i] = wire_slot(s->place[slots_which(s, at->lease)].number,
                            slot_page(slot));
    }
    data_conn_send(&at->remote->bulk, &head, wire, NULL, 0);
}

/* All that were made; behind what has been sent on the same connections. */
static void asks_send(Pager *p, uint64_t now)
{
    bool any = false;

    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        CleanAsk *ask = &p->cleans.ask[i];

        if (!ask->n || ask->sent) {
            continue;
        }
        ask->sent = now;
        any = true;
        for (unsigned k = 0; k < SLOTS_PLACES; k++) {
            if (ask->at[k].remote) {
                ask_send_to(p, ask, &ask->at[k]);
            }
        }
    }
    if (any) {
        progress_hope(&p->evictor.progress, PROGRESS_SENT, now);
        crash_point_sent("clean-asked");
    }
}

/* ----------------------------------------------------------------- leaving */

/* It is dirty; unless somebody else has done something with it meanwhile. */
static void page_stays(Pager *p, uint64_t page, uint64_t word)
{
    if (table_step(&p->table, page, word,
                   page_with_slot(page_to(word, RCACHE_ZAPPED), 0))) {
        kept_end(p, page, word);
    }
}

/* Page @i, of which the answers are here.  All is asked again: K3. */
static bool page_goes(Pager *p, const CleanAsk *ask, unsigned i, uint64_t now)
{
    uint64_t page = ask->page[i], word = ask->word[i];

    if (table_load(&p->table, page) != word) {
        return false;
    }
    if (ask->failed || !kept_may_leave(p, page, word, now)) {
        page_stays(p, page, word);
        return false;
    }
    if (table_away(&p->table) >= p->limits.size) {
        table_step(&p->table, page, word,
                   page_to(word, RCACHE_ZAPPED) | RCACHE_CLEAN);
        return false;
    }
    if (!table_step(&p->table, page, word, page_to(word, RCACHE_PUNCHING))) {
        return false;
    }
    slots_unkeep(&p->slots, page_slot(word));
    return true;
}

/* Pages of a piece have gone, or not. */
static void piece_gone(Pager *p, const uint64_t *page, const bool *go,
                       unsigned n, unsigned gone)
{
    if (gone) {
        crash_point("clean-committed");
        punch_marked(p, page, go, n);
        p->kept.left += gone;
        p->report.counts->evicted += gone;
        progress_made(&p->evictor.progress, pager_now());
        command_evicted(p, gone);
    }
    fault_poll(p);
}

/* A piece from page @from on; where the next one begins. */
static unsigned piece_go(Pager *p, const CleanAsk *ask, unsigned from)
{
    bool go[RCACHE_BATCH_PAGES];
    uint64_t now = pager_now();
    unsigned runs = 0, gone = 0, i;

    for (i = from; i < ask->n; i++) {
        bool run = i > from && go[i - 1 - from] &&
                   punch_joins(p, ask->page[i - 1], ask->page[i]);

        if (!run && runs == GO_RUNS) {
            break;
        }
        go[i - from] = page_goes(p, ask, i, now);
        gone += go[i - from];
        runs += go[i - from] && !run;
    }
    piece_gone(p, ask->page + from, go, i - from, gone);
    return i;
}

static bool ask_is_out(const CleanAsk *ask)
{
    return ask->at[0].remote || ask->at[1].remote;
}

/* All have answered, or one never will, or too late. */
static void ask_end(Pager *p, CleanAsk *ask)
{
    ask->at[0].remote = ask->at[1].remote = NULL;
    for (unsigned i = 0; i < ask->n; ) {
        i = piece_go(p, ask, i);
    }
    p->cleans.nr -= ask->n;
    ask->n = 0;
}

/* ----------------------------------------------------------------- answers */

/* What is at a place is not what was stored there: as in compare.c. */
static void ask_blame(Pager *p, Remote *remote, unsigned wrong)
{
    if (!wrong) {
        return;
    }
    remote->wrong += wrong;
    remote->wrong_at = pager_now();
    if (providers_may_tell(remote, p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE,
                     "provider %s: %u page(s) that are here as well are not "
                     "what was stored there; they stay here until they are "
                     "stored anew", remote->host, wrong);
    }
}

static void ask_judge(Pager *p, CleanAsk *ask, Remote *remote,
                      const WireHead *head, const void *payload)
{
    unsigned wrong = 0;

    if (head->status || head->count != ask->n) {
        ask->failed = true;
        return;
    }
    for (unsigned i = 0; i < ask->n; i++) {
        uint64_t page = ask->page[i];

        /* Of one that was touched meanwhile the slot may be another's. */
        if (table_load(&p->table, page) == ask->word[i] &&
            wire_sum(payload, i) != p->table.sides[page].sum) {
            wrong++;
        }
    }
    /* The others' turn as well: nothing is left to one that is wrong. */
    ask->failed |= wrong > 0;
    ask_blame(p, remote, wrong);
}

bool clean_answer(Pager *p, Remote *remote, const WireHead *head,
                  const void *payload)
{
    Tag tag = tag_decode(head->tag);
    CleanAsk *ask = tag.index < CLEAN_ASKS_MAX ? &p->cleans.ask[tag.index]
                                               : NULL;

    if (tag.kind != TAG_CLEAN) {
        return false;
    }
    if (!ask || !ask->n || ask->serial != tag.serial) {
        return true;            /* it came too late, or nobody asked */
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (ask->at[i].remote == remote) {
            ask->at[i].remote = NULL;
            ask_judge(p, ask, remote, head, payload);
            if (!ask_is_out(ask)) {
                ask_end(p, ask);
            }
            break;
        }
    }
    return true;
}

void clean_remote_down(Pager *p, const Remote *remote)
{
    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        CleanAsk *ask = &p->cleans.ask[i];

        if (ask->n && (ask->at[0].remote == remote ||
                       ask->at[1].remote == remote)) {
            ask->failed = true;
            ask_end(p, ask);
        }
    }
}

void clean_late(Pager *p, uint64_t now)
{
    for (unsigned i = 0; p->cleans.nr && i < CLEAN_ASKS_MAX; i++) {
        CleanAsk *ask = &p->cleans.ask[i];

        for (unsigned k = 0; ask->n && k < SLOTS_PLACES; k++) {
            if (ask->at[k].remote &&
                providers_overdue(ask->at[k].remote, ask->sent, now)) {
                ask->failed = true;
                ask_end(p, ask);
            }
        }
    }
}

void clean_block_gone(Pager *p, uint64_t first, uint64_t end)
{
    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        CleanAsk *ask = &p->cleans.ask[i];

        for (unsigned k = 0; k < ask->n; k++) {
            if (ask->page[k] >= first && ask->page[k] < end) {
                ask->word[k] = UINT64_MAX;      /* no word is that */
            }
        }
    }
}

/* ------------------------------------------------------------ the back hand */

unsigned clean_go(Pager *p, uint64_t *page, unsigned n)
{
    uint64_t now = pager_now();
    unsigned stay = 0;

    if (!p->slots.nr_kept) {
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t word = table_load(&p->table, page[i]);

        if (page_state(word) != RCACHE_ZAPPED ||
            !kept_may_leave(p, page[i], word, now) ||
            !ask_add(p, page[i], word)) {
            page[stay++] = page[i];
        }
    }
    asks_send(p, now);
    return stay;
}

bool clean_is_busy(const Pager *p, uint64_t now)
{
    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        const CleanAsk *ask = &p->cleans.ask[i];

        if (!ask->n || now >= ask->sent + BUSY_NS) {
            return false;
        }
    }
    return true;
}

unsigned clean_leave(Pager *p, uint64_t may)
{
    uint64_t page[RCACHE_BATCH_PAGES];
    uint64_t asked = p->cleans.nr;
    Clock ahead = p->clock;
    unsigned n, stay;

    if (!p->slots.nr_kept || !may || !ask_free_one(p)) {
        return 0;
    }
    n = evict_pick(p, &ahead, page, MIN(may, RCACHE_BATCH_PAGES));
    stay = clean_go(p, page, n);
    if (n && !stay) {
        p->clock = ahead;
    }
    return p->cleans.nr - asked;
}
