/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * curve: how many pages a second would come back with less memory here.
 *
 * Pure.  It is fed with samples: a page is watched from some time on, until it
 * is touched.  What it keeps of them is a life table (Cutler and Ederer, 1958):
 * of those that were watched for so long, how many were touched next.  A sample
 * that is still watched, or was given up, counts for the time it was watched
 * for (Kaplan and Meier, 1958), so that pages which nobody touches are not left
 * out for not having ended.
 *
 * Who samples pages that are here, at random times (observe.h), learns the mean
 * working set: of N pages N * gone(T) are touched within a time T, and so much
 * memory keeps a page for T after its last touch, if the oldest goes first.
 * The rate at which older pages are touched is how fast the working set grows
 * with T (Denning and Schwartz, "Properties of the working-set model", 1972).
 * That rate can only fall as T grows, so it is read off the least concave
 * majorant of the measured curve (Grenander, 1956), which needs no width to
 * average over: a load that goes through its memory in turn has a rate that
 * stays as it is up to the size of the memory, and is 0 there.
 *
 * Who samples pages that leave, when they leave, learns the same of the ages
 * beyond: pages that left within T and are still away are how much more memory
 * would have kept them, and those that come back later than T are the rate that
 * would have been left then.  Of less memory than there is this says nothing.
 *
 * A sample counts by its begin: half as much for each CURVE_HALF_NS that have
 * passed.  Weights that do not depend on how it ended leave the table right.
 */
#ifndef PAGER_CURVE_H
#define PAGER_CURVE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CURVE_OCTAVES   21u
#define CURVE_PARTS     32u     /* of an octave: buckets of 2 to 3 % */
#define CURVE_BUCKETS   (CURVE_OCTAVES * CURVE_PARTS + 1)
#define CURVE_FIRST_NS  1000000ull      /* the end of the first bucket */
#define CURVE_HALF_NS   600000000000ull
#define CURVE_AGE_MAX   1800000000000ull        /* nobody is watched longer */
#define CURVE_SAMPLES   16384u  /* at a time */

typedef struct CurveSample {
    uint64_t page;
    uint64_t begun;
    uint32_t next;              /* of the same page, plus one; 0: none */
    bool used;
} CurveSample;

/**
 * struct Curve - private to curve.c
 * @touched: weight of the samples that ended so, by how long they took
 * @dropped: of those that were given up
 * @begun: weight of all
 * @since: it was started
 * @base: samples that begin now weigh 1
 * @number: samples so far, unweighted
 * @sample: those that are watched; NULL before the first; owned
 * @by_page: page -> the first of its samples, plus one
 * @nr: that are watched
 * @free: the first entry to look at for a free one
 * @random: to choose by
 */
typedef struct Curve {
    double touched[CURVE_BUCKETS];
    double dropped[CURVE_BUCKETS];
    double begun;
    uint64_t since;
    uint64_t base;
    uint64_t number;
    CurveSample *sample;
    GHashTable *by_page;
    uint32_t nr;
    uint32_t free;
    uint64_t random;
} Curve;

/**
 * struct CurveTable - what the samples come to at one time
 * @n: edges; .at[0] is 0
 * @at: ns
 * @gone: share of the samples that were touched before
 * @events: touches before, as far as they count
 * @exposed: ns for which samples were watched before, all together
 * @begun: samples, as far as they count
 * @span: ns in which they began, as far as they count
 */
typedef struct CurveTable {
    unsigned n;
    double at[CURVE_BUCKETS + 1];
    double gone[CURVE_BUCKETS + 1];
    double events[CURVE_BUCKETS + 1];
    double exposed[CURVE_BUCKETS + 1];
    double begun;
    double span;
} CurveTable;

/**
 * struct CurveRate - pages that come back
 * @per_second: how many
 * @bound: no more than that: not enough was seen to say how many
 */
typedef struct CurveRate {
    double per_second;
    bool bound;
} CurveRate;

/** curve_start() - forget all, and begin anew at @now (ns); the first call
 * makes one from zeros usable */
void curve_start(Curve *curve, uint64_t now);
void curve_deinit(Curve *curve);

/**
 * curve_begin() - watch @page from @now (ns) on
 *
 * A page may be watched from several times on.  Where CURVE_SAMPLES are being
 * watched half of them, chosen at random, are given up first.
 */
void curve_begin(Curve *curve, uint64_t page, uint64_t now);

/** curve_touch() - all samples of @page end: it was touched */
void curve_touch(Curve *curve, uint64_t page, uint64_t now);

/** curve_drop() - they end, and nobody knows when it would have been */
void curve_drop(Curve *curve, uint64_t page, uint64_t now);

/**
 * curve_sweep() - now and then: give up samples that are too old, and those of
 * pages that are watched no more
 * @watched: is the page still such that its touch would be seen?
 */
void curve_sweep(Curve *curve, uint64_t now,
                 bool (*watched)(void *owner, uint64_t page), void *owner);

/** curve_seen() - ns since it was started */
static inline uint64_t curve_seen(const Curve *curve, uint64_t now)
{
    return now - MIN(now, curve->since);
}

/** curve_table() - what has come of the samples until @now */
void curve_table(const Curve *curve, uint64_t now, CurveTable *out);

/** curve_gone() - share of the samples that were touched within @ns; of the
 * longest time that is known where that is shorter */
double curve_gone(const CurveTable *table, uint64_t ns);

/** curve_hull() - take what is not concave out of .gone; before
 * curve_working() */
void curve_hull(CurveTable *table);

/**
 * curve_working() - of samples at random times of @pages that are here: the
 * rate at which pages would come back if @size pages were
 */
CurveRate curve_working(const CurveTable *hull, double pages, double size);

/**
 * curve_returns() - of samples of pages that leave: the rate that would be left
 * with @more pages than there are here
 * @each: one of so many was sampled
 */
CurveRate curve_returns(const CurveTable *table, double each, double more);

#endif
