/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Providers that requesters cannot make use of: who keeps them from whom. */
#include <check.h>
#include <string.h>

#include "common/wire-beat.h"
#include "arbiter/shunned.h"
#include "tests/unit/hosts-fixture.h"

static Hosts hosts;
static Shunned shunned;
static Host *a, *b, *c, *p;
static HostsSaid said, said_p;

static void set_up(void)
{
    hosts_fixture_init(&hosts);
    shunned_init(&shunned);
    a = hosts_fixture_add(&hosts, "a");
    b = hosts_fixture_add(&hosts, "b");
    c = hosts_fixture_add(&hosts, "c");
    p = hosts_fixture_add(&hosts, "p");
    said = said_p = hosts_fixture_said();
}

static void tear_down(void)
{
    shunned_deinit(&shunned);
    hosts_deinit(&hosts);
}

/* @host finds that of a provider. */
static void say(Host *host, const char *provider, enum RcacheCause cause,
                uint64_t now)
{
    said.nr_troubles = 1;
    said.trouble[0] = (WireBeatTrouble) { .vm = { 1 }, .name = "vm",
                                          .cause = cause, .since_s = 4 };
    g_strlcpy(said.trouble[0].host, provider, RCACHE_NAME_MAX);
    hosts_fixture_beat(&hosts, host, &said, now);
    shunned_beat(&shunned, &hosts, host, now);
}

START_TEST(one_requester_says_so)
{
    g_autofree char *text = NULL;

    say(a, "p", RCACHE_CAUSE_UNREACHABLE, 10000);
    ck_assert(shunned_from(&shunned, p, "a", SHUNNED_ALL, 10000));
    ck_assert(!shunned_from(&shunned, p, "b", SHUNNED_ALL, 10000));
    text = shunned_text(&shunned, p, 12000);
    ck_assert_str_eq(text, "cannot be reached, as a found 6 s ago: nothing "
                     "new is asked of it for those hosts");
    /* For a minute after it was last told, and then no more. */
    say(a, "p", RCACHE_CAUSE_UNREACHABLE, 20000);
    ck_assert(shunned_from(&shunned, p, "a", SHUNNED_ALL, 20000 + SHUNNED_MS));
    ck_assert(!shunned_from(&shunned, p, "a", SHUNNED_ALL, 20001 + SHUNNED_MS));
    ck_assert_ptr_null(shunned_text(&shunned, p, 20001 + SHUNNED_MS));
    shunned_expire(&shunned, 20001 + SHUNNED_MS);
    ck_assert_uint_eq(g_hash_table_size(shunned.providers), 0);
}
END_TEST

START_TEST(causes_that_do_not_count)
{
    say(a, "p", RCACHE_CAUSE_SLOW, 1000);
    say(a, "p", RCACHE_CAUSE_LOST, 1000);
    say(a, "p", RCACHE_CAUSE_NONE, 1000);
    ck_assert(!shunned_from(&shunned, p, "a", SHUNNED_ALL, 1000));
    /* Names that were made up are not kept. */
    say(a, "nobody", RCACHE_CAUSE_HUNG, 1000);
    ck_assert_uint_eq(g_hash_table_size(shunned.providers), 0);
    /* What a later version means by this, it is nothing good. */
    say(a, "p", 77, 1000);
    ck_assert(shunned_from(&shunned, p, "a", SHUNNED_ALL, 1000));
    shunned_forget(&shunned, "p");
    ck_assert(!shunned_from(&shunned, p, "a", SHUNNED_ALL, 1000));
}
END_TEST

START_TEST(several_say_so)
{
    g_autofree char *text = NULL;

    say(a, "p", RCACHE_CAUSE_NO_PAGES, 1000);
    say(b, "p", RCACHE_CAUSE_HUNG, 31000);
    ck_assert(shunned_from(&shunned, p, "c", SHUNNED_ALL, 31000));
    text = shunned_text(&shunned, p, 31000);
    ck_assert_ptr_nonnull(strstr(text, "does not answer, as a, b found"));
    ck_assert_ptr_nonnull(strstr(text, "for anybody"));
    /* It fades: one alone is not enough for all. */
    ck_assert(!shunned_from(&shunned, p, "c", SHUNNED_ALL, 1001 + SHUNNED_MS));
    ck_assert(shunned_from(&shunned, p, "b", SHUNNED_ALL, 1001 + SHUNNED_MS));
}
END_TEST

