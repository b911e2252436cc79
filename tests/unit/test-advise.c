/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a curve comes to: stalls, a local-max, and words where it is silent. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "common/advise.h"
#include "rcache/proto.h"

#define GIB     (UINT64_C(1) << 30)
#define STEP    (GIB / 16)              /* of a guest of 4 GiB */
#define SEC     UINT64_C(1000000000)

static struct RcacheVmmCurve curve;
static struct RcacheVmmDelays delays;
static const uint8_t uuid[RCACHE_UUID_LEN] = { 1 };
static AdviseWaits waits;
static AdviseVm vm;

static void set_up(void)
{
    curve = (struct RcacheVmmCurve) {
        .source = RCACHE_CURVE_SAMPLED, .steps = RCACHE_CURVE_STEPS,
        .guest = 4 * GIB, .used = 3 * GIB, .hot = GIB / 2,
        .seen = 60 * SEC, .samples = 3840, .watched = 1000,
    };
    /* A thousand a second up to a half, and then 100, 10 and 0. */
    for (unsigned i = 0; i < RCACHE_CURVE_STEPS; i++) {
        curve.rate[i] = i < 31 ? 1000000 : i < 47 ? 100000 : i < 63 ? 10000
                                                                    : 0;
    }
    delays = (struct RcacheVmmDelays) {
        .vcpus = 2, .recent = 60 * SEC, .faults_recent = 1000,
        .whole = { .recent = 1000 * 1000000ull },       /* a ms each */
    };
    waits = (AdviseWaits) { 0 };
    vm = (AdviseVm) {
        .name = "web", .uuid = uuid, .host = "a", .curve = &curve,
        .delays = &delays, .resident = 3 * GIB, .local_max = GIB,
        .waits = &waits,
    };
}

static double size_of(JsonObject *o, unsigned i, const char *field)
{
    JsonArray *sizes = json_object_get_array_member(o, "sizes");

    return json_object_get_double_member(
        json_array_get_object_element(sizes, i), field);
}

static bool has_note(JsonObject *o, const char *text)
{
    JsonArray *notes = json_object_get_array_member(o, "notes");

    for (guint i = 0; i < json_array_get_length(notes); i++) {
        if (strstr(json_array_get_string_element(notes, i), text)) {
            return true;
        }
    }
    return false;
}

static void expect_least(unsigned stall, uint64_t least)
{
    uint64_t bytes = 0;

    ck_assert_ptr_null(advise_local_max(&vm, stall, &bytes));
    ck_assert_msg(bytes == least, "%" G_GUINT64_FORMAT " steps, not %"
                  G_GUINT64_FORMAT, bytes / STEP, least / STEP);
}

/* 1000 pages of a ms for two vCPUs: half a second for each second of work. */
START_TEST(stalls_slow_the_guest)
{
    g_autoptr(JsonObject) o = advise_vm(&vm, ADVISE_STALL);

    ck_assert(size_of(o, 0, "pages_per_second") == 0);
    ck_assert(fabs(size_of(o, 1, "pages_per_second") - 10 / 1.005) < 0.01);
    ck_assert(fabs(size_of(o, 3, "pages_per_second") - 1000 / 1.5) < 0.1);
    ck_assert(fabs(size_of(o, 3, "stalled_percent") - 100 * 0.5 / 1.5) < 0.1);
    ck_assert_str_eq(json_object_get_string_member(o, "page_seconds_of"),
                     "this VM");
    ck_assert_str_eq(json_object_get_string_member(o, "source"), "sampled");
    ck_assert(!has_note(o, "assumed"));
    ck_assert_int_eq(json_array_get_length(
        json_object_get_array_member(o, "curve")), RCACHE_CURVE_STEPS);
}
END_TEST

/* It would have done more, and so more pages would have come. */
START_TEST(a_guest_that_stalls_already)
{
    g_autoptr(JsonObject) o = NULL;

    delays.waited_recent = 60 * SEC;            /* half of both */
    o = advise_vm(&vm, ADVISE_STALL);
    ck_assert(fabs(size_of(o, 3, "pages_per_second") - 2000 / 2.0) < 0.1);
    ck_assert(fabs(size_of(o, 3, "stalled_percent") - 50) < 0.1);
}
END_TEST

START_TEST(local_max_for_a_target)
{
    expect_least(1, 4 * GIB);                   /* nothing but all of it */
    expect_least(6000, 3 * GIB);                /* 10 a second: 0.5 % */
    expect_least(60000, 2 * GIB);               /* 100: 4.8 % */
    expect_least(400000, GIB / 2);              /* any: what is hot */
    curve.hot = GIB / 2 + 1;
    expect_least(400000, GIB / 2 + STEP);
    curve.hot = 4 * GIB;
    expect_least(400000, 4 * GIB);
}
END_TEST

/* A size that is cheap by chance is no reason to go there. */
START_TEST(all_larger_ones_are_cheap_as_well)
{
    curve.rate[20] = 0;
    expect_least(60000, 2 * GIB);
}
END_TEST

START_TEST(less_than_there_is_cannot_be_told)
{
    g_autoptr(JsonObject) o = NULL;
    JsonArray *sizes;

    curve.source = RCACHE_CURVE_RETURNS;
    curve.hot = RCACHE_CURVE_UNKNOWN;
    for (unsigned i = 0; i < 47; i++) {
        curve.rate[i] = RCACHE_CURVE_UNKNOWN;
    }
    expect_least(400000, 3 * GIB);
    o = advise_vm(&vm, ADVISE_STALL);
    sizes = json_object_get_array_member(o, "sizes");
    ck_assert(json_object_get_null_member(
        json_array_get_object_element(sizes, 2), "pages_per_second"));
    ck_assert(has_note(o, "cannot tell"));
    ck_assert(json_object_get_null_member(o, "hot_bytes"));
}
END_TEST

