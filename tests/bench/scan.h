/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: what it costs to look at a page word, beside a bare loop that does
 * the same: find the words in a state and write their indices down.
 */
#ifndef BENCH_SCAN_H
#define BENCH_SCAN_H

#include <stdint.h>

/**
 * floor_scan_branch(), floor_scan_flat() - indices of words in a state
 * @out: room for @nr + 1
 *
 * Return: how many
 */
uint64_t floor_scan_branch(const uint64_t *words, uint64_t nr, uint64_t state,
                           uint64_t *out);
uint64_t floor_scan_flat(const uint64_t *words, uint64_t nr, uint64_t state,
                         uint64_t *out);

#endif
