/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has run into which limit, as status tells it. */
#include <check.h>

#include "common/limit-json.h"

#define NOW     UINT64_C(1000000)

static const LimitName names[] = {
    { "places", 7, "got none" },
    { "pace", 9, "waits", true },
};

static JsonArray *list;
static Verdict *verdict;
static LimitHits hits;

static void set_up(void)
{
    hits = (LimitHits) { 0 };
    list = NULL;
    verdict = NULL;
}

static void tear_down(void)
{
    g_clear_pointer(&list, json_array_unref);
    g_clear_pointer(&verdict, verdict_free);
}

/* The limit of that number, as an answer has it. */
static JsonObject *told(unsigned limit, uint64_t now)
{
    tear_down();
    list = json_array_new();
    verdict = verdict_new();
    limit_hits_add(&hits, names, G_N_ELEMENTS(names), now, list, verdict);
    ck_assert_uint_eq(json_array_get_length(list), G_N_ELEMENTS(names));
    return json_array_get_object_element(list, limit);
}

static JsonObject *who(JsonObject *limit, unsigned nth)
{
    return json_array_get_object_element(
        json_object_get_array_member(limit, "who"), nth);
}

static unsigned nr_who(JsonObject *limit)
{
    return json_array_get_length(json_object_get_array_member(limit, "who"));
}

START_TEST(nobody)
{
    JsonObject *o = told(0, NOW);

    ck_assert_str_eq(json_object_get_string_member(o, "limit"), "places");
    ck_assert_int_eq(json_object_get_int_member(o, "value"), 7);
    ck_assert_int_eq(json_object_get_int_member(o, "hits"), 0);
    ck_assert(!json_object_get_boolean_member(o, "in_effect"));
    ck_assert_uint_eq(nr_who(o), 0);
    ck_assert_int_eq(verdict_level(verdict), VERDICT_NOTE);
    ck_assert(!limit_hits_bites(&hits, 0, NOW));
}
END_TEST

START_TEST(who_how_often_and_since_when)
{
    JsonObject *o;

    limit_hits_note(&hits, 0, "one", NOW);
    limit_hits_note(&hits, 0, "one", NOW + 4000);
    limit_hits_note(&hits, 0, "other", NOW + 5000);
    o = told(0, NOW + 6000);
    ck_assert_int_eq(json_object_get_int_member(o, "hits"), 3);
    ck_assert(json_object_get_boolean_member(o, "in_effect"));
    ck_assert_uint_eq(nr_who(o), 2);
    ck_assert_str_eq(json_object_get_string_member(who(o, 0), "name"),
                     "other");
    ck_assert_str_eq(json_object_get_string_member(who(o, 1), "name"), "one");
    ck_assert_int_eq(json_object_get_int_member(who(o, 1), "hits"), 2);
    ck_assert_double_eq_tol(json_object_get_double_member(who(o, 1),
                                                          "since_seconds"),
                            6, 0.01);
    ck_assert_double_eq_tol(json_object_get_double_member(who(o, 1),
                                                          "last_seconds"),
                            2, 0.01);
    ck_assert_int_eq(verdict_level(verdict), VERDICT_DEGRADED);
    /* What is over is history, and no reason to worry. */
    o = told(0, NOW + 5000 + LIMIT_HITS_MS);
    ck_assert(!json_object_get_boolean_member(o, "in_effect"));
    ck_assert(!json_object_get_boolean_member(who(o, 0), "in_effect"));
    ck_assert_int_eq(json_object_get_int_member(o, "hits"), 3);
    ck_assert_int_eq(verdict_level(verdict), VERDICT_NOTE);
    /* And who comes again begins anew. */
    limit_hits_note(&hits, 0, "one", NOW + 60000);
    o = told(0, NOW + 61000);
    ck_assert_double_eq_tol(json_object_get_double_member(who(o, 0),
                                                          "since_seconds"),
                            1, 0.01);
    ck_assert_int_eq(json_object_get_int_member(who(o, 0), "hits"), 3);
}
END_TEST

/* A pace that is held is nothing to worry about. */
START_TEST(a_pace_is_a_note)
{
    limit_hits_note(&hits, 1, "one", NOW);
    ck_assert(json_object_get_boolean_member(told(1, NOW), "in_effect"));
    ck_assert(json_object_get_boolean_member(told(1, NOW), "pace"));
    ck_assert(!json_object_get_boolean_member(told(0, NOW), "pace"));
    ck_assert_int_eq(verdict_level(verdict), VERDICT_NOTE);
    ck_assert(!json_object_get_boolean_member(told(0, NOW), "in_effect"));
}
END_TEST

/* Names that are made up push out older ones, and nobody of another limit. */
START_TEST(many_names)
{
    char name[80];
    JsonObject *o;

    limit_hits_note(&hits, 1, "victim", NOW);
    for (unsigned i = 0; i < 1000; i++) {
        g_snprintf(name, sizeof(name), "%u of a name that is longer than any "
                   "name of a host could ever be in a cluster", i);
        limit_hits_note(&hits, 0, name, NOW + i);
    }
    limit_hits_note(&hits, 0, "", NOW + 1000);
    o = told(0, NOW + 1000);
    ck_assert_uint_eq(nr_who(o), LIMIT_HITS_WHO);
    ck_assert_int_eq(json_object_get_int_member(o, "hits"), 1001);
    ck_assert_str_eq(json_object_get_string_member(who(o, 0), "name"),
                     "somebody");
    ck_assert(g_str_has_prefix(json_object_get_string_member(who(o, 1),
                                                             "name"),
                               "999 of"));
    o = told(1, NOW + 1000);
    ck_assert_str_eq(json_object_get_string_member(who(o, 0), "name"),
                     "victim");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limit-hits");
    TCase *tc = tcase_create("limit-hits");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, nobody);
    tcase_add_test(tc, who_how_often_and_since_when);
    tcase_add_test(tc, a_pace_is_a_note);
    tcase_add_test(tc, many_names);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
