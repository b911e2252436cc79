/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far VMs are shrunk, as operators get it. */
#include <check.h>
#include <string.h>

#include "common/proactive-figures.h"
#include "common/proactive-text.h"
#include "rcache/vmm.h"

static void expect_text(uint32_t state, uint32_t stall, const char *part)
{
    char text[128];

    proactive_text(state, stall, 1000, text, sizeof(text));
    ck_assert_msg(strstr(text, part), "%s", text);
    ck_assert_uint_lt(strlen(text), sizeof(text) - 1);
}

START_TEST(it_says_why)
{
    expect_text(RCACHE_PROACTIVE_GROWING, 3000,
                "stall 0.30 % over the target of 0.10 %: growing");
    expect_text(RCACHE_PROACTIVE_SHRINKING, 200,
                "stall 0.02 % under the target of 0.10 %: shrinking");
    expect_text(RCACHE_PROACTIVE_NEAR, 750, "near the target");
    expect_text(RCACHE_PROACTIVE_AT_RATE, 0, "proactive-rate");
    expect_text(RCACHE_PROACTIVE_NO_CPUS, 0, "does not say how many vCPUs");
    for (unsigned i = 0; i < RCACHE_PROACTIVE_NR_STATES + 2; i++) {
        expect_text(i, 1000000, "");
    }
}
END_TEST

static const char *text_of(JsonObject *o, const char *name)
{
    return json_object_get_null_member(o, name)
               ? "null" : json_object_get_string_member(o, name);
}

START_TEST(fields)
{
    const char *const numbers[] = {
        "proactive_limit_bytes", "proactive_stall_percent",
        "stall_target_percent",
    };
    g_autoptr(JsonObject) o = json_object_new();
    WireBeatGuest g = { .proactive_limit = 77, .stall_target = 1000,
                        .proactive_stall = 300 };

    /* A pager of an older build, and one that does not shrink its VM. */
    for (unsigned i = 0; i < 2; i++) {
        g.proactive = i;
        proactive_set(o, &g);
        ck_assert_str_eq(text_of(o, "proactive"), i ? "off" : "null");
        ck_assert_str_eq(text_of(o, "proactive_why"), "null");
        for (unsigned k = 0; k < G_N_ELEMENTS(numbers); k++) {
            ck_assert(json_object_get_null_member(o, numbers[k]));
        }
    }
    g.proactive = RCACHE_PROACTIVE_SHRINKING + 1;
    proactive_set(o, &g);
    ck_assert_str_eq(text_of(o, "proactive"), "shrinking");
    ck_assert_int_eq(json_object_get_int_member(o, numbers[0]), 77);
    ck_assert_double_eq_tol(json_object_get_double_member(o, numbers[1]),
                            0.03, 1e-9);
    ck_assert_double_eq_tol(json_object_get_double_member(o, numbers[2]),
                            0.1, 1e-9);
    ck_assert(strstr(text_of(o, "proactive_why"), "shrinking"));
    /* One of a newer build. */
    g.proactive = RCACHE_PROACTIVE_NR_STATES + 1;
    proactive_set(o, &g);
    ck_assert_str_eq(text_of(o, "proactive"), "unknown");
}
END_TEST

static void expect_note(const WireBeatGuest *g, const char *part)
{
    g_autoptr(JsonObject) o = json_object_new();
    Verdict *verdict = verdict_new();
    JsonArray *notes;

    proactive_note(g, "web", verdict);
    ck_assert_int_eq(verdict_level(verdict), VERDICT_NOTE);
    verdict_set(verdict, o, "fine");
    notes = json_object_get_array_member(o, "notes");
    if (!part) {
        ck_assert_uint_eq(json_array_get_length(notes), 0);
    } else {
        ck_assert_uint_eq(json_array_get_length(notes), 1);
        ck_assert_msg(strstr(json_array_get_string_element(notes, 0), part),
                      "%s", json_array_get_string_element(notes, 0));
    }
    verdict_free(verdict);
}

START_TEST(notes)
{
    WireBeatGuest g = { .proactive_limit = UINT64_C(96) << 20,
                        .stall_target = 1000 };

    expect_note(&g, NULL);
    g.proactive = RCACHE_PROACTIVE_OFF + 1;
    expect_note(&g, NULL);
    g.proactive = RCACHE_PROACTIVE_NO_CPUS + 1;
    expect_note(&g, "vm web: proactive mode does nothing: the VMM does not "
                "say how many vCPUs there are");
    g.proactive = RCACHE_PROACTIVE_FLOOR + 1;
    expect_note(&g, "vm web: proactive mode wants 96.0 MiB of it here: stall "
                "0.00 % under the target of 0.10 %: at proactive-min");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proactive-figures");
    TCase *tc = tcase_create("all");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_test(tc, it_says_why);
    tcase_add_test(tc, fields);
    tcase_add_test(tc, notes);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
