/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of hosts: who is who, and who is believed. */
#include <check.h>
#include <string.h>

#include "arbiter/hosts.h"
#include "tests/unit/hosts-fixture.h"

static const uint8_t boot_a[RCACHE_UUID_LEN] = "boot";  /* the fixture's */
static const uint8_t boot_b[RCACHE_UUID_LEN] = "boot b";

static Hosts hosts;
static HostsSaid said;

static void set_up(void)
{
    hosts_fixture_init(&hosts);
    hosts.config.max = 3;
    said = hosts_fixture_said();
}

static void tear_down(void)
{
    hosts_deinit(&hosts);
}

/* It has lent so many MiB to "other". */
static void beat(Host *host, uint64_t lent, uint64_t now)
{
    said.nr_leases = 0;
    said.host.leased = said.host.stored = 0;
    hosts_fixture_lease(&said, "vm", 1, "other", lent * MIB, 0);
    hosts_fixture_beat(&hosts, host, &said, now);
}

/* By turns: no two are ever there at once. */
START_TEST(twins_by_turns)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    ck_assert_ptr_null(hosts_twin(host, 0));
    hosts_hello(&hosts, "h", boot_b, "", 20000);
    ck_assert_ptr_null(hosts_twin(host, 20000));        /* a reboot */
    hosts_hello(&hosts, "h", boot_b, "", 20001);
    hosts_hello(&hosts, "h", boot_a, "", 40000);        /* and back again */
    ck_assert_ptr_nonnull(hosts_twin(host, 40000));
    ck_assert_ptr_nonnull(hosts_twin(host, 40000 + HOSTS_TWIN_MS));
    /* It tries again every few seconds: a minute without is the end of it. */
    ck_assert_ptr_null(hosts_twin(host, 40001 + HOSTS_TWIN_MS));
    ck_assert_uint_le(HOSTS_TWIN_MS, 60000);
}
END_TEST

/* The same boot, again and again: one host whose connection does not last. */
START_TEST(a_host_that_flaps_is_no_twin)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "a:1", 0);

    hosts_hello(&hosts, "h", boot_a, "a:1", 20000);
    hosts_hello(&hosts, "h", boot_a, "a:1", 40000);
    ck_assert_uint_eq(hosts_reconnects(host, 40000), 2);
    hosts_hello(&hosts, "h", boot_a, "a:1", 60000);
    ck_assert_uint_eq(hosts_reconnects(host, 60000), 3);
    ck_assert_ptr_null(hosts_twin(host, 60000));
    /* Each one counts for a minute. */
    ck_assert_uint_eq(hosts_reconnects(host, 80001), 2);
    ck_assert_uint_eq(hosts_reconnects(host, 120001), 0);
    for (unsigned i = 0; i < 100; i++) {
        hosts_hello(&hosts, "h", boot_a, "a:1", 200000 + i);
    }
    ck_assert_uint_eq(hosts_reconnects(host, 200100), HOSTS_RECONNECTS);
    /* A host that has booted begins anew. */
    hosts_hello(&hosts, "h", boot_b, "a:1", 200200);
    ck_assert_uint_eq(hosts_reconnects(host, 200200), 0);
}
END_TEST

START_TEST(figures_get_old)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    beat(host, 3, 1000);
    ck_assert_uint_eq(hosts_age(host, 3000), 2000);
    ck_assert(!hosts_stale(&hosts, host, 3000));
    ck_assert(hosts_stale(&hosts, host, 3001));
    /* That is before the host is suspect. */
    ck_assert_int_eq(hosts_state(&hosts, host, 3001), HOST_ALIVE);
}
END_TEST

/* No host has petabytes, and an operator may know better still. */
START_TEST(what_cannot_be_is_not_believed)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    said.host.mem_total = UINT64_C(2) << 50;
    said.host.mem_available = UINT64_C(1) << 50;
    said.host.offered = UINT64_C(1) << 50;
    beat(host, 3, 1);
    ck_assert_str_eq(hosts_implausible(host),
                     "it says that it has more than 64 TiB of memory");
    ck_assert_uint_eq(hosts_offered(&hosts, host), 0);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    said.host.mem_total = UINT64_C(64) << 40;
    said.host.mem_available = UINT64_C(32) << 40;
    said.host.offered = UINT64_C(32) << 40;
    beat(host, 3, 2);
    ck_assert_ptr_null(hosts_implausible(host));
    ck_assert_uint_eq(hosts_offered(&hosts, host), UINT64_C(32) << 40);
    hosts.config.max_offer = UINT64_C(1) << 40;
    ck_assert_uint_eq(hosts_offered(&hosts, host), UINT64_C(1) << 40);
}
END_TEST

