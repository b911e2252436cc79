/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * predict: how much memory a host can lend.  See predict.h.
 *
 * A Track follows one demand.  Its recent samples stand in a queue whose
 * values rise from front to back (a sliding minimum): the front is the lowest
 * of the last deadline.  Its past is a ring of slots, one a deadline, each
 * the greatest rise seen in it, and a histogram of that ring: 16 classes to
 * a power of two, so that a quantile is too high by a sixteenth at most, and
 * costs a few steps however long the history is.
 */
#include "rcached/agent/predict.h"

#include <math.h>
#include <string.h>

#define LOWS            32u     /* samples in a queue */
#define UNIT_SHIFT      16      /* rises are counted in 64 KiB */
#define SUB_BITS        4       /* 16 classes to a power of two */
#define SUBS            (1u << SUB_BITS)
#define CLASSES         ((64 - UNIT_SHIFT - SUB_BITS + 1) * SUBS)

typedef struct Sample {
    uint64_t at;                /* ms */
    uint64_t value;
} Sample;

typedef struct Track {
    Sample low[LOWS];           /* a ring, rising */
    unsigned first, nr_lows;
    uint64_t open;              /* the greatest rise of the slot not over */
    uint64_t seen;              /* the quantile of the slots that are over */
    uint16_t *rise;             /* ring of finished slots, their classes */
    unsigned nr_rises;
    unsigned next;
    unsigned top;               /* no class above it has a slot */
    uint32_t count[CLASSES];
} Track;

struct Predict {
    PredictConfig config;
    unsigned slots;             /* in each track's ring */
    bool started;
    uint64_t now;               /* ms */
    uint64_t slot_start;
    unsigned nr_guests;         /* at the last call */
    unsigned nr_telling;        /* of those, whose balloon told */
    Track rest;                 /* the host without its known guests */
    Track guests;
};

void predict_config_init(PredictConfig *config)
{
    *config = (PredictConfig) {
        .deadline_ms = 30 * 1000,
        .period_ms = 1000,
        .history_ms = 24 * 3600 * 1000,
        .quantile = 0.99,
        .sudden_rate = 440ull << 20,
        .sudden_most = 0.10,
        .slack = 0.003,
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
    predict->rest.rise = g_new0(uint16_t, predict->slots);
    predict->guests.rise = g_new0(uint16_t, predict->slots);
    return predict;
}

void predict_free(Predict *predict)
{
    if (predict) {
        g_free(predict->rest.rise);
        g_free(predict->guests.rise);
        g_free(predict);
    }
}

/* ---------------------------------------------------------------- tracks */

static Sample *low_at(Track *track, unsigned i)
{
    return &track->low[(track->first + i) % LOWS];
}

static void track_learn(Track *track, uint64_t now, uint64_t deadline,
                        uint64_t value)
{
    while (track->nr_lows && now - low_at(track, 0)->at > deadline) {
        track->first = (track->first + 1) % LOWS;
        track->nr_lows--;
    }
    while (track->nr_lows &&
           low_at(track, track->nr_lows - 1)->value >= value) {
        track->nr_lows--;
    }
    if (track->nr_lows) {
        track->open = MAX(track->open, value - low_at(track, 0)->value);
    }
    if (track->nr_lows == LOWS) {
        /* No room for both: the lower one, as if it were of now. */
        low_at(track, LOWS - 1)->at = now;
    } else {
        *low_at(track, track->nr_lows++) = (Sample) { now, value };
    }
}

static void track_forget_lows(Track *track)
{
    track->nr_lows = 0;
}

static unsigned class_of(uint64_t bytes)
{
    uint64_t v = bytes >> UNIT_SHIFT;
    unsigned power;

    if (v < SUBS) {
        return v;
    }
    power = 63 - __builtin_clzll(v);
    return (power - SUB_BITS + 1) * SUBS + (v >> (power - SUB_BITS)) % SUBS;
}

/* The greatest rise of that class, in bytes; none is none. */
static uint64_t class_most(unsigned class)
{
    unsigned power = class / SUBS;
    uint64_t v = power ? (uint64_t)(SUBS + class % SUBS + 1) << (power - 1)
                       : class + 1u;

    return class ? (v << UNIT_SHIFT) - 1 : 0;
}

static uint64_t track_quantile(const Track *track, double quantile)
{
    /* So many slots, and no more, may have risen by more than the answer. */
    unsigned above = track->nr_rises - (unsigned)ceil(quantile *
                                                      track->nr_rises);
    unsigned class = track->top;

    for (unsigned n = track->count[class]; class && n <= above;
         n += track->count[class]) {
        class--;
    }
    return class_most(class);
}

static void track_close_slot(Track *track, unsigned slots, double quantile)
{
    unsigned class = class_of(track->open);

    if (track->nr_rises == slots) {
        track->count[track->rise[track->next]]--;
    } else {
        track->nr_rises++;
    }
    track->rise[track->next] = class;
    track->next = (track->next + 1) % slots;
    track->count[class]++;
    track->top = MAX(track->top, class);
    while (track->top && !track->count[track->top]) {
        track->top--;
    }
    track->seen = track_quantile(track, quantile);
    track->open = 0;
}

/* ---------------------------------------------------------------- guests */

typedef struct GuestSums {
    uint64_t resident;
    uint64_t used;              /* resident, less what is free within them */
    unsigned telling;           /* guests whose balloon tells */
} GuestSums;

static bool guest_tells(const PredictGuest *g)
{
    return g->has_balloon && g->balloon_free <= g->balloon_total;
}

/*
 * What a guest has, here or elsewhere, beyond what it says it uses is free
 * within it, and is used up before the guest takes more from the host.
 */
static uint64_t guest_spare(const PredictGuest *g)
{
    uint64_t has, used;

    if (!guest_tells(g) || __builtin_add_overflow(g->resident, g->away,
                                                  &has)) {
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
        sum.used += g->resident - guest_spare(g);
        sum.telling += guest_tells(g);
    }
    return sum;
}

/*
 * What the guests take from the host if what they use rises by @rise in all.
 * We do not know whose it is: each of them is taken to have all of it, first
 * fills what is free within it, and then stops at its limit.
 */
static uint64_t guests_growth(const PredictInput *in, uint64_t rise)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < in->nr_guests && sum < rise; i++) {
        const PredictGuest *g = &in->guests[i];
        uint64_t spare = guest_spare(g);

        if (rise > spare && g->may_have > g->resident) {
            sum += MIN(rise - spare, g->may_have - g->resident);
        }
    }
    return MIN(sum, rise);
}

