/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-numbers: see wire-numbers.h. */
#include "common/wire-numbers.h"

#define NUMBER_MAX      10u     /* bytes of 64 bits */

void wire_number_append(GByteArray *out, uint64_t value)
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

uint64_t wire_number_take(WireNumbers *r)
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

uint32_t wire_number_take_small(WireNumbers *r)
{
    uint64_t value = wire_number_take(r);

    return MIN(value, UINT32_MAX);
}
