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
        .deadline_ms = 9 * 1000,
        .period_ms = 1000,              /* so that rises take 10 s */
        .history_ms = 900 * 1000,       /* 100 slots */
        .quantile = 0.95,
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

/* Begin again with other settings. */
static void restart(uint64_t sudden_rate, double sudden_most, double slack)
{
    predict_free(predict);
    config.sudden_rate = sudden_rate;
    config.sudden_most = sudden_most;
    config.slack = slack;
    predict = predict_new(&config);
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
    ck_assert_uint_le(out.keep, in.leased);
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

/* Rises are kept in classes: at most a sixteenth more comes out. */
static void check_growth(const char *name, uint64_t bytes)
{
    uint64_t growth = -term(name);

    ck_assert_uint_ge(growth, bytes);
    ck_assert_uint_le(growth, bytes + bytes / 16);
}

START_TEST(what_comes_with_no_warning_is_kept_back_from_the_start)
{
    restart(100 * MIB, 0.10, 0);
    run(1);
    ck_assert_int_eq(term("growth-sudden"), -(int64_t)(900 * MIB));
    ck_assert_uint_eq(out.offered, 75 * GIB - 900 * MIB);
    run(1000);
    ck_assert_int_eq(term("growth-sudden"), -(int64_t)(900 * MIB));
}
END_TEST

START_TEST(what_comes_with_no_warning_is_a_share_of_a_small_host)
{
    restart(100 * GIB, 0.10, 0);
    run(1);
    ck_assert_int_eq(term("growth-sudden"), -(int64_t)(10 * GIB));
}
END_TEST

START_TEST(what_the_past_shows_counts_towards_it)
{
    restart(1024 * MIB, 0.10, 0);       /* 9 GiB */
    run(1);
    in.available -= 4 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-host"), -(int64_t)(4 * GIB));
    ck_assert_int_eq(term("growth-sudden"), -(int64_t)(5 * GIB));
    in.available -= 7 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-host"), -(int64_t)(11 * GIB));
    ck_assert_int_eq(term("growth-sudden"), 0);
}
END_TEST

/* Slabs on disk come back before anything more is lent; that their memory is
 * free for now is no change of the host's own demand. */
START_TEST(what_is_spilled_comes_first)
{
    in.leased = 10 * GIB;
    in.available = 70 * GIB;
    run(61);
    ck_assert_uint_eq(out.offered, 75 * GIB);
    in.spilled = 4 * GIB;
    in.available += 4 * GIB;
    run(30);
    in.spilled = 3 * GIB;
    in.available -= GIB;
    run(30);
    ck_assert_int_eq(term("growth-host"), 0);
    ck_assert_int_eq(term("spilled"), -(int64_t)(3 * GIB));
    ck_assert_uint_eq(out.room, 68 * GIB);
    ck_assert_uint_eq(out.offered, 75 * GIB);
    restart(0, 0, 0);
    in.available = 7 * GIB;             /* room for two of the three */
    run(1);
    ck_assert_uint_eq(out.room, 2 * GIB);
    ck_assert_uint_eq(out.offered, 10 * GIB);
    ck_assert_uint_eq(out.keep, 7 * GIB);
    in.available = 4 * GIB;
    restart(0, 0, 0);
    run(1);
    ck_assert_uint_eq(out.room, 0);
    ck_assert_uint_eq(out.keep, 6 * GIB);
}
END_TEST

START_TEST(slack_is_not_offered_but_calls_nothing_back)
{
    restart(0, 0, 0.02);
    in.leased = 10 * GIB;
    run(61);
    ck_assert_int_eq(term("slack"), -(int64_t)(2 * GIB));
    ck_assert_uint_eq(out.offered, 83 * GIB);
    in.available = 6 * GIB;             /* a GiB above the reserve */
    run(100);
    in.available = 6 * GIB;
    run(1000);
    ck_assert_uint_eq(out.offered, 10 * GIB);
    ck_assert_uint_eq(out.keep, 10 * GIB);
}
END_TEST

START_TEST(what_reserve_and_growth_lack_is_called_back)
{
    restart(1024 * MIB, 0.10, 0.02);    /* 9 GiB */
    in.leased = 20 * GIB;
    in.available = 14 * GIB;
    run(1);
    ck_assert_uint_eq(out.keep, 20 * GIB);
    in.available = 13 * GIB;
    run(1);
    ck_assert_uint_eq(out.keep, 19 * GIB);
    in.available = 0;                   /* lacks 14, and has risen by 14 */
    run(1);
    ck_assert_uint_eq(out.keep, 20 * GIB - 5 * GIB - 14 * GIB);
    in.leased = 3 * GIB;
    run(1);
    ck_assert_uint_eq(out.keep, 0);
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
    /* A deadline and the time to the next look: ten steps. */
    check_growth("growth-host", 100 * MIB);
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
    check_growth("growth-host", GIB);
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
    check_growth("growth-host", GIB);
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
    check_growth("growth-guests", 2 * GIB);
    guest.away = 10 * GIB;
    guest.balloon_free = 8 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-guests"), 0);
    guest.balloon_free = 9 * GIB;       /* more than it has: nonsense */
    run(1);
    check_growth("growth-guests", 2 * GIB);
    guest.balloon_free = UINT64_MAX;    /* how a balloon says "unknown" */
    guest.balloon_total = UINT64_MAX - 1;
    guest.away = UINT64_MAX;
    run(1);
    check_growth("growth-guests", 2 * GIB);
}
END_TEST

/* 2 GiB more in all: one may take half a GiB, the other has 1.5 free. */
START_TEST(each_guest_is_bounded_by_itself)
{
    PredictGuest guest[2] = {
        { .resident = 8 * GIB, .may_have = 8 * GIB + 512 * MIB },
        { .resident = 8 * GIB, .may_have = 64 * GIB, .has_balloon = true,
          .balloon_total = 64 * GIB, .balloon_free = 56 * GIB },
    };

    in.guests = guest;
    in.nr_guests = 2;
    run(61);
    guest[1].balloon_free -= 2 * GIB;
    guest[1].resident += 2 * GIB;
    in.available -= 2 * GIB;
    run(1);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)(2 * GIB));
    guest[1].balloon_free += 1536 * MIB;
    run(1);
    ck_assert_int_eq(term("growth-guests"), -(int64_t)GIB);
}
END_TEST

/* Its memory was all in use for us; now we hear that half of it is free. */
START_TEST(a_balloon_that_begins_or_ends_to_tell_is_no_growth)
{
    PredictGuest guest = { .resident = 8 * GIB, .may_have = 64 * GIB,
                           .balloon_total = 8 * GIB,
                           .balloon_free = 4 * GIB };

    in.guests = &guest;
    in.nr_guests = 1;
    for (unsigned i = 0; i < 10; i++) {
        guest.has_balloon = !guest.has_balloon;
        run(30);
    }
    ck_assert_int_eq(term("growth-guests"), 0);
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
    tcase_add_test(tc,
                   what_comes_with_no_warning_is_kept_back_from_the_start);
    tcase_add_test(tc,
                   what_comes_with_no_warning_is_a_share_of_a_small_host);
    tcase_add_test(tc, what_the_past_shows_counts_towards_it);
    tcase_add_test(tc, what_is_spilled_comes_first);
    tcase_add_test(tc, slack_is_not_offered_but_calls_nothing_back);
    tcase_add_test(tc, what_reserve_and_growth_lack_is_called_back);
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
    tcase_add_test(tc, each_guest_is_bounded_by_itself);
    tcase_add_test(tc, a_balloon_that_begins_or_ends_to_tell_is_no_growth);
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
