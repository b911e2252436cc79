/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history: the sums of the last hour, for the page's charts.
 *
 * A ring of samples, HISTORY_STEP_US apart at least.  Its memory is
 * HISTORY_MAX samples of HISTORY_KINDS figures whatever the size of the
 * cluster, some 20 kB: sums alone are kept, nothing of single hosts or VMs.
 * What is not known is NAN, and where nobody answered there is no sample: both
 * are holes in a chart.  Nothing is kept when the process ends.
 *
 * Pure: time is an argument, in microseconds of a clock that only goes on.
 */
#ifndef EXPORTER_HISTORY_H
#define EXPORTER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_STEP_US INT64_C(10000000)
#define HISTORY_SPAN_US INT64_C(3600000000)
/* Both ends of the hour are in it. */
#define HISTORY_MAX     (HISTORY_SPAN_US / HISTORY_STEP_US + 1)

typedef enum HistoryKind {
    HISTORY_REMOTE,             /* bytes of VMs that are on other hosts */
    HISTORY_LENT,               /* bytes that hosts have lent, */
    HISTORY_FREE,               /* and can still lend */
    HISTORY_FAULTS,             /* pages waited for, a second */
    HISTORY_STALLED,            /* percent of the time of all vCPUs */
    HISTORY_KINDS
} HistoryKind;

typedef struct HistorySample {
    int64_t at;
    double value[HISTORY_KINDS];
} HistorySample;

/* All zero: empty. */
typedef struct History {
    HistorySample sample[HISTORY_MAX];
    unsigned next, n;           /* where the next one goes; how many */
} History;

/**
 * history_add() - take a sample, unless it is too soon after the last one
 * @value: HISTORY_KINDS figures, NAN for what is not known
 *
 * Return: whether it was taken
 */
bool history_add(History *history, int64_t now, const double *value);

/** history_count() - how many samples are no older than HISTORY_SPAN_US */
unsigned history_count(const History *history, int64_t now);

/**
 * history_at() - one of these, the oldest first
 * @i: below history_count() of the same @now
 */
const HistorySample *history_at(const History *history, int64_t now,
                                unsigned i);

#endif
