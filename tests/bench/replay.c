/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay: how few of a guest's visits would have had to wait for a page, had
 * somebody known all of them (belady.h).  The visits are access.h's, made
 * again from the seed.
 *
 *     bench-replay "access zipf 1 10 0 0 SEED" --mem=MIB --local=MIB
 *                  --warm=N --visits=N
 */
#include <stdio.h>

#include "tests/bench/access.h"
#include "tests/bench/belady.h"
#include "tests/bench/measure.h"

#define PAGES_A_MIB     256ul

int main(int argc, char **argv)
{
    AccessPlan plan = {
        .pages = measure_option(argc, argv, "mem", 512) * PAGES_A_MIB,
    };
    size_t warm = measure_option(argc, argv, "warm", 0);
    size_t visits = measure_option(argc, argv, "visits", 0);
    uint64_t room = measure_option(argc, argv, "local", 128) * PAGES_A_MIB;
    AccessOrder order;
    uint32_t *trace;

    if (argc < 2 || !access_parse(&plan, argv[1]) || !visits || !room) {
        fprintf(stderr, "usage: bench-replay \"access PATTERN 1 WRITE%% 0 0 "
                "SEED\" --mem=MIB --local=MIB --warm=N --visits=N\n");
        return 2;
    }
    trace = calloc(warm + visits, sizeof(*trace));
    access_order_init(&order, &plan, 0);
    for (size_t i = 0; i < warm + visits; i++) {
        bool write;

        trace[i] = access_next(&order, &write);
    }
    printf("{\"misses\": %zu}\n", belady_misses(trace, warm + visits, warm,
                                               plan.pages, room));
    free(trace);
    return 0;
}
