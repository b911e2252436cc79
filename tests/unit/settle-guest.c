/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest of test-settle: a few threads, each of which waits for the page
 * that it has touched.  See settle.h.
 */
#include <string.h>
#include <unistd.h>

#include "rcached/pager/page.h"
#include "tests/fuzz/vmm-played.h"
#include "settle.h"

#define THREADS 4u

static struct Thread {
    bool waits;
    uint64_t page, since, again;
} thread[THREADS];
static uint64_t stored;
static uint64_t known[RAM];     /* what each page begins with */

void guest_begin(void)
{
    memset(known, 0, sizeof(known));
    for (unsigned i = 0; i < THREADS; i++) {
        thread[i].waits = false;
    }
    stored = 0;
}

static enum RcachePageState state_of(uint64_t page)
{
    return page_state(__atomic_load_n(&played_words()[page],
                                      __ATOMIC_ACQUIRE));
}

/* Is there what was stored last? */
static void look(uint64_t page)
{
    uint64_t word = 0;

    g_assert(pread(played.ram_fd, &word, sizeof(word),
                   (off_t)page * RCACHE_PAGE_SIZE) == sizeof(word));
    if (word != known[page]) {
        fail("page %u begins with %" G_GINT64_MODIFIER "x and not with %"
             G_GINT64_MODIFIER "x, which was stored there", (unsigned)page,
             word, known[page]);
    }
}

static void store(uint64_t page)
{
    uint64_t words[RCACHE_PAGE_SIZE / 8];

    stored++;
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        words[i] = page << 32 | stored;
    }
    g_assert(pwrite(played.ram_fd, words, sizeof(words),
                    (off_t)page * RCACHE_PAGE_SIZE) == sizeof(words));
    played_written(page);
    known[page] = words[0];
}

/* It reads its page, and mostly writes it. */
static void touch(uint64_t page)
{
    look(page);
    if (!world.keep_clean || chance(2)) {
        store(page);
    }
}

/* Is its bytes' place the memfd, and no one else writes to it? */
static bool is_mapped(uint64_t page)
{
    enum RcachePageState state = state_of(page);

    return state == RCACHE_HOT || state == RCACHE_UNMANAGED;
}

/* True: it has got its page, or has asked for none. */
static bool thread_goes_on(struct Thread *t, uint64_t now)
{
    if (!t->waits) {
        return true;
    }
    if (is_mapped(t->page)) {
        touch(t->page);
        return true;
    }
    if (state_of(t->page) == RCACHE_LOST) {
        return true;            /* as a VM that is told that it is poisoned */
    }
    if (now >= t->again && played_fault(t->page)) {
        t->again = now + NS_PER_SEC;
    }
    return false;
}

void guest_look(void)
{
    uint64_t now = pager_now();

    for (unsigned i = 0; i < THREADS; i++) {
        thread[i].waits &= !thread_goes_on(&thread[i], now);
    }
}

void guest_tick(void)
{
    uint64_t now = pager_now();

    for (unsigned i = 0, left = world.rate; i < THREADS && left; i++) {
        struct Thread *t = &thread[i];

        for (; !t->waits && left; left--) {
            *t = (struct Thread) { .waits = true, .since = now,
                                   .page = chance(world.span) };
            t->waits = !thread_goes_on(t, now);
        }
    }
    fault_poll(played.p);
}

uint64_t guest_waits(void)
{
    uint64_t now = pager_now(), oldest = now;

    for (unsigned i = 0; i < THREADS; i++) {
        if (thread[i].waits) {
            oldest = MIN(oldest, thread[i].since);
        }
    }
    return now - oldest;
}

void guest_tell(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        if (thread[i].waits) {
            tell("  the guest waits for page %u, which is in state %u",
                 (unsigned)thread[i].page, state_of(thread[i].page));
        }
    }
}
