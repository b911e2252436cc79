/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table: the page words of a VM.  See table.h. */
#include "rcached/pager/table.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "common/sparse.h"

static uint64_t frame_of(uint64_t page)
{
    return page / RCACHE_FRAME_PAGES;
}

static uint64_t table_nr_frames(const Table *table)
{
    return frame_of(table->nr + RCACHE_FRAME_PAGES - 1);
}

static size_t table_bytes(const Table *table)
{
    return table_nr_frames(table) * sizeof(FrameCount);
}

/* Count one frame from its words. */
static void frame_count(const Table *table, uint64_t frame, FrameCount *count)
{
    uint64_t page = frame * RCACHE_FRAME_PAGES;
    uint64_t end = MIN(page + RCACHE_FRAME_PAGES, table->nr);

    memset(count, 0, sizeof(*count));
    for (; page < end; page++) {
        count->state[page_state(table_load(table, page))]++;
    }
}

int table_init(Table *table, uint64_t *words, struct RcacheSide *sides,
               uint64_t nr)
{
    *table = (Table) { .words = words, .sides = sides, .nr = nr };
    table->frames = sparse_new(table_bytes(table));
    return table->frames ? 0 : -ENOMEM;
}

void table_deinit(Table *table)
{
    sparse_free(table->frames, table_bytes(table));
    table->frames = NULL;
}

bool table_step(Table *table, uint64_t page, uint64_t old, uint64_t new)
{
    FrameCount *frame = &table->frames[frame_of(page)];
    unsigned from = page_state(old), to = page_state(new);

    if (!__atomic_compare_exchange_n(&table->words[page], &old, new, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        return false;
    }
    frame->state[from]--;
    frame->state[to]++;
    table->count[from]--;
    table->count[to]++;
    return true;
}

void table_recount(Table *table, uint64_t page)
{
    FrameCount *old = &table->frames[frame_of(page)];
    FrameCount now;

    frame_count(table, frame_of(page), &now);
    for (unsigned s = 0; s < TABLE_STATES; s++) {
        table->count[s] += now.state[s] - old->state[s];
    }
    *old = now;
}

bool table_all_are(const Table *table, uint64_t page, uint64_t end,
                   enum RcachePageState state)
{
    while (page < end && page_state(table_load(table, page)) == state) {
        page++;
    }
    return page >= end;
}

static uint64_t table_sum(const Table *table, uint32_t states)
{
    int64_t sum = 0;

    for (unsigned s = 0; s < TABLE_STATES; s++) {
        if (states & 1u << s) {
            sum += table->count[s];
        }
    }
    return MAX(sum, 0);
}

uint64_t table_resident(const Table *table)
{
    return table_sum(table, 1u << RCACHE_HOT | 1u << RCACHE_ZAPPING |
                            1u << RCACHE_ZAPPED | 1u << RCACHE_EVICTING |
                            1u << RCACHE_PUNCHING | 1u << RCACHE_FILLING |
                            1u << RCACHE_CACHED);
}

uint64_t table_away(const Table *table)
{
    return table_sum(table, 1u << RCACHE_REMOTE | 1u << RCACHE_FETCHING |
                            1u << RCACHE_PUNCHING | 1u << RCACHE_FILLING);
}
