/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-delays: a heartbeat's section of what the guest of a VM waits for.
 *
 * Nearly all of its hundreds of numbers are small, or 0, so that each takes as
 * many bytes as it needs (wire-numbers.h).
 *
 * Pure.  See wire-beat.h, which has the other sections.
 */
#ifndef RCACHE_WIRE_DELAYS_H
#define RCACHE_WIRE_DELAYS_H

#include "common/wire.h"
#include "rcache/vmm.h"

/* The VM, and one byte for each number but those of phases. */
#define WIRE_DELAYS_MIN (RCACHE_UUID_LEN + 6 + 2 + RCACHE_DELAY_BUCKETS)

typedef struct WireDelays {
    uint8_t vm[RCACHE_UUID_LEN];
    struct RcacheVmmDelays delays;      /* without a head */
} WireDelays;

/** wire_delays_append() - the section's bytes, without its head */
void wire_delays_append(GByteArray *out, const uint8_t *vm,
                        const struct RcacheVmmDelays *delays);

/**
 * wire_delays_decode() - a section of @len bytes, at least WIRE_DELAYS_MIN
 *
 * Phases that a later version has added are left out, those that it has not
 * are 0.
 */
WireError wire_delays_decode(const uint8_t *bytes, size_t len,
                             WireDelays *out);

#endif
