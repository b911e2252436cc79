/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VMs would feel if a host died or was drained. */
#include <check.h>
#include <string.h>

#include "common/wire-beat.h"
#include "arbiter/whatif.h"
#include "tests/unit/hosts-fixture.h"

static PlacementConfig config;
static Hosts hosts;
static HostsSaid said[4];       /* requester, old, and two others */
static Host *host[4];
static PlacementHost views[4];
static Whatif whatif;
static uint64_t now;

static void set_up(void)
{
    static const char *const names[] = { "me", "old", "x", "y" };

    now = 1000;
    config = (PlacementConfig) { .spread = 2, .sample = 16, .share = 50,
                                 .psi_some_max = 2000, .psi_full_max = 500 };
    hosts_fixture_init(&hosts);
    for (unsigned i = 0; i < 4; i++) {
        host[i] = hosts_fixture_add(&hosts, names[i]);
        said[i] = hosts_fixture_said();
    }
    said[0].host.flags = 0;     /* lends nothing */
    hosts_fixture_guest(&said[0], "web", 1);
    hosts_fixture_guest(&said[0], "db", 2);
}

static void tear_down(void)
{
    hosts_deinit(&hosts);
}

static void ask(void)
{
    for (unsigned i = 0; i < 4; i++) {
        const WireBeatHost *beat = &said[i].host;

        hosts_fixture_beat(&hosts, host[i], &said[i], 1000);
        views[host[i]->index] = (PlacementHost) {
            .alive = true, .connected = true,
            .lends = beat->flags & RCACHE_HOST_LENDS,
            .slab = beat->slab_pages * 4096ull, .offered = beat->offered,
            .free = beat->offered - beat->leased,
        };
    }
    whatif_init(&whatif, &hosts, host[1], views, &config, 7, now);
}

static const WhatifVm *vm(unsigned i)
{
    ck_assert_uint_lt(i, whatif.vms->len);
    return &g_array_index(whatif.vms, WhatifVm, i);
}

START_TEST(a_host_without_leases)
{
    hosts_fixture_lease(&said[2], "web", 1, "me", 64 * MIB, 64 * MIB);
    ask();
    ck_assert_uint_eq(whatif.vms->len, 0);
    ck_assert_uint_eq(whatif.leased, 0);
    ck_assert(whatif_drain_seconds(&whatif, 0, 0, UINT64_MAX) == 0);
    whatif_deinit(&whatif);
}
END_TEST

/* It has come back without what it held, and lists nothing. */
START_TEST(what_is_lost_already)
{
    WireBeatLease held = { .lease = 5, .epoch = 1, .vm = { 1 }, .name = "web",
                           .host = "old", .state = RCACHE_LEASE_GRANTED,
                           .bytes = 128 * MIB, .stored = 107 * MIB };
    WireBeatTrouble lost = { .vm = { 1 }, .name = "web", .host = "old",
                             .cause = RCACHE_CAUSE_LOST, .lost = 107 * MIB };

    /* As long as its VM does not know, it waits there. */
    said[0].held[said[0].nr_held++] = held;
    ask();
    ck_assert_uint_eq(whatif.vms->len, 1);
    ck_assert_uint_eq(vm(0)->stored, 107 * MIB);
    ck_assert_uint_eq(whatif.stored, 107 * MIB);
    ck_assert_str_eq(vm(0)->host, "me");
    whatif_deinit(&whatif);
    said[0].trouble[said[0].nr_troubles++] = lost;
    ask();
    ck_assert_uint_eq(whatif.vms->len, 1);
    ck_assert_uint_eq(vm(0)->stored, 0);
    ck_assert_uint_eq(vm(0)->lost, 107 * MIB);
    ck_assert_uint_eq(whatif.lost, 107 * MIB);
    ck_assert_uint_eq(whatif.stored, 0);
    whatif_deinit(&whatif);
}
END_TEST

