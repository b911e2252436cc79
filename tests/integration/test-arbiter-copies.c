/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real arbiter, fake hosts in racks: two copies, and one for a lost one. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/fake-host.h"

#define MIB     (1ull << 20)
#define HOSTS   4u
/* For a second the same is refused again: arbiter/refusal.h. */
#define REFUSED_US  1100000

static ArbiterProcess arbiter;
static FakeHost me, host[HOSTS];        /* two racks of two */

static void set_up(void)
{
    static const char *const names[] = { "a1", "a2", "b1", "b2" };

    arbiter_start(&arbiter, 100);
    fake_host_init(&me, "me", 0);
    me.vm = true;
    me.copies = 2;
    me.features = RCACHE_FEATURE_LABELS;
    for (unsigned i = 0; i < HOSTS; i++) {
        fake_host_init(&host[i], names[i], 1024 * MIB);
        host[i].label = i < 2 ? "rack a" : "rack b";
    }
}

static void tear_down(void)
{
    fake_host_deinit(&me);
    for (unsigned i = 0; i < HOSTS; i++) {
        fake_host_deinit(&host[i]);
    }
    arbiter_stop(&arbiter);
}

static void join_all(void)
{
    fake_host_join(&me, &arbiter);
    for (unsigned i = 0; i < HOSTS; i++) {
        fake_host_join(&host[i], &arbiter);
    }
}

/* Of the reply, what is in hosts of this label, or of this name. */
static uint64_t granted(const char *label, const char *name)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < me.reply.nr_grants; i++) {
        const WireLeaseGrant *g = &me.reply.grant[i];

        if ((label && !strcmp(g->label, label)) ||
            (name && !strcmp(g->host, name))) {
            bytes += g->bytes;
        }
    }
    return bytes;
}

START_TEST(each_rack_gets_one)
{
    join_all();
    fake_host_request(&me, 1, 384 * MIB, 2);
    fake_wait(me.replies == 1);
    ck_assert_uint_eq(me.reply.status, RCACHE_OK);
    ck_assert_uint_eq(me.reply.bytes, 768 * MIB);
    ck_assert_str_eq(me.reply.text, "");
    ck_assert(me.reply.labels);
    ck_assert_uint_eq(granted("rack a", NULL), 384 * MIB);
    ck_assert_uint_eq(granted("rack b", NULL), 384 * MIB);
}
END_TEST

/* A host that does not know labels gets a reply as it always was. */
START_TEST(without_labels_nothing_changes)
{
    me.features = 0;
    join_all();
    fake_host_request(&me, 1, 128 * MIB, 1);
    fake_wait(me.replies == 1);
    ck_assert(!me.reply.labels);
    ck_assert_uint_eq(me.reply.bytes, 128 * MIB);
}
END_TEST

/* What one refuses, others give: but only so that all find a partner. */
START_TEST(what_is_refused_stays_in_pairs)
{
    host[2].answer = FAKE_NO;
    host[3].answer = FAKE_NO;
    join_all();
    fake_host_request(&me, 1, 256 * MIB, 2);
    fake_wait(me.replies == 1);
    /* Rack b has refused: nothing more is asked of rack a for it. */
    ck_assert_uint_eq(me.reply.bytes, 256 * MIB);
    ck_assert_uint_eq(granted("rack a", NULL), 256 * MIB);
    ck_assert_ptr_nonnull(strstr(me.reply.text, "just lent"));
}
END_TEST

START_TEST(what_one_refuses_the_rack_gives)
{
    host[2].answer = FAKE_NO;
    join_all();
    fake_host_request(&me, 1, 256 * MIB, 2);
    fake_wait(me.replies == 1);
    ck_assert_uint_eq(me.reply.bytes, 512 * MIB);
    ck_assert_uint_eq(granted("rack a", NULL), 256 * MIB);
    ck_assert_uint_eq(granted(NULL, "b2"), 256 * MIB);
    ck_assert_str_eq(me.reply.text, "");
}
END_TEST

