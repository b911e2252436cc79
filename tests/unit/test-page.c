/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the exporter's page is told: sums, what is stale, names that are meant
 * to do harm, and the picture of who lends to whom. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/exporter/lending.h"
#include "arbiter/exporter/page-rows.h"
#include "arbiter/exporter/page-value.h"
#include "arbiter/exporter/page.h"
#include "arbiter/exporter/svg-lending.h"
#include "tests/unit/count-of.h"

#define SECOND  INT64_C(1000000)

static Page page;

static void set_up(void)
{
    page_init(&page);
}

static void tear_down(void)
{
    page_deinit(&page);
}

static JsonNode *parse(const char *text)
{
    JsonNode *node = json_from_string(text, NULL);

    ck_assert_msg(node != NULL, "%s", text);
    return node;
}

static void answered(const char *status, const char *hosts, const char *vms,
                     int64_t now)
{
    g_autoptr(JsonNode) s = parse(status), h = parse(hosts), v = parse(vms);

    page_answered(&page, s, h, v, now);
}

/* The page at @now, as its reader has it; new. */
static JsonNode *told(const char *error, int64_t now)
{
    g_autofree char *text = page_text(&page, "arbiter", error, now);

    return parse(text);
}

static JsonObject *answer_of(JsonNode *node)
{
    return json_object_get_object_member(json_node_get_object(node),
                                         "answer");
}

static JsonObject *row_of(JsonNode *node, const char *table, guint i)
{
    return json_array_get_object_element(
        json_object_get_array_member(answer_of(node), table), i);
}

static bool is_null(JsonObject *o, const char *name)
{
    ck_assert_msg(json_object_has_member(o, name), "%s", name);
    return json_object_get_null_member(o, name);
}

#define STATUS "{\"level\":\"ok\",\"verdict\":\"ok: all\",\"remote_bytes\":7," \
               "\"leased_bytes\":9,\"vms\":3,\"problems\":[],\"notes\":[]}"
#define HOST(name, more) \
    "{\"name\":\"" name "\",\"connected\":true,\"lends\":true," more \
    ",\"leased_bytes\":5}"
#define ALIVE "\"state\":\"alive\",\"stale\":false,\"age_seconds\":0.5"
#define SILENT "\"state\":\"suspect\",\"stale\":true,\"age_seconds\":14"
#define VM(name, host, more, faults) \
    "{\"name\":\"" name "\",\"uuid\":\"u-" name "\",\"host\":\"" host "\"," \
    "\"guest_bytes\":100,\"resident_bytes\":60,\"remote_bytes\":40," \
    "\"vcpus\":2,\"stalled_percent\":10.0,\"figures_age_seconds\":7," \
    "\"faults\":" faults "," more "}"
#define ATTACHED "\"state\":\"attached\",\"stale\":false,\"age_seconds\":0.5"
#define FROM(host, stored) \
    "{\"host\":\"" host "\",\"stored_bytes\":" stored ",\"bytes\":50}"

START_TEST(nobody_has_answered)
{
    g_autoptr(JsonNode) node = told("no daemon", 5 * SECOND);
    JsonObject *o = json_node_get_object(node);

    ck_assert(is_null(o, "answer"));
    ck_assert(is_null(o, "age_seconds"));
    ck_assert_str_eq(json_object_get_string_member(o, "error"), "no daemon");
}
END_TEST

