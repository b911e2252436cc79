/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of hosts: who is who, and who is believed. */
#include <check.h>
#include <string.h>

#include "arbiter/hosts-where.h"
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

/* It holds so many MiB of lease 257, which "h" lists, at @provider. */
static void holds(Host *host, uint64_t held, const char *provider,
                  uint64_t now)
{
    HostsSaid own = hosts_fixture_said();

    own.host.seq = now;
    if (held) {
        own.nr_held = 1;
        own.held[0] = (WireBeatLease) {
            .lease = 257, .epoch = 1, .vm = { 1 }, .name = "vm",
            .state = RCACHE_LEASE_CLAIMED, .bytes = held * MIB,
        };
        g_strlcpy(own.held[0].host, provider, RCACHE_NAME_MAX);
    }
    hosts_fixture_beat(&hosts, host, &own, now);
}

/* What a provider says of others counts only if they say so, too. */
START_TEST(leases_of_others_have_to_be_confirmed)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);
    Host *other = hosts_hello(&hosts, "other", boot_a, "", 0);
    static const uint8_t vm[RCACHE_UUID_LEN] = { 1 };

    said.alone = true;
    beat(host, 100, 1);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    ck_assert_ptr_null(hosts_lent(&hosts, vm));
    holds(other, 100, "h", 2);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 100 * MIB);
    ck_assert_ptr_nonnull(hosts_lent(&hosts, vm));
    holds(other, 64, "h", 3);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 64 * MIB);
    beat(host, 32, 4);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 32 * MIB);
    beat(host, 1000, 5);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 64 * MIB);
    holds(other, 64, "x", 6);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    holds(other, 64, "h", 7);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 64 * MIB);
    holds(other, 0, "", 8);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    holds(other, 64, "h", 9);
    hosts_hello(&hosts, "other", boot_b, "", 10);       /* it has booted */
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    ck_assert_ptr_null(hosts_lent(&hosts, vm));
}
END_TEST

/* And no more than this arbiter has granted, however often it is said. */
START_TEST(a_grant_counts_once)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);
    WireGrant grant = { .lease = 257, .bytes = 64 * MIB, .vm = { 1 },
                        .host = "other" };

    said.alone = true;
    beat(host, 100, 1);
    hosts_granted(&hosts, host, &grant);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 64 * MIB);
    /* The same lease once more, and as another host's. */
    hosts_fixture_lease(&said, "vm", 1, "other", 100 * MIB, 0)->lease = 257;
    hosts_fixture_beat(&hosts, host, &said, 2);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 64 * MIB);
    said.nr_leases = 0;
    hosts_fixture_lease(&said, "vm", 1, "victim", 100 * MIB, 0);
    hosts_fixture_beat(&hosts, host, &said, 3);
    ck_assert_uint_eq(hosts_taken(&hosts, "victim"), 0);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
    /* It has ended when it is not listed any more. */
    said.nr_leases = 0;
    hosts_fixture_beat(&hosts, host, &said, 4);
    beat(host, 100, 5);
    ck_assert_uint_eq(hosts_taken(&hosts, "other"), 0);
}
END_TEST

START_TEST(a_share_holds_where_others_have_vms)
{
    Host *h = hosts_hello(&hosts, "h", boot_a, "", 0);
    Host *other = hosts_hello(&hosts, "other", boot_a, "", 0);
    HostsSaid vms = hosts_fixture_said();

    beat(h, 0, 1);
    hosts_fixture_guest(&vms, "vm", 1);
    hosts_fixture_beat(&hosts, other, &vms, 1);
    ck_assert_uint_eq(hosts.offered, 1024 * MIB);
    /* It is the only one; but not to the one that asks now. */
    ck_assert_uint_eq(hosts_quota(&hosts, other, 0, 5000), 0);
    ck_assert_uint_eq(hosts_quota(&hosts, h, 0, 5000), 512 * MIB);
    ck_assert_uint_eq(hosts_quota(&hosts, NULL, 0, 2500), 256 * MIB);
    /* So many bytes hold for everybody. */
    ck_assert_uint_eq(hosts_quota(&hosts, other, 7, -1), 7);
    hosts_hello(&hosts, "other", boot_b, "", 10);
    ck_assert_uint_eq(hosts.offered, 512 * MIB);
    ck_assert_uint_eq(hosts_quota(&hosts, h, 0, 5000), 0);
}
END_TEST

