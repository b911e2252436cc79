/* SPDX-License-Identifier: GPL-2.0-or-later */
/* senpai: how far a guest may be shrunk.  See senpai.h. */
#include "rcached/pager/senpai.h"

#include <glib.h>

#define NS_PER_SEC      UINT64_C(1000000000)
#define MILLION         UINT64_C(1000000)

/* Of what is here, the most in an interval: Senpai's max_probe. */
#define STEP_PART       100
/* No step is taken when so much of the target is used up. */
#define NEAR_TARGET     0.75
/* A guest that waits too much gets so much more of what it has, each time. */
#define GROW_PART       8
/* By so much the pace rises in a good interval; a mistake halves it. */
#define PACE_RISE       1.25
#define PACE_LEAST      (1.0 / 64)
/* The pace begins slowly, so that the first mistakes are small ones. */
#define PACE_FIRST      (1.0 / 16)
/* More than one page of so many that went has come back: they are in use. */
#define BACK_PART       2
/* So much of the target is for finding what is in use (P8). */
#define SAMPLE_PART     2
/* More are no machine's: what a VMM says is not to overflow anything. */
#define VCPUS_MOST      65536u
/* A look this late says nothing of the time before. */
#define LOOK_MOST_NS    NS_PER_SEC

/* From here on everything is counted anew; nothing is owed. */
static void senpai_begin(Senpai *s, const SenpaiInput *in, uint64_t now)
{
    s->begun = now;
    s->waited = in->waited;
    s->touched = in->touched;
    s->step = s->due = 0;
    s->owed = s->sample = 0;
    s->slowed = false;
}

/* There is nothing that it could do. */
static void senpai_off(Senpai *s, const SenpaiInput *in,
                       enum RcacheProactiveState state)
{
    *s = (Senpai) { .state = state, .limit = in->local_max };
}

/* In ns of one vCPU, since the interval began: for pages that are away. */
static uint64_t senpai_waited(const Senpai *s, const SenpaiInput *in)
{
    return in->waited - MIN(s->waited, in->waited);
}

/* The same for touches of pages that were sampled. */
static uint64_t senpai_sampled(const Senpai *s, const SenpaiInput *in)
{
    return (in->touched - MIN(s->touched, in->touched)) * SENPAI_TOUCH_NS;
}

static uint64_t senpai_stalled(const Senpai *s, const SenpaiInput *in)
{
    return senpai_waited(s, in) + senpai_sampled(s, in);
}

static uint64_t senpai_budget(const SenpaiConfig *c, const SenpaiInput *in)
{
    return c->interval / MILLION * c->target * MIN(in->vcpus, VCPUS_MOST);
}

/*
 * What has gone since the last look is owed no more, and what has moved is
 * taken from the credit, which is no more than a second's.
 */
static void senpai_account(Senpai *s, const SenpaiConfig *c,
                           const SenpaiInput *in, uint64_t now)
{
    uint64_t freed = in->freed - MIN(s->old.freed, in->freed);
    uint64_t fetched = in->fetched - MIN(s->old.fetched, in->fetched);
    uint64_t moved = in->moved - MIN(s->old.moved, in->moved);
    double most = MAX(c->rate, SENPAI_PORTION);

    s->owed -= MIN(s->owed, freed);
    s->probe_freed += freed;
    s->probe_fetched += fetched;
    s->credit += (double)c->rate * (now - s->at) / NS_PER_SEC - moved;
    s->credit = CLAMP(s->credit, -most, most);
    s->old = *in;
    s->at = now;
}

/*
 * P3, P5: it was too much.  A storm of several looks is one mistake: only what
 * came of a step counts as one.
 */
static void senpai_mistake(Senpai *s, enum RcacheProactiveState state)
{
    if (s->state == RCACHE_PROACTIVE_SHRINKING) {
        s->mistakes++;
        s->pace = MAX(s->pace / 2, PACE_LEAST);
    }
    s->rest = MIN(1u << MIN(s->mistakes, 8), SENPAI_REST_MAX);
    s->state = state;
}

static void senpai_grow(Senpai *s, const SenpaiInput *in, uint64_t now)
{
    uint64_t here = MAX(s->limit, in->resident);

    senpai_mistake(s, RCACHE_PROACTIVE_GROWING);
    senpai_begin(s, in, now);
    s->limit = here + here / GROW_PART;
}

/* P6: no amount of memory would have helped. */
static void senpai_hold(Senpai *s, const SenpaiInput *in, uint64_t now)
{
    s->state = RCACHE_PROACTIVE_HELD;
    s->rest = MAX(s->rest, 1);
    senpai_begin(s, in, now);
}

/* P5: is what has gone of late in use? */
static bool senpai_comes_back(const Senpai *s)
{
    return s->probe_fetched > MAX(s->probe_freed, SENPAI_PORTION) / BACK_PART;
}

