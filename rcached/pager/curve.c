/* SPDX-License-Identifier: GPL-2.0-or-later */
/* curve: what less memory here would cost.  See curve.h. */
#include "rcached/pager/curve.h"

#include <math.h>
#include <string.h>

/*
 * So many have to be left at an age for it to be told; but fewer will do for
 * what is the last of what had not been touched.
 */
#define RISK_MIN        20.0
#define STAYS_FEW       0.02
/* A rate is a figure from so many touches on; of fewer it is a bound. */
#define EVENTS_MIN      30.0
/* Weights are divided by their common part before it is too large. */
#define REBASE_NS       (20 * CURVE_HALF_NS)

/* ---------------------------------------------------------------- buckets */

static unsigned bucket_of(uint64_t ns)
{
    unsigned octave, part;

    if (ns < CURVE_FIRST_NS) {
        return 0;
    }
    octave = 63 - __builtin_clzll(ns / CURVE_FIRST_NS);
    if (octave >= CURVE_OCTAVES) {
        return CURVE_BUCKETS - 1;
    }
    part = ((ns >> octave) - CURVE_FIRST_NS) * CURVE_PARTS / CURVE_FIRST_NS;
    return 1 + octave * CURVE_PARTS + part;
}

/* Where bucket @b begins, in ns. */
static double bucket_begin(unsigned b)
{
    unsigned octave = b ? (b - 1) / CURVE_PARTS : 0;
    unsigned part = b ? (b - 1) % CURVE_PARTS : 0;

    return b ? ldexp(CURVE_FIRST_NS, octave) * (CURVE_PARTS + part) /
                   CURVE_PARTS
             : 0;
}

/* ---------------------------------------------------------------- samples */

void curve_start(Curve *c, uint64_t now)
{
    CurveSample *sample = c->sample;
    GHashTable *by_page = c->by_page;
    uint64_t random = c->random;

    if (by_page) {
        g_hash_table_remove_all(by_page);
        memset(sample, 0, CURVE_SAMPLES * sizeof(*sample));
    }
    *c = (Curve) {
        .sample = sample, .by_page = by_page, .random = random,
        .since = now, .base = now,
    };
}

void curve_deinit(Curve *c)
{
    g_clear_pointer(&c->by_page, g_hash_table_unref);
    g_clear_pointer(&c->sample, g_free);
}

static uint64_t curve_random(Curve *c)
{
    c->random = c->random ? c->random : 0x9e3779b97f4a7c15ull;
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random;
}

static double weight_of(const Curve *c, uint64_t begun)
{
    return exp2(((double)begun - c->base) / CURVE_HALF_NS);
}

static uint32_t first_of(const Curve *c, uint64_t page)
{
    return c->nr ? GPOINTER_TO_UINT(g_hash_table_lookup(c->by_page,
                                                        GSIZE_TO_POINTER(page)))
                 : 0;
}

/* @counts: of .touched or .dropped */
static void curve_end(Curve *c, uint64_t page, uint64_t now, double *counts)
{
    uint32_t i = first_of(c, page);

    if (!i) {
        return;
    }
    g_hash_table_remove(c->by_page, GSIZE_TO_POINTER(page));
    while (i) {
        CurveSample *s = &c->sample[i - 1];

        counts[bucket_of(now - MIN(now, s->begun))] += weight_of(c, s->begun);
        c->free = MIN(c->free, i - 1);
        i = s->next;
        *s = (CurveSample) { 0 };
        c->nr--;
    }
}

void curve_touch(Curve *c, uint64_t page, uint64_t now)
{
    curve_end(c, page, now, c->touched);
}

void curve_drop(Curve *c, uint64_t page, uint64_t now)
{
    curve_end(c, page, now, c->dropped);
}

/* Those of a page go together: what is chosen is not how old they are. */
static void curve_thin(Curve *c, uint64_t now)
{
    for (uint32_t i = 0; i < CURVE_SAMPLES; i++) {
        if (c->sample[i].used && curve_random(c) >> 63) {
            curve_drop(c, c->sample[i].page, now);
        }
    }
}

static void curve_rebase(Curve *c, uint64_t now)
{
    double by = 1 / weight_of(c, now);

    for (unsigned b = 0; b < CURVE_BUCKETS; b++) {
        c->touched[b] *= by;
        c->dropped[b] *= by;
    }
    c->begun *= by;
    c->base = now;
}

void curve_begin(Curve *c, uint64_t page, uint64_t now)
{
    uint32_t next;

    if (!c->sample) {
        c->sample = g_new0(CurveSample, CURVE_SAMPLES);
        c->by_page = g_hash_table_new(NULL, NULL);
    }
    if (now - c->base > REBASE_NS) {
        curve_rebase(c, now);
    }
    while (c->nr == CURVE_SAMPLES) {
        curve_thin(c, now);
    }
    while (c->sample[c->free].used) {
        c->free = (c->free + 1) % CURVE_SAMPLES;
    }
    next = first_of(c, page);
    c->sample[c->free] = (CurveSample) {
        .page = page, .begun = now, .next = next, .used = true,
    };
    g_hash_table_insert(c->by_page, GSIZE_TO_POINTER(page),
                        GUINT_TO_POINTER(c->free + 1));
    c->begun += weight_of(c, now);
    c->number++;
    c->nr++;
}

void curve_sweep(Curve *c, uint64_t now,
                 bool (*watched)(void *owner, uint64_t page), void *owner)
{
    for (uint32_t i = 0; c->nr && i < CURVE_SAMPLES; i++) {
        const CurveSample *s = &c->sample[i];

        if (s->used && (now - s->begun > CURVE_AGE_MAX ||
                        !watched(owner, s->page))) {
            curve_drop(c, s->page, now);
        }
    }
}

