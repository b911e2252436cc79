/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limit-hits: who has run into which limit.  See limit-hits.h. */
#include "common/limit-hits.h"

#include <glib.h>
#include <string.h>

/* The line of that name, or the one that gives way to it. */
static LimitHit *line_of(LimitHitsOf *of, const char *who)
{
    LimitHit *oldest = &of->who[0];

    for (unsigned i = 0; i < LIMIT_HITS_WHO; i++) {
        LimitHit *hit = &of->who[i];

        if (!strncmp(hit->who, who, sizeof(hit->who) - 1)) {
            return hit;
        }
        if (hit->last_ms < oldest->last_ms) {
            oldest = hit;
        }
    }
    *oldest = (LimitHit) { 0 };
    g_strlcpy(oldest->who, who, sizeof(oldest->who));
    return oldest;
}

void limit_hits_note(LimitHits *hits, unsigned limit, const char *who,
                     uint64_t now_ms)
{
    LimitHitsOf *of = &hits->of[limit];
    LimitHit *hit = line_of(of, *who ? who : "somebody");

    if (!hit->count || !limit_hits_now(hit->last_ms, now_ms)) {
        hit->since_ms = now_ms;
    }
    hit->count++;
    hit->last_ms = now_ms;
    of->count++;
    of->last_ms = now_ms;
}

bool limit_hits_bites(const LimitHits *hits, unsigned limit, uint64_t now_ms)
{
    return hits->of[limit].count &&
           limit_hits_now(hits->of[limit].last_ms, now_ms);
}
