/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: what less local memory would cost.  See watch.h. */
#include "rcached/pager/watch.h"

#include <math.h>
#include <string.h>

#include "rcached/pager/pager.h"

/* Before that there are no figures. */
#define SAMPLED_MIN_NS  (30 * NS_PER_SEC)
#define SAMPLED_MIN     500u
#define RETURNS_MIN_NS  (60 * NS_PER_SEC)
/* What was touched within that time is the guest's hot set. */
#define HOT_NS          (10 * NS_PER_SEC)
#define LOOK_NS         (5 * NS_PER_SEC)

/* So many pages of those that leave are watched, if all of them are away. */
#define RETURNS_PAGES   8192u
/* local-max that changes by more than a part of that makes another curve. */
#define SAME_PART       64u
/*
 * Of a local-max so much is kept free for pages that come (limit.c), and a
 * bucket of the curve is about as wide.
 */
#define FREE_PART       32u

_Static_assert(SAMPLED_MIN < SAMPLED_MIN_NS / NS_PER_SEC * WATCH_SAMPLES_PER_S,
               "enough samples begin in that time");

void watch_deinit(Watch *w)
{
    curve_deinit(&w->curve);
}

/* ----------------------------------------------------------------- samples */

static bool is_watched(void *owner, uint64_t page)
{
    Pager *p = owner;

    if (!guest_block_of_page(&p->guest, page)) {
        return false;
    }
    switch (page_state(table_load(&p->table, page))) {
    case RCACHE_ZAPPING:
    case RCACHE_ZAPPED:
        return p->watch.on;
    case RCACHE_PUNCHING:
    case RCACHE_REMOTE:
    case RCACHE_FETCHING:
    case RCACHE_FILLING:
        return !p->watch.on;
    default:
        return false;
    }
}

void watch_sweep(Pager *p, uint64_t now)
{
    curve_sweep(&p->watch.curve, now, is_watched, p);
}

/* What is seen of pages that leave holds for the size that they leave. */
static void returns_tick(Pager *p, uint64_t now)
{
    Watch *w = &p->watch;
    uint64_t local = p->limits.local_max, ram = p->limits.ram;
    uint64_t off = MAX(local, w->local_max) - MIN(local, w->local_max);

    if (w->curve.since && off <= w->local_max / SAME_PART) {
        return;
    }
    w->local_max = local;
    w->look_at = 0;
    for (w->shift = 0; ram >> w->shift > RETURNS_PAGES; w->shift++) {
    }
    curve_start(&w->curve, now);
}

void watch_tick(Pager *p, uint64_t now)
{
    if (!p->watch.on) {
        returns_tick(p, now);
    } else if (!p->watch.curve.since) {
        curve_start(&p->watch.curve, now);
    }
}

void watch_touched(Pager *p, uint64_t page)
{
    if (p->watch.on) {
        curve_touch(&p->watch.curve, page, pager_now());
    }
}

static bool is_one_of_those(const Watch *w, uint64_t page)
{
    return !w->shift ||
           page * 0x9e3779b97f4a7c15ull >> (64 - w->shift) == 0;
}

void watch_left(Pager *p, uint64_t page)
{
    Watch *w = &p->watch;

    if (!w->on && w->curve.since && is_one_of_those(w, page)) {
        curve_begin(&w->curve, page, pager_now());
    }
}

void watch_back(Pager *p, uint64_t page)
{
    Watch *w = &p->watch;

    if (w->on || !w->curve.nr) {
        return;
    }
    if (p->command.homing || p->command.active.kind == COMMAND_RESIZE) {
        curve_drop(&w->curve, page, pager_now());   /* nobody asked for it */
    } else {
        curve_touch(&w->curve, page, pager_now());
    }
}

/* ---------------------------------------------------------------- figures */

