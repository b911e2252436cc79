/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-delays: see wire-delays.h. */
#include "common/wire-delays.h"

#include <string.h>

#define NUMBER_MAX      10u     /* bytes of 64 bits */

static void put(GByteArray *out, uint64_t value)
{
    uint8_t bytes[NUMBER_MAX];
    unsigned n = 0;

    do {
        bytes[n] = value & 0x7f;
        value >>= 7;
        bytes[n++] |= value ? 0x80 : 0;
    } while (value);
    g_byte_array_append(out, bytes, n);
}

static void put_delay(GByteArray *out, const struct RcacheDelay *delay)
{
    put(out, delay->total);
    put(out, delay->recent);
    for (unsigned i = 0; i < RCACHE_DELAY_BUCKETS; i++) {
        put(out, delay->bucket[i]);
    }
}

void wire_delays_append(GByteArray *out, const uint8_t *vm,
                        const struct RcacheVmmDelays *d)
{
    g_byte_array_append(out, vm, RCACHE_UUID_LEN);
    put(out, d->vcpus);
    put(out, d->threads);
    put(out, d->waited);
    put(out, d->waited_recent);
    put(out, d->recent);
    put(out, d->faults_recent);
    put_delay(out, &d->whole);
    for (unsigned i = 0; i < RCACHE_NR_PHASES; i++) {
        put_delay(out, &d->phase[i]);
    }
}

typedef struct Reader {
    const uint8_t *at, *end;
    bool bad;
} Reader;

/* The next number; 0 once something is wrong. */
static uint64_t take(Reader *r)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < NUMBER_MAX && r->at < r->end && !r->bad; i++) {
        uint8_t byte = *r->at++;

        if (i == NUMBER_MAX - 1 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            return value;
        }
    }
    r->bad = true;
    return 0;
}

static uint32_t take_small(Reader *r)
{
    uint64_t value = take(r);

    return MIN(value, UINT32_MAX);
}

static void take_delay(Reader *r, struct RcacheDelay *delay)
{
    delay->total = take(r);
    delay->recent = take(r);
    for (unsigned i = 0; i < RCACHE_DELAY_BUCKETS; i++) {
        delay->bucket[i] = take(r);
    }
}

WireError wire_delays_decode(const uint8_t *bytes, size_t len,
                             WireDelays *out)
{
    Reader r = { bytes + RCACHE_UUID_LEN, bytes + len, false };
    struct RcacheVmmDelays *d = &out->delays;

    *out = (WireDelays) { 0 };
    memcpy(out->vm, bytes, RCACHE_UUID_LEN);
    d->vcpus = take_small(&r);
    d->threads = take_small(&r);
    d->waited = take(&r);
    d->waited_recent = take(&r);
    d->recent = take(&r);
    d->faults_recent = take(&r);
    take_delay(&r, &d->whole);
    for (unsigned i = 0; i < RCACHE_NR_PHASES && r.at < r.end; i++) {
        take_delay(&r, &d->phase[i]);
    }
    return r.bad ? WIRE_E_SECTION : WIRE_OK;
}
