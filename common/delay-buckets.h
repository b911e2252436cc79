/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delay-buckets: the buckets of struct RcacheDelay.  Pure. */
#ifndef RCACHE_DELAY_BUCKETS_H
#define RCACHE_DELAY_BUCKETS_H

#include <stdint.h>

/** delay_bucket() - where in RcacheDelay.bucket so many ns count */
unsigned delay_bucket(uint64_t ns);

/** delay_edge() - the most ns of a bucket; UINT64_MAX of the last one */
uint64_t delay_edge(unsigned bucket);

#endif
