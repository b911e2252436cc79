/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress: is it of any use to wait for room?
 *
 * A guest that waits for room below local_max waits on as long as there is
 * progress, and only pages that have gone are progress.  Room that comes (a
 * lease is ready, slots are free again) is a reason to wait on as well, since
 * pages may go now; but only once until some have.  A provider that takes
 * leases and refuses pages makes room again and again: its refusals free slots,
 * and each new session makes its leases ready.
 *
 * Pure: time is an argument, in nanoseconds.  All zero is a new one.
 */
#ifndef PAGER_PROGRESS_H
#define PAGER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct Progress - when there was a reason to wait on
 * @at: ns, the last one
 * @hoping: it was room, and no page has gone since
 */
typedef struct Progress {
    uint64_t at;
    bool hoping;
} Progress;

/** progress_made() - pages have gone */
static inline void progress_made(Progress *progress, uint64_t now)
{
    *progress = (Progress) { .at = now };
}

/** progress_hope() - there is room that was not there before */
static inline void progress_hope(Progress *progress, uint64_t now)
{
    if (!progress->hoping) {
        *progress = (Progress) { .at = now, .hoping = true };
    }
}

#endif
