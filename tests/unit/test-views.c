/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts as placement sees them: what a VM has where it cannot stay. */
#include <check.h>
#include <string.h>

#include "arbiter/views.h"
#include "tests/unit/hosts-fixture.h"

static const uint8_t vm[RCACHE_UUID_LEN] = { 1 };
static const GrantsConfig grants_config = {
    .answer_ms = 2000,
    .claim_ms = 30000,
    .asks_max = 2,
};
static Hosts hosts;
static Grants grants;
static HostsSaid said_a, said_b;
static Host *a, *b;

static void set_up(void)
{
    hosts_fixture_init(&hosts);
    grants_init(&grants, &grants_config);
    a = hosts_fixture_add(&hosts, "a");
    b = hosts_fixture_add(&hosts, "b");
    said_a = said_b = hosts_fixture_said();
}

static void tear_down(void)
{
    grants_deinit(&grants);
    hosts_deinit(&hosts);
}

static uint64_t leaving(void)
{
    g_autoptr(Views) views = NULL;

    hosts_fixture_beat(&hosts, a, &said_a, 1000);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    views = views_new(&hosts, &grants, vm, 1000);
    ck_assert_uint_eq(views->n, 2);
    return views_leaving(views);
}

START_TEST(what_has_to_leave)
{
    hosts_fixture_lease(&said_a, "web", 1, "me", 128 * MIB, 0);
    hosts_fixture_lease(&said_a, "db", 2, "me", 64 * MIB, 0);
    hosts_fixture_lease(&said_b, "web", 1, "me", 64 * MIB, 0);
    ck_assert_uint_eq(leaving(), 0);
    /* As much as the host is short of, and no more than the VM has there. */
    said_a.host.offered = 100 * MIB;
    ck_assert_uint_eq(leaving(), 92 * MIB);
    said_a.host.offered = 0;
    ck_assert_uint_eq(leaving(), 128 * MIB);
    said_b.host.flags |= RCACHE_HOST_DRAINING;
    ck_assert_uint_eq(leaving(), 192 * MIB);
}
END_TEST

/* A second copy comes for the one that a dead provider had. */
START_TEST(what_was_at_a_lost_provider)
{
    g_autoptr(Views) views = NULL;
    g_autoptr(Views) later = NULL;

    hosts_fixture_lease(&said_a, "web", 1, "me", 128 * MIB, 0);
    hosts_fixture_lease(&said_b, "web", 1, "me", 64 * MIB, 0);
    ck_assert_uint_eq(leaving(), 0);
    hosts_gone(&hosts, a);
    views = views_new(&hosts, &grants, vm, 2000);
    ck_assert_uint_eq(views_leaving(views), 0);         /* it may come back */
    hosts_fixture_beat(&hosts, b, &said_b, 20000);
    later = views_new(&hosts, &grants, vm, 20000);
    ck_assert_uint_eq(views_leaving(later), 128 * MIB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("views");
    TCase *tc = tcase_create("views");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, what_has_to_leave);
    tcase_add_test(tc, what_was_at_a_lost_provider);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
