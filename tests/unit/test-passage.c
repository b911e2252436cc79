/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a provider suspect, and what proves it well. */
#include <check.h>

#include "rcached/pager/passage.h"

#define S       UINT64_C(1000000000)

START_TEST(pages_that_do_not_come_through)
{
    Passage p = { 0 };

    ck_assert(!passage_turn(&p, 100 * S));      /* nothing is out */
    passage_asked(&p, PASSAGE_PUT, 100 * S);
    passage_asked(&p, PASSAGE_PUT, 103 * S);
    ck_assert(!passage_turn(&p, 103 * S));
    ck_assert(passage_turn(&p, 105 * S));
    ck_assert(passage_is_suspect(&p));
    ck_assert_uint_eq(p.since, 100 * S);
    ck_assert(!passage_turn(&p, 106 * S));      /* said once */
}
END_TEST

/* A tick reads the time once, and may ask for pages before it looks here. */
START_TEST(what_was_sent_just_now_is_not_late)
{
    Passage p = { 0 };

    passage_asked(&p, PASSAGE_GET, 100 * S + 1);
    ck_assert(!passage_turn(&p, 100 * S));
    ck_assert(!passage_is_suspect(&p));
}
END_TEST

START_TEST(progress_is_enough)
{
    Passage p = { 0 };

    passage_asked(&p, PASSAGE_GET, 1 * S);
    passage_asked(&p, PASSAGE_GET, 1 * S);
    for (unsigned i = 1; i < 20; i++) {
        passage_asked(&p, PASSAGE_GET, i * S);
        ck_assert(!passage_answered(&p, PASSAGE_GET, true, i * S));
        ck_assert(!passage_turn(&p, i * S + S / 2));
    }
    ck_assert(passage_turn(&p, 24 * S));
}
END_TEST

/* A refusal is a small frame: it says nothing about pages. */
START_TEST(a_refusal_proves_nothing)
{
    Passage p = { 0 };

    passage_asked(&p, PASSAGE_PUT, 1 * S);
    passage_asked(&p, PASSAGE_PUT, 1 * S);
    passage_answered(&p, PASSAGE_PUT, false, 4 * S);
    ck_assert(!p.proven);
    ck_assert(passage_turn(&p, 6 * S));
    passage_asked(&p, PASSAGE_PUT, 7 * S);
    ck_assert(!passage_answered(&p, PASSAGE_PUT, false, 7 * S));
    ck_assert(passage_is_suspect(&p));
}
END_TEST

START_TEST(a_session_proves_nothing)
{
    Passage p = { 0 };

    passage_asked(&p, PASSAGE_PUT, 1 * S);
    ck_assert(!passage_answered(&p, PASSAGE_PUT, true, 1 * S));
    ck_assert(p.proven);
    passage_asked(&p, PASSAGE_PUT, 1 * S);
    ck_assert(passage_turn(&p, 6 * S));
    ck_assert(!p.proven);
    passage_session_ended(&p, 60 * S);
    ck_assert(passage_is_suspect(&p));
    ck_assert(!passage_turn(&p, 60 * S));
    ck_assert(passage_is_suspect(&p));
    passage_asked(&p, PASSAGE_PUT, 60 * S);
    ck_assert(passage_answered(&p, PASSAGE_PUT, true, 61 * S));
    ck_assert(!passage_is_suspect(&p) && p.proven);
    passage_session_ended(&p, 60 * S);
    ck_assert(!p.proven);
}
END_TEST

/* Pages that come back say nothing about those that go. */
START_TEST(each_direction_for_itself)
{
    Passage p = { 0 };

    passage_asked(&p, PASSAGE_PUT, 1 * S);
    ck_assert(passage_turn(&p, 5 * S));
    passage_asked(&p, PASSAGE_GET, 6 * S);
    ck_assert(!passage_answered(&p, PASSAGE_GET, true, 6 * S));
    ck_assert(passage_is_suspect(&p) && !p.proven);
    passage_asked(&p, PASSAGE_GET, 7 * S);
    ck_assert(!passage_turn(&p, 12 * S));       /* it was suspect already */
    ck_assert(!passage_answered(&p, PASSAGE_PUT, true, 13 * S));
    ck_assert(passage_answered(&p, PASSAGE_GET, true, 13 * S));
    ck_assert(!passage_turn(&p, 60 * S));
}
END_TEST

/* A way that ends the connection when pages are sent, and lets HELLO pass. */
START_TEST(sessions_that_end_before_a_page_came_through)
{
    Passage p = { 0 };

    for (unsigned i = 1; i < PASSAGE_SESSIONS; i++) {
        passage_asked(&p, PASSAGE_PUT, i * S);
        ck_assert(!passage_session_ended(&p, i * S));
    }
    ck_assert(!passage_session_ended(&p, 8 * S));       /* not asked in */
    passage_asked(&p, PASSAGE_PUT, 9 * S);
    passage_answered(&p, PASSAGE_PUT, false, 9 * S);    /* refused */
    ck_assert(passage_session_ended(&p, 9 * S));
    ck_assert(passage_is_suspect(&p));
    ck_assert_uint_eq(p.since, 9 * S);
    passage_asked(&p, PASSAGE_PUT, 10 * S);
    ck_assert(!passage_session_ended(&p, 11 * S));      /* said once */
    ck_assert(passage_is_suspect(&p));
    passage_asked(&p, PASSAGE_PUT, 12 * S);
    ck_assert(passage_answered(&p, PASSAGE_PUT, true, 12 * S));
    ck_assert(!passage_session_ended(&p, 13 * S));
    ck_assert(!passage_is_suspect(&p));
}
END_TEST

/* A provider that is restarted now and then. */
START_TEST(pages_of_a_session_count_for_it)
{
    Passage p = { 0 };

    for (unsigned i = 1; i < 5 * PASSAGE_SESSIONS; i++) {
        passage_asked(&p, PASSAGE_GET, i * S);
        passage_asked(&p, PASSAGE_GET, i * S);
        passage_answered(&p, PASSAGE_GET, true, i * S);
        ck_assert(!passage_session_ended(&p, i * S));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("passage");
    TCase *tc = tcase_create("passage");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, pages_that_do_not_come_through);
    tcase_add_test(tc, what_was_sent_just_now_is_not_late);
    tcase_add_test(tc, progress_is_enough);
    tcase_add_test(tc, a_refusal_proves_nothing);
    tcase_add_test(tc, a_session_proves_nothing);
    tcase_add_test(tc, each_direction_for_itself);
    tcase_add_test(tc, sessions_that_end_before_a_page_came_through);
    tcase_add_test(tc, pages_of_a_session_count_for_it);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
