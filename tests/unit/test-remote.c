/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said to be wrong with a provider, by when bytes came from it. */
#include <check.h>
#include <string.h>

#include "rcached/pager/copies.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/provider-messages.h"
#include "rcached/pager/tag.h"

#define S       UINT64_C(1000000000)

static enum RcacheCause trouble(const Remote *remote, uint64_t now,
                                uint64_t since)
{
    uint64_t got = 0;
    enum RcacheCause cause = remote_trouble(remote, now, &got);

    ck_assert_uint_eq(got, since);
    return cause;
}

/* A lease has been granted there, and the next tick will connect it. */
START_TEST(a_new_one_is_not_in_trouble)
{
    Remote remote = { .state = REMOTE_DOWN };

    ck_assert_int_eq(trouble(&remote, 1000 * S, 0), RCACHE_CAUSE_NONE);
}
END_TEST

START_TEST(one_that_says_nothing_hangs)
{
    Remote remote = { .state = REMOTE_UP, .heard_at = 1000 * S };

    ck_assert_int_eq(trouble(&remote, 1002 * S, 0), RCACHE_CAUSE_NONE);
    ck_assert_int_eq(trouble(&remote, 1004 * S, 1000 * S), RCACHE_CAUSE_HUNG);
}
END_TEST

START_TEST(one_that_is_away_cannot_be_reached_or_hangs)
{
    Remote remote = { .state = REMOTE_CONNECTING, .away_at = 1000 * S };

    ck_assert_int_eq(trouble(&remote, 1002 * S, 0), RCACHE_CAUSE_NONE);
    ck_assert_int_eq(trouble(&remote, 1004 * S, 1000 * S),
                     RCACHE_CAUSE_UNREACHABLE);
    remote.connected = true;
    ck_assert_int_eq(trouble(&remote, 1004 * S, 1000 * S), RCACHE_CAUSE_HUNG);
}
END_TEST

/* A new session, in which it has answered HELLO and PINGs. */
START_TEST(one_that_no_pages_get_through_to_is_not_well)
{
    Remote remote = { .state = REMOTE_UP, .heard_at = 1000 * S };

    remote.passage.suspect[PASSAGE_PUT] = true;
    remote.passage.since = 900 * S;
    ck_assert_int_eq(trouble(&remote, 1000 * S, 900 * S),
                     RCACHE_CAUSE_NO_PAGES);
    remote.passage.suspect[PASSAGE_PUT] = false;
    ck_assert_int_eq(trouble(&remote, 1000 * S, 0), RCACHE_CAUSE_NONE);
}
END_TEST

/*
 * A host that slept for an hour has not found anybody away for that long; what
 * is really away, with the pager awake, is.
 */
START_TEST(time_that_is_slept_through_proves_nothing)
{
    const Copies copies = { .give_up_ns = 300 * S };
    Remote remote = { .state = REMOTE_DOWN, .retry_at = UINT64_MAX,
                      .away_at = 999 * S, .heard_at = 998 * S };
    uint64_t now = 1000 * S;

    remote_tick(&remote, now);
    now += 3600 * S;
    remote_tick(&remote, now);
    ck_assert(!copies_is_given_up(&copies, &remote, now));
    ck_assert_int_eq(trouble(&remote, now, 0), RCACHE_CAUSE_NONE);
    ck_assert_uint_eq(remote.heard_at, now - 2 * S);
    for (unsigned i = 0; i < 3000; i++) {
        now += S / 10;
        remote_tick(&remote, now);
    }
    ck_assert(copies_is_given_up(&copies, &remote, now));
}
END_TEST

static uint64_t no_session(Remote *remote)
{
    return 1;
}

static void is_down(Remote *remote, const char *why)
{
}

/* An arbiter on this host may name providers that are not. */
START_TEST(without_tls_no_other_host_is_spoken_to)
{
    const RemoteOps ops = { .session = no_session, .down = is_down };
    const RemoteSelf self = { .host = "here" };
    Remote *remote = remote_new(NULL, &ops, NULL, &self, "192.0.2.1:9470",
                                "there");

    remote_tick(remote, 1000 * S);
    ck_assert_int_eq(remote->state, REMOTE_DOWN);
    ck_assert_str_eq(remote->why, "without TLS only this host is spoken to");
    remote_free(remote);
}
END_TEST

/* Who sends a byte of a handshake now and then is no provider. */
START_TEST(a_handshake_has_an_end)
{
    Remote remote = {
        .state = REMOTE_CONNECTING, .alive_at = 1000 * S,
        .fault.fd = -1, .bulk.fd = -1,
    };

    for (unsigned i = 0; i < 9; i++) {
        ck_assert_int_eq(remote.state, REMOTE_CONNECTING);
        remote.fault.bytes_in++;
        remote.bulk.bytes_in++;
        remote_tick(&remote, (1000 + i) * S);
    }
    remote_tick(&remote, 1009 * S);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
}
END_TEST

/* Its daemon has been started again with tls=required. */
START_TEST(a_session_without_tls_does_not_outlive_it)
{
    RemoteSelf self = { .host = "here" };
    Remote remote = {
        .self = &self, .state = REMOTE_UP,
        .fault = { .fd = 0, .closing = true },
        .bulk = { .fd = 0, .closing = true },
    };

    remote_recheck(&remote);
    ck_assert_int_eq(remote.state, REMOTE_UP);
    self.tls = (TlsCredentials *)&self;     /* it is not looked at */
    remote_recheck(&remote);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
    ck_assert_ptr_nonnull(strstr(remote.why, "without TLS"));
}
END_TEST

/*
 * Whether the bytes of a PUT are still being sent is known to the connection
 * that they go over: an answer on the other one would give their buffer free.
 */
START_TEST(an_answer_comes_where_the_request_went)
{
    static const uint64_t slot = 1;
    Pager *p = g_new0(Pager, 1);
    Remote remote = {
        .state = REMOTE_UP, .owner = p, .fault.fd = -1, .bulk.fd = -1,
    };
    Put *put = &p->locations.puts.put[0];
    WireHead head = { .type = RCACHE_PUT_ACK, .status = RCACHE_E_BUSY,
                      .tag = tag_encode(TAG_PUT, 0, 1) };

    put->slot = &slot;
    put->serial = 1;
    put->at[0].remote = &remote;
    provider_ops.answer(&remote, false, &head, NULL);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
    ck_assert_ptr_eq(put->at[0].remote, &remote);
    g_free(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("remote");
    TCase *tc = tcase_create("remote");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, a_new_one_is_not_in_trouble);
    tcase_add_test(tc, one_that_says_nothing_hangs);
    tcase_add_test(tc, one_that_is_away_cannot_be_reached_or_hangs);
    tcase_add_test(tc, one_that_no_pages_get_through_to_is_not_well);
    tcase_add_test(tc, time_that_is_slept_through_proves_nothing);
    tcase_add_test(tc, a_handshake_has_an_end);
    tcase_add_test(tc, a_session_without_tls_does_not_outlive_it);
    tcase_add_test(tc, without_tls_no_other_host_is_spoken_to);
    tcase_add_test(tc, an_answer_comes_where_the_request_went);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
