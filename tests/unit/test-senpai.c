/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a guest is shrunk: the loop with a guest that is played.
 *
 * The guest has hot pages, which are touched all the time, so that each one
 * that is sampled is found in use; warm ones, which are touched every few
 * seconds, by chance, so that some are let alone for longer and go; and cold
 * ones, which nobody touches.  The evictor finds them as they lie.
 */
#include <check.h>
#include <glib.h>

#include "rcached/pager/senpai.h"

#define SECOND  UINT64_C(1000000000)
#define TICK    (SECOND / 10)
#define RAM     (UINT64_C(1) << 20)     /* 4 GiB */
#define TARGET  1000u                   /* 0.1 % */

typedef struct Guest {
    double hot, warm, cold;     /* pages, here or away */
    double warm_away, cold_away;
    double every;               /* seconds between touches of a warm page */
    double wait;                /* ns for a page */
    double sampled;             /* hot pages that the hand has met */
    double moved, stalled, touched;
    double most, least;         /* resident */
} Guest;

static Senpai s;
static SenpaiConfig c;
static SenpaiInput in;
static Guest g;
static uint64_t now;

static void set_up(void)
{
    s = (Senpai) { 0 };
    c = (SenpaiConfig) { .on = true, .target = TARGET,
                         .interval = 6 * SECOND, .floor = RAM / 10,
                         .rate = 16384 };
    in = (SenpaiInput) { .ready = true, .room = true, .vcpus = 4,
                         .resident = RAM, .local_max = RAM };
    g = (Guest) { .hot = RAM / 8, .warm = RAM / 8, .cold = RAM * 3 / 4,
                  .every = 3, .wait = 100000, .least = RAM };
    now = 1000 * SECOND;
}

static uint64_t here(void)
{
    return g.hot + g.warm + g.cold - g.warm_away - g.cold_away;
}

/* How many warm pages are let alone for an interval and a half: exp(-x). */
static double let_alone(void)
{
    double x = 1.5 * c.interval / SECOND / g.every;

    return 1 / (1 + x + x * x / 2 + x * x * x / 6 + x * x * x * x / 24);
}

/* What was owed goes, so much of it warm as is let alone among the cold. */
static void guest_evict(void)
{
    double warm = (g.warm - g.warm_away) * let_alone();
    double cold = g.cold - g.cold_away;
    double share = warm + cold >= 1 ? warm / (warm + cold) : 0;
    double n = MIN(s.owed, (uint64_t)(warm + cold));
    double hot = s.sample * (g.hot + g.warm - g.warm_away - warm) / here();

    g.warm_away += n * share;
    g.cold_away += n * (1 - share);
    in.freed += n;
    in.moved += n;
    g.moved += n;
    in.touched += hot;
    g.touched += hot;
}

/* A tenth of a second of the guest. */
static void guest_run(void)
{
    double back = g.warm_away * TICK / SECOND / g.every;

    g.warm_away -= back;
    in.fetched += back;
    in.moved += back;
    g.moved += back;
    in.waited += back * g.wait;
    g.stalled += back * g.wait;
    in.resident = here();
    g.most = MAX(g.most, in.resident);
    g.least = MIN(g.least, in.resident);
}

/* No page is warm: it is found out what is in use, and nobody waits. */
static void calm(void)
{
    g.cold += g.warm;
    g.warm = 0;
}

static void look(void)
{
    now += TICK;
    senpai_look(&s, &c, &in, now);
    ck_assert_uint_ge(s.limit, MIN(in.resident - s.owed, in.local_max));
    ck_assert_uint_le(s.limit, in.local_max);
    ck_assert(!s.owed || s.state == RCACHE_PROACTIVE_SHRINKING);
}

static void run(double seconds)
{
    g.most = g.moved = g.stalled = g.touched = 0;
    g.least = RAM;
    for (double i = 0; i < seconds * 10; i++) {
        guest_evict();
        guest_run();
        look();
    }
}

/* What vCPUs have waited of @seconds, in millionths. */
static double stall_of(double seconds)
{
    return (g.stalled + g.touched * SENPAI_TOUCH_NS) / 1000 / seconds /
           in.vcpus;
}

/* Some pages that were warm are cold now, or the other way round. */
static void guest_turn_cold(double pages)
{
    double away = g.warm_away * pages / g.warm;

    g.warm -= pages;
    g.cold += pages;
    g.warm_away -= away;
    g.cold_away += away;
}

static void guest_turn_warm(double pages)
{
    double away = g.cold_away * pages / g.cold;

    g.cold -= pages;
    g.warm += pages;
    g.cold_away -= away;
    g.warm_away += away;
}

START_TEST(a_guest_comes_down_to_what_it_uses)
{
    double set = g.hot + g.warm;

    run(3600);
    ck_assert_msg(in.resident < set * 1.25 && in.resident > set * 0.95,
                  "%.0f of %.0f", (double)in.resident, set);
    ck_assert_msg(stall_of(3600) <= TARGET, "%.0f", stall_of(3600));
    /* And there it stays, without going to and fro. */
    run(1800);
    ck_assert_msg(g.most - g.least < 0.03 * set, "%.0f", g.most - g.least);
    ck_assert_msg(stall_of(1800) <= TARGET, "%.0f", stall_of(1800));
    ck_assert_msg(g.moved < 0.2 * set, "%.0f", g.moved);
}
END_TEST

