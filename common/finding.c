/* SPDX-License-Identifier: GPL-2.0-or-later */
/* finding: see finding.h. */
#include "common/finding.h"

#include <string.h>

#define UNSEEN  "not-looked-at"

struct Findings {
    GArray *list;               /* of Finding */
};

static void finding_clear(void *opaque)
{
    Finding *finding = opaque;

    g_free(finding->what);
    g_free(finding->found);
    g_free(finding->wanted);
    g_free(finding->remedy);
}

Findings *findings_new(void)
{
    Findings *findings = g_new0(Findings, 1);

    findings->list = g_array_new(FALSE, FALSE, sizeof(Finding));
    g_array_set_clear_func(findings->list, finding_clear);
    return findings;
}

void findings_free(Findings *findings)
{
    if (findings) {
        g_array_unref(findings->list);
        g_free(findings);
    }
}

static Finding *findings_append(Findings *findings, const Finding *finding)
{
    g_array_append_vals(findings->list, finding, 1);
    return &g_array_index(findings->list, Finding, findings->list->len - 1);
}

Finding *findings_add(Findings *findings, const FindingKind *kind,
                      const char *found, const char *fmt, ...)
{
    Finding finding = {
        .check = kind->check,
        .id = kind->id,
        .level = kind->level,
        .found = g_strdup(found),
        .wanted = g_strdup(kind->wanted),
        .why = kind->why,
        .remedy = g_strdup(kind->remedy),
    };
    va_list args;

    va_start(args, fmt);
    finding.what = g_strdup_vprintf(fmt, args);
    va_end(args);
    return findings_append(findings, &finding);
}

static void replace(char **text, const char *word, const char *value)
{
    GString *new = g_string_new(*text);

    g_string_replace(new, word, value, 0);
    g_free(*text);
    *text = g_string_free(new, FALSE);
}

void finding_name(Finding *finding, const char *word, const char *value)
{
    replace(&finding->remedy, word, value);
    if (finding->wanted) {
        replace(&finding->wanted, word, value);
    }
}

void findings_ok(Findings *findings, const char *check, const char *found)
{
    Finding finding = {
        .check = check,
        .level = FINDING_OK,
        .what = g_strdup_printf("%s is well", check),
        .found = g_strdup(found),
    };

    findings_append(findings, &finding);
}

void findings_unseen(Findings *findings, const char *check,
                     const char *remedy, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    Finding finding = {
        .check = check,
        .id = UNSEEN,
        .level = FINDING_NOTE,
        .remedy = g_strdup(remedy),
    };
    va_list args;

    va_start(args, fmt);
    why = g_strdup_vprintf(fmt, args);
    va_end(args);
    finding.what = g_strdup_printf("not looked at: %s: %s", check, why);
    findings_append(findings, &finding);
}

/* The order within a level stays. */
void findings_sort(Findings *findings)
{
    GArray *sorted = g_array_sized_new(FALSE, FALSE, sizeof(Finding),
                                       findings->list->len);

    for (int level = FINDING_LEVEL_MAX_ - 1; level >= 0; level--) {
        for (guint i = 0; i < findings->list->len; i++) {
            const Finding *f = &g_array_index(findings->list, Finding, i);

            if ((int)f->level == level) {
                g_array_append_vals(sorted, f, 1);
            }
        }
    }
    g_array_set_clear_func(findings->list, NULL);
    g_array_unref(findings->list);
    g_array_set_clear_func(sorted, finding_clear);
    findings->list = sorted;
}

unsigned findings_count(const Findings *findings)
{
    return findings->list->len;
}

const Finding *findings_at(const Findings *findings, unsigned at)
{
    return &g_array_index(findings->list, Finding, at);
}

const Finding *findings_find(const Findings *findings, const char *id)
{
    for (guint i = 0; i < findings->list->len; i++) {
        const Finding *finding = findings_at(findings, i);

        if (finding->id && !strcmp(finding->id, id)) {
            return finding;
        }
    }
    return NULL;
}

unsigned findings_nr(const Findings *findings, FindingLevel level)
{
    unsigned n = 0;

    for (guint i = 0; i < findings->list->len; i++) {
        n += findings_at(findings, i)->level == level;
    }
    return n;
}

const char *finding_level_name(FindingLevel level)
{
    static const char *const names[] = {
        [FINDING_OK] = "ok",
        [FINDING_NOTE] = "note",
        [FINDING_WARNING] = "warning",
        [FINDING_ERROR] = "error",
    };

    return names[level];
}
