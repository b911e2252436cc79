/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and grants: answers, silence, losses, and what counts as gone. */
#include <check.h>
#include <string.h>

#include "common/wire-control.h"
#include "arbiter/grants.h"

#define MIB     (1ull << 20)

static const GrantsConfig config = {
    .answer_ms = 2000,
    .claim_ms = 30000,
    .asks_max = 2,
};
static const uint8_t token[RCACHE_TOKEN_LEN] = "token";
static const WireLeaseRequest request = {
    .vm = "vm 1", .name = "vm", .bytes = 128 * MIB, .copies = 1,
};

static Grants grants;

static void set_up(void)
{
    grants_init(&grants, &config);
}

static void tear_down(void)
{
    grants_deinit(&grants);
}

/* A request at time 0 with 64 MiB at "a" (id 1) and at "b" (id 2). */
static LeaseAsk *ask_two(void)
{
    LeaseAsk *ask = grants_ask_new(&grants, "me", 7, &request, 0);

    ck_assert_ptr_nonnull(ask);
    ck_assert_ptr_nonnull(
        grants_add(&grants, ask, "a", "a:1", 64 * MIB, 1, token, 0));
    ck_assert_ptr_nonnull(
        grants_add(&grants, ask, "b", "b:1", 64 * MIB, 2, token, 0));
    return ask;
}

static bool ack(const char *provider, uint64_t lease, uint64_t bytes,
                uint16_t status, const char *text, uint64_t now)
{
    WireGrantAck a = { .status = status, .lease = lease, .bytes = bytes,
                       .ttl_ms = 30000 };

    g_strlcpy(a.text, text, sizeof(a.text));
    return grants_ack(&grants, provider, &a, now);
}

typedef struct Sum {
    const char *provider;
    uint64_t bytes;
} Sum;

static void sum_grant(const Grant *grant, void *opaque)
{
    Sum *sum = opaque;

    sum->bytes += strcmp(grant->provider, sum->provider)
                      ? 0 : grant->wire.bytes;
}

static void add_bytes(const Grant *grant, void *opaque)
{
    *(uint64_t *)opaque += grant->wire.bytes;
}

typedef void LeasesOf(const Grants *l, const char *name, GrantsEach *each,
                      void *opaque);

static uint64_t pending(const char *provider)
{
    Sum sum = { .provider = provider };

    grants_each_pending(&grants, sum_grant, &sum);
    return sum.bytes;
}

START_TEST(both_say_yes)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    ck_assert_uint_eq(pending("a"), 64 * MIB);
    ck_assert_ptr_null(grants_next_done(&grants, 1));
    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    ck_assert_ptr_null(grants_next_done(&grants, 1));
    ck_assert(ack("b", 2, 64 * MIB, 0, "", 1));
    ck_assert_ptr_eq(grants_next_done(&grants, 1), ask);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.status, RCACHE_OK);
    ck_assert_uint_eq(reply.bytes, 128 * MIB);
    ck_assert_uint_eq(reply.nr_grants, 2);
    ck_assert_str_eq(reply.text, "");
    ck_assert_uint_eq(reply.grant[1].lease, 2);
    ck_assert_uint_eq(reply.grant[1].epoch, 1);
    ck_assert_uint_eq(reply.grant[1].ttl_ms, 30000);
    ck_assert_str_eq(reply.grant[1].host, "b");
    ck_assert_str_eq(reply.grant[1].address, "b:1");
    ck_assert_mem_eq(reply.grant[1].token, token, sizeof(token));
    grants_ask_free(&grants, ask);
    ck_assert_ptr_null(grants_next_done(&grants, 1));

    /* Gone until a heartbeat of that provider lists it, or nobody claims. */
    ck_assert_uint_eq(pending("a"), 64 * MIB);
    grants_listed(&grants, "b", 1);
    ck_assert_uint_eq(pending("a"), 64 * MIB);
    grants_listed(&grants, "a", 1);
    ck_assert_uint_eq(pending("a"), 0);
    grants_expire(&grants, 30000);
    ck_assert_uint_eq(pending("b"), 64 * MIB);
    grants_expire(&grants, 30001);
    ck_assert_uint_eq(pending("b"), 0);
}
END_TEST