static uint64_t wait_ns(const Watch *w, uint64_t now)
{
    uint64_t least = w->on ? SAMPLED_MIN_NS : RETURNS_MIN_NS, wait;
    uint64_t seen = curve_seen(&w->curve, now);

    wait = w->curve.since && seen < least ? least - seen
           : w->curve.since ? 0 : least;
    if (w->on && w->curve.number < SAMPLED_MIN) {
        wait = MAX(wait, (SAMPLED_MIN - w->curve.number) * NS_PER_SEC /
                         WATCH_SAMPLES_PER_S);
    }
    return wait;
}

static enum RcacheCurveSource source_of(const Pager *p)
{
    if (p->watch.on) {
        return RCACHE_CURVE_SAMPLED;
    }
    return table_away(&p->table) || p->watch.curve.number
               ? RCACHE_CURVE_RETURNS : RCACHE_CURVE_NONE;
}

/* Twice what chance may hide is added: what is hot has to stay. */
static uint64_t hot_bytes(const CurveTable *t, double used)
{
    double hot = curve_gone(t, HOT_NS);

    hot += 2 * sqrt(hot * (1 - hot) / MAX(t->begun, 1));
    return MIN(hot, 1) * used;
}

static void put_rate(struct RcacheVmmCurve *out, unsigned i, CurveRate rate)
{
    if (isfinite(rate.per_second)) {
        out->rate[i] = ceil(rate.per_second * 1000);
        out->bound |= (uint64_t)rate.bound << i;
    }
}

static void fill_rates(const Pager *p, CurveTable *t,
                       struct RcacheVmmCurve *out)
{
    double used = out->used / RCACHE_PAGE_SIZE;
    double each = exp2(p->watch.shift);

    if (p->watch.on) {
        curve_hull(t);
    }
    for (unsigned i = 0; i < RCACHE_CURVE_STEPS; i++) {
        uint64_t size = p->limits.ram * (i + 1) / RCACHE_CURVE_STEPS;
        double room = size - size / FREE_PART;

        if (size >= p->limits.ram) {
            put_rate(out, i, (CurveRate) { 0, false });
        } else if (p->watch.on) {
            put_rate(out, i, curve_working(t, used, room));
        } else if (size >= p->limits.local_max) {
            put_rate(out, i, curve_returns(t, each,
                                           size - p->limits.local_max));
        }
    }
}

/* What the curve comes to takes a while to find, and changes slowly. */
static void watch_look(Pager *p, uint64_t now, struct RcacheVmmCurve *out)
{
    Watch *w = &p->watch;
    CurveTable t;

    if (now >= w->look_at) {
        w->look_at = now + LOOK_NS;
        curve_table(&w->curve, now, &t);
        if (w->on) {
            out->hot = hot_bytes(&t, out->used);
        }
        fill_rates(p, &t, out);
        w->figures = *out;
    }
    out->hot = w->figures.hot;
    out->bound = w->figures.bound;
    memcpy(out->rate, w->figures.rate, sizeof(out->rate));
}

void watch_fill(Pager *p, uint64_t now, struct RcacheVmmCurve *out)
{
    const Watch *w = &p->watch;

    *out = (struct RcacheVmmCurve) {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_CURVE,
                 .size = sizeof(*out) },
        .source = source_of(p),
        .steps = RCACHE_CURVE_STEPS,
        .guest = p->limits.ram * RCACHE_PAGE_SIZE,
        .used = (pager_resident(p) + table_away(&p->table)) *
                RCACHE_PAGE_SIZE,
        .hot = RCACHE_CURVE_UNKNOWN,
        .seen = w->curve.since ? curve_seen(&w->curve, now) : 0,
        .samples = w->curve.number,
        .watched = w->on ? MAX(p->table.count[RCACHE_ZAPPED], 0) : 0,
    };
    for (unsigned i = 0; i < RCACHE_CURVE_STEPS; i++) {
        out->rate[i] = RCACHE_CURVE_UNKNOWN;
    }
    if (out->source == RCACHE_CURVE_NONE) {
        return;
    }
    out->wait = wait_ns(w, now);
    if (!out->wait) {
        watch_look(p, now, out);
    }
}
