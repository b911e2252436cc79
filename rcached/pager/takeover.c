/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takeover: RAM comes under management, and what the VMM discards.
 *
 * A VM without memory pressure pays nothing: its RAM stays UNMANAGED, outside
 * the userfaultfd, until its memfds take up about 80 % of local_max.  Then
 * each block is made ready by the VMM (no huge pages), registered as a whole,
 * and taken over from its start, piece by piece: UNMANAGED to UNTOUCHED → ask
 * the memfd → HOT where there is data.  In any other order a page is lost to a
 * discard at the same time (docs/model/manage.pml).  A page that is touched
 * before its piece's turn is taken over by its fault.
 *
 * The VMM marks the frames where it has discarded; the pages there are
 * counted anew, the slots of ZERO pages freed, and what came back as
 * UNMANAGED inside a managed range is taken over.
 */
#include <errno.h>

#include "common/crash-point.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

#define PIECE_PAGES     16384u  /* 64 MiB at a time */
#define START_PERCENT   80u
#define RETRY_NS        NS_PER_SEC
/* The fastest a guest is expected to grow, to choose when to look again. */
#define GROWTH_PER_SEC  (8ull << 30)

static bool block_is_managed(const GuestBlock *b)
{
    return !b->present || b->managed == b->pages;
}

static void takeover_ask(Pager *p, unsigned block)
{
    GuestBlock *b = &p->guest.block[block];
    struct RcacheVmmManage msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_MANAGE,
                 .size = sizeof(msg) },
        .block = block, .generation = b->generation, .count = b->pages,
    };

    b->asked = true;
    seqsock_send(&p->vmm.sock, &msg, sizeof(msg), -1);
}

/* Told once; asked again later, in case it passes. */
static void takeover_failed(Pager *p, GuestBlock *b, const char *what, int err)
{
    b->ready = b->asked = false;
    b->retry_at = pager_now() + RETRY_NS;
    if (b->error != err) {
        b->error = err;
        report_event(p, RCACHE_EVENT_DEGRADED, b->first,
                     "block %s %s (%s): its pages stay on this host, and the "
                     "pager tries again", b->name, what, g_strerror(err));
    }
}

/* Ask what is here; what comes in from now on is counted. */
static void takeover_look(Pager *p)
{
    p->takeover.block_bytes = guest_blocks_bytes(&p->guest);
    p->takeover.arrived = 0;
}

void takeover_tick(Pager *p, uint64_t now)
{
    uint64_t limit = limit_here(&p->limits) * RCACHE_PAGE_SIZE / 100 *
                     START_PERCENT;

    if (p->takeover.managed) {
        return;
    }
    takeover_look(p);
    if (!p->takeover.managing && limit_is_all(p)) {
        p->takeover.look_at = now + 100 * NS_PER_MS;
        return;
    }
    if (!p->takeover.managing && p->takeover.block_bytes < limit) {
        uint64_t wait = (limit - p->takeover.block_bytes) * 1000 /
                        GROWTH_PER_SEC;

        p->takeover.look_at = now + CLAMP(wait, 1, 100) * NS_PER_MS;
        return;
    }
    p->takeover.managing = true;
    p->takeover.look_at = now + NS_PER_MS;
    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        const GuestBlock *b = &p->guest.block[i];

        if (b->present && !b->asked && now >= b->retry_at) {
            takeover_ask(p, i);
        }
    }
}

void takeover_answer(Pager *p, const struct RcacheVmmManage *msg)
{
    GuestBlock *b = msg->block < RCACHE_BLOCKS_MAX
                        ? &p->guest.block[msg->block] : NULL;

    if (!b || !b->present || b->generation != msg->generation || !b->asked) {
        return;
    }
    if (msg->status) {
        takeover_failed(p, b, "cannot be managed", -msg->status);
        return;
    }
    b->ready = true;
}

/*
 * From here on a guest grows through us only, and local_max holds.  What was
 * left for later would grow without a limit until then: with 64 MiB in 10 ms
 * a large guest could take hundreds of MiB in that time.
 */
static void takeover_register(Pager *p)
{
    bool any = false;

    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        GuestBlock *b = &p->guest.block[i];
        int ret;

        if (!b->ready || b->registered) {
            continue;
        }
        ret = uffd_register(p->guest.uffd, b->address,
                            b->pages * RCACHE_PAGE_SIZE);
        if (ret < 0) {
            takeover_failed(p, b, "cannot be registered for faults", -ret);
        } else {
            b->registered = any = true;
        }
    }
    if (any) {
        crash_point("registered");
        takeover_look(p);
    }
}

