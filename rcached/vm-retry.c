/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-retry: see vm-retry.h. */
#include "rcached/vm-retry.h"

#include <glib.h>

/* So many that have said nothing are followed by another at once. */
#define FREELY          5u
#define PAUSE_US        (G_USEC_PER_SEC / 2)
#define DOUBLINGS_MAX   6u
/* Of those that were READY one may die each second, and so many at a time. */
#define DEATH_US        G_USEC_PER_SEC
#define DEATHS_FREELY   10

static void retry_failed(VmRetry *retry, const PagerEnd *end, int64_t now)
{
    unsigned free = end->said ? 0 : FREELY;

    retry->failures++;
    if (retry->failures > free) {
        unsigned doublings = MIN(retry->failures - free - 1, DOUBLINGS_MAX);

        retry->at = now + ((int64_t)PAUSE_US << doublings);
    }
}

static void retry_died(VmRetry *retry, int64_t now)
{
    int64_t ahead;

    retry->failures = 0;
    retry->deaths_over = MAX(retry->deaths_over, now) + DEATH_US;
    ahead = retry->deaths_over - now - DEATHS_FREELY * DEATH_US;
    retry->at = now + CLAMP(ahead, 0, DEATH_US);
}

void vm_retry_ended(VmRetry *retry, const PagerEnd *end, int64_t now)
{
    if (!end->failed) {
        if (end->served) {
            vm_retry_reset(retry);
        }
        return;
    }
    g_free(retry->problem);
    retry->problem = g_strdup(end->how);
    if (end->served) {
        retry_died(retry, now);
    } else {
        retry_failed(retry, end, now);
    }
}

void vm_retry_reset(VmRetry *retry)
{
    g_free(retry->problem);
    *retry = (VmRetry) { 0 };
}

int64_t vm_retry_left(const VmRetry *retry, int64_t now)
{
    return retry->at > now ? retry->at - now : 0;
}
