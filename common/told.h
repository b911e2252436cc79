/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * told: has a line about something that lasts been written lately?
 *
 * What is asked for again and again is refused again and again, for as long as
 * nothing changes: an operator wants to read that once, and now and then that
 * it is still so.  The last TOLD_LINES lines are remembered, by their hashes:
 * two that are refused for two reasons take turns.
 *
 * Pure: time is an argument, in milliseconds.  All zero is a new one.
 */
#ifndef RCACHE_TOLD_H
#define RCACHE_TOLD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TOLD_LINES      8u
#define TOLD_AGAIN_MS   (10u * 60u * 1000u)

/**
 * struct Told - private to told.h
 * @line: what was written; @at is when, 0: nothing
 */
typedef struct Told {
    struct {
        guint hash;
        uint64_t at;
    } line[TOLD_LINES];
} Told;

/** told_is_news() - is @text to be written?  Then it counts as written. */
static inline bool told_is_news(Told *told, const char *text, uint64_t now)
{
    guint hash = g_str_hash(text);
    unsigned at = 0;

    for (unsigned i = 0; i < TOLD_LINES; i++) {
        if (told->line[i].at && told->line[i].hash == hash) {
            at = i;
            break;
        }
        if (told->line[i].at < told->line[at].at) {
            at = i;
        }
    }
    if (told->line[at].at && told->line[at].hash == hash &&
        now - told->line[at].at < TOLD_AGAIN_MS) {
        return false;
    }
    told->line[at].hash = hash;
    told->line[at].at = MAX(now, 1);
    return true;
}

#endif
