/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exporter's last hour: the ring of samples, its chart, and rates. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/exporter/history.h"
#include "arbiter/exporter/page-value.h"
#include "arbiter/exporter/rates.h"
#include "arbiter/exporter/svg-history.h"
#include "tests/unit/count-of.h"

#define SECOND  INT64_C(1000000)

static History history;

static bool add(int64_t now, double remote)
{
    double value[HISTORY_KINDS];

    for (unsigned i = 0; i < HISTORY_KINDS; i++) {
        value[i] = NAN;
    }
    value[HISTORY_REMOTE] = remote;
    return history_add(&history, now, value);
}

static double at(int64_t now, unsigned i)
{
    return history_at(&history, now, i)->value[HISTORY_REMOTE];
}

static void set_up(void)
{
    history = (History) { 0 };
}

START_TEST(samples_are_apart)
{
    ck_assert_uint_eq(history_count(&history, 0), 0);
    ck_assert(add(0, 1));
    ck_assert(!add(HISTORY_STEP_US - 1, 2));
    ck_assert(add(HISTORY_STEP_US, 3));
    ck_assert_uint_eq(history_count(&history, HISTORY_STEP_US), 2);
    ck_assert_double_eq(at(HISTORY_STEP_US, 0), 1);
    ck_assert_double_eq(at(HISTORY_STEP_US, 1), 3);
}
END_TEST

/* Three hours: what is told is always the last one, in its order. */
START_TEST(an_hour_and_no_more)
{
    unsigned steps = 3 * HISTORY_SPAN_US / HISTORY_STEP_US;

    for (unsigned i = 0; i < steps; i++) {
        int64_t now = i * HISTORY_STEP_US;
        unsigned n = MIN(i + 1, HISTORY_MAX);

        ck_assert(add(now, i));
        ck_assert_uint_eq(history_count(&history, now), n);
        ck_assert_double_eq(at(now, 0), i + 1 - n);
        ck_assert_double_eq(at(now, n - 1), i);
        ck_assert_int_le(now - history_at(&history, now, 0)->at,
                         HISTORY_SPAN_US);
    }
}
END_TEST

/* Nobody answers any more: what there is grows old and goes. */
START_TEST(it_grows_old)
{
    for (unsigned i = 0; i < 10; i++) {
        add(i * HISTORY_STEP_US, i);
    }
    ck_assert_uint_eq(history_count(&history, HISTORY_SPAN_US), 10);
    ck_assert_uint_eq(history_count(&history, HISTORY_SPAN_US + 1), 9);
    ck_assert_double_eq(at(HISTORY_SPAN_US + 1, 0), 1);
    ck_assert_uint_eq(history_count(&history, 2 * HISTORY_SPAN_US), 0);
    ck_assert(add(2 * HISTORY_SPAN_US, 99));
    ck_assert_double_eq(at(2 * HISTORY_SPAN_US, 0), 99);
}
END_TEST

/* As docs/monitoring.md has it. */
START_TEST(its_memory_is_bounded)
{
    ck_assert_uint_le(sizeof(History), 20 * 1024);
}
END_TEST

/* The line of the chart alone. */
static char *line_of(int64_t now)
{
    char *svg = svg_history(&history, HISTORY_REMOTE, now, "a <title>",
                            page_bytes);
    char *from, *text;

    if (!svg) {
        return NULL;
    }
    ck_assert_ptr_nonnull(strstr(svg, "a &lt;title&gt;, the last hour"));
    from = strstr(svg, "\"line\" d=\"");
    ck_assert_ptr_nonnull(from);
    text = g_strndup(from + 10, strcspn(from + 10, "\""));
    g_free(svg);
    return text;
}

START_TEST(a_chart_has_holes)
{
    int64_t now = 100 * HISTORY_STEP_US;
    g_autofree char *line = NULL;

    add(0, 5);
    ck_assert_ptr_null(line_of(0));             /* a point is no line */
    for (unsigned i = 1; i <= 100; i++) {
        if (i < 30 || i > 40) {                 /* nobody answers */
            add(i * HISTORY_STEP_US, i == 70 ? NAN : i);
        }
    }
    line = line_of(now);
    ck_assert_uint_eq(count_of(line, "M"), 3);
    ck_assert_uint_eq(count_of(line, "L"), 100 - 11 - 3);
    /* The highest and newest point is at the right, at the top. */
    ck_assert(g_str_has_suffix(line, "L300.0 8.0"));
    ck_assert_ptr_null(strstr(line, "nan"));
}
END_TEST

START_TEST(a_chart_of_zeros)
{
    g_autofree char *line = NULL;

    add(0, 0);
    add(HISTORY_STEP_US, 0);
    line = line_of(HISTORY_STEP_US);
    ck_assert(g_str_has_suffix(line, "L300.0 72.0"));
}
END_TEST

/* ------------------------------------------------------------------ rates */

static Rates rates;

static double rate(const char *uuid, const char *host, double n, int64_t now)
{
    double value;

    rates_begin(&rates);
    value = rates_next(&rates, uuid, host, n, now);
    rates_end(&rates);
    return value;
}

START_TEST(rates_are_of_some_seconds)
{
    rates_init(&rates);
    ck_assert(isnan(rate("u", "h", 100, 0)));
    ck_assert(isnan(rate("u", "h", 150, SECOND)));
    ck_assert_double_eq(rate("u", "h", 150, 5 * SECOND), 10);
    /* Until the next five are over. */
    ck_assert_double_eq(rate("u", "h", 1000, 6 * SECOND), 10);
    ck_assert_double_eq(rate("u", "h", 1150, 15 * SECOND), 100);
    ck_assert_double_eq(rate("u", "h", 1150, 25 * SECOND), 0);
    rates_deinit(&rates);
}
END_TEST

START_TEST(rates_begin_anew)
{
    rates_init(&rates);
    rate("u", "h", 100, 0);
    ck_assert_double_eq(rate("u", "h", 200, 10 * SECOND), 10);
    /* A new pager, another host, a VM that was away from the list. */
    ck_assert(isnan(rate("u", "h", 50, 20 * SECOND)));
    ck_assert_double_eq(rate("u", "h", 100, 30 * SECOND), 5);
    ck_assert(isnan(rate("u", "other", 900, 40 * SECOND)));
    ck_assert(isnan(rate("u", "h", 100, 50 * SECOND)));
    ck_assert_uint_eq(g_hash_table_size(rates.of), 1);
    rates_deinit(&rates);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("history");
    TCase *tc = tcase_create("history");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, samples_are_apart);
    tcase_add_test(tc, an_hour_and_no_more);
    tcase_add_test(tc, it_grows_old);
    tcase_add_test(tc, its_memory_is_bounded);
    tcase_add_test(tc, a_chart_has_holes);
    tcase_add_test(tc, a_chart_of_zeros);
    tcase_add_test(tc, rates_are_of_some_seconds);
    tcase_add_test(tc, rates_begin_anew);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
