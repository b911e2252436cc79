/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stretch: local_max gives way while there is no room for cold pages.
 *
 * A guest is not to stand still because nobody takes its pages.  So when a
 * fault has waited for room in vain, memory may grow: by little at first, and
 * by twice as much each fifth of a second for as long as hardly a page goes.
 * On a busy host evictions are late, like all else, and not in vain; then a
 * guest goes beyond local_max by no more than a few MiB.  Where there is no
 * room at all it grows as fast as it likes two seconds later.
 *
 * A guest that takes memory faster than it is evicted would go on growing long
 * after room has been found.  As soon as pages go again, the limit is what is
 * resident, and it comes down by half of what goes: the guest gets the other
 * half.
 *
 * Where there is some room, but too little, pages go whenever others have come
 * back, and a moment later none can.  So a guest that is stuck again soon gets
 * twice what it got last.
 *
 *   off --stuck--> open --pages go--> closing --all is within local_max--> off
 *                   ^                    |
 *                   +------- stuck ------+
 *
 * A guest that goes on pressing always has a fault that waits.  So "all is
 * within local_max" when nothing waits; or when it has been for two seconds,
 * and pages go.
 *
 * Pure: time is an argument, in nanoseconds; memory is in pages.
 */
#ifndef PAGER_STRETCH_H
#define PAGER_STRETCH_H

#include <stdbool.h>
#include <stdint.h>

enum StretchState {
    STRETCH_OFF,
    STRETCH_OPEN,
    STRETCH_CLOSING
};

/**
 * struct Stretch - the limit that holds instead of local_max
 * @limit: pages, unless OFF
 * @step: pages that it rose by last
 * @closed_at: ns, CLOSING since
 * @above_at: ns, when more than local_max and slack was here last
 * @evicted: the count at @at
 * @at: ns, when evictions were looked at last
 */
typedef struct Stretch {
    enum StretchState state;
    uint64_t limit;
    uint64_t step;
    uint64_t closed_at;
    uint64_t above_at;
    uint64_t evicted;
    uint64_t at;
} Stretch;

/**
 * struct StretchInput - what it depends on
 * @waiting: faults wait for room
 * @stuck: and have waited in vain for too long
 * @resident: pages that are here
 * @slack: pages that may be here beyond local_max all the same: limit_slack()
 * @evicted: pages that have gone, a count that grows
 */
typedef struct StretchInput {
    bool waiting;
    bool stuck;
    uint64_t resident;
    uint64_t local_max;
    uint64_t slack;
    uint64_t evicted;
} StretchInput;

/** stretch_look() - at every turn of the loop */
void stretch_look(Stretch *stretch, const StretchInput *in, uint64_t now);

/** stretch_limit() - pages that may be here */
uint64_t stretch_limit(const Stretch *stretch, uint64_t local_max);

#endif
