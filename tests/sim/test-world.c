/* SPDX-License-Identifier: GPL-2.0-or-later */
/* World: what is revoked, comes back, and misses its deadline. */
#include <check.h>

#include "world.h"

#define SLAB    (UINT64_C(64) << 20)
#define ROOM(n) ((n) * SLAB + SLAB / 2)

static World *world;
static uint64_t beat;

static void set_up(void)
{
    world = world_new(2, 3, SLAB);
    world->counts = true;
    beat = 100;
}

static void tear_down(void)
{
    world_free(world);
}

/* The next beat of host 1, with room for so many slabs. */
static unsigned next(unsigned slabs)
{
    return world_host_beat(world, 1, ++beat, true, ROOM(slabs));
}

static void check_host(unsigned lent, unsigned returning)
{
    ck_assert_uint_eq(world->host[1].lent, lent);
    ck_assert_uint_eq(world->host[1].returning, returning);
    ck_assert_uint_eq(world->lent, lent + returning);
    ck_assert_uint_eq(world_leased(world, 1), (lent + returning) * SLAB);
}

START_TEST(what_is_called_back_is_back_at_its_deadline)
{
    world_lend(world, 1, 10);
    ck_assert_uint_eq(next(10), 0);
    world_revoke(world, 1, beat, 4);
    check_host(6, 4);
    next(10);
    next(10);
    check_host(6, 4);
    next(10);
    check_host(6, 0);
    ck_assert_uint_eq(world->revoked, 4);
    ck_assert_uint_eq(world->missed, 0);
}
END_TEST

START_TEST(needed_at_the_deadline_is_in_time)
{
    world_lend(world, 1, 10);
    next(10);
    world_revoke(world, 1, beat, 4);
    next(10);
    next(10);
    ck_assert_uint_eq(next(6), 0);
    ck_assert_uint_eq(world->missed, 0);
}
END_TEST

START_TEST(needed_a_beat_before_is_missed)
{
    world_lend(world, 1, 10);
    next(10);
    world_revoke(world, 1, beat, 4);
    next(10);
    ck_assert_uint_eq(next(7), 0);      /* on its way already */
    check_host(6, 1);
    ck_assert_uint_eq(world->missed, 3);
    ck_assert_uint_eq(world->revoked, 4);
    next(7);
    check_host(6, 0);
}
END_TEST

START_TEST(those_that_come_last_are_missed_first)
{
    world_lend(world, 1, 10);
    next(10);
    world_revoke(world, 1, beat, 1);
    next(10);
    world_revoke(world, 1, beat, 2);
    next(9);                            /* one of the two has to leave */
    check_host(7, 2);
    next(9);
    check_host(7, 1);
    next(9);
    check_host(7, 0);
}
END_TEST

START_TEST(needed_before_it_was_called_back_is_revoked_and_missed)
{
    world_lend(world, 1, 10);
    ck_assert_uint_eq(next(7), 3);
    check_host(7, 0);
    ck_assert_uint_eq(world->revoked, 3);
    ck_assert_uint_eq(world->missed, 3);
}
END_TEST

START_TEST(a_host_that_fails_loses_and_misses_nothing)
{
    world_lend(world, 1, 10);
    world_revoke(world, 1, beat, 4);
    ck_assert_uint_eq(world_host_beat(world, 1, ++beat, false, 0), 6);
    check_host(0, 0);
    ck_assert_uint_eq(world->lost, 10);
    ck_assert_uint_eq(world->missed, 0);
    for (unsigned i = 0; i < 5; i++) {
        next(0);
    }
    check_host(0, 0);
}
END_TEST

START_TEST(nothing_counts_before_it_should)
{
    world->counts = false;
    world_lend(world, 1, 10);
    next(0);
    world_beat(world);
    ck_assert_uint_eq(world->revoked, 0);
    ck_assert_uint_eq(world->missed, 0);
    ck_assert(world->lent_beats == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim-world");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, what_is_called_back_is_back_at_its_deadline);
    tcase_add_test(tc, needed_at_the_deadline_is_in_time);
    tcase_add_test(tc, needed_a_beat_before_is_missed);
    tcase_add_test(tc, those_that_come_last_are_missed_first);
    tcase_add_test(tc, needed_before_it_was_called_back_is_revoked_and_missed);
    tcase_add_test(tc, a_host_that_fails_loses_and_misses_nothing);
    tcase_add_test(tc, nothing_counts_before_it_should);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