START_TEST(one_says_no)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    ck_assert(ack("a", 1, 0, RCACHE_E_NO_ROOM, "all lent", 1));
    ck_assert_uint_eq(pending("a"), 0);
    ck_assert(ack("b", 2, 16 * MIB, 0, "", 1));
    ck_assert_uint_eq(pending("b"), 16 * MIB);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.status, RCACHE_OK);
    ck_assert_uint_eq(reply.nr_grants, 1);
    ck_assert_uint_eq(reply.bytes, 16 * MIB);
    ck_assert_str_eq(reply.text, "a: all lent");
    grants_ask_free(&grants, ask);
}
END_TEST

START_TEST(both_say_no)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    ck_assert(ack("a", 1, 0, RCACHE_E_NO_ROOM, "", 1));
    ck_assert(ack("b", 2, 0, RCACHE_E_REFUSED, "never", 1));
    ck_assert_ptr_eq(grants_next_done(&grants, 1), ask);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.status, RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(reply.nr_grants, 0);
    ck_assert_uint_eq(reply.bytes, 0);
    ck_assert(g_str_has_prefix(reply.text, "a: "));
    grants_ask_free(&grants, ask);
    ck_assert_uint_eq(g_hash_table_size(grants.grants), 0);
}
END_TEST

START_TEST(others_are_asked_for_what_is_refused)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;
    unsigned parts;

    ck_assert_uint_eq(grants_lacking(ask, 1, &parts), 0);
    ck_assert(ack("a", 1, 0, RCACHE_E_NO_ROOM, "no", 1));
    ck_assert(ack("b", 2, 64 * MIB, 0, "", 1));
    ck_assert_ptr_eq(grants_next_done(&grants, 1), ask);
    ck_assert_uint_eq(grants_lacking(ask, 1, &parts), 64 * MIB);
    ck_assert_uint_eq(parts, WIRE_GRANTS_MAX - 1);
    grants_round(ask);
    ck_assert_uint_eq(grants_lacking(ask, 1, &parts), 0);
    ck_assert_ptr_nonnull(
        grants_add(&grants, ask, "c", "c:1", 64 * MIB, 3, token, 1));
    ck_assert_ptr_null(grants_next_done(&grants, 1));
    ck_assert(ack("c", 3, 64 * MIB, 0, "", 2));
    ck_assert_ptr_eq(grants_next_done(&grants, 2), ask);
    ck_assert_uint_eq(grants_lacking(ask, 2, &parts), 0);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.bytes, 128 * MIB);
    ck_assert_uint_eq(reply.nr_grants, 2);
    ck_assert_str_eq(reply.text, "");
    grants_ask_free(&grants, ask);
}
END_TEST

/* Not for ever, not after its time, and less counts as well as no. */
START_TEST(asking_others_ends)
{
    LeaseAsk *ask = ask_two();
    unsigned parts, rounds = 0;
    uint64_t id = 3;

    ck_assert(ack("a", 1, 32 * MIB, 0, "", 1));
    ck_assert(ack("b", 2, 64 * MIB, 0, "", 1));
    ck_assert_uint_eq(grants_lacking(ask, 1, &parts), 32 * MIB);
    ck_assert_uint_eq(grants_lacking(ask, ask->deadline_ms, &parts), 0);
    while (grants_lacking(ask, 1, &parts)) {
        grants_round(ask);
        ck_assert_ptr_nonnull(
            grants_add(&grants, ask, "c", "c:1", 32 * MIB, id, token, 1));
        ck_assert(ack("c", id++, 0, RCACHE_E_NO_ROOM, "no", 1));
        ck_assert_uint_lt(++rounds, 20);
    }
    ck_assert_uint_gt(rounds, 1);
    grants_ask_free(&grants, ask);
}
END_TEST

/* A yes after a lost connection, when others have said yes as well. */
START_TEST(more_answers_than_a_reply_holds)
{
    LeaseAsk *ask = grants_ask_new(&grants, "me", 7, &request, 0);
    WireLeaseReply reply;

    for (uint64_t id = 1; id <= WIRE_GRANTS_MAX + 3; id++) {
        ck_assert_ptr_nonnull(
            grants_add(&grants, ask, "a", "a:1", MIB, id, token, 0));
        grants_provider_lost(&grants, "a");
        ck_assert(ack("a", id, MIB, 0, "", 1));
    }
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.nr_grants, WIRE_GRANTS_MAX);
    ck_assert_uint_eq(reply.bytes, WIRE_GRANTS_MAX * MIB);
    grants_ask_free(&grants, ask);
}
END_TEST

