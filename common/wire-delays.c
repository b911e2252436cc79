/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-delays: see wire-delays.h. */
#include "common/wire-delays.h"

#include <string.h>

#include "common/wire-numbers.h"

static void put_delay(GByteArray *out, const struct RcacheDelay *delay)
{
    wire_number_append(out, delay->total);
    wire_number_append(out, delay->recent);
    for (unsigned i = 0; i < RCACHE_DELAY_BUCKETS; i++) {
        wire_number_append(out, delay->bucket[i]);
    }
}

void wire_delays_append(GByteArray *out, const uint8_t *vm,
                        const struct RcacheVmmDelays *d)
{
    g_byte_array_append(out, vm, RCACHE_UUID_LEN);
    wire_number_append(out, d->vcpus);
    wire_number_append(out, d->threads);
    wire_number_append(out, d->waited);
    wire_number_append(out, d->waited_recent);
    wire_number_append(out, d->recent);
    wire_number_append(out, d->faults_recent);
    put_delay(out, &d->whole);
    for (unsigned i = 0; i < RCACHE_NR_PHASES; i++) {
        put_delay(out, &d->phase[i]);
    }
}

static void take_delay(WireNumbers *r, struct RcacheDelay *delay)
{
    delay->total = wire_number_take(r);
    delay->recent = wire_number_take(r);
    for (unsigned i = 0; i < RCACHE_DELAY_BUCKETS; i++) {
        delay->bucket[i] = wire_number_take(r);
    }
}

WireError wire_delays_decode(const uint8_t *bytes, size_t len,
                             WireDelays *out)
{
    WireNumbers r = { bytes + RCACHE_UUID_LEN, bytes + len, false };
    struct RcacheVmmDelays *d = &out->delays;

    *out = (WireDelays) { 0 };
    memcpy(out->vm, bytes, RCACHE_UUID_LEN);
    d->vcpus = wire_number_take_small(&r);
    d->threads = wire_number_take_small(&r);
    d->waited = wire_number_take(&r);
    d->waited_recent = wire_number_take(&r);
    d->recent = wire_number_take(&r);
    d->faults_recent = wire_number_take(&r);
    take_delay(&r, &d->whole);
    for (unsigned i = 0; i < RCACHE_NR_PHASES && r.at < r.end; i++) {
        take_delay(&r, &d->phase[i]);
    }
    return r.bad ? WIRE_E_SECTION : WIRE_OK;
}
