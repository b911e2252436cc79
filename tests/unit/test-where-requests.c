/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to several arbiters, of which some are away, or older. */
#include <check.h>
#include <string.h>

#include "rcached/agent/where-requests.h"

static WhereRequests *requests;
static bool ready[3], knows[3];
static uint64_t sent[3];        /* the tag; 0: not asked */
static int answers;
static WireWhere answer;

static bool op_ready(unsigned i, void *opaque)
{
    return ready[i];
}

static bool op_knows(unsigned i, void *opaque)
{
    return knows[i];
}

static void op_send(unsigned i, uint64_t tag, const WireWhere *what,
                    void *opaque)
{
    ck_assert_str_eq(what->host, "p");
    sent[i] = tag;
}

static const WhereRequestsOps ops = { op_ready, op_knows, op_send };

static void replied(const WireWhere *found, void *opaque)
{
    answers++;
    answer = *found;
}

static void set_up(void)
{
    memset(sent, 0, sizeof(sent));
    answers = 0;
    for (unsigned i = 0; i < 3; i++) {
        ready[i] = knows[i] = true;
    }
    requests = where_requests_new(3, &ops, NULL);
}

static void tear_down(void)
{
    where_requests_free(requests);
}

static void ask(void)
{
    static const WireWhere what = { .host = "p" };

    where_requests_add(requests, &what, replied, NULL);
    ck_assert_int_eq(answers, 0);
}

static void answered(unsigned i, uint16_t status)
{
    WireWhere found = { .status = status, .host = "p", .address = "a:1" };

    where_requests_answered(requests, i, sent[i], &found);
}

static void wait_for_answer(void)
{
    while (!answers) {
        g_main_context_iteration(NULL, true);
    }
}

START_TEST(the_first_that_knows_is_believed)
{
    ready[1] = false;
    ask();
    ck_assert(sent[0] && !sent[1] && sent[2]);
    answered(0, RCACHE_E_REFUSED);
    ck_assert_int_eq(answers, 0);
    answered(0, RCACHE_OK);             /* it has answered already */
    ck_assert_int_eq(answers, 0);
    answered(2, RCACHE_OK);
    ck_assert_int_eq(answers, 1);
    ck_assert_uint_eq(answer.status, RCACHE_OK);
    ck_assert_str_eq(answer.address, "a:1");
    answered(2, RCACHE_OK);
    ck_assert_int_eq(answers, 1);
}
END_TEST

/* None knows of it; one of them had no time to say so. */
START_TEST(nobody_knows)
{
    ready[2] = false;
    ask();
    answered(1, RCACHE_E_REFUSED);
    where_requests_lost(requests, 0);
    ck_assert_int_eq(answers, 1);
    ck_assert_uint_eq(answer.status, RCACHE_E_REFUSED);
}
END_TEST

START_TEST(nobody_says)
{
    ready[1] = ready[2] = false;
    ask();
    where_requests_lost(requests, 0);
    ck_assert_uint_eq(answer.status, RCACHE_E_BUSY);
    answers = 0;
    ready[0] = false;
    ask();
    wait_for_answer();
    ck_assert_uint_eq(answer.status, RCACHE_E_BUSY);
    answers = 0;
    ready[0] = true;
    ask();
    wait_for_answer();                  /* in vain, for two seconds */
    ck_assert_uint_eq(answer.status, RCACHE_E_BUSY);
    answers = 0;
    ask();
    where_requests_free(requests);
    ck_assert_uint_eq(answer.status, RCACHE_E_BUSY);
    requests = where_requests_new(3, &ops, NULL);
}
END_TEST

/* They said so once: slabs move while all arbiters are away. */
START_TEST(what_was_said_is_remembered)
{
    static const WireWhere at = { .address = "a:1" }, other = { .host = "q" };

    ask();
    answered(2, RCACHE_OK);
    ready[0] = ready[1] = ready[2] = false;
    for (unsigned i = 0; i < 2; i++) {
        answers = 0;
        where_requests_add(requests, i ? &at : &(WireWhere) { .host = "p" },
                           replied, NULL);
        wait_for_answer();
        ck_assert_uint_eq(answer.status, RCACHE_OK);
        ck_assert_str_eq(answer.host, "p");
        ck_assert_str_eq(answer.address, "a:1");
    }
    answers = 0;
    where_requests_add(requests, &other, replied, NULL);
    wait_for_answer();
    ck_assert_uint_eq(answer.status, RCACHE_E_BUSY);
    /* Who says that there is none is believed. */
    ready[0] = true;
    answers = 0;
    ask();
    answered(0, RCACHE_E_REFUSED);
    ck_assert_uint_eq(answer.status, RCACHE_E_REFUSED);
}
END_TEST

/* An older arbiter cannot be asked; one that can has the last word. */
START_TEST(older_arbiters)
{
    knows[0] = knows[1] = knows[2] = false;
    ask();
    wait_for_answer();
    ck_assert_uint_eq(answer.status, RCACHE_OK);
    ck_assert_str_eq(answer.host, "p");
    ck_assert_str_eq(answer.address, "");
    answers = 0;
    knows[1] = true;
    ask();
    ck_assert(!sent[0] && sent[1]);
    answered(1, RCACHE_E_REFUSED);
    ck_assert_uint_eq(answer.status, RCACHE_E_REFUSED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("where-requests");
    TCase *tc = tcase_create("where-requests");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_first_that_knows_is_believed);
    tcase_add_test(tc, nobody_knows);
    tcase_add_test(tc, nobody_says);
    tcase_add_test(tc, what_was_said_is_remembered);
    tcase_add_test(tc, older_arbiters);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