/* Who lies about what it has is not believed about what it lends. */
START_TEST(leases_of_liars_do_not_count)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    beat(host, 3, 1);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 3 * MIB);
    said.host.offered = said.host.mem_total + 1;
    beat(host, 3, 2);
    ck_assert_ptr_nonnull(hosts_implausible(host));
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    beat(host, 2, 3);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    said.host.offered = 512 * MIB;
    beat(host, 2, 4);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 2 * MIB);
}
END_TEST

/* Names that were made up do not keep a new host out. */
START_TEST(the_dead_make_room)
{
    Host *a = hosts_hello(&hosts, "a", boot_a, "", 0);
    Host *b = hosts_hello(&hosts, "b", boot_a, "", 0);
    Host *c = hosts_hello(&hosts, "c", boot_a, "", 0);

    a->conn = b->conn = c->conn = &hosts;
    beat(a, 64, 0);
    beat(b, 64, 10);
    beat(c, 64, 20000);
    ck_assert_ptr_null(hosts_hello(&hosts, "d", boot_a, "", 20000));
    hosts_gone(&hosts, a);
    hosts_gone(&hosts, b);
    hosts_gone(&hosts, c);
    /* The one that has been silent for the longest; not one just heard. */
    ck_assert_ptr_null(hosts_hello(&hosts, "d", boot_a, "", 11000));
    ck_assert_ptr_nonnull(hosts_hello(&hosts, "d", boot_a, "", 20000));
    ck_assert_ptr_null(hosts_find(&hosts, "a"));
    /* And one that never reported, before all others. */
    ck_assert_ptr_nonnull(hosts_hello(&hosts, "e", boot_a, "", 20000));
    ck_assert_ptr_null(hosts_find(&hosts, "d"));
    ck_assert_ptr_nonnull(hosts_find(&hosts, "b"));
}
END_TEST

/* The same machine under a new name: its leases are counted once. */
START_TEST(another_name_is_the_same_host)
{
    Host *old = hosts_hello(&hosts, "old", boot_a, "a:1", 0), *new;

    beat(old, 64, 0);
    old->conn = &hosts;
    ck_assert_ptr_null(hosts_renamed(&hosts, "new", boot_a, "a:1"));
    hosts_gone(&hosts, old);
    ck_assert_ptr_null(hosts_renamed(&hosts, "old", boot_a, "a:1"));
    ck_assert_ptr_null(hosts_renamed(&hosts, "new", boot_b, "a:1"));
    ck_assert_ptr_null(hosts_renamed(&hosts, "new", boot_a, "a:2"));
    ck_assert_ptr_null(hosts_renamed(&hosts, "new", boot_a, ""));
    ck_assert_ptr_eq(hosts_renamed(&hosts, "new", boot_a, "a:1"), old);
    hosts_remove(&hosts, old);
    new = hosts_hello(&hosts, "new", boot_a, "a:1", 10);
    beat(new, 64, 10);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 64 * MIB);
    /* One that has moved away is not found where it was. */
    hosts_hello(&hosts, "new", boot_a, "a:3", 10);
    ck_assert_ptr_null(hosts_renamed(&hosts, "x", boot_a, "a:1"));
    ck_assert_ptr_eq(hosts_renamed(&hosts, "x", boot_a, "a:3"), new);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hosts-who");
    TCase *tc = tcase_create("hosts-who");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, twins_by_turns);
    tcase_add_test(tc, a_host_that_flaps_is_no_twin);
    tcase_add_test(tc, figures_get_old);
    tcase_add_test(tc, what_cannot_be_is_not_believed);
    tcase_add_test(tc, leases_of_liars_do_not_count);
    tcase_add_test(tc, the_dead_make_room);
    tcase_add_test(tc, another_name_is_the_same_host);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