/* Of a VM with two copies one is lost, and is asked for. */
START_TEST(one_copy_beside_none_that_is_left)
{
    WireLeaseRequest request = { .vm = "the vm's uuid", .name = "vm",
                                 .bytes = 64 * MIB, .copies = 1,
                                 .nr_avoid = 1, .avoid = { "a1" } };

    host[0].lease[0] = (WireBeatLease) {
        .lease = 1, .epoch = 1, .state = RCACHE_LEASE_CLAIMED,
        .vm = "the vm's uuid", .name = "vm", .host = "me",
        .bytes = 256 * MIB, .stored = 256 * MIB, .expires_ms = 30000,
    };
    host[0].nr_leases = host[0].nr_listed = 1;
    join_all();
    for (unsigned i = 0; i < 8; i++) {
        fake_host_ask(&me, i, &request);
        fake_wait(me.replies == i + 1);
        ck_assert_uint_eq(me.reply.bytes, 64 * MIB);
        ck_assert_uint_eq(granted("rack b", NULL), 64 * MIB);
    }
}
END_TEST

/* "me" says so of a provider, in a heartbeat that has been taken. */
static void say_trouble(const char *provider, enum RcacheCause cause)
{
    uint64_t sent;

    me.trouble = (WireBeatTrouble) { .vm = "the vm's uuid", .name = "vm",
                                     .cause = cause };
    g_strlcpy(me.trouble.host, provider, sizeof(me.trouble.host));
    sent = me.beats_sent;
    fake_wait(me.beats_sent > sent + 2);
}

static uint64_t granted_now(uint64_t tag, uint32_t copies)
{
    unsigned replies = me.replies;

    fake_host_request(&me, tag, 64 * MIB, copies);
    fake_wait(me.replies == replies + 1);
    return me.reply.bytes;
}

/*
 * Where nobody else has room for a second copy it goes to one whose bytes were
 * wrong lately; to one that cannot be reached now it does not.
 */
START_TEST(a_copy_where_there_was_trouble)
{
    host[1].offered = host[3].offered = 0;      /* a1 and b1 are left */
    join_all();
    say_trouble("b1", RCACHE_CAUSE_WRONG);
    ck_assert_uint_eq(granted_now(1, 2), 128 * MIB);
    ck_assert_uint_eq(granted(NULL, "b1"), 64 * MIB);
    say_trouble("b1", RCACHE_CAUSE_UNREACHABLE);
    granted_now(2, 2);
    ck_assert_uint_eq(granted(NULL, "b1"), 0);
}
END_TEST

/*
 * With one copy, too: better where there was trouble than nowhere.  But not
 * while it is said, and what would be the only copy not where bytes were wrong.
 */
START_TEST(the_only_copy_where_there_was_trouble)
{
    gint64 refused;

    me.copies = 1;
    host[0].offered = host[1].offered = host[3].offered = 0;
    join_all();
    say_trouble("b1", RCACHE_CAUSE_UNREACHABLE);
    ck_assert_uint_eq(granted_now(1, 1), 0);
    say_trouble("", RCACHE_CAUSE_NONE);
    refused = g_get_monotonic_time();
    fake_wait(g_get_monotonic_time() > refused + REFUSED_US);
    ck_assert_uint_eq(granted_now(2, 1), 64 * MIB);
    ck_assert_uint_eq(granted(NULL, "b1"), 64 * MIB);
    say_trouble("b1", RCACHE_CAUSE_WRONG);
    say_trouble("", RCACHE_CAUSE_NONE);
    ck_assert_uint_eq(granted_now(3, 1), 0);
}
END_TEST

/* And as long as others have room they are taken. */
START_TEST(trouble_is_kept_away_from)
{
    join_all();
    say_trouble("b1", RCACHE_CAUSE_WRONG);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_uint_eq(granted_now(i, 2), 128 * MIB);
        ck_assert_uint_eq(granted(NULL, "b1"), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arbiter-copies");
    TCase *tc = tcase_create("arbiter-copies");
    SRunner *r = srunner_create(s);
    int failed;

    if (!g_getenv("ARBITER")) {
        puts("skipped: ARBITER does not name the program");
        return 77;
    }
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, each_rack_gets_one);
    tcase_add_test(tc, without_labels_nothing_changes);
    tcase_add_test(tc, what_is_refused_stays_in_pairs);
    tcase_add_test(tc, what_one_refuses_the_rack_gives);
    tcase_add_test(tc, one_copy_beside_none_that_is_left);
    tcase_add_test(tc, a_copy_where_there_was_trouble);
    tcase_add_test(tc, the_only_copy_where_there_was_trouble);
    tcase_add_test(tc, trouble_is_kept_away_from);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
