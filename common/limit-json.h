/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limit-json: limits, and who has run into them, as status tells it. */
#ifndef RCACHE_LIMIT_JSON_H
#define RCACHE_LIMIT_JSON_H

#include <json-glib/json-glib.h>

#include "common/limit-hits.h"
#include "common/verdict.h"

/**
 * limit_hits_add() - put them into an answer, as members of @list
 * @names: of the first @n limits
 * @verdict: is told of those that bite now
 *
 * A member for each limit: "limit" (its key), "value", "pace" (as LimitName has
 * it), "hits", "in_effect", and "who": a list of "name", "hits",
 * "since_seconds", "last_seconds" and "in_effect", the last who has run into it
 * first.
 */
void limit_hits_add(const LimitHits *hits, const LimitName *names, unsigned n,
                    uint64_t now_ms, JsonArray *list, Verdict *verdict);

#endif
