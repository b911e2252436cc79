/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trouble: see trouble.h. */
#include "common/trouble.h"

#include <string.h>

#include "common/json-set.h"
#include "common/wire-beat.h"

static void judge_lost(const WireBeatTrouble *t, const char *vm,
                       Verdict *verdict)
{
    char size[32];

    verdict_size(t->lost, size);
    if (!*t->host) {
        verdict_add(verdict, VERDICT_FAILING, "vm %s has lost %s", vm, size);
    } else if (t->cause == RCACHE_CAUSE_LOST) {
        verdict_add(verdict, VERDICT_FAILING, "vm %s has lost %s that provider "
                    "%s held: that provider has not known the lease for %u s",
                    vm, size, t->host, t->since_s);
    } else {
        verdict_add(verdict, VERDICT_FAILING, "vm %s has lost %s that "
                    "provider %s held", vm, size, t->host);
    }
}

static void judge_wrong(const WireBeatTrouble *t, const char *vm,
                        Verdict *verdict)
{
    const char *pages = t->wrong == 1 ? "page" : "pages";

    if (!*t->host) {
        verdict_add(verdict, VERDICT_NOTE, "%" G_GUINT64_FORMAT " %s of vm "
                    "%s came back with wrong bytes so far", t->wrong, pages,
                    vm);
    } else if (t->cause == RCACHE_CAUSE_WRONG) {
        verdict_add(verdict, VERDICT_DEGRADED, "provider %s returned wrong "
                    "bytes for %" G_GUINT64_FORMAT " %s of vm %s, last %u s "
                    "ago: the guest is not given them, and waits", t->host,
                    t->wrong, pages, vm, t->since_s);
    } else {
        verdict_add(verdict, VERDICT_NOTE, "provider %s has returned wrong "
                    "bytes for %" G_GUINT64_FORMAT " %s of vm %s so far",
                    t->host, t->wrong, pages, vm);
    }
}

void trouble_judge(const WireBeatTrouble *trouble, const char *vm,
                   Verdict *verdict)
{
    if (trouble->lost) {
        judge_lost(trouble, vm, verdict);
    }
    if (trouble->wrong) {
        judge_wrong(trouble, vm, verdict);
    }
}

void trouble_set(JsonObject *o, const WireBeatTrouble *trouble)
{
    json_object_set_int_member(o, "lost_bytes", MIN(trouble->lost,
                                                    INT64_MAX));
    json_object_set_int_member(o, "wrong_pages", MIN(trouble->wrong,
                                                     INT64_MAX));
    if (trouble->cause) {
        json_object_set_string_member(o, "trouble",
                                      wire_cause_text(trouble->cause));
    } else {
        json_object_set_null_member(o, "trouble");
    }
}

/* A peer's figures may be anything: the sums stop at what JSON can hold. */
void trouble_set_sums(JsonObject *o, bool known, const GArray *troubles,
                      const uint8_t *vm)
{
    uint64_t lost = 0, wrong = 0;

    for (guint i = 0; i < troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(troubles, WireBeatTrouble,
                                                  i);

        if (!memcmp(t->vm, vm, RCACHE_UUID_LEN)) {
            lost = MIN(lost + MIN(t->lost, INT64_MAX), INT64_MAX);
            wrong = MIN(wrong + MIN(t->wrong, INT64_MAX), INT64_MAX);
        }
    }
    json_set_known(o, "lost_bytes", known, lost);
    json_set_known(o, "wrong_pages", known, wrong);
}
