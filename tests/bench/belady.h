/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * belady: how few pages have to come back, whoever chooses those that go.
 *
 * Belady's rule sees the whole trace: of the pages that are here the one goes
 * that is visited again last.  No choice makes fewer pages come back.
 */
#ifndef BENCH_BELADY_H
#define BENCH_BELADY_H

#include <stddef.h>
#include <stdint.h>

/**
 * belady_misses() - visits to pages that were not here, from visit @from on
 * @trace: the pages, in the order of their @n visits
 * @pages: all are below
 * @room: as many are here at a time; at the start the last ones of all
 */
size_t belady_misses(const uint32_t *trace, size_t n, size_t from,
                     uint64_t pages, uint64_t room);

#endif
