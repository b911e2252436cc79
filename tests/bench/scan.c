/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: the pager's own hands over a table of words, and the floor.
 *
 * One word in --every is the one that is looked for, at random places; the
 * table is larger than the caches, as that of a large VM is.  One line of
 * JSON a variant: ns for each word looked at.
 */
#include "tests/bench/scan.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "rcached/pager/clock.h"
#include "tests/bench/measure.h"

#define BATCH   64u             /* as many as a zap names */

typedef struct Scan {
    uint64_t nr;
    uint64_t *words;
    uint64_t *out;
    Table table;
    uint64_t found;             /* of the state that is looked for */
} Scan;

static void fill(Scan *s, unsigned every, enum RcachePageState wanted,
                 enum RcachePageState other)
{
    uint64_t x = 88172645463325252ull;

    s->found = 0;
    for (uint64_t i = 0; i < s->nr; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        s->words[i] = x % every ? other : wanted;
        s->found += s->words[i] == wanted;
    }
}

static void count(Scan *s)
{
    for (uint64_t i = 0; i < s->nr; i += RCACHE_FRAME_PAGES) {
        table_recount(&s->table, i);
    }
}

static uint64_t run_front(Scan *s)
{
    Clock clock = { 0 };
    uint64_t found = 0, last;

    do {
        unsigned n;

        last = clock.front;
        n = clock_front(&clock, &s->table, 0, s->nr, s->out, BATCH);
        for (unsigned i = 0; i < n; i++) {
            found += s->out[i] >= last;     /* not those of the next turn */
        }
    } while (clock.front > last);
    return found;
}

static uint64_t run_back(Scan *s)
{
    Clock clock = { .between = s->nr };
    uint64_t found = 0;

    while (clock.between) {
        found += clock_back(&clock, &s->table, 0, s->nr, s->out, BATCH);
    }
    return found;
}

static uint64_t run_branch(Scan *s)
{
    return floor_scan_branch(s->words, s->nr, RCACHE_HOT, s->out);
}

static uint64_t run_flat(Scan *s)
{
    return floor_scan_flat(s->words, s->nr, RCACHE_HOT, s->out);
}

static void run(Scan *s, const char *name, uint64_t (*loop)(Scan *))
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < 5; i++) {
        uint64_t start = measure_now(), found = loop(s), took;

        took = measure_now() - start;
        best = MIN(best, took);
        if (found != s->found) {
            fprintf(stderr, "scan: %s found %lu of %lu\n", name, found,
                    s->found);
            exit(1);
        }
    }
    printf("{\"variant\": \"%s\", \"ns_per_page\": %.3f}\n", name,
           (double)best / s->nr);
}

int main(int argc, char **argv)
{
    Scan s = { .nr = measure_option(argc, argv, "pages", 4l << 20) };
    unsigned every = measure_option(argc, argv, "every", 16);

    measure_pin(measure_option(argc, argv, "pager-cpu", -1));
    s.words = g_new(uint64_t, s.nr);
    s.out = g_new0(uint64_t, s.nr + 1);
    fill(&s, every, RCACHE_HOT, RCACHE_REMOTE);
    if (table_init(&s.table, s.words, NULL, s.nr) < 0) {
        fprintf(stderr, "scan: no memory\n");
        return 1;
    }
    count(&s);
    run(&s, "branch", run_branch);
    run(&s, "flat", run_flat);
    run(&s, "front", run_front);
    fill(&s, every, RCACHE_ZAPPED, RCACHE_REMOTE);
    count(&s);
    run(&s, "back", run_back);
    table_deinit(&s.table);
    g_free(s.words);
    g_free(s.out);
    return 0;
}