/* Two behind a broken switch, and all others lease from it happily. */
START_TEST(most_of_its_users_are_content)
{
    hosts_fixture_lease(&said_p, "1", 1, "a", MIB, 0);
    hosts_fixture_lease(&said_p, "2", 2, "c", MIB, 0);
    hosts_fixture_lease(&said_p, "3", 3, "d", MIB, 0);
    hosts_fixture_lease(&said_p, "4", 4, "e", MIB, 0);
    hosts_fixture_beat(&hosts, p, &said_p, 1000);
    say(a, "p", RCACHE_CAUSE_UNREACHABLE, 1000);
    say(b, "p", RCACHE_CAUSE_UNREACHABLE, 1000);
    ck_assert(shunned_from(&shunned, p, "b", SHUNNED_ALL, 1000));
    ck_assert(!shunned_from(&shunned, p, "d", SHUNNED_ALL, 1000));
    say(c, "p", RCACHE_CAUSE_UNREACHABLE, 1000);
    ck_assert(shunned_from(&shunned, p, "d", SHUNNED_ALL, 1000));
}
END_TEST

/* A requester's next heartbeat, in which all is well. */
static void say_nothing(Host *host, uint64_t now)
{
    said.nr_troubles = 0;
    hosts_fixture_beat(&hosts, host, &said, now);
    shunned_beat(&shunned, &hosts, host, now);
}

static bool counts(const char *requester, ShunnedWhat what, uint64_t now)
{
    return shunned_from(&shunned, p, requester, what, now);
}

/* What is not said any more, if there is nothing better. */
START_TEST(what_was_can_be_forgiven)
{
    say(a, "p", RCACHE_CAUSE_UNREACHABLE, 10000);
    for (ShunnedWhat what = SHUNNED_PRESENT; what <= SHUNNED_BUT_WRONG;
         what++) {
        ck_assert(counts("a", what, 10000 + SHUNNED_FRESH_MS));
        ck_assert(!counts("a", what, 10001 + SHUNNED_FRESH_MS));
    }
    ck_assert(counts("a", SHUNNED_ALL, 10001 + SHUNNED_FRESH_MS));

    /* What others say is theirs. */
    say_nothing(b, 10500);
    ck_assert(counts("a", SHUNNED_PRESENT, 10600));
    /* It was so since 6000; and it counts for as long again. */
    say_nothing(a, 11000);
    ck_assert(counts("a", SHUNNED_PRESENT, 13999));
    ck_assert(!counts("a", SHUNNED_PRESENT, 14000));
    ck_assert(counts("a", SHUNNED_ALL, 14000));
    /* Again, and that is no new trouble: 14 s. */
    say(a, "p", RCACHE_CAUSE_UNREACHABLE, 20000);
    ck_assert(counts("a", SHUNNED_PRESENT, 20000));
    say_nothing(a, 21000);
    ck_assert(counts("a", SHUNNED_PRESENT, 33999));
    ck_assert(!counts("a", SHUNNED_PRESENT, 34000));
}
END_TEST

/* Wrong bytes are no reason to have one copy; but where there is to be one,
 * it is not kept there. */
START_TEST(wrong_bytes_can_be_forgiven_for_a_copy)
{
    say(a, "p", RCACHE_CAUSE_WRONG, 20000);
    ck_assert(counts("a", SHUNNED_ALL, 20000));
    ck_assert(!counts("a", SHUNNED_BUT_WRONG, 20000));
    say_nothing(a, 21000);
    ck_assert(counts("a", SHUNNED_PRESENT, 20000 + SHUNNED_MS));
    /* Nor does it make them good that it could not be reached after that. */
    say(a, "p", RCACHE_CAUSE_UNREACHABLE, 22000);
    say_nothing(a, 30000);
    ck_assert(counts("a", SHUNNED_PRESENT, 20000 + SHUNNED_MS));
    ck_assert(!counts("a", SHUNNED_PRESENT, 20001 + SHUNNED_MS));
    ck_assert(!counts("a", SHUNNED_BUT_WRONG, 20000 + SHUNNED_MS));
    /* Those that others say count the same way. */
    say(b, "p", RCACHE_CAUSE_HUNG, 22000);
    say(c, "p", RCACHE_CAUSE_HUNG, 22000);
    ck_assert(counts("d", SHUNNED_BUT_WRONG, 22000));
    ck_assert(!counts("d", SHUNNED_BUT_WRONG, 22001 + SHUNNED_FRESH_MS));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shunned");
    TCase *tc = tcase_create("shunned");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, one_requester_says_so);
    tcase_add_test(tc, causes_that_do_not_count);
    tcase_add_test(tc, several_say_so);
    tcase_add_test(tc, most_of_its_users_are_content);
    tcase_add_test(tc, what_was_can_be_forgiven);
    tcase_add_test(tc, wrong_bytes_can_be_forgiven_for_a_copy);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