START_TEST(it_grows_when_the_set_grows_and_shrinks_again)
{
    double small = g.hot + g.warm, large = small + RAM / 4;

    run(3600);
    guest_turn_warm(RAM / 4);
    run(0.3);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_GROWING);
    ck_assert_uint_eq(s.owed, 0);
    /* As fast as the guest asks: nothing is evicted against it. */
    run(30);
    ck_assert_msg(in.resident > large * 0.95, "%.0f", (double)in.resident);
    run(600);
    ck_assert_msg(g.least > large * 0.9, "%.0f", g.least);
    guest_turn_cold(RAM / 4);
    run(3600);
    ck_assert_msg(in.resident < small * 1.25, "%.0f of %.0f",
                  (double)in.resident, small);
}
END_TEST

START_TEST(it_never_goes_under_the_floor)
{
    g.hot = g.warm = 0;
    g.cold = RAM;
    run(7200);
    ck_assert_uint_ge(in.resident, c.floor);
    ck_assert_uint_lt(in.resident, c.floor + SENPAI_PORTION);
    /* What a balloon takes meanwhile is nobody's fault, and no reason. */
    g.cold -= RAM / 20;
    run(600);
    ck_assert_uint_eq(s.owed, 0);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_FLOOR);
    ck_assert_msg(g.moved < SENPAI_PORTION, "%.0f", g.moved);
}
END_TEST

/* It gives way in the same tenth of a second, more and more. */
START_TEST(too_much_is_answered_at_once)
{
    uint64_t before;

    calm();
    run(900);
    before = in.resident;
    in.waited += c.interval / 1000 * in.vcpus + 1;
    look();
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_GROWING);
    ck_assert_uint_eq(s.owed, 0);
    ck_assert_uint_eq(s.limit, before + before / 8);
    before = s.limit;
    in.waited += c.interval / 1000 * in.vcpus + 1;
    look();
    ck_assert_uint_eq(s.limit, before + before / 8);
    for (unsigned i = 0; i < 100; i++) {
        in.waited += c.interval / 1000 * in.vcpus + 1;
        look();
    }
    ck_assert_uint_eq(s.limit, in.local_max);
    /* A storm is one mistake, and not a hundred. */
    ck_assert_uint_eq(s.mistakes, 1);
    ck_assert_double_eq(s.pace, 0.5);
    run(60);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_SHRINKING);
}
END_TEST

/* Who makes one after the other waits longer and longer, but not for ever. */
START_TEST(each_mistake_is_followed_by_more_rest)
{
    calm();
    run(60);
    for (unsigned i = 1; i < 8; i++) {
        unsigned intervals = MIN(1u << i, SENPAI_REST_MAX) + 1, looks = 0;

        ck_assert_int_eq(s.state, RCACHE_PROACTIVE_SHRINKING);
        in.waited += c.interval / 1000 * in.vcpus + 1;
        for (look(); s.state != RCACHE_PROACTIVE_SHRINKING; look()) {
            ck_assert_uint_eq(s.owed, 0);
            looks++;
        }
        ck_assert_uint_ge(looks, intervals * 60 - 2);
        ck_assert_uint_le(looks, intervals * 60 + 2);
    }
    /* Good intervals take mistakes back. */
    run(60);
    ck_assert_uint_eq(s.mistakes, 0);
}
END_TEST

/* A provider has died: the guest stands still, and would with more memory. */
START_TEST(a_dead_provider_teaches_nothing)
{
    uint64_t limit, here_before;
    Senpai before;

    calm();
    run(600);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_SHRINKING);
    before = s;
    here_before = in.resident;
    in.hung = true;
    look();
    limit = s.limit;
    for (unsigned i = 0; i < 600; i++) {
        look();
        ck_assert_int_eq(s.state, RCACHE_PROACTIVE_HELD);
        ck_assert_uint_eq(s.owed, 0);
    }
    ck_assert_uint_eq(s.limit, limit);
    ck_assert_uint_le(s.limit, here_before);
    in.hung = false;
    ck_assert_double_eq(s.pace, before.pace);
    ck_assert_uint_eq(s.mistakes, before.mistakes);
    /* "Too small for ever" it is not. */
    run(13);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_SHRINKING);
    run(60);
    ck_assert_uint_lt(in.resident, here_before);
}
END_TEST

/* The network is so fast that nobody feels it; but nothing is won. */
START_TEST(what_comes_straight_back_is_left)
{
    g.hot = 0;
    g.warm = RAM;
    g.cold = 0;
    g.every = 1;
    g.wait = 10;
    run(3600);
    ck_assert_msg(g.moved < 0.35 * RAM, "%.0f", g.moved);
    ck_assert_msg(in.resident > RAM * 0.97, "%.0f", (double)in.resident);
}
END_TEST

