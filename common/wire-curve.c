/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-curve: see wire-curve.h. */
#include "common/wire-curve.h"

#include <string.h>

#include "common/wire-numbers.h"

/* UNKNOWN is the largest number: as the smallest it takes a byte. */
static void put_known(GByteArray *out, uint64_t value)
{
    wire_number_append(out, value + 1);
}

static uint64_t take_known(WireNumbers *r)
{
    return wire_number_take(r) - 1;
}

_Static_assert(RCACHE_CURVE_UNKNOWN + 1 == 0, "it is sent as 0");

void wire_curve_append(GByteArray *out, const uint8_t *vm,
                       const struct RcacheVmmCurve *c)
{
    g_byte_array_append(out, vm, RCACHE_UUID_LEN);
    wire_number_append(out, c->source);
    wire_number_append(out, c->guest);
    wire_number_append(out, c->used);
    put_known(out, c->hot);
    wire_number_append(out, c->seen);
    wire_number_append(out, c->wait);
    wire_number_append(out, c->samples);
    wire_number_append(out, c->watched);
    wire_number_append(out, c->bound);
    wire_number_append(out, RCACHE_CURVE_STEPS);
    for (unsigned i = 0; i < RCACHE_CURVE_STEPS; i++) {
        put_known(out, c->rate[i]);
    }
}

WireError wire_curve_decode(const uint8_t *bytes, size_t len, WireCurve *out)
{
    WireNumbers r = { bytes + RCACHE_UUID_LEN, bytes + len, false };
    struct RcacheVmmCurve *c = &out->curve;
    uint64_t steps;

    *out = (WireCurve) { 0 };
    memcpy(out->vm, bytes, RCACHE_UUID_LEN);
    c->source = wire_number_take_small(&r);
    c->guest = wire_number_take(&r);
    c->used = wire_number_take(&r);
    c->hot = take_known(&r);
    c->seen = wire_number_take(&r);
    c->wait = wire_number_take(&r);
    c->samples = wire_number_take(&r);
    c->watched = wire_number_take(&r);
    c->bound = wire_number_take(&r);
    steps = wire_number_take(&r);
    c->steps = RCACHE_CURVE_STEPS;
    for (unsigned i = 0; i < RCACHE_CURVE_STEPS; i++) {
        c->rate[i] = steps == RCACHE_CURVE_STEPS ? take_known(&r)
                                                 : RCACHE_CURVE_UNKNOWN;
    }
    return r.bad ? WIRE_E_SECTION : WIRE_OK;
}
