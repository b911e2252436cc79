/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach: what a new pager finds, page by page (rule 2).
 *
 * The words may have been left in any state by a pager that was killed at any
 * point.  For each page: read the word, then ask the memfd, then compare and
 * swap from the word that was read; the VMM may be discarding meanwhile.  In
 * that order, since the memfd asked first could show data that a discard then
 * takes, and a word read later would look as if it still had it.
 *
 * Afterwards only REMOTE words have slots, so the map of used slots is built
 * in the same pass; whatever a dead pager had under way to other slots is
 * fenced when the sessions are opened, and only then are they used.
 *
 * Frames are gone through as a whole: 512 words read, then the memfd's
 * extents, then the swaps.  A frame of REMOTE pages costs one lseek.
 */
#include <errno.h>
#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

bool attach_tables(Pager *p, GError **error)
{
    struct RcacheState *s = p->guest.state;
    uint64_t discard_seq = __atomic_load_n(&s->discard_seq, __ATOMIC_ACQUIRE);
    int ret = table_init(&p->table, guest_words(&p->guest),
                         guest_sides(&p->guest), p->guest.layout.nr_pages);

    if (ret < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-ret),
                    "the page words cannot be used: %s",
                    ret == -EINVAL ? "a state that does not exist"
                                   : g_strerror(-ret));
        return false;
    }
    p->report.counts = &s->counts;
    p->evictor.zap_seq = s->zap_seq;
    room_queue_size(&p->faults.room, p->table.nr);
    /* From before the words were counted: what came since is news. */
    p->takeover.discard_seq = discard_seq;
    slots_init(&p->slots);
    lease_load(p);
    return true;
}

/* Which of the pages @first..@first+@n have data: one byte for each. */
static int frame_data(Pager *p, uint64_t first, unsigned n, uint8_t *has)
{
    uint64_t end = first + n;
    int64_t page = first;

    memset(has, 0, n);
    while (page < (int64_t)end) {
        int64_t data = guest_next_data(&p->guest, page, end);

        if (data < 0) {
            return data;
        }
        if (data == (int64_t)end) {
            break;
        }
        page = guest_next_hole(&p->guest, data, end);
        if (page < 0) {
            return page;
        }
        memset(has + (data - first), 1, page - data);
    }
    return 0;
}

/* A REMOTE page's slot is marked; one that cannot be is lost. */
static bool attach_mark(Pager *p, uint64_t page, uint64_t word)
{
    uint64_t slot = page_slot(word);

    if (slots_valid(&p->slots, slot) && !slots_used(&p->slots, slot)) {
        slots_mark(&p->slots, slot);
        return true;
    }
    if (table_step(&p->table, page, word, page_to(word, RCACHE_LOST))) {
        report_event(p, RCACHE_EVENT_PAGE_LOST, page,
                     "its word names a slot that is not leased");
    }
    return true;
}

static bool attach_lost(Pager *p, uint64_t page, uint64_t word)
{
    if (!table_step(&p->table, page, word,
                    page_with_slot(page_to(word, RCACHE_LOST), 0))) {
        return false;
    }
    report_event(p, RCACHE_EVENT_PAGE_LOST, page,
                 "it should be here, but its memory is gone (word "
                 "%016" G_GINT64_MODIFIER "x)", word);
    return true;
}

/* A page whose bytes are at a provider, whatever was under way. */
static bool attach_remote(Pager *p, uint64_t page, uint64_t word, bool data)
{
    uint64_t remote = page_to(word, RCACHE_REMOTE);

    if (data) {
        /* Not ours: COPY happens only under FILLING. */
        guest_punch(&p->guest, page, 1);
        return false;           /* ask the memfd again */
    }
    if (word != remote && !table_step(&p->table, page, word, remote)) {
        return false;
    }
    return attach_mark(p, page, remote);
}