START_TEST(the_network_is_left_to_others)
{
    double most = 0;

    calm();
    c.rate = 256;
    for (unsigned i = 0; i < 300; i++) {
        run(1);
        most = MAX(most, g.moved);
    }
    ck_assert_msg(most <= 2 * 256, "%.0f", most);
    ck_assert_uint_le(RAM - in.resident, 256 * 301);
    ck_assert(s.slowed);
    /* What others move counts. */
    for (unsigned i = 0; i < 600; i++) {
        in.moved += 64;
        look();
        ck_assert_uint_eq(s.owed, 0);
    }
}
END_TEST

/* All of it is in use: to find that out costs half of the target at most. */
START_TEST(sampling_is_paid_for)
{
    g.hot = RAM;
    g.warm = g.cold = 0;
    run(3600);
    ck_assert_uint_eq(in.resident, RAM);
    ck_assert_msg(stall_of(3600) < TARGET * 0.55, "%.0f", stall_of(3600));
    ck_assert(g.touched > 0);
}
END_TEST

START_TEST(who_does_not_say_has_nothing_done)
{
    in.vcpus = 0;
    run(600);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_NO_CPUS);
    ck_assert_uint_eq(in.resident, RAM);
    ck_assert_uint_eq(s.limit, RAM);
    in.vcpus = 4;
    c.on = false;
    run(600);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_OFF);
    ck_assert_uint_eq(in.resident, RAM);
    c.on = true;
    in.ready = false;
    run(600);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_WAITING);
    in.ready = true;
    in.room = false;
    run(600);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_NO_ROOM);
    ck_assert_uint_eq(in.resident, RAM);
    in.room = true;
    run(60);
    ck_assert_uint_lt(in.resident, RAM);
    c.on = false;
    look();
    ck_assert_uint_eq(s.owed, 0);
    ck_assert_uint_eq(s.limit, RAM);
}
END_TEST

/* Room has gone in the middle of a step. */
START_TEST(nothing_is_owed_without_room)
{
    calm();
    run(60);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_SHRINKING);
    in.room = false;
    look();
    ck_assert_uint_eq(s.owed, 0);
}
END_TEST

/* Pages that nobody takes do not add up to a flood for later. */
START_TEST(what_does_not_go_is_not_owed_twice)
{
    calm();
    run(60);
    for (unsigned i = 0; i < 600; i++) {
        look();
        ck_assert_uint_le(s.owed, RAM / 100);
    }
}
END_TEST

/* The machine did not run the pager: that time says nothing. */
START_TEST(a_pause_of_ours_begins_anew)
{
    calm();
    run(600);
    now += 20 * SECOND;
    in.waited += 20 * SECOND;
    look();
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_RESTING);
    ck_assert_uint_eq(s.owed, 0);
    ck_assert_uint_eq(s.mistakes, 0);
    run(20);
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_SHRINKING);
}
END_TEST

/* The first mistakes cost little; a guest that makes none goes on faster. */
START_TEST(it_begins_slowly)
{
    double first;

    calm();
    run(13);
    first = s.step;
    ck_assert_msg(first > 0 && first < RAM / 100 / 8, "%.0f", first);
    run(120);
    ck_assert_double_eq(s.pace, 1);
    ck_assert_msg(s.step > 8 * first, "%.0f after %.0f", s.step, first);
}
END_TEST

/* Near the target steps end before it is reached. */
START_TEST(the_nearer_the_target_the_smaller_the_step)
{
    double half, none;

    calm();
    run(133);
    none = s.step;
    ck_assert(none > 0);
    in.waited += c.interval / 1000 * in.vcpus / 2;
    for (unsigned i = 0; i < 60; i++) {
        look();
    }
    half = s.step;
    ck_assert_msg(half > 0.4 * none && half < 0.6 * none, "%.0f of %.0f", half,
                  none);
    in.waited += c.interval / 1000 * in.vcpus * 4 / 5;
    for (unsigned i = 0; i < 60; i++) {
        look();
    }
    ck_assert_int_eq(s.state, RCACHE_PROACTIVE_NEAR);
    ck_assert_uint_eq(s.owed, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("senpai");
    TCase *tc = tcase_create("senpai");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_guest_comes_down_to_what_it_uses);
    tcase_add_test(tc, it_grows_when_the_set_grows_and_shrinks_again);
    tcase_add_test(tc, it_never_goes_under_the_floor);
    tcase_add_test(tc, too_much_is_answered_at_once);
    tcase_add_test(tc, each_mistake_is_followed_by_more_rest);
    tcase_add_test(tc, a_dead_provider_teaches_nothing);
    tcase_add_test(tc, what_comes_straight_back_is_left);
    tcase_add_test(tc, the_network_is_left_to_others);
    tcase_add_test(tc, sampling_is_paid_for);
    tcase_add_test(tc, who_does_not_say_has_nothing_done);
    tcase_add_test(tc, nothing_is_owed_without_room);
    tcase_add_test(tc, what_does_not_go_is_not_owed_twice);
    tcase_add_test(tc, a_pause_of_ours_begins_anew);
    tcase_add_test(tc, it_begins_slowly);
    tcase_add_test(tc, the_nearer_the_target_the_smaller_the_step);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
