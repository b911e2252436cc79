/* SPDX-License-Identifier: GPL-2.0-or-later */
/* history: see history.h. */
#include "arbiter/exporter/history.h"

#include <string.h>

/* @back: 1: the newest */
static unsigned slot_of(const History *history, unsigned back)
{
    return (history->next + HISTORY_MAX - back) % HISTORY_MAX;
}

bool history_add(History *history, int64_t now, const double *value)
{
    HistorySample *sample = &history->sample[history->next];

    if (history->n &&
        now - history->sample[slot_of(history, 1)].at < HISTORY_STEP_US) {
        return false;
    }
    sample->at = now;
    memcpy(sample->value, value, sizeof(sample->value));
    history->next = (history->next + 1) % HISTORY_MAX;
    if (history->n < HISTORY_MAX) {
        history->n++;
    }
    return true;
}

unsigned history_count(const History *history, int64_t now)
{
    unsigned n = history->n;

    while (n && now - history->sample[slot_of(history, n)].at >
                    HISTORY_SPAN_US) {
        n--;
    }
    return n;
}

const HistorySample *history_at(const History *history, int64_t now,
                                unsigned i)
{
    unsigned n = history_count(history, now);

    return &history->sample[slot_of(history, n - i)];
}