/* UNTOUCHED pages of @page..@end, in one frame, that have data are HOT. */
static void takeover_find_data(Pager *p, uint64_t page, uint64_t end)
{
    uint64_t word[RCACHE_FRAME_PAGES];
    uint8_t has[RCACHE_FRAME_PAGES];
    unsigned n = end - page;
    bool any = false;

    for (unsigned i = 0; i < n; i++) {
        word[i] = table_load(&p->table, page + i);
        any |= page_state(word[i]) == RCACHE_UNTOUCHED;
    }
    if (!any ||
        reconcile_ask(&p->attach.reconcile, page, n, word, has) < 0) {
        return;
    }
    for (unsigned i = 0, run; i < n; i += run) {
        run = 1;
        if (!has[i] || page_state(word[i]) != RCACHE_UNTOUCHED) {
            continue;
        }
        while (i + run < n && has[i + run] &&
               page_state(word[i + run]) == RCACHE_UNTOUCHED) {
            run++;
        }
        if (guest_keep(&p->guest, page + i, run) < 0) {
            return;             /* no memory: they stay UNTOUCHED */
        }
        crash_point("kept");
        for (unsigned k = i; k < i + run; k++) {
            /* Only a discard takes it away, and that is all right. */
            table_step(&p->table, page + k, word[k],
                       page_to(word[k], RCACHE_HOT));
        }
    }
}

/* UNMANAGED pages of @page..@end, in one frame, come under management. */
static void takeover_frame(Pager *p, uint64_t page, uint64_t end)
{
    for (uint64_t i = page; i < end; i++) {
        uint64_t word = table_load(&p->table, i);

        if (page_state(word) == RCACHE_UNMANAGED) {
            table_step(&p->table, i, word, page_to(word, RCACHE_UNTOUCHED));
        }
    }
    crash_point("untouched");
    takeover_find_data(p, page, end);
}

static void takeover_piece(Pager *p, GuestBlock *b)
{
    uint64_t first = b->first + b->managed;
    uint64_t n = MIN(PIECE_PAGES, b->pages - b->managed);

    for (uint64_t page = first, stop; page < first + n; page = stop) {
        stop = (page / RCACHE_FRAME_PAGES + 1) * RCACHE_FRAME_PAGES;
        stop = MIN(stop, first + n);
        takeover_frame(p, page, stop);
        fault_poll(p);
    }
    b->managed += n;
}

bool takeover_work(Pager *p)
{
    bool all = true, more = false;

    if (!p->takeover.managing || p->takeover.managed) {
        return false;
    }
    takeover_register(p);
    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        GuestBlock *b = &p->guest.block[i];

        if (b->registered && !block_is_managed(b)) {
            takeover_piece(p, b);
            more |= !block_is_managed(b);
        }
        all &= block_is_managed(b);
    }
    if (all) {
        p->takeover.managed = true;
        guest_unmap(&p->guest);
        g_message("vm %s: its memory is managed now: %" G_GUINT64_FORMAT
                  " of %" G_GUINT64_FORMAT " pages are here", p->name,
                  table_resident(&p->table), p->limits.ram);
    }
    return more;
}

void takeover_page(Pager *p, uint64_t page)
{
    takeover_frame(p, page, page + 1);
}

static void discards_in_frame(Pager *p, uint64_t page, uint64_t end)
{
    uint64_t first = page;

    for (; page < end; page++) {
        uint64_t word = table_load(&p->table, page);
        GuestBlock *b;

        if (page_state(word) == RCACHE_ZERO && page_slot(word)) {
            if (table_step(&p->table, page, word, page_with_slot(word, 0)) &&
                slots_valid(&p->slots, page_slot(word))) {
                crash_point("discard-slot-out");
                location_free(p, page_slot(word));
            }
        } else if (page_state(word) == RCACHE_UNMANAGED) {
            b = guest_block_of_page(&p->guest, page);
            if (b && page - b->first < b->managed) {
                takeover_page(p, page);
            }
        }
    }
    table_recount(&p->table, first);
}

/* The marked frames of one block; one that blocks share may come twice. */
static void discards_in_block(Pager *p, const GuestBlock *b)
{
    uint64_t *bits = guest_frames(&p->guest);
    uint64_t last = (b->first + b->pages - 1) / RCACHE_FRAME_PAGES / 64;

    for (uint64_t i = b->first / RCACHE_FRAME_PAGES / 64; i <= last; i++) {
        uint64_t set;

        if (!__atomic_load_n(&bits[i], __ATOMIC_RELAXED)) {
            continue;
        }
        set = __atomic_exchange_n(&bits[i], 0, __ATOMIC_ACQ_REL);
        crash_point("discards-seen");
        for (; set; set &= set - 1) {
            uint64_t page = (i * 64 + __builtin_ctzll(set)) *
                            RCACHE_FRAME_PAGES;

            if (page < p->table.nr) {
                discards_in_frame(p, page,
                                  MIN(page + RCACHE_FRAME_PAGES,
                                      p->table.nr));
                /* Before an attach there may have been any number. */
                fault_poll(p);
            }
        }
    }
}

void takeover_discards(Pager *p)
{
    struct RcacheState *state = p->guest.state;
    uint64_t seq = __atomic_load_n(&state->discard_seq, __ATOMIC_ACQUIRE);

    if (seq == p->takeover.discard_seq) {
        return;
    }
    p->takeover.discard_seq = seq;
    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        if (p->guest.block[i].present) {
            discards_in_block(p, &p->guest.block[i]);
        }
    }
}
