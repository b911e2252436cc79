/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * predict: how much memory a host can lend.  See predict.h.
 *
 * A Track follows one demand.  Its recent samples stand in a queue whose
 * values rise from front to back (a sliding minimum): the front is the lowest
 * of the last deadline.  Its past is a ring of slots, one a deadline, each
 * the greatest rise seen in it.
 */
#include "rcached/agent/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Sample {
    uint64_t at;                /* ms */
    uint64_t value;
} Sample;

typedef struct Track {
    GQueue lows;                /* of Sample, rising */
    uint64_t *rise;             /* ring of finished slots */
    unsigned nr_rises;
    unsigned next;
    uint64_t open;              /* the greatest rise of the slot not over */
} Track;

struct Predict {
    PredictConfig config;
    unsigned slots;             /* in each track's ring */
    uint64_t *sorted;           /* scratch, one more than that */
    bool started;
    uint64_t start;             /* ms */
    uint64_t now;
    uint64_t slot_start;
    unsigned nr_guests;         /* at the last call */
    Track rest;                 /* the host without its known guests */
    Track guests;
};

void predict_config_init(PredictConfig *config)
{
    *config = (PredictConfig) {
        .deadline_ms = 30 * 1000,
        .history_ms = 24 * 3600 * 1000,
        .quantile = 0.99,
        .warm_up_ms = 10 * 60 * 1000,
        .prior_percent = 2,
        .psi_some_max = 1000,
        .psi_full_max = 500,
    };
}

Predict *predict_new(const PredictConfig *config)
{
    Predict *predict = g_new0(Predict, 1);

    g_assert(config->deadline_ms > 0);
    predict->config = *config;
    predict->slots = MAX(config->history_ms / config->deadline_ms, 1);
    predict->sorted = g_new0(uint64_t, predict->slots + 1);
    predict->rest.rise = g_new0(uint64_t, predict->slots);
    predict->guests.rise = g_new0(uint64_t, predict->slots);
    g_queue_init(&predict->rest.lows);
    g_queue_init(&predict->guests.lows);
    return predict;
}

void predict_free(Predict *predict)
{
    if (predict) {
        g_queue_clear_full(&predict->rest.lows, g_free);
        g_queue_clear_full(&predict->guests.lows, g_free);
        g_free(predict->rest.rise);
        g_free(predict->guests.rise);
        g_free(predict->sorted);
        g_free(predict);
    }
}

/* ---------------------------------------------------------------- tracks */

static void track_learn(Track *track, uint64_t now, uint64_t deadline,
                        uint64_t value)
{
    Sample *low = g_queue_peek_head(&track->lows);
    Sample *last;

    while (low && now - low->at > deadline) {
        g_free(g_queue_pop_head(&track->lows));
        low = g_queue_peek_head(&track->lows);
    }
    while ((last = g_queue_peek_tail(&track->lows)) && last->value >= value) {
        g_free(g_queue_pop_tail(&track->lows));
    }
    low = g_queue_peek_head(&track->lows);
    if (low) {
        track->open = MAX(track->open, value - low->value);
    }
    last = g_new(Sample, 1);
    *last = (Sample) { .at = now, .value = value };
    g_queue_push_tail(&track->lows, last);
}

static void track_forget_lows(Track *track)
{
    g_queue_clear_full(&track->lows, g_free);
    g_queue_init(&track->lows);
}

