/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure: what the bench programs have in common: time, pinning, quantiles,
 * the order of pages, and how they talk to tests/bench/bench.py.
 *
 * The floors use this and nothing else of the tree, so that they share no
 * code with the daemons that they are the measure of.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define MEASURE_PAGE    4096ul

/** measure_now() - CLOCK_MONOTONIC in ns */
uint64_t measure_now(void);

/** measure_pin() - run this thread on one CPU only; -1: leave it */
void measure_pin(int cpu);

/** measure_die() - say what failed, with errno, and exit 1 */
void measure_die(const char *what) __attribute__((noreturn));

/** measure_fork() - fork a child that is killed when its parent ends */
int measure_fork(void);

/** measure_sort() - ascending */
void measure_sort(uint64_t *ns, size_t n);

/** measure_at() - a quantile of @n sorted values */
static inline uint64_t measure_at(const uint64_t *sorted, size_t n, double q)
{
    return n ? sorted[(size_t)((double)(n - 1) * q)] : 0;
}

/**
 * measure_scatter() - the @i-th of @n pages, in an order without pattern for
 * caches and read-ahead, each exactly once
 */
uint64_t measure_scatter(uint64_t i, uint64_t n);

/** measure_option() - the number behind "--name=" in @argv, or @fallback */
long measure_option(int argc, char **argv, const char *name, long fallback);

#endif