START_TEST(who_has_what_there)
{
    hosts_fixture_lease(&said[1], "web", 1, "me", 32 * MIB, 0);
    hosts_fixture_lease(&said[1], "db", 2, "me", 48 * MIB, 5 * MIB);
    hosts_fixture_lease(&said[1], "web", 1, "me", 32 * MIB, 3 * MIB);
    hosts_fixture_lease(&said[1], "far", 3, "unknown", MIB, 0);
    ask();
    ck_assert_uint_eq(whatif.vms->len, 3);
    ck_assert_str_eq(vm(0)->name, "web");
    ck_assert_uint_eq(vm(0)->leased, 64 * MIB);
    ck_assert_uint_eq(vm(0)->stored, 3 * MIB);
    ck_assert_uint_eq(vm(0)->guest, 256 * MIB);
    ck_assert_uint_eq(vm(1)->stored, 5 * MIB);
    ck_assert_str_eq(vm(2)->host, "unknown");
    ck_assert_uint_eq(vm(2)->guest, 0);
    ck_assert_uint_eq(whatif.stored, 8 * MIB);
    ck_assert_uint_eq(whatif.leased, 113 * MIB);
    ck_assert_uint_eq(whatif.slabs, 113);
    /* And there is room for all of it. */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(vm(i)->placed, vm(i)->leased);
        ck_assert_str_eq(vm(i)->text, "");
    }
    ck_assert_uint_eq(whatif.placed, whatif.leased);
    whatif_deinit(&whatif);
}
END_TEST

/* Its host is dead and another one has it: when is what it had nobody's? */
START_TEST(a_vm_that_runs_elsewhere)
{
    WireBeatLease *l = hosts_fixture_lease(&said[1], "web", 1, "me",
                                           64 * MIB, 60 * MIB);

    hosts_fixture_lease(&said[1], "web", 1, "x", 32 * MIB, 5 * MIB);
    hosts_fixture_guest(&said[2], "web", 1);
    ask();                      /* it migrates, or so it seems */
    ck_assert_uint_eq(whatif.stored, 65 * MIB);
    whatif_deinit(&whatif);
    now = 20000;
    for (unsigned i = 1; i < 4; i++) {
        hosts_fixture_beat(&hosts, host[i], &said[i], now);
    }
    /* Its pager may go on where the arbiter does not see it. */
    whatif_init(&whatif, &hosts, host[1], views, &config, 7, now);
    ck_assert_uint_eq(whatif.sole, 65 * MIB);
    ck_assert_str_eq(vm(0)->elsewhere, "");
    ck_assert_uint_eq(vm(0)->placed, 0);
    ck_assert_ptr_nonnull(strstr(vm(0)->text, "host me, which runs the VM, is "
                                 "dead"));
    whatif_deinit(&whatif);
    l->state = RCACHE_LEASE_EXPIRED;
    hosts_fixture_beat(&hosts, host[1], &said[1], now);
    whatif_init(&whatif, &hosts, host[1], views, &config, 7, now);
    ck_assert_uint_eq(whatif.vms->len, 2);
    ck_assert_str_eq(vm(0)->host, "me");
    ck_assert_uint_eq(vm(0)->leased, 64 * MIB);
    ck_assert_uint_eq(vm(0)->stored, 0);
    ck_assert_uint_eq(vm(0)->sole, 0);
    ck_assert_str_eq(vm(0)->elsewhere, "x");
    ck_assert_uint_eq(vm(0)->placed, 0);
    ck_assert_ptr_nonnull(strstr(vm(0)->text, "the VM runs on x"));
    ck_assert_str_eq(vm(1)->host, "x");
    ck_assert_uint_eq(vm(1)->stored, 5 * MIB);
    ck_assert_str_eq(vm(1)->elsewhere, "");
    whatif_deinit(&whatif);
    /* Of what ran on the dead host, it is one that ends no more. */
    whatif_init(&whatif, &hosts, host[0], views, &config, 7, now);
    ck_assert_uint_eq(whatif.runs->len, 1);
    ck_assert_str_eq(whatif.runs->pdata[0], "db");
    whatif_deinit(&whatif);
}
END_TEST

/* Room that one VM was given is not given again. */
START_TEST(room_is_given_once)
{
    hosts_fixture_lease(&said[1], "web", 1, "me", 80 * MIB, MIB);
    hosts_fixture_lease(&said[1], "db", 2, "me", 60 * MIB, MIB);
    said[2].host.offered = 50 * MIB;
    said[3].host.offered = 50 * MIB;
    ask();
    ck_assert_uint_eq(vm(0)->placed, 80 * MIB);
    ck_assert_uint_eq(vm(1)->placed, 20 * MIB);
    ck_assert_ptr_nonnull(strstr(vm(1)->text, "no host has room"));
    ck_assert_uint_eq(whatif.placed, 100 * MIB);
    whatif_deinit(&whatif);
}
END_TEST