/* ------------------------------------------------------------ prediction */

/* What is called back is back one look and one deadline from now. */
static uint64_t predict_window(const Predict *predict)
{
    return predict->config.deadline_ms + predict->config.period_ms;
}

static void predict_learn(Predict *predict, uint64_t now,
                          const PredictInput *in, const GuestSums *guests)
{
    uint64_t away = in->available + in->leased - in->spilled;
    uint64_t own = in->total > away ? in->total - away : 0;
    uint64_t rest = own > guests->resident ? own - guests->resident : 0;
    uint64_t window = predict_window(predict);

    if (!predict->started) {
        predict->started = true;
        predict->slot_start = predict->now = now;
    }
    predict->now = now = MAX(now, predict->now);
    if (now - predict->slot_start >= predict->config.deadline_ms) {
        track_close_slot(&predict->rest, predict->slots,
                         predict->config.quantile);
        track_close_slot(&predict->guests, predict->slots,
                         predict->config.quantile);
        predict->slot_start = now;
    }
    if (in->nr_guests != predict->nr_guests ||
        guests->telling != predict->nr_telling) {
        /* Memory moved from one sum to the other: that is no growth. */
        predict->nr_guests = in->nr_guests;
        predict->nr_telling = guests->telling;
        track_forget_lows(&predict->rest);
        track_forget_lows(&predict->guests);
    }
    if (!in->unsettled) {
        track_learn(&predict->rest, now, window, rest);
        track_learn(&predict->guests, now, window, guests->used);
    }
}

/* As in the past, and as much as it has just risen. */
static uint64_t track_growth(const Track *track)
{
    return MAX(track->seen, track->open);
}

/* What can come with no warning, on any host of this size. */
static uint64_t sudden_growth(const Predict *predict, uint64_t total)
{
    const PredictConfig *config = &predict->config;
    double bytes = (double)config->sudden_rate * config->deadline_ms / 1000;

    return MIN(bytes, config->sudden_most * total);
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

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void predict_update(Predict *predict, uint64_t now_ms,
                    const PredictInput *in, PredictOutput *out)
{
    const PredictConfig *config = &predict->config;
    GuestSums guests = guests_sum(in);
    uint64_t left = in->available, of_host, of_guests, sudden, need;

    predict_learn(predict, now_ms, in, &guests);
    of_host = track_growth(&predict->rest);
    of_guests = guests_growth(in, track_growth(&predict->guests));
    sudden = less(sudden_growth(predict, in->total), of_host + of_guests);
    need = in->reserve + of_host + of_guests + sudden;
    *out = (PredictOutput) {
        .keep = less(in->leased - in->spilled, less(need, in->available)),
        .vetoed = in->psi_some > config->psi_some_max ||
                  in->psi_full > config->psi_full_max,
    };
    add_on(out, "leased", in->leased);
    add_on(out, "available", in->available);
    take_off(out, "reserve", in->reserve, &left);
    take_off(out, "growth-host", of_host, &left);
    take_off(out, "growth-guests", of_guests, &left);
    take_off(out, "growth-sudden", sudden, &left);
    take_off(out, "slack", config->slack * in->total, &left);
    take_off(out, "pressure", out->vetoed ? left : 0, &left);
    out->room = left;
    if (in->spilled) {
        take_off(out, "spilled", in->spilled, &left);
    }
    take_off(out, "lend-max", less(in->leased + left, in->lend_max), &left);
    out->offered = in->leased + left;
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
