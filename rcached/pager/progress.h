/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress: is it of any use to wait for room?
 *
 * A guest that waits for room below local_max waits on as long as there is
 * progress, and only pages that have gone are progress.  There are two more
 * reasons to wait on, since pages may go now: room that comes (a lease is
 * ready, slots are free again), and a PUT that was sent.  But each of the two
 * counts only once until pages have gone.  A provider that takes leases and
 * refuses pages gives both again and again: its refusals free slots, and each
 * new session makes its leases ready.
 *
 * A lease that is ready for the first time is memory that was asked for, and
 * counts as pages that have gone do, but no more than PROGRESS_LEASES times
 * until some have: a provider may ask each new lease back before a page is
 * there, and grant the next one.
 *
 * Pure: time is an argument, in nanoseconds.  All zero is a new one.
 */
#ifndef PAGER_PROGRESS_H
#define PAGER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Two for the two places of a page, and two that came to nothing. */
#define PROGRESS_LEASES 4u

enum ProgressHope {
    PROGRESS_ROOM = 1,
    PROGRESS_SENT = 2
};

/**
 * struct Progress - when there was a reason to wait on
 * @at: ns, the last one
 * @hoped: of enum ProgressHope, those since a page has gone or a lease counted
 * @leases: that have counted since a page has gone
 */
typedef struct Progress {
    uint64_t at;
    unsigned hoped;
    unsigned leases;
} Progress;

/** progress_made() - pages have gone */
static inline void progress_made(Progress *progress, uint64_t now)
{
    *progress = (Progress) { .at = now };
}

/** progress_lease() - a lease is ready for the first time */
static inline void progress_lease(Progress *progress, uint64_t now)
{
    if (progress->leases < PROGRESS_LEASES) {
        *progress = (Progress) {
            .at = now, .leases = progress->leases + 1,
        };
    }
}

/** progress_hope() - pages may go now */
static inline void progress_hope(Progress *progress, enum ProgressHope why,
                                 uint64_t now)
{
    if (!(progress->hoped & why)) {
        progress->hoped |= why;
        progress->at = now;
    }
}

#endif