static void track_close_slot(Track *track, unsigned slots)
{
    track->rise[track->next] = track->open;
    track->next = (track->next + 1) % slots;
    track->nr_rises = MIN(track->nr_rises + 1, slots);
    track->open = 0;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The quantile of the slots, with the open one as one of them. */
static uint64_t track_quantile(const Track *track, double quantile,
                               uint64_t *sorted)
{
    unsigned n = track->nr_rises + 1;
    double rank = ceil(quantile * n);

    memcpy(sorted, track->rise, track->nr_rises * sizeof(*sorted));
    sorted[track->nr_rises] = track->open;
    qsort(sorted, n, sizeof(*sorted), compare_u64);
    return sorted[(unsigned)CLAMP(rank, 1, n) - 1];
}

void predict_cap(PredictOutput *out, uint64_t most, const char *name)
{
    if (out->offered > most) {
        out->term[out->nr_terms++] = (PredictTerm) {
            name, -(int64_t)(out->offered - most)
        };
        out->offered = most;
    }
}

/* ---------------------------------------------------------------- guests */

typedef struct GuestSums {
    uint64_t resident;
    uint64_t claimable;         /* may still become resident */
    uint64_t spare;             /* resident, but free within the guest */
} GuestSums;

/*
 * What a guest has, here or elsewhere, beyond what it says it uses is free
 * within it, and is used up before the guest takes more from the host.
 */
static uint64_t guest_spare(const PredictGuest *g)
{
    uint64_t has = g->resident + g->away, used;

    if (!g->has_balloon || g->balloon_free > g->balloon_total) {
        return 0;
    }
    used = g->balloon_total - g->balloon_free;
    return has > used ? MIN(MIN(has - used, g->balloon_free), g->resident)
                      : 0;
}

static GuestSums guests_sum(const PredictInput *in)
{
    GuestSums sum = { 0 };

    for (unsigned i = 0; i < in->nr_guests; i++) {
        const PredictGuest *g = &in->guests[i];

        sum.resident += g->resident;
        sum.claimable += g->may_have > g->resident
                             ? g->may_have - g->resident : 0;
        sum.spare += guest_spare(g);
    }
    return sum;
}

/* ------------------------------------------------------------ prediction */

static void predict_learn(Predict *predict, uint64_t now,
                          const PredictInput *in, const GuestSums *guests)
{
    uint64_t away = in->available + in->leased;
    uint64_t own = in->total > away ? in->total - away : 0;
    uint64_t rest = own > guests->resident ? own - guests->resident : 0;
    uint64_t deadline = predict->config.deadline_ms;

    if (!predict->started) {
        predict->started = true;
        predict->start = predict->slot_start = predict->now = now;
    }
    predict->now = now = MAX(now, predict->now);
    if (now - predict->slot_start >= deadline) {
        track_close_slot(&predict->rest, predict->slots);
        track_close_slot(&predict->guests, predict->slots);
        predict->slot_start = now;
    }
    if (in->nr_guests != predict->nr_guests) {
        /* One moved between the two: that is no growth of either. */
        predict->nr_guests = in->nr_guests;
        track_forget_lows(&predict->rest);
        track_forget_lows(&predict->guests);
    }
    if (!in->unsettled) {
        track_learn(&predict->rest, now, deadline, rest);
        track_learn(&predict->guests, now, deadline, guests->resident);
    }
}

static uint64_t growth_of_rest(Predict *predict, uint64_t total)
{
    uint64_t seen = track_quantile(&predict->rest, predict->config.quantile,
                                   predict->sorted);
    uint64_t prior = total / 100 * predict->config.prior_percent;

    if (predict->now - predict->start >= predict->config.warm_up_ms) {
        return seen;
    }
    return MAX(seen, prior);
}

/* Add a term that takes @bytes off what is left, and no more than that. */
static void take_off(PredictOutput *out, const char *name, uint64_t bytes,
                     uint64_t *left)
{
    uint64_t taken = MIN(bytes, *left);

    out->term[out->nr_terms++] = (PredictTerm) { name, -(int64_t)taken };
    *left -= taken;
}

static void add_on(PredictOutput *out, const char *name, uint64_t bytes)
{
    out->term[out->nr_terms++] = (PredictTerm) { name, (int64_t)bytes };
}

void predict_update(Predict *predict, uint64_t now_ms,
                    const PredictInput *in, PredictOutput *out)
{
    GuestSums guests = guests_sum(in);
    uint64_t left = in->available, guest_growth, over;

    predict_learn(predict, now_ms, in, &guests);
    guest_growth = MIN(track_quantile(&predict->guests,
                                      predict->config.quantile,
                                      predict->sorted), guests.claimable);
    *out = (PredictOutput) {
        .vetoed = in->psi_some > predict->config.psi_some_max ||
                  in->psi_full > predict->config.psi_full_max,
    };
    add_on(out, "leased", in->leased);
    add_on(out, "available", in->available);
    take_off(out, "reserve", in->reserve, &left);
    take_off(out, "growth-host", growth_of_rest(predict, in->total), &left);
    take_off(out, "growth-guests",
             guest_growth - MIN(guest_growth, guests.spare), &left);
    take_off(out, "pressure", out->vetoed ? left : 0, &left);
    over = in->leased + left > in->lend_max
               ? in->leased + left - in->lend_max : 0;
    take_off(out, "lend-max", over, &left);
    out->offered = in->leased + left;
}
