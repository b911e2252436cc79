/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Told: what lasts is written once, and again when some time has passed. */
#include <check.h>
#include <stdlib.h>

#include "common/told.h"

START_TEST(the_same_is_told_once_in_a_while)
{
    Told told = { 0 };

    for (unsigned i = 0; i < 100; i++) {
        ck_assert(told_is_news(&told, "no room", i) == !i);
        ck_assert(told_is_news(&told, "nobody there", i) == !i);
    }
    ck_assert(!told_is_news(&told, "no room", TOLD_AGAIN_MS));
    ck_assert(told_is_news(&told, "no room", TOLD_AGAIN_MS + 1));
    ck_assert(!told_is_news(&told, "no room", TOLD_AGAIN_MS + 2));
}
END_TEST

START_TEST(what_was_told_last_is_remembered)
{
    Told told = { 0 };
    char text[] = "line a";

    for (unsigned i = 0; i <= TOLD_LINES; i++) {
        text[5] = 'a' + i;
        ck_assert(told_is_news(&told, text, 1000 + i));
    }
    for (unsigned i = 1; i <= TOLD_LINES; i++) {
        text[5] = 'a' + i;
        ck_assert(!told_is_news(&told, text, 2000 + i));
    }
    ck_assert(told_is_news(&told, "line a", 3000));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("told");
    TCase *tc = tcase_create("told");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, the_same_is_told_once_in_a_while);
    tcase_add_test(tc, what_was_told_last_is_remembered);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
