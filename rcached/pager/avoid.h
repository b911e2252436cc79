/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * avoid: providers that cannot push to one another.
 *
 * A move ends with "busy" when the old provider does not reach the new one:
 * behind a firewall, by another address, or only for now.  Or the new one
 * refuses it, or has other bytes at the end than were sent.  One such end is
 * chance.  From the second in a row on the pair is left alone for a while,
 * which doubles, and other targets are chosen meanwhile.  A move that works to
 * its end ends that.
 *
 * Pure: time is an argument, in nanoseconds; providers are compared by their
 * address in memory only.
 */
#ifndef RCACHED_PAGER_AVOID_H
#define RCACHED_PAGER_AVOID_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define AVOID_FIRST_NS  (UINT64_C(2) * 1000 * 1000 * 1000)
#define AVOID_MOST_NS   (UINT64_C(300) * 1000 * 1000 * 1000)

typedef struct Avoid {
    const void *from, *to;
    unsigned failures;          /* in a row */
    uint64_t until;
} Avoid;

/** avoid_new() - an array of Avoid; g_array_free() frees it */
GArray *avoid_new(void);

/** avoid_failed() - a push has not come about; until when to leave it alone */
uint64_t avoid_failed(GArray *avoid, const void *from, const void *to,
                      uint64_t now);

/** avoid_worked() - a push has come about */
void avoid_worked(GArray *avoid, const void *from, const void *to);

/** avoid_forget() - a provider is there no more, neither @from nor @to */
void avoid_forget(GArray *avoid, const void *remote);

/** avoid_is() - should nothing be pushed from @from to @to now? */
bool avoid_is(const GArray *avoid, const void *from, const void *to,
              uint64_t now);

#endif
