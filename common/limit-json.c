/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limit-json: see limit-json.h. */
#include "common/limit-json.h"

#include <stdlib.h>

#include "common/json-set.h"

static int last_first(const void *a, const void *b)
{
    uint64_t one = (*(const LimitHit *const *)a)->last_ms;
    uint64_t other = (*(const LimitHit *const *)b)->last_ms;

    return one < other ? 1 : one > other ? -1 : 0;
}

static JsonArray *who_json(const LimitHitsOf *of, uint64_t now_ms)
{
    const LimitHit *sorted[LIMIT_HITS_WHO];
    JsonArray *list = json_array_new();
    unsigned n = 0;

    for (unsigned i = 0; i < LIMIT_HITS_WHO; i++) {
        if (of->who[i].count) {
            sorted[n++] = &of->who[i];
        }
    }
    qsort(sorted, n, sizeof(sorted[0]), last_first);
    for (unsigned i = 0; i < n; i++) {
        JsonObject *o = json_object_new();

        json_object_set_string_member(o, "name", sorted[i]->who);
        json_set_int(o, "hits", sorted[i]->count);
        json_set_seconds(o, "since_seconds",
                         (now_ms - sorted[i]->since_ms) / 1e3);
        json_set_seconds(o, "last_seconds",
                         (now_ms - sorted[i]->last_ms) / 1e3);
        json_object_set_boolean_member(
            o, "in_effect", limit_hits_now(sorted[i]->last_ms, now_ms));
        json_array_add_object_element(list, o);
    }
    return list;
}

static void judge(const LimitHitsOf *of, const LimitName *name,
                  uint64_t now_ms, Verdict *verdict)
{
    for (unsigned i = 0; i < LIMIT_HITS_WHO; i++) {
        const LimitHit *hit = &of->who[i];

        if (hit->count && limit_hits_now(hit->last_ms, now_ms)) {
            verdict_add(verdict, name->pace ? VERDICT_NOTE : VERDICT_DEGRADED,
                        "the limit [limits] %s = %" G_GUINT64_FORMAT " bites: "
                        "%s %s (%" G_GUINT64_FORMAT " time%s, since %"
                        G_GUINT64_FORMAT " s)", name->key, name->value,
                        hit->who, name->what, hit->count,
                        hit->count == 1 ? "" : "s",
                        (now_ms - hit->since_ms) / 1000);
        }
    }
}

void limit_hits_add(const LimitHits *hits, const LimitName *names, unsigned n,
                    uint64_t now_ms, JsonArray *list, Verdict *verdict)
{
    for (unsigned i = 0; i < n; i++) {
        const LimitHitsOf *of = &hits->of[i];
        JsonObject *o = json_object_new();

        json_object_set_string_member(o, "limit", names[i].key);
        json_set_int(o, "value", names[i].value);
        json_object_set_boolean_member(o, "pace", names[i].pace);
        json_set_int(o, "hits", of->count);
        json_object_set_boolean_member(o, "in_effect",
                                       limit_hits_bites(hits, i, now_ms));
        json_object_set_array_member(o, "who", who_json(of, now_ms));
        json_array_add_object_element(list, o);
        judge(of, &names[i], now_ms, verdict);
    }
}