/* ------------------------------------------------------------------ table */

/* What is being watched has not been touched until now. */
static void add_watched(const Curve *c, uint64_t now, double *dropped)
{
    for (uint32_t i = 0; c->nr && i < CURVE_SAMPLES; i++) {
        const CurveSample *s = &c->sample[i];

        if (s->used) {
            dropped[bucket_of(now - s->begun)] += weight_of(c, s->begun);
        }
    }
}

void curve_table(const Curve *c, uint64_t now, CurveTable *t)
{
    double dropped[CURVE_BUCKETS], scale, left, stays = 1;
    unsigned n = 0;

    *t = (CurveTable) { 0 };
    if (!c->number) {
        return;
    }
    scale = 1 / weight_of(c, now);
    memcpy(dropped, c->dropped, sizeof(dropped));
    add_watched(c, now, dropped);
    t->begun = left = c->begun * scale;
    t->span = CURVE_HALF_NS / M_LN2 * (1 - weight_of(c, c->since) * scale);
    for (unsigned b = 0; b < CURVE_BUCKETS; b++) {
        double touched = c->touched[b] * scale, gone = dropped[b] * scale;
        double risk = left - gone / 2, begin = bucket_begin(b);
        double end = bucket_begin(b + 1);

        if (left < 0.5 || (risk < RISK_MIN && stays > STAYS_FEW)) {
            break;
        }
        stays *= 1 - touched / MAX(risk, touched);
        left = MAX(left - touched - gone, 0);
        n++;
        t->at[n] = end;
        t->gone[n] = 1 - stays;
        t->events[n] = t->events[n - 1] + touched;
        t->exposed[n] = t->exposed[n - 1] +
                        (risk - touched / 2) * (end - begin);
    }
    t->n = n + (n > 0);
}

double curve_gone(const CurveTable *t, uint64_t ns)
{
    for (unsigned i = 1; i < t->n; i++) {
        if (ns <= t->at[i]) {
            return t->gone[i - 1] + (t->gone[i] - t->gone[i - 1]) *
                   (ns - t->at[i - 1]) / (t->at[i] - t->at[i - 1]);
        }
    }
    return t->n ? t->gone[t->n - 1] : 0;
}

static void table_move(CurveTable *t, unsigned to, unsigned from)
{
    t->at[to] = t->at[from];
    t->gone[to] = t->gone[from];
    t->events[to] = t->events[from];
    t->exposed[to] = t->exposed[from];
}

/* Does edge @b lie on or below the line from @a to @c? */
static bool is_below(const CurveTable *t, unsigned a, unsigned b, unsigned c)
{
    return (t->gone[b] - t->gone[a]) * (t->at[c] - t->at[a]) <=
           (t->gone[c] - t->gone[a]) * (t->at[b] - t->at[a]);
}

void curve_hull(CurveTable *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t->n; i++) {
        while (n >= 2 && is_below(t, n - 2, n - 1, i)) {
            n--;
        }
        table_move(t, n++, i);
    }
    t->n = n;
}

/* ------------------------------------------------------------------ rates */

/* As many as chance may hide behind @events of them: two deviations. */
static double most_of(double events)
{
    return events + 2 * sqrt(events) + 3;
}

/* Of the part of the hull that ends at edge @i. */
static CurveRate hull_rate(const CurveTable *t, unsigned i, double pages,
                           bool bound)
{
    double events = t->events[i] - t->events[i - 1];
    double exposed = t->exposed[i] - t->exposed[i - 1];
    double rate = (t->gone[i] - t->gone[i - 1]) / (t->at[i] - t->at[i - 1]);

    if (events < EVENTS_MIN && exposed > 0) {
        double most = (1 - t->gone[i - 1]) * most_of(events) / exposed;

        bound = true;
        rate = MAX(rate, most);
    }
    return (CurveRate) { pages * rate * 1e9, bound };
}

CurveRate curve_working(const CurveTable *t, double pages, double size)
{
    if (size >= pages) {
        return (CurveRate) { 0, false };
    }
    for (unsigned i = 1; i < t->n; i++) {
        if (size < pages * t->gone[i]) {
            return hull_rate(t, i, pages, false);
        }
    }
    if (t->n < 2) {
        return (CurveRate) { INFINITY, true };
    }
    /* What has not been touched yet may be touched at any time from now on. */
    return hull_rate(t, t->n - 1, pages, true);
}

CurveRate curve_returns(const CurveTable *t, double each, double more)
{
    double per_ns = t->span > 0 ? each * t->begun / t->span : 0, room = 0;
    double gone = t->n ? t->gone[t->n - 1] : 0, kept = 0, events = 0, late;

    for (unsigned i = 1; i < t->n; i++) {
        double stays = 1 - (t->gone[i] + t->gone[i - 1]) / 2;
        double grows = per_ns * stays * (t->at[i] - t->at[i - 1]);
        double part = grows > 0 ? (more - room) / grows : 1;

        part = CLAMP(part, 0, 1);
        kept += part * (t->gone[i] - t->gone[i - 1]);
        events += part * (t->events[i] - t->events[i - 1]);
        room += grows;
        if (part < 1) {
            break;
        }
    }
    late = (t->n ? t->events[t->n - 1] : 0) - events;
    if (late < EVENTS_MIN) {
        double most = t->begun > 0 ? most_of(late) / t->begun : 0;

        return (CurveRate) { per_ns * MAX(gone - kept, most) * 1e9, true };
    }
    return (CurveRate) { per_ns * (gone - kept) * 1e9, false };
}
