/* SPDX-License-Identifier: GPL-2.0-or-later */
/* floor-scan: bare loops over words, see scan.h. */
#include "tests/bench/scan.h"

/* By index, with a branch. */
uint64_t floor_scan_branch(const uint64_t *words, uint64_t nr, uint64_t state,
                           uint64_t *out)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < nr; i++) {
        if ((words[i] & 0xf) == state) {
            out[n++] = i;
        }
    }
    return n;
}

/* Without a branch. */
uint64_t floor_scan_flat(const uint64_t *words, uint64_t nr, uint64_t state,
                         uint64_t *out)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < nr; i++) {
        out[n] = i;
        n += (words[i] & 0xf) == state;
    }
    return n;
}
