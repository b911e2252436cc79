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
    ck_assert_ptr_nonnull(hosts_twin(host, 300000));
    ck_assert_ptr_null(hosts_twin(host, 4000000));

    /* Of one machine: each takes the other's place. */
    host = hosts_hello(&hosts, "i", boot_a, "", 0);
    hosts_replaced(host, 1000);
    hosts_replaced(host, 2000);
    ck_assert_ptr_null(hosts_twin(host, 2000));
    hosts_replaced(host, 3000);
    ck_assert_ptr_nonnull(hosts_twin(host, 3000));
    host = hosts_hello(&hosts, "j", boot_a, "", 0);
    for (unsigned i = 0; i < 10; i++) {
        hosts_replaced(host, i * 61000);        /* a bad network */
    }
    ck_assert_ptr_null(hosts_twin(host, 600000));
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
    tcase_add_test(tc, leases_of_liars_do_not_count);
    tcase_add_test(tc, the_dead_make_room);
    tcase_add_test(tc, another_name_is_the_same_host);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
