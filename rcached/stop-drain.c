/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stop-drain: see stop-drain.h. */
#include "rcached/stop-drain.h"

#define SECOND_US       1000000
/* Requesters are asked at once: what has not begun to leave by then is told. */
#define STUCK_US        (10 * SECOND_US)
/* No PUT can be under way to somebody who has asked everything back. */
#define EMPTY_US        SECOND_US

void stop_drain_begin(StopDrain *drain, uint64_t limit_ms, int64_t now)
{
    *drain = (StopDrain) {
        .limit_us = limit_ms * 1000,
        .leased = UINT64_MAX, .stored = UINT64_MAX, .moved_at = now,
    };
}

static void note_progress(StopDrain *drain, uint64_t leased, uint64_t stored,
                          int64_t now)
{
    if (leased < drain->leased || stored < drain->stored) {
        drain->moved_at = now;
        drain->told = false;
    }
    drain->leased = leased < drain->leased ? leased : drain->leased;
    drain->stored = stored < drain->stored ? stored : drain->stored;
    if (stored) {
        drain->empty_at = 0;
    } else if (!drain->empty_at) {
        drain->empty_at = now;
    }
}

StopVerdict stop_drain_look(StopDrain *drain, uint64_t leased,
                            uint64_t stored, int64_t now)
{
    int64_t still;

    note_progress(drain, leased, stored, now);
    if (!leased || (!stored && now - drain->empty_at >= EMPTY_US)) {
        return STOP_EMPTY;
    }
    still = stop_drain_still(drain, now);
    if (drain->limit_us && (uint64_t)still >= drain->limit_us) {
        return stored ? STOP_GIVEN_UP : STOP_EMPTY;
    }
    if (still >= STUCK_US && !drain->told) {
        drain->told = true;
        return STOP_STUCK;
    }
    return STOP_WAITS;
}

int64_t stop_drain_still(const StopDrain *drain, int64_t now)
{
    return now > drain->moved_at ? now - drain->moved_at : 0;
}