START_TEST(silence_ends)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    /* 2 s, and what it takes to allocate 64 MiB on a busy host. */
    ck_assert_ptr_null(grants_next_done(&grants, 2255));
    ck_assert_ptr_eq(grants_next_done(&grants, 2256), ask);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.bytes, 64 * MIB);
    ck_assert_str_eq(reply.text, "b did not answer in time");
    grants_ask_free(&grants, ask);

    /* Its memory may be taken all the same, and a late yes says it is. */
    ck_assert_uint_eq(pending("b"), 64 * MIB);
    ck_assert(ack("b", 2, 32 * MIB, 0, "", 5000));
    ck_assert_uint_eq(pending("b"), 32 * MIB);
    grants_expire(&grants, 34999);
    ck_assert_uint_eq(pending("b"), 32 * MIB);
    grants_expire(&grants, 35000);
    ck_assert_uint_eq(pending("b"), 0);
    ck_assert(!ack("b", 2, 32 * MIB, 0, "", 35001));
}
END_TEST

START_TEST(a_late_no_gives_it_back)
{
    LeaseAsk *ask = ask_two();

    grants_ask_free(&grants, ask);
    ck_assert_uint_eq(pending("b"), 64 * MIB);
    ck_assert(ack("b", 2, 0, RCACHE_E_NO_ROOM, "", 5000));
    ck_assert_uint_eq(pending("b"), 0);
    grants_expire(&grants, 32255);
    ck_assert_uint_eq(pending("a"), 64 * MIB);
    grants_expire(&grants, 32256);
    ck_assert_uint_eq(pending("a"), 0);
}
END_TEST

START_TEST(a_lost_provider_is_not_waited_for)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    grants_provider_lost(&grants, "b");
    ck_assert_ptr_eq(grants_next_done(&grants, 1), ask);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.bytes, 64 * MIB);
    ck_assert_str_eq(reply.text, "b: the connection was lost");
    grants_ask_free(&grants, ask);
}
END_TEST

/* Others are asked for what one that hangs does not answer. */
START_TEST(a_silent_provider_is_not_waited_for)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;
    unsigned parts;

    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    grants_provider_silent(&grants, "b");
    ck_assert_ptr_eq(grants_next_done(&grants, 1), ask);
    ck_assert_uint_eq(grants_lacking(ask, 1, &parts), 64 * MIB);
    ck_assert(!grant_gave_all(ask->grants->pdata[1]));
    grants_reply(ask, &reply);
    ck_assert_str_eq(reply.text, "b: does not answer");
    /* And a yes that comes after all is taken. */
    ck_assert(ack("b", 2, 64 * MIB, 0, "", 2));
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.bytes, 128 * MIB);
    grants_ask_free(&grants, ask);
}
END_TEST

/* What it had granted ended with its boot. */
START_TEST(another_boot_has_granted_nothing)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    grants_provider_rebooted(&grants, "a");
    ck_assert_uint_eq(pending("a"), 0);
    ck_assert(ack("b", 2, 64 * MIB, 0, "", 1));
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.bytes, 64 * MIB);
    ck_assert_uint_eq(reply.nr_grants, 1);
    ck_assert_str_eq(reply.text, "a: has booted again");
    grants_ask_free(&grants, ask);
    ck_assert_uint_eq(pending("b"), 64 * MIB);
    grants_provider_rebooted(&grants, "b");
    ck_assert_uint_eq(pending("b"), 0);
    ck_assert_uint_eq(g_hash_table_size(grants.grants), 0);
    grants_provider_rebooted(&grants, "nobody");
}
END_TEST

/* Whatever is asked for, an answer comes, and what was granted is free. */
START_TEST(a_large_request_does_not_wait_for_ever)
{
    const uint64_t most = config.answer_ms + 5 * 60 * 1000;
    WireLeaseRequest large = request;
    LeaseAsk *ask;

    large.bytes = UINT64_MAX;
    ask = grants_ask_new(&grants, "me", 1, &large, 0);
    ck_assert_ptr_nonnull(
        grants_add(&grants, ask, "a", "a:1", UINT64_MAX, 1, token, 0));
    ck_assert_ptr_null(grants_next_done(&grants, most - 1));
    ck_assert_ptr_eq(grants_next_done(&grants, most), ask);
    grants_ask_free(&grants, ask);
    grants_expire(&grants, most + config.claim_ms);
    ck_assert_uint_eq(pending("a"), 0);
    /* And of little that was granted the answer is soon there. */
    ask = grants_ask_new(&grants, "me", 2, &large, 0);
    ck_assert_ptr_nonnull(
        grants_add(&grants, ask, "a", "a:1", 64 * MIB, 2, token, 0));
    ck_assert_ptr_eq(grants_next_done(&grants, config.answer_ms + 256), ask);
}
END_TEST

