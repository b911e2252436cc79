/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Predict: what is offered, why, and that the terms add up. */
#include <check.h>
#include <string.h>

#include "rcached/agent/predict.h"

#define MIB     (UINT64_C(1) << 20)
#define GIB     (UINT64_C(1) << 30)

static PredictConfig config;
static Predict *predict;
static PredictInput in;
static PredictOutput out;
static uint64_t now;

static void set_up(void)
{
    config = (PredictConfig) {
        .deadline_ms = 10 * 1000,
        .history_ms = 1000 * 1000,      /* 100 slots */
        .quantile = 0.95,
        .warm_up_ms = 60 * 1000,
        .prior_percent = 10,
        .psi_some_max = 1000,
        .psi_full_max = 500,
    };
    predict = predict_new(&config);
    in = (PredictInput) {
        .total = 100 * GIB, .available = 80 * GIB, .reserve = 5 * GIB,
        .lend_max = UINT64_MAX,
    };
    now = 12345;
}

static void tear_down(void)
{
    predict_free(predict);
}

static void update(void)
{
    int64_t sum = 0;

    predict_update(predict, now, &in, &out);
    ck_assert_uint_le(out.nr_terms, PREDICT_TERMS);
    for (unsigned i = 0; i < out.nr_terms; i++) {
        sum += out.term[i].bytes;
    }
    ck_assert_int_eq(sum, (int64_t)out.offered);
}

/* Some seconds of this; the last output stands. */
static void run(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        now += 1000;
        update();
    }
}

static int64_t term(const char *name)
{
    for (unsigned i = 0; i < out.nr_terms; i++) {
        if (!strcmp(out.term[i].name, name)) {
            return out.term[i].bytes;
        }
    }
    ck_abort_msg("no term %s", name);
}

START_TEST(a_quiet_host_offers_all_but_its_reserve)
{
    run(61);
    ck_assert_int_eq(term("growth-host"), 0);
    ck_assert_uint_eq(out.offered, 75 * GIB);
}
END_TEST

START_TEST(a_young_history_keeps_a_share_back)
{
    update();
    ck_assert_int_eq(term("growth-host"), -(int64_t)(10 * GIB));
    ck_assert_uint_eq(out.offered, 65 * GIB);
    run(59);
    ck_assert_int_eq(term("growth-host"), -(int64_t)(10 * GIB));
    run(2);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

START_TEST(what_is_leased_is_offered_and_not_counted_twice)
{
    in.available -= 20 * GIB;           /* the slabs are allocated */
    in.leased = 20 * GIB;
    run(61);
    ck_assert_uint_eq(out.offered, 75 * GIB);
    ck_assert_int_eq(term("leased"), 20 * GIB);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

START_TEST(leasing_is_no_growth)
{
    run(61);
    in.available -= 20 * GIB;
    in.leased = 20 * GIB;
    run(61);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

/* A lease has ended, but its memory comes back a little later. */
START_TEST(memory_on_its_way_back_is_no_growth)
{
    in.available -= 20 * GIB;
    in.leased = 20 * GIB;
    run(61);
    in.leased = 0;
    in.unsettled = true;
    run(3);
    in.available += 20 * GIB;
    run(1);
    in.unsettled = false;
    run(20);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

START_TEST(a_rise_within_the_deadline_is_foreseen)
{
    run(61);
    in.available -= 3 * GIB;            /* in two steps, 8 s apart */
    run(8);
    in.available -= 2 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-host"), -(int64_t)(5 * GIB));
    ck_assert_uint_eq(out.offered, 75 * GIB - 5 * GIB - 5 * GIB);
}
END_TEST

START_TEST(a_slow_rise_counts_by_what_fits_in_a_deadline)
{
    for (unsigned i = 0; i < 200; i++) {
        in.available -= 10 * MIB;
        run(1);
    }
    /* A sample may be as old as the deadline: ten steps. */
    ck_assert_int_eq(term("growth-host"), -(int64_t)(100 * MIB));
}
END_TEST

START_TEST(a_fall_is_no_rise)
{
    in.available = 20 * GIB;
    run(61);
    in.available = 80 * GIB;
    run(5);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

START_TEST(rare_rises_fall_below_the_quantile_common_ones_do_not)
{
    run(61);
    in.available -= 8 * GIB;
    run(1);
    in.available += 8 * GIB;
    /* With few slots the quantile is the greatest of them. */
    ck_assert_int_eq(term("growth-host"), -(int64_t)(8 * GIB));
    run(400);
    ck_assert_int_eq(term("growth-host"), 0);
    for (unsigned i = 0; i < 20; i++) {
        in.available -= GIB;
        run(5);
        in.available += GIB;
        run(25);
    }
    ck_assert_int_eq(term("growth-host"), -(int64_t)GIB);
}
END_TEST

START_TEST(what_is_older_than_the_history_is_forgotten)
{
    run(61);
    for (unsigned i = 0; i < 50; i++) {
        in.available -= GIB;
        run(5);
        in.available += GIB;
        run(5);
    }
    ck_assert_int_eq(term("growth-host"), -(int64_t)GIB);
    run(1010);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

/* The guest takes 2 GiB of the host's memory, by its own growth. */
static PredictGuest guest_grown(void)
{
    PredictGuest guest = { .resident = GIB, .may_have = 64 * GIB };

    in.guests = &guest;
    in.nr_guests = 1;
    run(61);
    guest.resident = 3 * GIB;
    in.available -= 2 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-host"), 0);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)(2 * GIB));
    return guest;
}

START_TEST(a_guest_grows_no_further_than_its_limit)
{
    PredictGuest guest = guest_grown();

    in.guests = &guest;
    guest.may_have = guest.resident + 100 * MIB;
    run(1);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)(100 * MIB));
    guest.may_have = GIB;               /* lowered below what it has */
    run(1);
    ck_assert_int_eq(term("growth-guests"), 0);
}
END_TEST

START_TEST(a_guest_fills_its_own_free_memory_first)
{
    PredictGuest guest = guest_grown();

    in.guests = &guest;
    guest.has_balloon = true;
    guest.balloon_total = 8 * GIB;
    guest.balloon_free = 6 * GIB;       /* uses 2 of the 3 it has here */
    run(1);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)GIB);
    guest.balloon_free = 5 * GIB;       /* never used: not resident either */
    run(1);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)(2 * GIB));
    guest.away = 10 * GIB;
    guest.balloon_free = 8 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-guests"), 0);
    guest.balloon_free = 9 * GIB;       /* more than it has: nonsense */
    run(1);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)(2 * GIB));
}
END_TEST

