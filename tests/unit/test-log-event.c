/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbered lines of the log, as the journal gets them. */
#include <check.h>
#include <string.h>

#include "common/log-event.h"

#define LINE_MAX_FIELDS 16u

typedef struct Line {
    GLogLevelFlags level;
    unsigned n, lines;
    char *key[LINE_MAX_FIELDS], *value[LINE_MAX_FIELDS];
} Line;

static GLogWriterOutput keep_line(GLogLevelFlags level,
                                  const GLogField *fields, gsize n,
                                  gpointer opaque)
{
    Line *line = opaque;

    line->level = level;
    line->lines++;
    line->n = 0;
    for (gsize i = 0; i < n && i < LINE_MAX_FIELDS; i++) {
        line->key[line->n] = g_strdup(fields[i].key);
        line->value[line->n++] = fields[i].length < 0
            ? g_strdup(fields[i].value)
            : g_strndup(fields[i].value, fields[i].length);
    }
    return G_LOG_WRITER_HANDLED;
}

static void line_clear(Line *line)
{
    for (unsigned i = 0; i < line->n; i++) {
        g_free(line->key[i]);
        g_free(line->value[i]);
    }
    line->n = 0;
}

static const char *field(const Line *line, const char *key)
{
    for (unsigned i = 0; i < line->n; i++) {
        if (!strcmp(line->key[i], key)) {
            return line->value[i];
        }
    }
    return NULL;
}

/* GLib takes one writer in a process, so that all of it is one case. */
START_TEST(fields_of_lines)
{
    Line line = { 0 };

    g_log_set_writer_func(keep_line, &line, NULL);
    log_event_provider(G_LOG_LEVEL_WARNING, LOG_PROVIDER_SLOW, "web", "b",
                       "vm %s: provider %s takes %.1f ms", "web", "b", 2.5);
    ck_assert_uint_eq(line.lines, 1);
    ck_assert_int_eq(line.level & G_LOG_LEVEL_MASK, G_LOG_LEVEL_WARNING);
    ck_assert_str_eq(field(&line, "MESSAGE_ID"), LOG_PROVIDER_SLOW);
    ck_assert_str_eq(field(&line, "RCACHED_VM"), "web");
    ck_assert_str_eq(field(&line, "RCACHED_PROVIDER"), "b");
    ck_assert_str_eq(field(&line, "MESSAGE"),
                     "vm web: provider b takes 2.5 ms");
    /* The journal's, for "journalctl -p". */
    ck_assert_str_eq(field(&line, "PRIORITY"), "4");
    line_clear(&line);

    log_event_vm(G_LOG_LEVEL_MESSAGE, LOG_VM_LOST, "a%sb", "vm %s", "a%sb");
    ck_assert_str_eq(field(&line, "RCACHED_VM"), "a%sb");
    ck_assert_str_eq(field(&line, "MESSAGE"), "vm a%sb");
    ck_assert_ptr_null(field(&line, "RCACHED_PROVIDER"));
    line_clear(&line);

    log_event(G_LOG_LEVEL_MESSAGE, LOG_PRESSURE, "no field but %s", "this");
    ck_assert_str_eq(field(&line, "MESSAGE_ID"), LOG_PRESSURE);
    ck_assert_str_eq(field(&line, "MESSAGE"), "no field but this");
    ck_assert_ptr_null(field(&line, "RCACHED_VM"));
    ck_assert_uint_eq(line.lines, 3);
    line_clear(&line);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log-event");
    TCase *tc = tcase_create("log-event");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, fields_of_lines);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