/* One page, by rule 2's table; false: read the word and ask again. */
static bool attach_page(Pager *p, uint64_t page, uint64_t word, bool data)
{
    uint64_t hot = page_with_slot(page_to(word, RCACHE_HOT), 0);
    uint64_t zero = page_with_slot(page_to(word, RCACHE_ZERO), 0);

    switch (page_state(word)) {
    case RCACHE_DISCARDING:
        /* The VMM's; but its slot is not free until the flip says so. */
        if (slots_valid(&p->slots, page_slot(word)) &&
            !slots_used(&p->slots, page_slot(word))) {
            slots_mark(&p->slots, page_slot(word));
        }
        return true;
    case RCACHE_UNMANAGED:
    case RCACHE_LOST:
        return true;
    case RCACHE_REMOTE:
    case RCACHE_FETCHING:
        return attach_remote(p, page, word, data);
    case RCACHE_PUNCHING:
        if (page_slot(word)) {
            return attach_remote(p, page, word, data);
        }
        if (data) {
            guest_punch(&p->guest, page, 1);
            return false;
        }
        return table_step(&p->table, page, word, zero);
    case RCACHE_CACHED:
    case RCACHE_FILLING:
        if (!data && (page_slot(word) || page_state(word) == RCACHE_CACHED)) {
            return attach_remote(p, page, word, false);
        }
        break;
    case RCACHE_HOT:
    case RCACHE_ZAPPING:
    case RCACHE_ZAPPED:
    case RCACHE_EVICTING:
        if (!data) {
            return attach_lost(p, page, word);
        }
        break;
    default:
        break;
    }
    if (data && (page_state(word) == RCACHE_UNTOUCHED ||
                 page_state(word) == RCACHE_ZERO) &&
        guest_keep(&p->guest, page, 1) < 0) {
        return false;
    }
    if (data) {
        return word == hot || table_step(&p->table, page, word, hot);
    }
    if (page_state(word) == RCACHE_UNTOUCHED && !page_slot(word)) {
        return true;
    }
    return word == zero || table_step(&p->table, page, word, zero);
}

static void attach_one(Pager *p, uint64_t page)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t word = table_load(&p->table, page);
        int data = guest_has_data(&p->guest, page);

        if (data >= 0 && attach_page(p, page, word, data)) {
            return;
        }
    }
    g_critical("vm %s: page %" G_GUINT64_FORMAT " does not keep still",
               p->name, page);
}

/* @first..@first+@n of one block; true if one of them is managed */
static bool attach_frame(Pager *p, uint64_t first, unsigned n)
{
    uint64_t word[RCACHE_FRAME_PAGES];
    uint8_t has[RCACHE_FRAME_PAGES];
    bool any = false;

    for (unsigned i = 0; i < n; i++) {
        word[i] = table_load(&p->table, first + i);
        any |= page_state(word[i]) != RCACHE_UNMANAGED;
    }
    if (!any) {
        return false;
    }
    if (frame_data(p, first, n, has) < 0) {
        memset(has, 0, n);
        memset(word, 0xff, sizeof(word));       /* each on its own */
    }
    for (unsigned i = 0; i < n; i++) {
        if (word[i] == UINT64_MAX ||
            !attach_page(p, first + i, word[i], has[i])) {
            attach_one(p, first + i);
        }
    }
    return true;
}

void attach_words(Pager *p)
{
    for (unsigned i = 0; i < p->guest.nr_blocks; i++) {
        GuestBlock *b = &p->guest.block[i];
        uint64_t end = b->first + b->pages;

        if (!b->present) {
            continue;
        }
        for (uint64_t page = b->first; page < end;) {
            uint64_t stop = (page / RCACHE_FRAME_PAGES + 1) *
                            RCACHE_FRAME_PAGES;
            unsigned n = MIN(stop, end) - page;

            p->takeover.managing |= attach_frame(p, page, n);
            page += n;
        }
    }
    /* Faults that a dead pager had read are not delivered again. */
    for (unsigned i = 0; i < p->guest.nr_blocks && p->takeover.managing; i++) {
        GuestBlock *b = &p->guest.block[i];

        if (b->present) {
            uffd_wake(p->guest.uffd, b->address,
                      b->pages * RCACHE_PAGE_SIZE);
        }
    }
}