/* P1, P2: TMO's step, which is the smaller the nearer the target is. */
static void senpai_shrink(Senpai *s, const SenpaiInput *in, double share)
{
    if (s->state != RCACHE_PROACTIVE_SHRINKING) {
        s->probe_freed = s->probe_fetched = 0;
    }
    /* What went long ago is no excuse for what goes now. */
    s->probe_freed -= s->probe_freed / 4;
    s->probe_fetched -= s->probe_fetched / 4;
    s->state = RCACHE_PROACTIVE_SHRINKING;
    s->step = (double)in->resident / STEP_PART * s->pace * (1 - share);
}

/* An interval is over, and not too much was waited for in it. */
static void senpai_next(Senpai *s, const SenpaiConfig *c,
                        const SenpaiInput *in, uint64_t now)
{
    double budget = MAX(senpai_budget(c, in), 1), due = s->due;
    double share = senpai_waited(s, in) / budget;
    bool stepped = s->state == RCACHE_PROACTIVE_SHRINKING;
    uint64_t owed = s->owed;

    s->stall = senpai_stalled(s, in) / budget * c->target;
    senpai_begin(s, in, now);
    if (stepped && senpai_comes_back(s)) {
        senpai_mistake(s, RCACHE_PROACTIVE_BACK);
        return;
    }
    if (stepped) {
        s->mistakes -= MIN(s->mistakes, 1);
        s->pace = MIN(s->pace * PACE_RISE, 1);
    }
    if (s->rest) {
        s->rest--;
        s->state = RCACHE_PROACTIVE_RESTING;
    } else if (in->resident <= c->floor) {
        s->state = RCACHE_PROACTIVE_FLOOR;
    } else if (!in->room) {
        s->state = RCACHE_PROACTIVE_NO_ROOM;
    } else if (share >= NEAR_TARGET) {
        s->state = RCACHE_PROACTIVE_NEAR;
    } else {
        senpai_shrink(s, in, share);
        s->owed = owed;
        s->due = due;
    }
}

/*
 * P2, P4, P7, P8: a part of the step is owed from now on.  Not before the part
 * that was owed last has gone, so that no more than one is ever on its way.
 */
static void senpai_owe(Senpai *s, const SenpaiConfig *c,
                       const SenpaiInput *in, uint64_t took)
{
    uint64_t above = in->resident - MIN(in->resident, c->floor), n;
    uint64_t spent = senpai_sampled(s, in);
    uint64_t spare = senpai_budget(c, in) / SAMPLE_PART;
    double part = s->step * took / c->interval;

    s->due = MIN(s->due + part, MAX(s->step, SENPAI_PORTION));
    s->owed = MIN(s->owed, above);
    if (!in->room) {
        s->owed = s->sample = 0;
        return;
    }
    n = MIN(s->due, above);
    s->slowed |= c->rate && n >= SENPAI_PORTION && s->credit < n;
    if (c->rate) {
        n = MIN(n, MAX(s->credit, 0));
    }
    if (n >= SENPAI_PORTION && s->owed < SENPAI_PORTION) {
        s->owed = MIN(s->owed + n, above);
        s->due -= n;
    }
    s->sample = MIN((uint64_t)MAX(2 * part, SENPAI_PORTION),
                    (spare - MIN(spent, spare)) / SENPAI_TOUCH_NS);
}

void senpai_look(Senpai *s, const SenpaiConfig *c, const SenpaiInput *in,
                 uint64_t now)
{
    uint64_t took = now - MIN(s->at, now);

    if (!c->on || !in->vcpus || !in->ready) {
        senpai_off(s, in, !c->on ? RCACHE_PROACTIVE_OFF
                   : !in->vcpus ? RCACHE_PROACTIVE_NO_CPUS
                                : RCACHE_PROACTIVE_WAITING);
        return;
    }
    if (!s->begun || took > LOOK_MOST_NS) {
        s->old = *in;
        s->at = now;
        s->pace = s->pace > 0 ? s->pace : PACE_FIRST;
        s->rest = MAX(s->rest, 1);
        s->state = RCACHE_PROACTIVE_RESTING;
        s->limit = MIN(in->resident, in->local_max);
        senpai_begin(s, in, now);
        return;
    }
    senpai_account(s, c, in, now);
    if (in->hung) {
        senpai_hold(s, in, now);
    } else if (senpai_stalled(s, in) > senpai_budget(c, in)) {
        s->stall = MIN(UINT32_MAX, (double)senpai_stalled(s, in) * MILLION /
                       MAX(now - s->begun, took) / in->vcpus);
        senpai_grow(s, in, now);
    } else if (now - s->begun >= c->interval) {
        senpai_next(s, c, in, now);
    }
    if (s->state == RCACHE_PROACTIVE_SHRINKING) {
        senpai_owe(s, c, in, took);
        s->limit = in->resident - s->owed;
    }
    s->limit = CLAMP(s->limit, MIN(in->resident - s->owed, in->local_max),
                     in->local_max);
}
