/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle: is a page what it must be?  See oracle.h. */
#include "tests/fakes/oracle.h"

#define HEAD    4u
#define STEP    0x9e3779b97f4a7c15ull

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

void oracle_stamp(uint64_t *words, uint64_t page, uint32_t version)
{
    uint64_t seed = mix(page << 32 | version);

    words[0] = page;
    words[1] = version;
    words[2] = seed;
    words[3] = ORACLE_MARKER;
    for (unsigned i = HEAD; i < ORACLE_WORDS; i++) {
        words[i] = seed + i * STEP;
    }
}

bool oracle_is_right(const uint64_t *words, uint64_t page, uint32_t version)
{
    uint64_t seed = mix(page << 32 | version), wrong = 0;

    if (!version) {
        for (unsigned i = 0; i < ORACLE_WORDS; i++) {
            wrong |= words[i];
        }
        return !wrong;
    }
    wrong = (words[0] ^ page) | (words[1] ^ version) | (words[2] ^ seed) |
            (words[3] ^ ORACLE_MARKER);
    for (unsigned i = HEAD; i < ORACLE_WORDS; i++) {
        wrong |= words[i] ^ (seed + i * STEP);
    }
    return !wrong;
}
