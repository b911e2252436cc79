/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections are kept open, and that each is closed once. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "rcached/provider/unwelcome.h"

#define MANY    (2 * UNWELCOME_MAX + 3)

static Unwelcome u;
static int ours[MANY];

/* The other end of pipe @i, which sees its end when it is closed. */
static bool is_open(unsigned i)
{
    return write(ours[i], "x", 1) == 1;
}

static void come(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        unwelcome_add(&u, fds[0]);
        ours[i] = fds[1];
    }
}

static void leave(unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        close(ours[i]);
    }
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    u = (Unwelcome) { 0 };
}

START_TEST(the_oldest_gives_way)
{
    come(0, UNWELCOME_MAX);
    ck_assert(is_open(0));
    come(UNWELCOME_MAX, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(is_open(i), i >= MANY - UNWELCOME_MAX);
    }
    unwelcome_end(&u);
    leave(MANY);
}
END_TEST

START_TEST(all_end_together)
{
    come(0, 5);
    unwelcome_end(&u);
    ck_assert_uint_eq(u.nr, 0);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(!is_open(i));
    }
    leave(5);
    come(0, 1);
    ck_assert(is_open(0));
    unwelcome_end(&u);
    unwelcome_end(&u);
    leave(1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("unwelcome");
    TCase *tc = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, the_oldest_gives_way);
    tcase_add_test(tc, all_end_together);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
