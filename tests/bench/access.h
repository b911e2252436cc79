/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access: which pages a guest visits, one after the other, and the visits.
 *
 * The same code and the same seed run in bench-vmm, whose guest memory is
 * rcached's, in bench-swap, whose memory the kernel swaps, and in floor-pager.
 * A visit reads the page's first word, which is where it waits if the page is
 * away, verifies all of it as the oracle has it, and in some patterns writes
 * the whole page anew.  Patterns with writes have one thread: there are no
 * locks.
 */
#ifndef BENCH_ACCESS_H
#define BENCH_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_THREADS_MAX      64u
#define ACCESS_STRIDE           4u      /* pages, of "strided" */
#define ACCESS_CURSORS          4u      /* of "interleaved" */
#define ACCESS_BUCKETS          1024u

typedef enum AccessPattern {
    ACCESS_UNIFORM,             /* any page */
    ACCESS_ZIPF,                /* few of them most of the time: 0.99 */
    /* The order of these is known: access_at(). */
    ACCESS_SEQUENTIAL,
    ACCESS_STRIDED,             /* every fourth; then those beside them */
    ACCESS_INTERLEAVED          /* four scans, a page of each by turns */
} AccessPattern;

/* What is to be visited, and how. */
typedef struct AccessPlan {
    AccessPattern pattern;
    uint64_t pages;
    unsigned threads;
    unsigned write_percent;     /* of visits; 0 with many threads */
    unsigned warm_ms, ms;       /* before it counts, and then */
    uint64_t seed;
    unsigned pace;              /* visits a second, of each thread; 0: as many
                                 * as it can */
} AccessPlan;

/* Whose memory it is. */
typedef struct AccessMemory {
    char *ram;
    uint32_t *version;          /* of each page, as the oracle has it */
    _Atomic uint8_t *dirty;     /* set before and after a write; may be NULL */
    /* Is the page away?  May be NULL. */
    bool (*away)(void *opaque, uint64_t page);
    /* The first visit that counts is about to begin.  May be NULL. */
    void (*counts)(void *opaque);
    void *opaque;
} AccessMemory;

/* The visits of one thread, one after the other. */
typedef struct AccessOrder {
    const AccessPlan *plan;
    uint64_t random;
    uint64_t position;
    double zeta_n, alpha, eta, half;    /* of zipf */
} AccessOrder;

typedef struct AccessResult {
    uint64_t warm_visits;       /* before it counted */
    uint64_t visits, wrong, away;
    uint64_t writes;
    uint64_t p50_ns, p99_ns, max_ns;    /* of a page's first word */
} AccessResult;

/**
 * access_parse() - a command "access PATTERN THREADS WRITE% WARM-MS MS SEED",
 * with a pace behind it or without
 * @plan: its pages are set already
 *
 * Return: false: it is another command, or no plan that can be
 */
bool access_parse(AccessPlan *plan, const char *line);

/** access_order_init() - begin with thread @thread's first visit */
void access_order_init(AccessOrder *order, const AccessPlan *plan,
                       unsigned thread);

/** access_next() - the next page; *@write: is it written, too? */
uint64_t access_next(AccessOrder *order, bool *write);

/** access_at() - the page of visit @position, where the order is known */
uint64_t access_at(const AccessPlan *plan, uint64_t position);

/** access_is_known() - is the order known before? */
static inline bool access_is_known(const AccessPlan *plan)
{
    return plan->pattern >= ACCESS_SEQUENTIAL;
}

/** access_ranked() - the page that zipf visits @rank-th most, from 0 */
uint64_t access_ranked(const AccessPlan *plan, uint64_t rank);

/**
 * access_run() - visit for as long as @plan says
 * @position: where the first thread is, for who looks on meanwhile; or NULL
 *
 * The process is killed if it takes a minute longer.
 */
void access_run(const AccessPlan *plan, const AccessMemory *memory,
                _Atomic uint64_t *position, AccessResult *result);

/** access_fill() - write each page for the first time: version 1 */
void access_fill(const AccessMemory *memory, uint64_t pages);

/** access_report() - a line of JSON, with more members from @more or "" */
void access_report(const AccessResult *result, const char *more);

#endif