START_TEST(an_operator_says_what_a_host_may_offer)
{
    g_autoptr(GHashTable) offers = g_hash_table_new(g_str_hash, g_str_equal);
    Host *h = hosts_hello(&hosts, "h", boot_a, "", 0);
    uint64_t none = 0, some = 3 * MIB;

    beat(h, 0, 1);
    hosts.config.offers = offers;
    hosts.config.max_offer = MIB;
    ck_assert_uint_eq(hosts_offered(&hosts, h), MIB);
    g_hash_table_insert(offers, (void *)"h", &some);
    ck_assert_uint_eq(hosts_offered(&hosts, h), 3 * MIB);
    g_hash_table_insert(offers, (void *)"h", &none);
    ck_assert_uint_eq(hosts_offered(&hosts, h), 0);
}
END_TEST

START_TEST(loopback_is_of_use_on_this_machine_only)
{
    ck_assert(hosts_can_reach("127.0.0.1:9470", "127.0.0.1"));
    ck_assert(hosts_can_reach("[::1]:9470", "::1"));
    ck_assert(hosts_can_reach("10.0.0.1:9470", "10.0.0.1"));
    ck_assert(!hosts_can_reach("127.0.0.1:9470", "10.0.0.1"));
    ck_assert(!hosts_can_reach("127.1.2.3:9470", "10.0.0.1"));
    ck_assert(!hosts_can_reach("[::1]:9470", "fd00::1"));
    ck_assert(!hosts_can_reach("[::ffff:127.0.0.1]:9470", "fd00::1"));
    ck_assert(hosts_can_reach("", "10.0.0.1"));
    /* Nor what is another name of it; and what is no address is nowhere. */
    ck_assert(!hosts_can_reach("[0::0]:9470", "10.0.0.1"));
    ck_assert(!hosts_can_reach("[::0.0.0.0]:9470", "fd00::1"));
    ck_assert(!hosts_can_reach("[::ffff:0.0.0.0]:9470", "10.0.0.1"));
    ck_assert(!hosts_can_reach("localhost:9470", "10.0.0.1"));
    ck_assert(!hosts_can_reach("h.example:9470", "10.0.0.1"));
}
END_TEST

/* Only of who is there. */
START_TEST(where_a_provider_is)
{
    Host *h = hosts_hello(&hosts, "h", boot_a, "10.0.0.1:9470", 0);
    WireWhere where = { .host = "h" };

    ck_assert(!hosts_where(&hosts, &where, 1));
    h->conn = &hosts;
    ck_assert(hosts_where(&hosts, &where, 1));
    ck_assert_str_eq(where.address, "10.0.0.1:9470");
    where.host[0] = '\0';
    ck_assert(hosts_where(&hosts, &where, 1));
    ck_assert_str_eq(where.host, "h");
    ck_assert(!hosts_where(&hosts, &where, 60000));
    where = (WireWhere) { .address = "127.0.0.1:22" };
    ck_assert(!hosts_where(&hosts, &where, 1));
    where = (WireWhere) { .host = "h2" };
    hosts_hello(&hosts, "h2", boot_a, "", 0)->conn = &hosts;
    ck_assert(!hosts_where(&hosts, &where, 1));         /* it lends nothing */
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
    tcase_add_test(tc, leases_of_others_have_to_be_confirmed);
    tcase_add_test(tc, a_grant_counts_once);
    tcase_add_test(tc, a_share_holds_where_others_have_vms);
    tcase_add_test(tc, an_operator_says_what_a_host_may_offer);
    tcase_add_test(tc, where_a_provider_is);
    tcase_add_test(tc, loopback_is_of_use_on_this_machine_only);
    tcase_add_test(tc, the_dead_make_room);
    tcase_add_test(tc, another_name_is_the_same_host);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