START_TEST(sums_are_those_of_status)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *totals;

    answered(STATUS, "[" HOST("a", ALIVE) "]",
             "[" VM("v", "a", ATTACHED, "10") "]", 0);
    answered(STATUS, "[" HOST("a", ALIVE) "]",
             "[" VM("v", "a", ATTACHED, "110") "]", 10 * SECOND);
    node = told(NULL, 12 * SECOND);
    totals = json_object_get_object_member(answer_of(node), "totals");
    ck_assert_int_eq(json_object_get_int_member(totals, "remote_bytes"), 7);
    ck_assert_int_eq(json_object_get_int_member(totals, "leased_bytes"), 9);
    ck_assert(is_null(totals, "free_bytes"));   /* it does not say */
    ck_assert_double_eq(json_object_get_double_member(
        totals, "faults_per_second"), 10);
    ck_assert_double_eq(json_object_get_double_member(
        totals, "stalled_percent"), 10);
    ck_assert_int_eq(json_object_get_int_member(totals, "faults_vms"), 1);
    ck_assert_double_eq(json_object_get_double_member(
        json_node_get_object(node), "age_seconds"), 2);
    ck_assert_str_eq(json_object_get_string_member(row_of(node, "vms", 0),
                                                   "kind"), "ok");
}
END_TEST

/* Old figures are there, with their age; rates are not. */
START_TEST(a_silent_host_is_stale)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *host, *vm, *totals;

    for (int i = 0; i < 2; i++) {
        answered(STATUS, "[" HOST("b", SILENT) "," HOST("a", ALIVE) "]",
                 "[" VM("v", "b", "\"state\":\"attached\",\"stale\":true,"
                        "\"age_seconds\":14", "10") "]", i * 10 * SECOND);
    }
    node = told(NULL, 10 * SECOND);
    host = row_of(node, "hosts", 0);            /* before those that are well */
    ck_assert_str_eq(json_object_get_string_member(host, "name"), "b");
    ck_assert(json_object_get_boolean_member(host, "stale"));
    ck_assert_double_eq(json_object_get_double_member(host, "age_seconds"),
                        14);
    ck_assert_int_eq(json_object_get_int_member(host, "leased_bytes"), 5);
    ck_assert(!json_object_get_boolean_member(row_of(node, "hosts", 1),
                                              "stale"));
    vm = row_of(node, "vms", 0);
    ck_assert(json_object_get_boolean_member(vm, "stale"));
    ck_assert_double_eq(json_object_get_double_member(vm, "age_seconds"), 14);
    ck_assert_int_eq(json_object_get_int_member(vm, "remote_bytes"), 40);
    ck_assert(is_null(vm, "faults_per_second"));
    ck_assert(is_null(vm, "stalled_percent"));
    totals = json_object_get_object_member(answer_of(node), "totals");
    ck_assert(is_null(totals, "faults_per_second"));
    ck_assert(is_null(totals, "stalled_percent"));
}
END_TEST

