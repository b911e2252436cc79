/* SPDX-License-Identifier: GPL-2.0-or-later */
/* steps: an input as a list of steps: what is left of it, taken by numbers. */
#ifndef TESTS_FUZZ_STEPS_H
#define TESTS_FUZZ_STEPS_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Steps {
    const uint8_t *data;
    size_t left;
} Steps;

/** steps_take() - a number of up to 8 bytes; those that are missing are 0 */
static inline uint64_t steps_take(Steps *s, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && s->left; i++) {
        value |= (uint64_t)*s->data++ << 8 * i;
        s->left--;
    }
    return value;
}

/** steps_take_into() - bytes; those that are missing are left as they are */
static inline void steps_take_into(Steps *s, void *to, size_t len)
{
    size_t n = MIN(len, s->left);

    memcpy(to, s->data, n);
    s->data += n;
    s->left -= n;
}

#endif
