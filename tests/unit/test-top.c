/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The screen of "rcachectl top": lines that fit, and what stands in them. */
#include <check.h>
#include <string.h>

#include "arbiter/rcachectl/top-layout.h"

static TopModel model;
static TopView view;
static GArray *lines;

static JsonNode *parse(const char *text)
{
    JsonNode *node = json_from_string(text, NULL);

    ck_assert_ptr_nonnull(node);
    return node;
}

static JsonNode *make_status(const char *level, unsigned problems)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "{\"daemon\":\"arbiter\",\"uptime_seconds\":300.0,"
                    "\"ok\":%s,\"level\":\"%s\",\"summary\":\"the sums\","
                    "\"verdict\":\"%s: so it is\",\"problems\":[",
                    strcmp(level, "ok") ? "false" : "true", level, level);
    for (unsigned i = 0; i < problems; i++) {
        g_string_append_printf(text, "%s\"problem %u is a long one which goes "
                               "on and on beyond the end of any line that a "
                               "terminal has\"", i ? "," : "", i);
    }
    g_string_append(text, "]}");
    return parse(text->str);
}

static JsonNode *make_hosts(unsigned n)
{
    g_autoptr(GString) text = g_string_new("[");

    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(text, "%s{\"name\":\"host%04u.a-very-long-name."
                               "example.org\",\"state\":\"%s\",\"lends\":true,"
                               "\"connected\":true,\"draining\":%s,"
                               "\"leased_bytes\":%u,\"free_bytes\":1073741824,"
                               "\"psi_some_percent\":1.5,\"vms\":3}",
                               i ? "," : "", i, i == 1 ? "dead" : "alive",
                               i == 2 ? "true" : "false", i << 20);
    }
    g_string_append_c(text, ']');
    return parse(text->str);
}

static JsonNode *make_vms(unsigned n, unsigned faults)
{
    g_autoptr(GString) text = g_string_new("[");

    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(text, "%s{\"name\":\"vm%u\",\"uuid\":\"u%u\","
                               "\"host\":\"h\",\"state\":\"attached\","
                               "\"remote_bytes\":%u,\"faults\":%u,"
                               "\"evicted_pages\":7}", i ? "," : "", i, i,
                               i << 20, faults * i);
    }
    g_string_append_c(text, ']');
    return parse(text->str);
}

static void fill(const char *level, unsigned problems, unsigned nr_hosts,
                 unsigned nr_vms)
{
    top_model_update(&model, make_status(level, problems),
                     make_hosts(nr_hosts), make_vms(nr_vms, 0), 0);
}

static void set_up(void)
{
    top_model_init(&model);
    view = (TopView) { .socket = "/run/s", .clock = "12:34:56",
                       .focus = TOP_VMS };
}

static void tear_down(void)
{
    g_clear_pointer(&lines, g_array_unref);
    top_model_deinit(&model);
}

static void lay_out(unsigned width, unsigned height)
{
    g_clear_pointer(&lines, g_array_unref);
    lines = top_layout(&model, &view, width, height);
}

static const TopLine *line(unsigned i)
{
    ck_assert_uint_lt(i, lines->len);
    return &g_array_index(lines, TopLine, i);
}

/* The number of the first line that begins so, or -1. */
static int find(const char *start)
{
    for (unsigned i = 0; i < lines->len; i++) {
        if (g_str_has_prefix(line(i)->text, start)) {
            return i;
        }
    }
    return -1;
}

static unsigned count(const char *start)
{
    unsigned n = 0;

    for (unsigned i = 0; i < lines->len; i++) {
        n += g_str_has_prefix(line(i)->text, start);
    }
    return n;
}

START_TEST(every_size_fits)
{
    static const unsigned many[] = { 0, 1, 3, 30 };

    for (unsigned n = 0; n < G_N_ELEMENTS(many) * G_N_ELEMENTS(many); n++) {
        unsigned hosts = many[n / G_N_ELEMENTS(many)];
        unsigned vms = many[n % G_N_ELEMENTS(many)];

        fill("failing", vms, hosts, vms);
        for (unsigned height = 1; height < 60; height += 1 + height / 8) {
            for (unsigned width = 1; width < 240; width += 1 + width / 2) {
                view.phases = width % 2;
                lay_out(width, height);
                ck_assert_uint_le(lines->len, height);
                for (unsigned i = 0; i < lines->len; i++) {
                    ck_assert_uint_le(top_columns(line(i)->text), width);
                }
            }
        }
    }
}
END_TEST

