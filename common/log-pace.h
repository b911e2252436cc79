/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log-pace: how many lines a daemon's log gets, whoever provokes them.
 *
 * What single peers provoke is limited where it is written (log-limit.h); this
 * is behind all of that, for whatever is not: LOG_PACE_LINES a second, and
 * LOG_PACE_BURST at once, for a start or a bad moment.  When lines are left
 * out that is said at once, and how many when one is written again.  Errors
 * and what is only for debugging are not counted.
 */
#ifndef RCACHE_LOG_PACE_H
#define RCACHE_LOG_PACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bucket.h"

#define LOG_PACE_LINES  10u
#define LOG_PACE_BURST  100u

/**
 * struct LogPace - all zero is a new one
 * @lock: lines come from any thread
 * @lines: that may be written
 * @left_out: lines, since the last that was written
 */
typedef struct LogPace {
    GMutex lock;
    Bucket lines;
    uint64_t left_out;
} LogPace;

/**
 * log_pace_take() - may one more line be written?
 * @left_out: lines that have been left out before it, or, of one that is left
 *            out itself, 1 for the first
 *
 * Pure but for the lock.
 */
bool log_pace_take(LogPace *pace, uint64_t now_ms, uint64_t *left_out);

/** log_pace_start() - have all lines of this process go through @pace */
void log_pace_start(LogPace *pace);

#endif