START_TEST(states_of_vms)
{
    static const struct {
        const char *vm, *kind;
        bool stale, remote;
    } cases[] = {
        { VM("v", "a", ATTACHED, "1"), "ok", false, true },
        { VM("v", "a", "\"state\":\"waiting\"", "1"), "bad", false, true },
        { VM("v", "a", "\"state\":\"stuck\"", "1"), "bad", true, true },
        { VM("v", "a", "\"state\":\"host dead\",\"age_seconds\":99", "1"),
          "bad", true, true },
        { VM("v", "a", "\"state\":\"unmanaged\"", "1"), "off", false, false },
        { VM("v", "a", "\"state\":\"newer\"", "1"), "warn", false, true },
        { VM("v", "a", ATTACHED ",\"lost_bytes\":4096", "1"), "bad", false,
          true },
        { VM("v", "a", "\"state\":\"host dead\",\"elsewhere\":\"c\"", "1"),
          "off", true, true },
        /* Its pager has not said anything yet. */
        { "{\"name\":\"v\",\"host\":\"a\",\"state\":\"attached\","
          "\"guest_bytes\":0,\"remote_bytes\":0,\"faults\":null}", "warn",
          false, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *vms = g_strdup_printf("[%s]", cases[i].vm);
        g_autoptr(JsonNode) node = NULL;
        JsonObject *vm;

        answered(STATUS, "[]", vms, i * SECOND);
        node = told(NULL, i * SECOND);
        vm = row_of(node, "vms", 0);
        ck_assert_str_eq(json_object_get_string_member(vm, "kind"),
                         cases[i].kind);
        ck_assert_int_eq(json_object_get_boolean_member(vm, "stale"),
                         cases[i].stale);
        ck_assert_int_eq(!is_null(vm, "remote_bytes"), cases[i].remote);
    }
}
END_TEST

START_TEST(who_lends_to_whom)
{
    g_autoptr(JsonNode) hosts = parse("[" HOST("b", SILENT) "]");
    g_autoptr(JsonNode) vms = parse(
        "[" VM("v", "a", ATTACHED ",\"providers\":[" FROM("b", "10") ","
               FROM("c", "30") "]", "1") ","
        VM("w", "a", ATTACHED ",\"providers\":[" FROM("c", "5") ","
           FROM("a", "3") "]", "1") ","
        VM("x", "d", "\"state\":\"host dead\",\"elsewhere\":\"a\","
           "\"providers\":[" FROM("c", "999") "]", "1") "]");
    g_autoptr(GArray) list = lending_list(json_node_get_array(hosts),
                                          json_node_get_array(vms));
    const Lending *l = (const void *)list->data;

    ck_assert_uint_eq(list->len, 3);
    ck_assert_str_eq(l[0].provider, "c");
    ck_assert_str_eq(l[0].requester, "a");
    ck_assert_double_eq(l[0].stored, 35);
    ck_assert_double_eq(l[0].leased, 100);
    ck_assert_uint_eq(l[0].vms, 2);
    ck_assert(!l[0].stale);
    ck_assert_str_eq(l[1].provider, "b");
    ck_assert(l[1].stale);                      /* who lends is silent */
    ck_assert_str_eq(l[2].provider, "a");       /* its own disk */
}
END_TEST

static void append_pair(GArray *list, unsigned from, unsigned to)
{
    Lending lending = {
        .provider = g_strdup_printf("lender-%02u", from),
        .requester = g_strdup_printf("borrower-%02u", to),
        .stored = 1000.0 - from,
    };

    g_array_append_val(list, lending);
}

/* However many hosts there are, the picture is one that can be looked at. */
START_TEST(a_picture_of_many)
{
    g_autoptr(GArray) list = lending_list(NULL, NULL);
    g_autofree char *svg = svg_lending(list);

    ck_assert_ptr_null(svg);
    for (unsigned from = 0; from < 100; from++) {
        append_pair(list, from, from % 5);
    }
    svg = svg_lending(list);
    ck_assert_uint_eq(count_of(svg, "class=\"node\""), SVG_SIDE_MAX + 5);
    ck_assert_uint_eq(count_of(svg, "class=\"edge\""), SVG_SIDE_MAX - 1 + 5);
    ck_assert_ptr_nonnull(strstr(svg, ">87 others<"));
    ck_assert_ptr_nonnull(strstr(svg, "100 pairs of hosts"));
    ck_assert_ptr_nonnull(strstr(svg, "lender-00 lends "));
}
END_TEST

START_TEST(hostile_names)
{
    static const char *const names[] = {
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
        "' onload='x", "</svg>&lt;b&gt;", "a\u202eb", "tab\tnew\nline\x07",
        "\xf0\x9f\x98\x80"
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GArray) list = lending_list(NULL, NULL);
        Lending lending = { g_strdup(names[i]), g_strdup("x"), 1, 1 };
        g_autofree char *clean = page_clean(names[i], PAGE_NAME_MAX);
        g_autofree char *svg = NULL;

        g_array_append_val(list, lending);
        svg = svg_lending(list);
        ck_assert_ptr_null(strstr(svg, "<script"));
        ck_assert_ptr_null(strstr(svg, "<img"));
        ck_assert_ptr_null(strstr(svg, "' onload"));
        ck_assert_uint_eq(count_of(svg, "</svg>"), 1);
        ck_assert_ptr_null(strpbrk(clean, "\t\n\x07"));
        ck_assert_ptr_null(strstr(clean, "\u202e"));
        ck_assert(g_utf8_validate(clean, -1, NULL));
    }
}
END_TEST