START_TEST(eighty_by_twenty_four)
{
    fill("degraded", 9, 3, 4);
    lay_out(80, 24);
    ck_assert_uint_eq(lines->len, 24);
    ck_assert(g_str_has_prefix(line(0)->text,
                               "rcachectl top: arbiter at /run/s, up 5min"));
    ck_assert(g_str_has_suffix(line(0)->text, " 12:34:56"));
    ck_assert_uint_eq(top_columns(line(0)->text), 80);
    ck_assert_str_eq(line(1)->text, "degraded: so it is");
    ck_assert_int_eq(line(1)->style, TOP_WARN);
    ck_assert_str_eq(line(2)->text, "the sums");
    ck_assert(g_str_has_prefix(line(3)->text, "  problem 0 is"));
    ck_assert(g_str_has_suffix(line(3)->text, "~"));
    ck_assert_str_eq(line(6)->text, "  and 6 more");
    ck_assert_int_eq(find("HOST"), 7);
    ck_assert_int_eq(find("host0000"), 8);
    ck_assert_int_eq(line(9)->style, TOP_BAD);
    ck_assert_ptr_nonnull(strstr(line(9)->text, " dead "));
    ck_assert_ptr_nonnull(strstr(line(10)->text, " draining "));
    ck_assert_int_eq(line(10)->style, TOP_WARN);
    ck_assert_int_eq(find("VM "), 11);
    ck_assert_int_eq(line(11)->style, TOP_HEAD_FOCUS);
    ck_assert_uint_eq(count("vm"), 4);
    ck_assert(g_str_has_prefix(line(23)->text, "q quit  Tab"));
    ck_assert_ptr_nonnull(strstr(line(23)->text, "(1-4 of 4)"));
    /* The columns an operator needs most are there. */
    ck_assert_ptr_nonnull(strstr(line(7)->text, " FREE"));
    ck_assert_ptr_nonnull(strstr(line(11)->text, " REMOTE FAULT/S"));
    ck_assert_ptr_nonnull(strstr(line(11)->text, " STALL"));
}
END_TEST

/* Heads and cells stand one below the other. */
START_TEST(columns_are_aligned)
{
    unsigned end;

    fill("ok", 0, 1, 0);
    lay_out(80, 24);
    end = strstr(line(2)->text, " FREE") - line(2)->text + 5;
    ck_assert_uint_eq(strstr(line(3)->text, "1.0G") - line(3)->text + 4, end);
    /* A name that is cut says so. */
    ck_assert_ptr_nonnull(strchr(line(3)->text, '~'));
    lay_out(200, 24);
    ck_assert_ptr_null(strchr(line(3)->text, '~'));
    ck_assert_ptr_nonnull(strstr(line(2)->text, " LABEL"));
}
END_TEST

START_TEST(tables_share_and_scroll)
{
    fill("ok", 0, 100, 100);
    lay_out(80, 24);
    ck_assert_uint_ge(count("host"), 8);
    ck_assert_uint_ge(count("vm"), 8);
    ck_assert_uint_eq(count("host") + count("vm"), 24 - 5);
    ck_assert_int_eq(find("vm0 "), find("VM ") + 1);
    view.first[TOP_VMS] = 3;
    lay_out(80, 24);
    ck_assert_int_eq(find("vm0 "), -1);
    /* Not beyond the end. */
    view.first[TOP_VMS] = 1000;
    lay_out(80, 24);
    ck_assert_uint_eq(view.first[TOP_VMS], 100 - view.page);
    ck_assert_int_gt(find("vm99 "), 0);
    /* Few hosts leave their room to the VMs. */
    fill("ok", 0, 2, 100);
    view.first[TOP_VMS] = 0;
    lay_out(80, 24);
    ck_assert_uint_eq(count("vm"), 24 - 7);
}
END_TEST

START_TEST(orders)
{
    fill("ok", 0, 0, 3);
    lay_out(80, 24);
    ck_assert_int_lt(find("vm0 "), find("vm2 "));
    view.sort[TOP_VMS]++;
    lay_out(80, 24);
    ck_assert_int_gt(find("vm0 "), find("vm2 "));
    ck_assert_ptr_nonnull(strstr(line(23)->text, "sort: remote"));
    view.sort[TOP_VMS] += 3;
    lay_out(80, 24);
    ck_assert_int_lt(find("vm0 "), find("vm2 "));
}
END_TEST