START_TEST(a_lost_requester_is_forgotten)
{
    ask_two();
    grants_requester_lost(&grants, "other");
    ck_assert_ptr_nonnull(grants_next_done(&grants, 9999));
    grants_requester_lost(&grants, "me");
    ck_assert_ptr_null(grants_next_done(&grants, 9999));
    ck_assert_uint_eq(pending("a"), 64 * MIB);
}
END_TEST

static uint64_t pending_of(LeasesOf *of, const char *name)
{
    uint64_t bytes = 0;

    of(&grants, name, add_bytes, &bytes);
    return bytes;
}

START_TEST(grants_by_name)
{
    LeaseAsk *ask = ask_two();

    ck_assert_uint_eq(pending_of(grants_each_given, "a"), 64 * MIB);
    ck_assert_uint_eq(pending_of(grants_each_given, "me"), 0);
    ck_assert_uint_eq(pending_of(grants_each_taken, "me"), 128 * MIB);
    ck_assert_uint_eq(pending_of(grants_each_taken, "a"), 0);
    ck_assert(ack("b", 2, 0, RCACHE_E_NO_ROOM, "", 1));
    ck_assert_uint_eq(pending_of(grants_each_taken, "me"), 64 * MIB);
    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    grants_ask_free(&grants, ask);
    grants_listed(&grants, "a", 1);
    ck_assert_uint_eq(pending_of(grants_each_taken, "me"), 0);
    /* Nothing is kept of names that nothing is left of. */
    ck_assert_uint_eq(g_hash_table_size(grants.parties), 0);
}
END_TEST

/* The first to be done is not the first that asked, or the first in time. */
START_TEST(done_in_any_order)
{
    WireLeaseRequest small = request, large = request;
    LeaseAsk *first, *second, *third;

    small.bytes = MIB;
    large.bytes = 4096 * MIB;
    first = grants_ask_new(&grants, "me", 1, &large, 0);
    grants_add(&grants, first, "a", "a:1", 4096 * MIB, 1, token, 0);
    second = grants_ask_new(&grants, "you", 2, &small, 0);
    grants_add(&grants, second, "a", "a:1", MIB, 2, token, 0);
    third = grants_ask_new(&grants, "you", 3, &small, 10);
    grants_add(&grants, third, "b", "b:1", MIB, 3, token, 10);
    ck_assert_ptr_null(grants_next_done(&grants, 1999));
    ck_assert(ack("b", 3, MIB, 0, "", 1999));
    ck_assert_ptr_eq(grants_next_done(&grants, 1999), third);
    /* Others are asked after all, and it waits again. */
    grants_add(&grants, third, "c", "c:1", MIB, 4, token, 1999);
    ck_assert_ptr_null(grants_next_done(&grants, 1999));
    ck_assert_ptr_eq(grants_next_done(&grants, second->deadline_ms), second);
    grants_ask_free(&grants, second);
    ck_assert_ptr_null(grants_next_done(&grants, third->deadline_ms - 1));
    ck_assert_ptr_eq(grants_next_done(&grants, third->deadline_ms), third);
    grants_requester_lost(&grants, "you");
    ck_assert_ptr_null(grants_next_done(&grants, first->deadline_ms - 1));
    ck_assert_ptr_eq(grants_next_done(&grants, first->deadline_ms), first);
}
END_TEST

