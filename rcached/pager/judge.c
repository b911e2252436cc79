/* SPDX-License-Identifier: GPL-2.0-or-later */
/* judge: which provider answers slowly.  See judge.h. */
#include "rcached/pager/judge.h"

#include <glib.h>
#include <string.h>

/* What one answer counts for in .recent: one in so many. */
#define RECENT_PART     8u

static unsigned bucket_of(uint64_t ns)
{
    unsigned top;

    if (ns < 4) {
        return ns;
    }
    top = 63 - __builtin_clzll(ns);
    return 4 * (top - 1) + (ns >> (top - 2) & 3);
}

/* The upper edge. */
static uint64_t bucket_ns(unsigned i)
{
    return i < 4 ? i : ((uint64_t)(i % 4 + 5) << (i / 4 - 1)) - 1;
}

void judge_add(Judge *judge, uint64_t ns)
{
    judge->bucket[bucket_of(ns)]++;
    judge->total++;
    judge->recent = judge->recent
                        ? judge->recent - judge->recent / RECENT_PART +
                          ns / RECENT_PART
                        : ns;
}

static void judge_empty(Judge *judge)
{
    memset(judge->bucket, 0, sizeof(judge->bucket));
    judge->total = 0;
}

void judge_forget(Judge *judge)
{
    judge_empty(judge);
    judge->median = judge->recent = 0;
    judge->bad = judge->good = 0;
}

static uint64_t judge_median(const Judge *judge)
{
    uint32_t below = 0;

    for (unsigned i = 0; i < JUDGE_BUCKETS; i++) {
        below += judge->bucket[i];
        if (below >= judge->total - judge->total / 2) {
            return MAX(bucket_ns(i), 1);
        }
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t judge_others(Judge *const *judges, unsigned nr, unsigned one)
{
    g_autofree uint64_t *medians = g_new(uint64_t, MAX(nr, 1));
    unsigned n = 0;

    for (unsigned i = 0; i < nr; i++) {
        if (i != one && judges[i]->median) {
            medians[n++] = judges[i]->median;
        }
    }
    qsort(medians, n, sizeof(*medians), compare);
    return n ? medians[(n - 1) / 2] : 0;
}

/* One whole window of @judge; true: .slow has changed. */
static bool judge_window(Judge *judge, uint64_t others, uint64_t now)
{
    bool bad = judge->median > JUDGE_FACTOR * others &&
               judge->median > others + JUDGE_FLOOR_NS;
    bool good = judge->median <= JUDGE_FACTOR / 2 * others ||
                judge->median <= others + JUDGE_FLOOR_NS / 2;

    judge->bad = bad ? judge->bad + 1 : 0;
    judge->good = good ? judge->good + 1 : 0;
    if (!judge->slow && judge->bad >= JUDGE_WINDOWS) {
        judge->slow = true;
        judge->since = now;
        return true;
    }
    if (judge->slow && judge->good >= JUDGE_WINDOWS) {
        judge->slow = false;
        return true;
    }
    return false;
}

bool judge_turn(Judge *const *judges, unsigned nr, uint64_t now,
                bool *changed)
{
    bool any = false;

    for (unsigned i = 0; i < nr; i++) {
        if (judges[i]->total >= JUDGE_SAMPLES) {
            judges[i]->median = judge_median(judges[i]);
        }
    }
    for (unsigned i = 0; i < nr; i++) {
        uint64_t others = judge_others(judges, nr, i);

        changed[i] = false;
        if (judges[i]->total < JUDGE_SAMPLES) {
            continue;
        }
        if (others) {
            changed[i] = judge_window(judges[i], others, now);
        }
        any |= changed[i];
        judge_empty(judges[i]);
    }
    return any;
}
