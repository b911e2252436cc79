/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_COUNT_OF_H
#define TESTS_COUNT_OF_H

#include <string.h>

/** count_of() - how often @words stand in @text */
static inline unsigned count_of(const char *text, const char *words)
{
    unsigned n = 0;

    for (; (text = strstr(text, words)); text++) {
        n++;
    }
    return n;
}

#endif
