/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-numbers: numbers of any length, for sections of heartbeats most of whose
 * numbers are small: seven bits a byte, the lowest first, the eighth set where
 * more follow (LEB128).
 *
 * Pure.
 */
#ifndef RCACHE_WIRE_NUMBERS_H
#define RCACHE_WIRE_NUMBERS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct WireNumbers - where a reader is
 * @at, @end: of the bytes, the caller's
 * @bad: there was no number where one was read
 */
typedef struct WireNumbers {
    const uint8_t *at, *end;
    bool bad;
} WireNumbers;

/** wire_number_append() - one more to the end of @out */
void wire_number_append(GByteArray *out, uint64_t value);

/** wire_number_take() - the next; 0 once .bad is set */
uint64_t wire_number_take(WireNumbers *numbers);

/** wire_number_take_small() - the next, or UINT32_MAX if it is larger */
uint32_t wire_number_take_small(WireNumbers *numbers);

#endif
