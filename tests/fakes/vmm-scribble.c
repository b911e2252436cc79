/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-scribble: a VMM gone mad, or bad: it writes what it likes to the memory
 * that it shares with its pager, while that is at work.
 *
 * What comes to be of its guest is its own affair.  The pager must neither
 * crash nor read or write where it should not, which the sanitizers see.
 */
#include <unistd.h>

#include "tests/fakes/vmm.h"

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x >> 5;
}

static void scribble_word(Vmm *v, uint64_t *random)
{
    uint64_t nr = v->config.pages, how = next_random(random) % 8;
    uint64_t *word = &v->words[next_random(random) % nr], new;

    switch (how) {
    case 0:
        new = next_random(random) << 8 ^ next_random(random);
        break;
    case 1:                             /* another's slot */
    case 2:
        new = (*word & ~RCACHE_SLOT_MASK) |
              (v->words[next_random(random) % nr] & RCACHE_SLOT_MASK);
        break;
    case 3:
        new = v->words[next_random(random) % nr];
        break;
    default:
        new = (*word & ~RCACHE_STATE_MASK) | next_random(random) % 16;
    }
    __atomic_store_n(word, new, __ATOMIC_RELEASE);
}

/* Eight bytes of a table: other ones, or none. */
static void scribble_table(Vmm *v, uint64_t offset, uint64_t bytes,
                           uint64_t *random)
{
    uint64_t at = offset + next_random(random) % (bytes / 8) * 8;
    uint64_t *to = (uint64_t *)((char *)v->state + at);
    uint64_t how = next_random(random) % 4;

    __atomic_store_n(to, how == 0 ? UINT64_MAX
                         : how == 1 ? next_random(random)
                         : how == 2 ? *to ^ 1ull << next_random(random) % 64
                                    : 0, __ATOMIC_RELEASE);
}

static void scribble_once(Vmm *v, uint64_t *random)
{
    struct RcacheState *s = v->state;
    uint64_t nr = v->config.pages;

    switch (next_random(random) % 64) {
    case 0:
        scribble_table(v, s->slabs_off, 64 * sizeof(struct RcacheSlab),
                       random);
        break;
    case 1:
        scribble_table(v, s->leases_off, 4 * sizeof(struct RcacheLease),
                       random);
        break;
    case 2:
        scribble_table(v, s->frames_off, 8, random);
        s->discard_seq++;
        break;
    case 3:                             /* what changes, not where it is */
        scribble_table(v, offsetof(struct RcacheState, discard_seq),
                       sizeof(*s) - offsetof(struct RcacheState, discard_seq),
                       random);
        break;
    case 4:
        scribble_table(v, s->sides_off, nr * sizeof(struct RcacheSide),
                       random);
        break;
    default:
        scribble_word(v, random);
    }
}

void vmm_scribble(Vmm *v, unsigned ms, uint64_t seed)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15ull + 1;
    uint64_t end = vmm_now_ns() + ms * 1000000ull;

    while (vmm_now_ns() < end) {
        for (unsigned i = next_random(&random) % 8; i; i--) {
            scribble_once(v, &random);
        }
        usleep(next_random(&random) % 200);
    }
}