START_TEST(neither_itself_nor_the_requester)
{
    hosts_fixture_lease(&said[1], "web", 1, "x", 64 * MIB, MIB);
    said[3].host.offered = 0;
    ask();
    ck_assert_uint_eq(vm(0)->placed, 0);
    ck_assert_ptr_nonnull(strstr(vm(0)->text, "the requester itself"));
    ck_assert_ptr_nonnull(strstr(vm(0)->text, "1 draining"));
    whatif_deinit(&whatif);
}
END_TEST

/* What leaves counts towards no quota; what its owner has elsewhere does. */
START_TEST(quota)
{
    hosts_fixture_lease(&said[1], "web", 1, "me", 64 * MIB, MIB);
    hosts_fixture_lease(&said[1], "db", 2, "me", 48 * MIB, MIB);
    config.quota = 112 * MIB;   /* and all of it is used */
    ask();
    ck_assert_uint_eq(vm(0)->placed, 64 * MIB);
    ck_assert_uint_eq(vm(1)->placed, 48 * MIB);
    ck_assert_uint_eq(whatif.placed, whatif.leased);
    whatif_deinit(&whatif);
    /* It was less when these were granted. */
    hosts_fixture_lease(&said[2], "web", 1, "me", 40 * MIB, MIB);
    ask();
    ck_assert_uint_eq(vm(0)->placed, 24 * MIB);
    ck_assert_ptr_nonnull(strstr(vm(0)->text, "quota"));
    ck_assert_uint_eq(vm(1)->placed, 8 * MIB);
    whatif_deinit(&whatif);
    /* That host wants 30 of them back as well, so these leave too. */
    said[2].host.offered = 10 * MIB;
    ask();
    ck_assert_uint_eq(vm(0)->placed, 54 * MIB);
    whatif_deinit(&whatif);
}
END_TEST

START_TEST(how_long)
{
    Whatif w = { .leased = 1000, .slabs = 100 };

    ck_assert(whatif_drain_seconds(&w, 0, 0, UINT64_MAX) < 0);
    ck_assert(whatif_drain_seconds(&w, 10, 0, UINT64_MAX) == 100);
    ck_assert(whatif_drain_seconds(&w, 0, 60, 100) < 0);
    ck_assert(whatif_drain_seconds(&w, 0, 60, 40) == 60);
    ck_assert(whatif_drain_seconds(&w, 10, 60, 40) == 100);
    ck_assert(whatif_drain_seconds(&w, 100, 60, 40) == 60);
}
END_TEST

/* The rate is of the beats in which something went. */
START_TEST(drains_are_measured)
{
    HostsSaid *s = &said[1];

    ck_assert(hosts_drain_rate(&hosts) == 0);
    hosts_fixture_lease(s, "web", 1, "me", 100 * MIB, MIB);
    hosts_fixture_beat(&hosts, host[1], s, 1000);
    s->host.leased = 90 * MIB;
    hosts_fixture_beat(&hosts, host[1], s, 2000);       /* given back freely */
    ck_assert(hosts_drain_rate(&hosts) == 0);
    s->host.flags |= RCACHE_HOST_DRAINING;
    hosts_fixture_beat(&hosts, host[1], s, 3000);
    s->host.leased = 70 * MIB;
    hosts_fixture_beat(&hosts, host[1], s, 4000);
    ck_assert(hosts_drain_rate(&hosts) == 20.0 * MIB);
    hosts_fixture_beat(&hosts, host[1], s, 60000);      /* no room */
    s->host.leased = 60 * MIB;
    hosts_fixture_beat(&hosts, host[1], s, 61000);
    ck_assert(hosts_drain_rate(&hosts) == 15.0 * MIB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("whatif");
    TCase *tc = tcase_create("whatif");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_host_without_leases);
    tcase_add_test(tc, what_is_lost_already);
    tcase_add_test(tc, who_has_what_there);
    tcase_add_test(tc, a_vm_that_runs_elsewhere);
    tcase_add_test(tc, room_is_given_once);
    tcase_add_test(tc, neither_itself_nor_the_requester);
    tcase_add_test(tc, quota);
    tcase_add_test(tc, how_long);
    tcase_add_test(tc, drains_are_measured);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
