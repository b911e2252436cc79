/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge: which provider answers slowly, compared with the others.
 *
 * Each provider's answer times are counted in buckets over a window.  At a
 * window's end its median is compared with that of the others' medians (the
 * lower one of an even number).  It is bad if it is more than JUDGE_FACTOR
 * times that and JUDGE_FLOOR_NS above it: on a quick network a multiple of
 * little is still little.  JUDGE_WINDOWS bad windows in a row make a provider
 * slow, so that a blip does not; as many good ones make it well again, and
 * good means half of both limits: between them it stays what it is.
 *
 * How long an answer takes at the moment is known sooner than that: .recent is
 * a mean in which each answer counts for an eighth, and those before it less
 * and less.
 *
 * A window with less than JUDGE_SAMPLES answers goes on.  Without another
 * provider to compare with there is no judgement.
 *
 * Pure: time is an argument, in nanoseconds.
 */
#ifndef RCACHED_PAGER_JUDGE_H
#define RCACHED_PAGER_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#define JUDGE_BUCKETS   256u        /* four to each power of two */
#define JUDGE_SAMPLES   4u
#define JUDGE_WINDOWS   3u
#define JUDGE_FACTOR    4u
#define JUDGE_FLOOR_NS  (UINT64_C(2) * 1000 * 1000)

/* One provider; all zero to begin with. */
typedef struct Judge {
    uint32_t bucket[JUDGE_BUCKETS];
    uint32_t total;             /* in this window */
    uint64_t median;            /* ns, of the last whole window; 0: none */
    uint64_t recent;            /* ns, an answer has taken lately; 0: none */
    unsigned bad, good;         /* windows in a row */
    bool slow;
    uint64_t since;             /* ns, slow */
} Judge;

/** judge_add() - an answer has taken @ns */
void judge_add(Judge *judge, uint64_t ns);

/** judge_forget() - the connection ended: no figures, but the same verdict */
void judge_forget(Judge *judge);

/**
 * judge_turn() - the windows end
 * @judges: of all providers that are connected
 * @nr: how many
 * @changed: @nr flags, set where .slow is another now
 *
 * Return: has any changed?
 */
bool judge_turn(Judge *const *judges, unsigned nr, uint64_t now,
                bool *changed);

/** judge_others() - the median of the others' medians, ns; 0: not known */
uint64_t judge_others(Judge *const *judges, unsigned nr, unsigned one);

#endif
