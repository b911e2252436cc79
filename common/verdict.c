/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict: see verdict.h. */
#include "common/verdict.h"

#define KEPT_MAX        256u    /* texts of a level */
#define REASONS_MAX     3u      /* in the line */

struct Verdict {
    GPtrArray *texts[VERDICT_LEVEL_MAX_];
    unsigned count[VERDICT_LEVEL_MAX_];
};

Verdict *verdict_new(void)
{
    Verdict *verdict = g_new0(Verdict, 1);

    for (unsigned i = 0; i < VERDICT_LEVEL_MAX_; i++) {
        verdict->texts[i] = g_ptr_array_new_with_free_func(g_free);
    }
    return verdict;
}

void verdict_free(Verdict *verdict)
{
    for (unsigned i = 0; i < VERDICT_LEVEL_MAX_; i++) {
        g_ptr_array_unref(verdict->texts[i]);
    }
    g_free(verdict);
}

void verdict_add(Verdict *verdict, VerdictLevel level, const char *fmt, ...)
{
    va_list ap;

    if (verdict->count[level]++ >= KEPT_MAX) {
        return;
    }
    va_start(ap, fmt);
    g_ptr_array_add(verdict->texts[level], g_strdup_vprintf(fmt, ap));
    va_end(ap);
}

const char *verdict_size(uint64_t bytes, char *out)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
    double size = bytes / 1024.0;
    unsigned unit = 0;

    while (size >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        size /= 1024;
        unit++;
    }
    g_snprintf(out, 32, "%.1f %s", size, units[unit]);
    return out;
}

VerdictLevel verdict_level(const Verdict *verdict)
{
    for (unsigned i = VERDICT_LEVEL_MAX_ - 1; i > VERDICT_NOTE; i--) {
        if (verdict->count[i]) {
            return i;
        }
    }
    return VERDICT_NOTE;
}

static const char *level_name(VerdictLevel level)
{
    static const char *const names[] = {
        [VERDICT_NOTE] = "ok",
        [VERDICT_DEGRADED] = "degraded",
        [VERDICT_FAILING] = "failing",
    };

    return names[level];
}

char *verdict_line(const Verdict *verdict, const char *summary)
{
    VerdictLevel worst = verdict_level(verdict);
    GString *line = g_string_new(level_name(worst));
    unsigned said = 0, all = 0;

    g_string_append(line, ": ");
    if (worst == VERDICT_NOTE) {
        return g_string_free(g_string_append(line, summary), FALSE);
    }
    for (unsigned level = worst; level > VERDICT_NOTE; level--) {
        const GPtrArray *texts = verdict->texts[level];

        all += verdict->count[level];
        for (guint i = 0; i < texts->len && said < REASONS_MAX; i++, said++) {
            g_string_append_printf(line, "%s%s", said ? "; " : "",
                                   (const char *)texts->pdata[i]);
        }
    }
    if (all > said) {
        g_string_append_printf(line, "; and %u more", all - said);
    }
    return g_string_free(line, FALSE);
}

static void add_texts(JsonArray *list, const Verdict *verdict,
                      VerdictLevel level)
{
    const GPtrArray *texts = verdict->texts[level];

    for (guint i = 0; i < texts->len; i++) {
        json_array_add_string_element(list, texts->pdata[i]);
    }
    if (verdict->count[level] > texts->len) {
        g_autofree char *more = g_strdup_printf(
            "and %u more", verdict->count[level] - texts->len);

        json_array_add_string_element(list, more);
    }
}

void verdict_set(const Verdict *verdict, JsonObject *o, const char *summary)
{
    g_autofree char *line = verdict_line(verdict, summary);
    VerdictLevel worst = verdict_level(verdict);
    JsonArray *problems = json_array_new(), *notes = json_array_new();

    for (unsigned i = VERDICT_LEVEL_MAX_ - 1; i > VERDICT_NOTE; i--) {
        add_texts(problems, verdict, i);
    }
    add_texts(notes, verdict, VERDICT_NOTE);
    json_object_set_boolean_member(o, "ok", worst == VERDICT_NOTE);
    json_object_set_string_member(o, "level", level_name(worst));
    json_object_set_string_member(o, "verdict", line);
    json_object_set_array_member(o, "problems", problems);
    json_object_set_array_member(o, "notes", notes);
}
