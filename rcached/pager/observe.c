/* SPDX-License-Identifier: GPL-2.0-or-later */
/* observe: pages of a guest that is observed are sampled.  See observe.h. */
#include "rcached/pager/observe.h"

#include <string.h>

#include "rcached/pager/pager.h"

#define TELL_NS         NS_PER_SEC
/* After a moment without the CPU not all that was missed is made up for. */
#define BURST           16u
/* Pages looked at for each sample: most of a guest may be untouched. */
#define LOOKS           64u

static uint64_t observe_random(Observe *o)
{
    o->random = o->random ? o->random : 0x2545f4914f6cdd1dull;
    o->random ^= o->random << 13;
    o->random ^= o->random >> 7;
    o->random ^= o->random << 17;
    return o->random >> 8;
}

/* Any page of the blocks whose faults are ours; NULL: there is none. */
static GuestBlock *page_at_random(Pager *p, uint64_t *page)
{
    uint64_t all = 0, at;

    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        const GuestBlock *b = &p->guest.block[i];

        all += b->present && b->registered ? b->pages : 0;
    }
    at = all ? observe_random(&p->observe) % all : 0;
    for (unsigned i = 0; i < p->guest.nr_blocks && all; i++) {
        GuestBlock *b = &p->guest.block[i];

        if (!b->present || !b->registered) {
            continue;
        }
        if (at < b->pages) {
            *page = b->first + at;
            return b;
        }
        at -= b->pages;
    }
    return NULL;
}

/*
 * A page that the kernel has filled is not known to the table: the memfd is
 * asked, and it comes under management as any other page.
 */
static enum RcachePageState page_known(Pager *p, uint64_t page, uint64_t now)
{
    enum RcachePageState state = page_state(table_load(&p->table, page));
    uint8_t has = 0;

    switch (state) {
    case RCACHE_UNMANAGED:
    case RCACHE_UNTOUCHED:
    case RCACHE_ZERO:
        if (guest_present(&p->guest, page, 1, &has) < 0 || !has) {
            return state;
        }
        if (state == RCACHE_ZERO) {
            fault_page(p, page, now);
        } else {
            takeover_page(p, page);
        }
        return page_state(table_load(&p->table, page));
    default:
        return state;
    }
}

/* Pages of one block that are to be zapped, ascending. */
typedef struct ZapList {
    const GuestBlock *block;
    uint64_t page[BURST];
    unsigned n;
} ZapList;

static void zap_list_add(ZapList *list, uint64_t page)
{
    unsigned i = list->n;

    while (i && list->page[i - 1] > page) {
        i--;
    }
    if (i && list->page[i - 1] == page) {
        return;
    }
    memmove(list->page + i + 1, list->page + i,
            (list->n - i) * sizeof(list->page[0]));
    list->page[i] = page;
    list->n++;
}

static void zap_list_send(Pager *p, const ZapList *list, uint64_t now)
{
    if (!list->n || !evict_zap(p, list->block, list->page, list->n)) {
        return;
    }
    for (unsigned i = 0; i < list->n; i++) {
        if (page_state(table_load(&p->table, list->page[i])) ==
            RCACHE_ZAPPING) {
            curve_begin(&p->watch.curve, list->page[i], now);
        }
    }
}

/* Choose a page that is here: zapped already, or to be zapped with others. */
static void sample_one(Pager *p, ZapList *lists, uint64_t now)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        uint64_t page;
        GuestBlock *b = page_at_random(p, &page);

        switch (b ? page_known(p, page, now) : RCACHE_LOST) {
        case RCACHE_HOT:
            lists[b - p->guest.block].block = b;
            zap_list_add(&lists[b - p->guest.block], page);
            return;
        case RCACHE_ZAPPING:
        case RCACHE_ZAPPED:
            curve_begin(&p->watch.curve, page, now);
            return;
        case RCACHE_LOST:
            return;
        default:
            break;              /* not here: another one */
        }
    }
}

/*
 * One message for each block.  No more than ZAP_MAX may be under way: where
 * there are more blocks it is another one's turn to be left out each time.
 */
static void sample_some(Pager *p, uint64_t now)
{
    Observe *o = &p->observe;
    ZapList lists[RCACHE_BLOCKS_MAX] = { 0 };
    unsigned first = observe_random(o) % RCACHE_BLOCKS_MAX;

    o->due += (now - o->at) * WATCH_SAMPLES_PER_S;
    o->due = MIN(o->due, BURST * NS_PER_SEC);
    while (o->due >= NS_PER_SEC) {
        o->due -= NS_PER_SEC;
        sample_one(p, lists, now);
        fault_poll(p);
    }
    for (unsigned i = 0; i < RCACHE_BLOCKS_MAX; i++) {
        zap_list_send(p, &lists[(first + i) % RCACHE_BLOCKS_MAX], now);
    }
}

void observe_tick(Pager *p, uint64_t now)
{
    Observe *o = &p->observe;
    struct RcacheVmmCurve curve;

    if (!attach_is_done(&p->attach)) {
        return;
    }
    watch_tick(p, now);
    if (p->watch.on && o->at) {
        sample_some(p, now);
    }
    o->at = now;
    if (now < o->tell_at) {
        return;
    }
    o->tell_at = now + TELL_NS;
    watch_sweep(p, now);
    if (p->vmm.features & RCACHE_VMM_F_CURVE) {
        watch_fill(p, now, &curve);
        seqsock_send(&p->vmm.sock, &curve, sizeof(curve), -1);
    }
}
