/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * predict: how much memory a host can lend.  Pure.
 *
 *     room    = max(0, available - reserve - growth - slack)
 *     offered = leased + max(0, room - spilled)
 *     keep    = leased - spilled - max(0, reserve + growth - available)
 *
 * The slabs that are leased are allocated, so that `available` has them taken
 * off already; but for what is spilled, which has given its memory back and
 * comes back to it before anything more is lent.
 *
 * Growth is what the host's own demand may take before what is called back now
 * is back: one deadline, and the time to the next look.  It is
 * the greater of
 *
 *   what the past shows: for every moment, by how much had demand risen above
 *   its lowest of that time; the greatest such rise of each deadline is kept,
 *   for history_ms, and a high quantile of those is taken, or the rise that is
 *   under way if it is greater;
 *
 *   what can come with no warning: sudden_rate for as long as that, but no
 *   more than sudden_most of the host's memory.  Bursts are rare, and the one
 *   that matters is mostly the first of its size: docs/prediction.rst has the
 *   figures.
 *
 * The guests that are known are looked at apart from the rest of the host, by
 * what they use, and their growth is bounded from both sides: a guest that has
 * free memory fills that first, which takes nothing from the host, and then
 * cannot take more than it may have in all.
 *
 * What is offered stops slack short of what may be lent, so that noise does
 * not call back tomorrow's slab today.  High pressure vetoes whatever the
 * figures say: nothing more is lent.
 *
 * Every term has a name and a sign, and they add up to what is offered: an
 * operator can see why.
 */
#ifndef RCACHED_AGENT_PREDICT_H
#define RCACHED_AGENT_PREDICT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PREDICT_TERMS   14u

typedef struct PredictConfig {
    uint64_t deadline_ms;       /* within which what is lent comes back */
    uint64_t period_ms;         /* from one look to the next */
    uint64_t history_ms;        /* to remember */
    double quantile;            /* of the rises, 0 to 1 */
    uint64_t sudden_rate;       /* bytes in a second, with no warning */
    double sudden_most;         /* in all, as a share of all memory */
    double slack;               /* as a share of all memory */
    uint32_t psi_some_max;      /* hundredths of a percent; above: veto */
    uint32_t psi_full_max;
} PredictConfig;

/* One guest of this host, as far as it is known. */
typedef struct PredictGuest {
    uint64_t resident;          /* bytes in this host's memory */
    uint64_t away;              /* bytes elsewhere */
    uint64_t may_have;          /* the most that may be resident */
    bool has_balloon;           /* the next two are the guest's own words */
    uint64_t balloon_free;
    uint64_t balloon_total;
} PredictGuest;

typedef struct PredictInput {
    uint64_t total;             /* bytes, and so are the next */
    uint64_t available;
    uint64_t leased;
    uint64_t spilled;           /* of leased: not in memory but on disk */
    uint64_t reserve;
    uint64_t lend_max;          /* never offer more in all */
    uint32_t psi_some;          /* hundredths of a percent; 0: not known */
    uint32_t psi_full;
    bool unsettled;             /* lent memory is being taken or given back:
                                 * leased and available disagree for now */
    const PredictGuest *guests;
    unsigned nr_guests;
} PredictInput;

typedef struct PredictTerm {
    const char *name;           /* static */
    int64_t bytes;              /* added to what is offered */
} PredictTerm;

typedef struct PredictOutput {
    uint64_t offered;
    uint64_t keep;              /* what may stay leased and in memory; the
                                 * rest has to be called back now */
    uint64_t room;              /* for what is spilled to come back, and for
                                 * new leases */
    bool vetoed;                /* by pressure */
    unsigned nr_terms;
    PredictTerm term[PREDICT_TERMS];    /* they add up to offered */
} PredictOutput;

typedef struct Predict Predict;

/** predict_config_init() - the defaults */
void predict_config_init(PredictConfig *config);

/** predict_new() - nothing learnt yet; @config is copied */
Predict *predict_new(const PredictConfig *config);
void predict_free(Predict *predict);

/**
 * predict_update() - learn from this moment and say what can be lent
 * @now_ms: any clock that does not step, the same at each call; an earlier
 *          time than at the last call counts as that
 */
void predict_update(Predict *predict, uint64_t now_ms,
                    const PredictInput *in, PredictOutput *out);

/**
 * predict_cap() - offer no more than @most, for a reason outside the prediction
 * @name: of the term that says so
 */
void predict_cap(PredictOutput *out, uint64_t most, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Predict, predict_free)

#endif
