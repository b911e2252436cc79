/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * predict: how much memory a host can lend.  Pure.
 *
 *     offered = leased + max(0, available - reserve - growth)
 *
 * The slabs that are leased are allocated, so that `available` has them taken
 * off already.  Growth is what the host's own demand may take within one
 * deadline, the time a requester has to move away when its lease is revoked.
 * It is learnt from the host's own past: for every moment, by how much had
 * demand risen above its lowest of the last deadline; the greatest such rise
 * of each deadline is kept, a day of them, and a high quantile of those is
 * the prediction.
 *
 * The guests that are known are looked at apart from the rest of the host.
 * Their growth is bounded from both sides: it cannot be more than what they
 * may still take (local-max less what is resident), and a guest that has free
 * memory fills that first, which takes nothing from the host.
 *
 * While there is little history a share of the host's memory is kept back as
 * well.  High pressure vetoes whatever the figures say: nothing more is lent.
 *
 * Every term has a name and a sign, and they add up to what is offered: an
 * operator can see why.
 */
#ifndef RCACHED_AGENT_PREDICT_H
#define RCACHED_AGENT_PREDICT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PREDICT_TERMS   9u

typedef struct PredictConfig {
    uint64_t deadline_ms;       /* to foresee */
    uint64_t history_ms;        /* to remember */
    double quantile;            /* of the rises, 0 to 1 */
    uint64_t warm_up_ms;        /* shorter than this a history is little */
    unsigned prior_percent;     /* of all memory, kept back meanwhile */
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
    bool vetoed;                /* by pressure */
    unsigned nr_terms;
    PredictTerm term[PREDICT_TERMS];    /* they add up to offered */
} PredictOutput;

typedef struct Predict Predict;

/** predict_config_init() - the defaults */
void predict_config_init(PredictConfig *config);

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
