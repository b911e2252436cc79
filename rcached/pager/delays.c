/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delays: what a fault waits for.  See delays.h. */
#include "rcached/pager/delays.h"

#include <string.h>

#include "common/delay-buckets.h"

#define SAMPLE_NS       UINT64_C(1000000000)

/* A time that was read earlier than the last one counts as that. */
static void clock_stop(DelayClock *c, uint64_t now)
{
    if (now > c->last) {
        c->ns[c->phase] += now - c->last;
        c->last = now;
    }
}

uint64_t delays_begin(Delays *delays, unsigned i, uint64_t page, uint64_t now)
{
    uint64_t since = stalls_since(&delays->stalls, page);
    bool waited = since && since < now;

    delays->clock[i] = (DelayClock) {
        .begun = waited ? since : now, .last = waited ? since : now,
        .phase = waited ? RCACHE_PHASE_QUEUE : RCACHE_PHASE_READ,
    };
    return delays->clock[i].begun;
}

void delays_wanted(Delays *delays, unsigned i, uint64_t now)
{
    DelayClock *c = &delays->clock[i];

    *c = (DelayClock) { .begun = now, .last = now, .phase = c->phase };
}

void delays_enter(Delays *delays, unsigned i, enum RcachePhase phase,
                  uint64_t now)
{
    clock_stop(&delays->clock[i], now);
    delays->clock[i].phase = phase;
}

void delays_sent(Delays *delays, unsigned i, uint64_t now)
{
    /* It may be in the row already: two places, one after another. */
    if (delays->clock[i].phase != RCACHE_PHASE_SEND &&
        delays->nr_sending < LOCATION_GETS) {
        delays->sending[delays->nr_sending++] = i;
    }
    delays_enter(delays, i, RCACHE_PHASE_SEND, now);
}

void delays_handed(Delays *delays, uint64_t now)
{
    for (unsigned k = 0; k < delays->nr_sending; k++) {
        unsigned i = delays->sending[k];

        if (delays->clock[i].phase == RCACHE_PHASE_SEND) {
            delays_enter(delays, i, RCACHE_PHASE_NETWORK, now);
        }
    }
    delays->nr_sending = 0;
}

void delays_answer(Delays *delays, unsigned i, uint64_t came,
                   uint32_t service, bool pages, uint64_t now)
{
    DelayClock *c = &delays->clock[i];
    uint64_t *network = &c->ns[RCACHE_PHASE_NETWORK], took;

    if (c->phase == RCACHE_PHASE_SEND) {
        c->phase = RCACHE_PHASE_NETWORK;        /* it has been sent */
    }
    delays_enter(delays, i, RCACHE_PHASE_RECEIVE, came && came < now ? came
                                                                     : now);
    took = service < *network ? service : *network;
    *network -= took;
    c->ns[RCACHE_PHASE_PROVIDER] += took;
    delays_enter(delays, i, pages ? RCACHE_PHASE_CHECK : RCACHE_PHASE_QUEUE,
                 now);
}

static void delay_add(struct RcacheDelay *delay, uint64_t ns)
{
    delay->total += ns;
    delay->bucket[delay_bucket(ns)]++;
}

uint64_t delays_done(Delays *delays, unsigned i, uint64_t now)
{
    DelayClock *c = &delays->clock[i];
    uint64_t whole;

    clock_stop(c, now);
    whole = c->last - c->begun;
    delays->faults++;
    delay_add(&delays->whole, whole);
    for (unsigned k = 0; k < RCACHE_NR_PHASES; k++) {
        delay_add(&delays->phase[k], c->ns[k]);
    }
    return whole;
}

/* ---------------------------------------------------------- the last minute */

static void sample_take(const Delays *delays, uint64_t now, DelaySample *s)
{
    *s = (DelaySample) {
        .at = now, .waited = stalls_total(&delays->stalls, now),
        .faults = delays->faults, .whole = delays->whole.total,
    };
    for (unsigned k = 0; k < RCACHE_NR_PHASES; k++) {
        s->ns[k] = delays->phase[k].total;
    }
}

static DelaySample *sample_at(Delays *delays, unsigned k)
{
    return &delays->sample[(delays->first + k) % DELAYS_SAMPLES];
}

void delays_tick(Delays *delays, uint64_t now)
{
    unsigned n = delays->nr_samples;

    if (n && now < sample_at(delays, n - 1)->at + SAMPLE_NS) {
        return;
    }
    if (n == DELAYS_SAMPLES) {
        delays->first = (delays->first + 1) % DELAYS_SAMPLES;
        n = --delays->nr_samples;
    }
    sample_take(delays, now, sample_at(delays, n));
    delays->nr_samples++;
}

void delays_fill(const Delays *delays, uint64_t now,
                 struct RcacheVmmDelays *out)
{
    const DelaySample *then = &delays->sample[delays->first];
    DelaySample s;

    sample_take(delays, now, &s);
    out->vcpus = delays->vcpus;
    out->threads = delays->stalls.nr;
    out->waited = s.waited;
    out->whole = delays->whole;
    memcpy(out->phase, delays->phase, sizeof(out->phase));
    if (!delays->nr_samples || now <= then->at) {
        return;
    }
    out->recent = now - then->at;
    out->waited_recent = s.waited - then->waited;
    out->faults_recent = s.faults - then->faults;
    out->whole.recent = s.whole - then->whole;
    for (unsigned k = 0; k < RCACHE_NR_PHASES; k++) {
        out->phase[k].recent = s.ns[k] - then->ns[k];
    }
}
