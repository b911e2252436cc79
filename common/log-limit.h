/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log-limit: lines about one peer, at a bounded rate.
 *
 * Whoever can reach a port can make the daemon write lines.  LOG_LIMIT_LINES of
 * them are written in a window of LOG_LIMIT_MS; how many were left out is told
 * when the window has ended.
 *
 * Pure: time is an argument, in milliseconds.  All zero is a new one.
 */
#ifndef RCACHE_LOG_LIMIT_H
#define RCACHE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_MS    10000u
#define LOG_LIMIT_LINES 10u

/**
 * struct LogLimit - private to log-limit.h
 * @until: ms, the end of the window
 * @lines: written in it
 * @left_out: not written in it
 */
typedef struct LogLimit {
    uint64_t until;
    unsigned lines;
    unsigned left_out;
} LogLimit;

/**
 * log_limit_tick() - end the window when its time is over
 *
 * Return: lines that were left out in the window that ends now, or 0
 */
static inline unsigned log_limit_tick(LogLimit *limit, uint64_t now)
{
    unsigned left_out = limit->left_out;

    if (now < limit->until) {
        return 0;
    }
    *limit = (LogLimit) { .until = now + LOG_LIMIT_MS };
    return left_out;
}

/** log_limit_take() - may one more line be written? after log_limit_tick() */
static inline bool log_limit_take(LogLimit *limit)
{
    if (limit->lines == LOG_LIMIT_LINES) {
        limit->left_out++;
        return false;
    }
    limit->lines++;
    return true;
}

#endif
