/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On which host is a VM that several hosts report? */
#include <check.h>

#include "arbiter/elsewhere.h"
#include "tests/unit/hosts-fixture.h"

#define DEAD_MS 11001u          /* after the last heartbeat */

static const uint8_t web[RCACHE_UUID_LEN] = { 1 };
static Hosts hosts;
static HostsSaid said[3];
static Host *host[3];

static void set_up(void)
{
    static const char *const names[] = { "a", "b", "c" };

    hosts_fixture_init(&hosts);
    for (unsigned i = 0; i < 3; i++) {
        host[i] = hosts_fixture_add(&hosts, names[i]);
        said[i] = hosts_fixture_said();
    }
    hosts_fixture_guest(&said[0], "web", 1);
    hosts_fixture_guest(&said[0], "db", 2);
    hosts_fixture_beat(&hosts, host[0], &said[0], 1000);
}

static void tear_down(void)
{
    hosts_deinit(&hosts);
}

/* Where the VM of @name is at @now; "" where it was. */
static void expect(const char *name, uint64_t now, const char *where)
{
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(&hosts, now);
    const Host *found = elsewhere_host(elsewhere, name, web);

    ck_assert_str_eq(found ? found->name : "", where);
}

START_TEST(only_dead_hosts_lose_a_vm)
{
    g_autoptr(Elsewhere) elsewhere = NULL;

    expect("a", 1000 + DEAD_MS, "");            /* nobody else has it */
    hosts_fixture_guest(&said[1], "web", 1);
    hosts_fixture_beat(&hosts, host[1], &said[1], 1000 + DEAD_MS);
    expect("a", DEAD_MS, "");                   /* suspect: it may migrate */
    expect("a", 1000 + DEAD_MS, "b");
    expect("b", 1000 + DEAD_MS, "");
    elsewhere = elsewhere_new(&hosts, 1000 + DEAD_MS);
    ck_assert_uint_eq(elsewhere_guests(elsewhere, host[0]), 1);
    ck_assert_uint_eq(elsewhere_guests(elsewhere, host[1]), 1);
}
END_TEST

/* And so has the next one: it is counted where it was last. */
START_TEST(several_have_died)
{
    hosts_fixture_guest(&said[1], "web", 1);
    hosts_fixture_beat(&hosts, host[1], &said[1], 20000);
    expect("a", 20000 + DEAD_MS, "b");
    expect("b", 20000 + DEAD_MS, "");
    hosts_fixture_guest(&said[2], "web", 1);
    hosts_fixture_beat(&hosts, host[2], &said[2], 40000);
    expect("a", 40000, "c");
    expect("b", 40000, "c");
    expect("c", 40000, "");
    /* One of which nothing is known any more. */
    expect("forgotten", 40000, "c");
}
END_TEST

START_TEST(whose_lease_is_it)
{
    WireBeatLease lease = { .vm = { 1 }, .host = "a",
                            .state = RCACHE_LEASE_EXPIRED };
    g_autoptr(Elsewhere) later = NULL;
    g_autoptr(Elsewhere) elsewhere = NULL;

    hosts_fixture_guest(&said[1], "web", 1);
    hosts_fixture_beat(&hosts, host[1], &said[1], 20000);
    elsewhere = elsewhere_new(&hosts, 20000);
    ck_assert(elsewhere_nobodys(elsewhere, &lease));
    /* A pager renews it. */
    lease.state = RCACHE_LEASE_CLAIMED;
    ck_assert(!elsewhere_nobodys(elsewhere, &lease));
    /* The host that has the VM is dead as well. */
    lease.state = RCACHE_LEASE_EXPIRED;
    later = elsewhere_new(&hosts, 20000 + DEAD_MS);
    ck_assert(!elsewhere_nobodys(later, &lease));
    /* It is that VM's own. */
    g_strlcpy(lease.host, "b", sizeof(lease.host));
    ck_assert(!elsewhere_nobodys(elsewhere, &lease));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("elsewhere");
    TCase *tc = tcase_create("elsewhere");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, only_dead_hosts_lose_a_vm);
    tcase_add_test(tc, several_have_died);
    tcase_add_test(tc, whose_lease_is_it);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
