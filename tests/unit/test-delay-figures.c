/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VMs wait for, as operators get it. */
#include <check.h>
#include <string.h>

#include "common/delay-figures.h"

#define SECOND  UINT64_C(1000000000)

static struct RcacheVmmDelays d;

static void set_up(void)
{
    d = (struct RcacheVmmDelays) {
        .vcpus = 4, .recent = 60 * SECOND, .waited = 100 * SECOND,
        .waited_recent = 48 * SECOND, .faults_recent = 6000,
        .whole = { .total = 90 * SECOND, .recent = 30 * SECOND },
    };
    d.phase[RCACHE_PHASE_NETWORK].recent = 24 * SECOND;
    d.phase[RCACHE_PHASE_QUEUE].recent = 6 * SECOND;
    d.phase[RCACHE_PHASE_QUEUE].bucket[2] = 5;
}

START_TEST(buckets)
{
    uint64_t last = 0;

    for (unsigned i = 0; i + 1 < RCACHE_DELAY_BUCKETS; i++) {
        uint64_t edge = delay_edge(i);

        ck_assert_uint_gt(edge, last);
        ck_assert_uint_eq(delay_bucket(edge), i);
        ck_assert_uint_eq(delay_bucket(edge + 1), i + 1);
        last = edge;
    }
    ck_assert_uint_eq(delay_bucket(0), 0);
    ck_assert_uint_eq(delay_edge(0), 1000);
    ck_assert_uint_eq(last, 10 * SECOND);
    ck_assert_uint_eq(delay_bucket(UINT64_MAX), RCACHE_DELAY_BUCKETS - 1);
    ck_assert_uint_eq(delay_edge(RCACHE_DELAY_BUCKETS - 1), UINT64_MAX);
}
END_TEST

START_TEST(share_of_the_vcpus)
{
    ck_assert_double_eq_tol(delay_stalled(&d), 20, 1e-9);
    /* Tasks of the guest that wait while others run. */
    d.waited_recent = 480 * SECOND;
    ck_assert_double_eq_tol(delay_stalled(&d), 200, 1e-9);
    /* The first second of a pager is no minute. */
    d.recent = d.waited_recent = SECOND;
    ck_assert_double_eq_tol(delay_stalled(&d), 2.5, 1e-9);
    d.vcpus = 0;
    ck_assert_double_lt(delay_stalled(&d), 0);
}
END_TEST

static char *verdict_of(unsigned warn)
{
    g_autoptr(Verdict) verdict = verdict_new();
    g_autoptr(JsonObject) o = json_object_new();
    JsonArray *list;

    delay_judge(&d, "web on a", warn, verdict);
    verdict_set(verdict, o, "fine");
    list = json_object_get_array_member(o, "problems");
    return g_strdup(json_array_get_length(list)
                    ? json_array_get_string_element(list, 0) : "");
}

START_TEST(a_vm_that_stalls_is_told)
{
    g_autofree char *much = verdict_of(10), *little = verdict_of(20);
    g_autofree char *never = verdict_of(0);

    ck_assert_str_eq(much, "vm web on a: its vCPUs have waited for pages that "
                     "were away in 20 % of the last minute, 80 % of that in "
                     "the phase network, 4.00 ms a page: look at the network, "
                     "and at the hosts that lend to it; or raise its "
                     "local-max");
    ck_assert_str_eq(little, "");
    ck_assert_str_eq(never, "");
}
END_TEST

START_TEST(what_is_not_known_warns_of_nothing)
{
    g_autofree char *unknown = NULL, *none = NULL;

    d.vcpus = 0;
    unknown = verdict_of(1);
    ck_assert_str_eq(unknown, "");
    /* All of them still wait. */
    d.vcpus = 1;
    memset(d.phase, 0, sizeof(d.phase));
    d.faults_recent = 0;
    ck_assert_int_eq(delay_slowest(&d), -1);
    none = verdict_of(10);
    ck_assert_ptr_nonnull(strstr(none, "no page has come in that time"));
}
END_TEST

START_TEST(as_json)
{
    g_autoptr(JsonObject) o = json_object_new();
    JsonObject *delays, *queue;

    delay_set(o, &d, true);
    ck_assert_int_eq(json_object_get_int_member(o, "vcpus"), 4);
    ck_assert_double_eq_tol(json_object_get_double_member(
                                o, "stalled_percent"), 20, 1e-9);
    ck_assert_double_eq_tol(json_object_get_double_member(
                                o, "vcpu_wait_seconds"), 100, 1e-9);
    ck_assert_str_eq(json_object_get_string_member(o, "slowest_phase"),
                     "network");
    delays = json_object_get_object_member(o, "delays");
    ck_assert_int_eq(json_object_get_int_member(delays, "recent_faults"),
                     6000);
    ck_assert_uint_eq(json_array_get_length(
        json_object_get_array_member(delays, "le_seconds")),
        RCACHE_DELAY_BUCKETS - 1);
    ck_assert_uint_eq(json_array_get_length(
        json_object_get_array_member(delays, "phases")), RCACHE_NR_PHASES);
    queue = json_array_get_object_element(
        json_object_get_array_member(delays, "phases"), RCACHE_PHASE_QUEUE);
    ck_assert_str_eq(json_object_get_string_member(queue, "phase"), "queue");
    ck_assert_double_eq_tol(json_object_get_double_member(
                                queue, "recent_seconds"), 6, 1e-9);
    ck_assert_int_eq(json_array_get_int_element(
        json_object_get_array_member(queue, "counts"), 2), 5);
}
END_TEST

/* A pager of an older build says none of it, an older QEMU no vCPUs. */
START_TEST(as_json_of_older_ones)
{
    static const char *const names[] = {
        "vcpus", "vcpu_wait_seconds", "stalled_percent", "slowest_phase",
        "delays",
    };
    g_autoptr(JsonObject) none = json_object_new();
    g_autoptr(JsonObject) some = json_object_new();

    delay_set(none, NULL, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        ck_assert(json_object_get_null_member(none, names[i]));
    }
    d.vcpus = 0;
    delay_set(some, &d, false);
    ck_assert(json_object_get_null_member(some, "vcpus"));
    ck_assert(json_object_get_null_member(some, "stalled_percent"));
    ck_assert(json_object_get_null_member(some, "delays"));
    ck_assert(!json_object_get_null_member(some, "vcpu_wait_seconds"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delay-figures");
    TCase *tc = tcase_create("delay-figures");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, buckets);
    tcase_add_test(tc, share_of_the_vcpus);
    tcase_add_test(tc, a_vm_that_stalls_is_told);
    tcase_add_test(tc, what_is_not_known_warns_of_nothing);
    tcase_add_test(tc, as_json);
    tcase_add_test(tc, as_json_of_older_ones);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