/* Back: nobody is late for it.  Ahead: all are, and nothing is left. */
START_TEST(a_clock_that_jumps)
{
    LeaseAsk *ask = grants_ask_new(&grants, "me", 7, &request, 50000);

    grants_add(&grants, ask, "a", "a:1", MIB, 1, token, 50000);
    ck_assert_ptr_null(grants_next_done(&grants, 0));
    grants_expire(&grants, 0);
    ck_assert_uint_eq(pending("a"), MIB);
    /* Asked at an earlier time than the one before. */
    ck_assert_ptr_nonnull(
        grants_add(&grants, grants_ask_new(&grants, "me", 8, &request, 5), "b",
                   "b:1", MIB, 2, token, 5));
    ck_assert_ptr_null(grants_next_done(&grants, 6));
    for (unsigned i = 0; i < 2; i++) {
        ask = grants_next_done(&grants, UINT64_MAX);
        ck_assert_ptr_nonnull(ask);
        grants_ask_free(&grants, ask);
    }
    ck_assert_ptr_null(grants_next_done(&grants, UINT64_MAX));
    grants_expire(&grants, UINT64_MAX);
    ck_assert_uint_eq(g_hash_table_size(grants.grants), 0);
}
END_TEST

/* The heartbeat may overtake the answer. */
START_TEST(listed_before_the_answer)
{
    LeaseAsk *ask = ask_two();
    WireLeaseReply reply;

    grants_listed(&grants, "a", 1);
    ck_assert_uint_eq(pending("a"), 0);
    ck_assert(ack("a", 1, 64 * MIB, 0, "", 1));
    ck_assert(ack("b", 2, 64 * MIB, 0, "", 1));
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.bytes, 128 * MIB);
    grants_ask_free(&grants, ask);
    ck_assert_uint_eq(g_hash_table_size(grants.grants), 1);
}
END_TEST

START_TEST(wrong_answers)
{
    LeaseAsk *ask = ask_two();

    ck_assert(!ack("b", 1, 64 * MIB, 0, "", 1));    /* another's */
    ck_assert(!ack("a", 9, 64 * MIB, 0, "", 1));    /* nobody's */
    ck_assert(ack("a", 1, UINT64_MAX, 0, "", 1));   /* too good */
    ck_assert_uint_eq(pending("a"), 0);
    ck_assert(!ack("a", 1, 64 * MIB, 0, "", 1));    /* a second one */
    ck_assert_ptr_null(grants_add(&grants, ask, "c", "c:1", MIB, 2, token, 0));
    ck_assert_uint_eq(pending("b"), 64 * MIB);
}
END_TEST

START_TEST(nothing_to_ask)
{
    LeaseAsk *ask = grants_ask_new(&grants, "me", 1, &request, 0);
    WireLeaseReply reply;

    g_strlcpy(ask->text, "no host has room", sizeof(ask->text));
    ck_assert_ptr_eq(grants_next_done(&grants, 0), ask);
    grants_reply(ask, &reply);
    ck_assert_uint_eq(reply.status, RCACHE_E_NO_ROOM);
    ck_assert_str_eq(reply.text, "no host has room");
}
END_TEST

START_TEST(few_at_a_time)
{
    ck_assert_ptr_nonnull(grants_ask_new(&grants, "me", 1, &request, 0));
    ck_assert_ptr_nonnull(grants_ask_new(&grants, "me", 2, &request, 0));
    ck_assert_ptr_null(grants_ask_new(&grants, "me", 3, &request, 0));
    ck_assert_ptr_nonnull(grants_ask_new(&grants, "you", 1, &request, 0));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grants");
    TCase *tc = tcase_create("grants");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, both_say_yes);
    tcase_add_test(tc, one_says_no);
    tcase_add_test(tc, both_say_no);
    tcase_add_test(tc, silence_ends);
    tcase_add_test(tc, others_are_asked_for_what_is_refused);
    tcase_add_test(tc, asking_others_ends);
    tcase_add_test(tc, more_answers_than_a_reply_holds);
    tcase_add_test(tc, a_late_no_gives_it_back);
    tcase_add_test(tc, a_lost_provider_is_not_waited_for);
    tcase_add_test(tc, a_silent_provider_is_not_waited_for);
    tcase_add_test(tc, another_boot_has_granted_nothing);
    tcase_add_test(tc, a_large_request_does_not_wait_for_ever);
    tcase_add_test(tc, a_lost_requester_is_forgotten);
    tcase_add_test(tc, grants_by_name);
    tcase_add_test(tc, done_in_any_order);
    tcase_add_test(tc, a_clock_that_jumps);
    tcase_add_test(tc, listed_before_the_answer);
    tcase_add_test(tc, wrong_answers);
    tcase_add_test(tc, nothing_to_ask);
    tcase_add_test(tc, few_at_a_time);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
