/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-curve: a heartbeat's section of what less local memory would cost a VM.
 *
 * Numbers as in wire-numbers.h; what is not known is 0, and all else of these
 * one more than it is.
 *
 * Pure.  See wire-beat.h, which has the other sections.
 */
#ifndef RCACHE_WIRE_CURVE_H
#define RCACHE_WIRE_CURVE_H

#include "common/wire.h"
#include "rcache/vmm.h"

/* The VM, and one byte for each number but the rates. */
#define WIRE_CURVE_MIN  (RCACHE_UUID_LEN + 10)

typedef struct WireCurve {
    uint8_t vm[RCACHE_UUID_LEN];
    struct RcacheVmmCurve curve;        /* without a head */
} WireCurve;

/** wire_curve_append() - the section's bytes, without its head */
void wire_curve_append(GByteArray *out, const uint8_t *vm,
                       const struct RcacheVmmCurve *curve);

/**
 * wire_curve_decode() - a section of @len bytes, at least WIRE_CURVE_MIN
 *
 * Of a later version with another number of steps no rate is known here.
 */
WireError wire_curve_decode(const uint8_t *bytes, size_t len, WireCurve *out);

#endif