START_TEST(rates_are_of_two_answers)
{
    const char *row;

    top_model_update(&model, make_status("ok", 0), make_hosts(0),
                     make_vms(3, 0), 1000000);
    lay_out(80, 24);
    row = line(find("vm2 "))->text;
    ck_assert_ptr_null(strstr(row, " 50 "));
    top_model_update(&model, make_status("ok", 0), make_hosts(0),
                     make_vms(3, 50), 3000000);
    lay_out(80, 24);
    row = line(find("vm2 "))->text;
    ck_assert_ptr_nonnull(strstr(row, " 50 "));
    /* A VM that was started again has no rate until the next answer. */
    top_model_update(&model, make_status("ok", 0), make_hosts(0),
                     make_vms(3, 10), 4000000);
    lay_out(80, 24);
    row = line(find("vm2 "))->text;
    ck_assert_ptr_null(strstr(row, "-40"));
    /* Nor has one that nothing was known of meanwhile: not all since ever. */
    top_model_update(&model, make_status("ok", 0), make_hosts(0),
                     parse("[{\"name\":\"vm2\",\"uuid\":\"u2\","
                           "\"faults\":null,\"evicted_pages\":null}]"),
                     5000000);
    top_model_update(&model, make_status("ok", 0), make_hosts(0),
                     make_vms(3, 4000), 6000000);
    lay_out(80, 24);
    row = line(find("vm2 "))->text;
    ck_assert_ptr_null(strstr(row, "8000"));
}
END_TEST

/* What a page took in each phase, where there are such figures. */
START_TEST(waits_by_phase)
{
    const char *row;

    top_model_update(&model, make_status("ok", 0), make_hosts(0), parse(
        "[{\"name\":\"vm0\",\"stalled_percent\":12.5,\"delays\":{"
        "\"recent_faults\":200,\"whole\":{\"recent_seconds\":0.06},"
        "\"phases\":[7,{\"phase\":\"queue\",\"recent_seconds\":0.05},"
        "{\"phase\":\"check\",\"recent_seconds\":0.004}]}},"
        "{\"name\":\"vm1\",\"delays\":{\"recent_faults\":0,"
        "\"whole\":{\"recent_seconds\":0},\"phases\":[]}},"
        "{\"name\":\"vm2\"}]"), 0);
    view.phases = true;
    lay_out(80, 24);
    ck_assert_ptr_nonnull(strstr(line(find("VM "))->text, "  WHOLE   READ  QU"
                                 "EUE   SEND NETWRK PROVDR RECEIV  CHECK INS"));
    row = line(find("vm0 "))->text;
    ck_assert_ptr_nonnull(strstr(row, "    300us      -  250us      -"));
    ck_assert(g_str_has_suffix(row, "   20us      -"));
    ck_assert(g_str_has_suffix(line(find("vm1 "))->text, " -      -"));
    ck_assert(g_str_has_suffix(line(find("vm2 "))->text, " -      -"));
    ck_assert_ptr_nonnull(strstr(line(23)->text, "w figures"));
    lay_out(100, 24);
    ck_assert_ptr_nonnull(strstr(line(find("vm0 "))->text, " 12.5%  300us "));
    view.phases = false;
    lay_out(80, 24);
    ck_assert_ptr_null(strstr(line(find("VM "))->text, " WHOLE"));
    ck_assert_ptr_nonnull(strstr(line(23)->text, "w waits"));
}
END_TEST

START_TEST(no_answer_is_said)
{
    fill("ok", 0, 1, 1);
    top_model_fail(&model, "nobody\x1b[2J listens");
    lay_out(80, 24);
    ck_assert_str_eq(line(1)->text, "no answer: nobody?[2J listens");
    ck_assert_int_eq(line(1)->style, TOP_BAD);
    ck_assert_int_ge(find("vm0 "), 0);
    fill("ok", 0, 1, 1);
    lay_out(80, 24);
    ck_assert_str_eq(line(1)->text, "ok: so it is");
}
END_TEST

START_TEST(odd_answers)
{
    top_model_update(&model, parse("7"), parse("{}"),
                     parse("[7,{\"name\":7,\"uuid\":[]},"
                           "{\"name\":\"\xe6\xbc\xa2\xe5\xad\x97-wide\"},"
                           "{\"name\":\"a\\u0301\\u001b[1m\"}]"), 0);
    lay_out(80, 24);
    for (unsigned i = 0; i < lines->len; i++) {
        ck_assert_uint_le(top_columns(line(i)->text), 80);
        ck_assert_ptr_null(strchr(line(i)->text, '\x1b'));
    }
    ck_assert_uint_eq(top_columns("\xe6\xbc\xa2\xe5\xad\x97-wide"), 9);
    ck_assert_int_ge(find("\xe6\xbc\xa2\xe5\xad\x97-wide"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("top");
    TCase *tc = tcase_create("top");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_size_fits);
    tcase_add_test(tc, eighty_by_twenty_four);
    tcase_add_test(tc, columns_are_aligned);
    tcase_add_test(tc, tables_share_and_scroll);
    tcase_add_test(tc, orders);
    tcase_add_test(tc, rates_are_of_two_answers);
    tcase_add_test(tc, waits_by_phase);
    tcase_add_test(tc, no_answer_is_said);
    tcase_add_test(tc, odd_answers);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