START_TEST(long_names)
{
    g_autofree char *name = g_strnfill(65536, 'n');
    g_autofree char *vms = g_strdup_printf(
        "[{\"name\":\"%s\",\"host\":\"%s\",\"state\":\"%s\","
        "\"elsewhere\":\"%s\",\"providers\":[{\"host\":\"%s\","
        "\"trouble\":\"%s\",\"stored_bytes\":1}]}]", name, name, name, name,
        name, name);
    g_autofree char *status = g_strdup_printf(
        "{\"verdict\":\"%s\",\"problems\":[\"%s\"],\"level\":\"%s\"}", name,
        name, name);
    g_autofree char *text = NULL;

    answered(status, vms, vms, 0);
    text = page_text(&page, "arbiter", name, 0);
    ck_assert_uint_lt(strlen(text), 16384);
}
END_TEST

/* The worst first, and it is said how many there are more. */
START_TEST(more_than_fit)
{
    g_autoptr(GString) vms = g_string_new("[");
    g_autoptr(JsonNode) node = NULL;

    for (unsigned i = 0; i < PAGE_ROWS_MAX + 7; i++) {
        g_string_append_printf(vms, "%s{\"name\":\"v%04u\",\"state\":\"%s\"}",
                               i ? "," : "", i,
                               i == PAGE_ROWS_MAX ? "waiting" : "attached");
    }
    g_string_append_c(vms, ']');
    answered(STATUS, "[]", vms->str, 0);
    node = told(NULL, 0);
    ck_assert_uint_eq(json_array_get_length(json_object_get_array_member(
        answer_of(node), "vms")), PAGE_ROWS_MAX);
    ck_assert_int_eq(json_object_get_int_member(answer_of(node),
                                                "vms_omitted"), 7);
    ck_assert_str_eq(json_object_get_string_member(row_of(node, "vms", 0),
                                                   "state"), "waiting");
    answered(STATUS, "[]", "null", SECOND);
    json_node_unref(node);
    node = told(NULL, SECOND);
    ck_assert(!json_object_get_boolean_member(answer_of(node), "vms_listed"));
}
END_TEST

/* A daemon of another version, or none at all. */
START_TEST(odd_answers)
{
    static const char *const odd[] = {
        "null", "1", "\"x\"", "{}", "[]", "[null,1,\"x\",[],{}]",
        "[{\"name\":1,\"host\":{},\"state\":[],\"providers\":{},"
        "\"leased_bytes\":\"many\",\"faults\":true,\"guest_bytes\":-1e300}]",
        "[{\"name\":\"v\",\"host\":\"h\",\"providers\":[null,7,{},"
        "{\"host\":null,\"stored_bytes\":1e308},{\"host\":\"p\","
        "\"stored_bytes\":-5}],\"vcpus\":1e300,\"stalled_percent\":1e300}]",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(odd); j++) {
            g_autoptr(JsonNode) node = NULL;

            answered(odd[i], odd[j], odd[i], (i * 100 + j) * 10 * SECOND);
            node = told(NULL, (i * 100 + j) * 10 * SECOND);
            ck_assert(!is_null(json_node_get_object(node), "answer"));
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("page");
    TCase *tc = tcase_create("page");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, nobody_has_answered);
    tcase_add_test(tc, sums_are_those_of_status);
    tcase_add_test(tc, a_silent_host_is_stale);
    tcase_add_test(tc, states_of_vms);
    tcase_add_test(tc, who_lends_to_whom);
    tcase_add_test(tc, a_picture_of_many);
    tcase_add_test(tc, hostile_names);
    tcase_add_test(tc, long_names);
    tcase_add_test(tc, more_than_fit);
    tcase_add_test(tc, odd_answers);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
