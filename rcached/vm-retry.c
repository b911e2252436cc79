/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-retry: see vm-retry.h. */
#include "rcached/vm-retry.h"

#include <glib.h>

/* So many that have said nothing are followed by another at once. */
#define FREELY          5u
#define PAUSE_US        (G_USEC_PER_SEC / 2)
#define DOUBLINGS_MAX   6u

void vm_retry_failed(VmRetry *retry, const char *how, bool said, int64_t now)
{
    unsigned free = said ? 0 : FREELY;

    retry->failures++;
    g_free(retry->problem);
    retry->problem = g_strdup(how);
    if (retry->failures > free) {
        unsigned doublings = MIN(retry->failures - free - 1, DOUBLINGS_MAX);

        retry->at = now + ((int64_t)PAUSE_US << doublings);
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
