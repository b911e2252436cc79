/* SPDX-License-Identifier: GPL-2.0-or-later */
/* descriptors: see descriptors.h. */
#include "arbiter/descriptors.h"

#include <sys/resource.h>

#define COMING_BACK     16u     /* connections whose end was not seen */

unsigned arbiter_descriptors(const Options *options)
{
    return options->hosts.max + COMING_BACK + ARBITER_DESCRIPTORS;
}

/*
 * A host that comes back may do so before its end was seen.  And there must
 * be descriptors left to accept one more, so that it can take the place of one
 * that says nothing.
 */
unsigned arbiter_conns_max(const Options *options)
{
    struct rlimit limit;
    rlim_t most = options->hosts.max + COMING_BACK;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < most + ARBITER_DESCRIPTORS) {
        most = limit.rlim_cur > 2 * ARBITER_DESCRIPTORS
                   ? limit.rlim_cur - ARBITER_DESCRIPTORS
                   : limit.rlim_cur / 2;
    }
    return most;
}