START_TEST(a_guest_that_comes_is_no_growth)
{
    PredictGuest guest = { .resident = 4 * GIB, .may_have = 64 * GIB };

    in.available -= 4 * GIB;
    run(61);
    in.guests = &guest;
    in.nr_guests = 1;
    run(1);
    ck_assert_int_eq(term("growth-guests"), 0);
    in.nr_guests = 0;
    run(1);
    ck_assert_int_eq(term("growth-host"), 0);
}
END_TEST

START_TEST(pressure_has_the_veto)
{
    in.leased = 4 * GIB;
    run(61);
    in.psi_some = 1001;
    run(1);
    ck_assert(out.vetoed);
    ck_assert_uint_eq(out.offered, 4 * GIB);
    in.psi_some = 1000;
    run(1);
    ck_assert(!out.vetoed);
    ck_assert_uint_gt(out.offered, 4 * GIB);
    in.psi_full = 501;
    run(1);
    ck_assert_uint_eq(out.offered, 4 * GIB);
}
END_TEST

START_TEST(never_below_what_is_leased_nor_above_the_cap)
{
    in.available = GIB;                 /* less than the reserve */
    in.leased = 7 * GIB;
    run(61);
    ck_assert_uint_eq(out.offered, 7 * GIB);
    in.available = 80 * GIB;
    in.lend_max = 8 * GIB;
    run(1);
    ck_assert_uint_eq(out.offered, 8 * GIB);
    in.lend_max = GIB;                  /* lowered below what is out */
    run(1);
    ck_assert_uint_eq(out.offered, 7 * GIB);
    in.lend_max = 0;
    in.leased = 0;
    run(1);
    ck_assert_uint_eq(out.offered, 0);
}
END_TEST

START_TEST(a_clock_that_steps_back_does_no_harm)
{
    run(61);
    now -= 30 * 1000;
    run(5);
    ck_assert_uint_eq(out.offered, 75 * GIB);
    now += UINT64_C(1) << 40;
    run(5);
    ck_assert_uint_eq(out.offered, 75 * GIB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("predict");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_quiet_host_offers_all_but_its_reserve);
    tcase_add_test(tc, a_young_history_keeps_a_share_back);
    tcase_add_test(tc, what_is_leased_is_offered_and_not_counted_twice);
    tcase_add_test(tc, leasing_is_no_growth);
    tcase_add_test(tc, memory_on_its_way_back_is_no_growth);
    tcase_add_test(tc, a_rise_within_the_deadline_is_foreseen);
    tcase_add_test(tc, a_slow_rise_counts_by_what_fits_in_a_deadline);
    tcase_add_test(tc, a_fall_is_no_rise);
    tcase_add_test(tc,
                   rare_rises_fall_below_the_quantile_common_ones_do_not);
    tcase_add_test(tc, what_is_older_than_the_history_is_forgotten);
    tcase_add_test(tc, a_guest_grows_no_further_than_its_limit);
    tcase_add_test(tc, a_guest_fills_its_own_free_memory_first);
    tcase_add_test(tc, a_guest_that_comes_is_no_growth);
    tcase_add_test(tc, pressure_has_the_veto);
    tcase_add_test(tc, never_below_what_is_leased_nor_above_the_cap);
    tcase_add_test(tc, a_clock_that_steps_back_does_no_harm);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
