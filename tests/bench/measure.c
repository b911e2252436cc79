/* SPDX-License-Identifier: GPL-2.0-or-later */
/* measure: see measure.h. */
#include "tests/bench/measure.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

uint64_t measure_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void measure_die(const char *what)
{
    perror(what);
    exit(1);
}

void measure_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0) {
        return;
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        measure_die("sched_setaffinity");
    }
}

int measure_fork(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0) {
        measure_die("fork");
    }
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void measure_sort(uint64_t *ns, size_t n)
{
    qsort(ns, n, sizeof(*ns), compare);
}

uint64_t measure_scatter(uint64_t i, uint64_t n)
{
    unsigned bits = 1;
    uint64_t mask;

    while (n > UINT64_C(1) << bits) {
        bits++;
    }
    mask = (UINT64_C(1) << bits) - 1;
    /* Each step has an inverse, so none comes twice; out of range: go on. */
    do {
        for (unsigned k = 0; k < 3; k++) {
            i = (i * UINT64_C(0x9e3779b97f4a7c15) + 0x1b873593) & mask;
            i ^= i >> (bits / 2 + 1);
        }
    } while (i >= n);
    return i;
}

long measure_option(int argc, char **argv, const char *name, long fallback)
{
    size_t len = strlen(name);

    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "--", 2) && !strncmp(argv[i] + 2, name, len) &&
            argv[i][2 + len] == '=') {
            return strtol(argv[i] + 3 + len, NULL, 10);
        }
    }
    return fallback;
}
