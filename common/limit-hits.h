/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limit-hits: who has run into which limit, how often and since when.
 *
 * A daemon numbers its limits from 0 on.  Of each there is a count of all, and
 * of the LIMIT_HITS_WHO who have run into it last a line each: what one limit
 * sees of strangers hides nobody from another one, and names that are made up
 * take no memory.
 *
 * Pure: time is an argument, in milliseconds.  All zero is a new one, and it
 * may be copied.
 */
#ifndef RCACHE_LIMIT_HITS_H
#define RCACHE_LIMIT_HITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_HITS_KINDS        12u
#define LIMIT_HITS_WHO          8u
#define LIMIT_HITS_NAME         64u
/* It is in effect for so long after the last who has run into it, and who comes
 * again after so long begins anew. */
#define LIMIT_HITS_MS           UINT64_C(10000)

/**
 * struct LimitHit - one who has run into one limit
 * @who: "": this line is not in use
 * @since_ms: when it began to; @last_ms: the last time
 */
typedef struct LimitHit {
    char who[LIMIT_HITS_NAME];
    uint64_t count;
    uint64_t since_ms, last_ms;
} LimitHit;

/**
 * struct LimitHitsOf - all that is known of one limit
 * @count: so often somebody has run into it
 * @last_ms: the last time
 */
typedef struct LimitHitsOf {
    uint64_t count;
    uint64_t last_ms;
    LimitHit who[LIMIT_HITS_WHO];
} LimitHitsOf;

typedef struct LimitHits {
    LimitHitsOf of[LIMIT_HITS_KINDS];
} LimitHits;

/**
 * struct LimitName - a limit as a person knows it
 * @key: of the section [limits]
 * @value: of that key
 * @what: what happens to who runs into it: "is refused connections"
 * @pace: it only makes who asks too fast wait, as it should
 */
typedef struct LimitName {
    const char *key;
    uint64_t value;
    const char *what;
    bool pace;
} LimitName;

/** limit_hits_note() - @who has run into limit number @limit */
void limit_hits_note(LimitHits *hits, unsigned limit, const char *who,
                     uint64_t now_ms);

/** limit_hits_bites() - has anybody run into it just now? */
bool limit_hits_bites(const LimitHits *hits, unsigned limit, uint64_t now_ms);

/** limit_hits_now() - is that time in effect still? */
static inline bool limit_hits_now(uint64_t last_ms, uint64_t now_ms)
{
    return last_ms + LIMIT_HITS_MS > now_ms;
}

#endif