START_TEST(not_enough_seen)
{
    g_autoptr(JsonObject) o = NULL;
    uint64_t bytes;

    curve.wait = 12 * SEC;
    ck_assert_ptr_nonnull(advise_local_max(&vm, ADVISE_STALL, &bytes));
    o = advise_vm(&vm, ADVISE_STALL);
    ck_assert(has_note(o, "in about 13 s"));
    ck_assert(json_object_get_null_member(o, "recommended_local_max_bytes"));
    ck_assert(json_object_get_null_member(json_array_get_object_element(
        json_object_get_array_member(o, "sizes"), 2), "pages_per_second"));
    ck_assert_int_eq(json_array_get_length(
        json_object_get_array_member(o, "curve")), 0);
}
END_TEST

START_TEST(nothing_is_known)
{
    g_autoptr(JsonObject) o = NULL;

    vm.curve = NULL;
    vm.delays = NULL;
    o = advise_vm(&vm, ADVISE_STALL);
    ck_assert(json_object_get_null_member(o, "source"));
    ck_assert(json_object_get_null_member(o, "guest_bytes"));
    ck_assert(has_note(o, "observe=on"));
    vm.remote = GIB;
    g_clear_pointer(&o, json_object_unref);
    o = advise_vm(&vm, ADVISE_STALL);
    ck_assert(has_note(o, "earlier release"));
}
END_TEST

/* Of others if it has waited for nothing, and of nobody if none has. */
START_TEST(what_a_page_takes)
{
    g_autoptr(JsonObject) assumed = NULL, of_others = NULL;
    struct RcacheVmmDelays other = delays;

    delays.faults_recent = 19;
    delays.vcpus = 0;
    assumed = advise_vm(&vm, ADVISE_STALL);
    ck_assert(has_note(assumed, "assumed"));
    ck_assert(has_note(assumed, "vCPUs"));
    ck_assert(fabs(json_object_get_double_member(assumed, "page_seconds") -
                   200e-6) < 1e-9);
    advise_waits_add(&waits, &other);
    advise_waits_add(&waits, NULL);
    of_others = advise_vm(&vm, ADVISE_STALL);
    ck_assert(fabs(json_object_get_double_member(of_others, "page_seconds") -
                   1e-3) < 1e-9);
    ck_assert_str_eq(json_object_get_string_member(of_others,
                                                   "page_seconds_of"),
                     "other VMs");
}
END_TEST

START_TEST(what_could_be_lent)
{
    g_autoptr(JsonObject) all = advise_all_begin(60000);
    AdviseVm silent = vm, small = vm;
    JsonObject *o;

    silent.curve = NULL;
    small.resident = GIB;
    advise_all_add(all, &vm, 60000);
    advise_all_add(all, &silent, 60000);
    advise_all_add(all, &small, 60000);
    advise_all_end(all, 7, 5);
    ck_assert_uint_eq(json_object_get_int_member(all, "spare_bytes"), GIB);
    ck_assert_int_eq(json_object_get_int_member(all, "unknown_vms"), 1);
    ck_assert_int_eq(json_object_get_int_member(all, "offered_bytes"), 7);
    o = json_array_get_object_element(
        json_object_get_array_member(all, "vms"), 1);
    ck_assert(json_object_get_null_member(o, "spare_bytes"));
    ck_assert_ptr_nonnull(json_object_get_string_member(o, "why"));
}
END_TEST

/* Figures of a host that lies: nothing overflows. */
START_TEST(figures_that_cannot_be)
{
    g_autoptr(JsonObject) all = advise_all_begin(ADVISE_STALL_MAX);
    g_autoptr(JsonObject) o = NULL;

    memset(&curve, 0xff, sizeof(curve));
    curve.wait = 0;
    vm.resident = UINT64_MAX;
    o = advise_vm(&vm, ADVISE_STALL_MAX);
    ck_assert(json_object_get_null_member(o, "source"));
    curve.guest = 0;
    advise_all_add(all, &vm, ADVISE_STALL_MAX);
    advise_all_add(all, &vm, ADVISE_STALL_MAX);
    ck_assert_int_eq(json_object_get_int_member(all, "spare_bytes"),
                     INT64_MAX);
}
END_TEST

START_TEST(stall_is_a_share)
{
    g_autoptr(JsonObject) args = json_object_new();
    g_autoptr(GError) error = NULL;
    unsigned stall = 0;

    ck_assert(advise_stall(args, &stall, NULL));
    ck_assert_uint_eq(stall, ADVISE_STALL);
    json_object_set_int_member(args, "stall-millionths", 1000001);
    ck_assert(!advise_stall(args, &stall, &error));
    ck_assert_ptr_nonnull(error);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("advise");
    TCase *tc = tcase_create("advise");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, stalls_slow_the_guest);
    tcase_add_test(tc, a_guest_that_stalls_already);
    tcase_add_test(tc, local_max_for_a_target);
    tcase_add_test(tc, all_larger_ones_are_cheap_as_well);
    tcase_add_test(tc, less_than_there_is_cannot_be_told);
    tcase_add_test(tc, not_enough_seen);
    tcase_add_test(tc, nothing_is_known);
    tcase_add_test(tc, what_a_page_takes);
    tcase_add_test(tc, what_could_be_lent);
    tcase_add_test(tc, figures_that_cannot_be);
    tcase_add_test(tc, stall_is_a_share);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
