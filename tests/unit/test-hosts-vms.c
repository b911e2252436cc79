/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts say of single VMs: each has its own, and the last beat's. */
#include <check.h>

#include "arbiter/hosts-vms.h"
#include "tests/unit/hosts-fixture.h"

START_TEST(each_vm_has_its_own)
{
    struct RcacheVmmCurve curve = { .source = RCACHE_CURVE_SAMPLED,
                                    .guest = 64 * MIB, .rate = { 5 } };
    struct RcacheVmmDelays delays = { .vcpus = 3 };
    HostsSaid said = hosts_fixture_said();
    const uint8_t none[RCACHE_UUID_LEN] = { 9 };
    WireBeatGuest *one, *two;
    Hosts hosts;
    Host *host;

    hosts_fixture_init(&hosts);
    host = hosts_fixture_add(&hosts, "a");
    one = hosts_fixture_guest(&said, "one", 1);
    two = hosts_fixture_guest(&said, "two", 2);
    one->delays = &delays;
    two->curve = &curve;
    hosts_fixture_beat(&hosts, host, &said, 1000);
    ck_assert_uint_eq(hosts_delays(host, one->vm)->vcpus, 3);
    ck_assert_ptr_null(hosts_delays(host, two->vm));
    ck_assert_ptr_null(hosts_curve(host, one->vm));
    ck_assert_uint_eq(hosts_curve(host, two->vm)->guest, 64 * MIB);
    ck_assert_uint_eq(hosts_curve(host, two->vm)->rate[0], 5);
    ck_assert_ptr_null(hosts_curve(host, none));
    two->curve = NULL;
    hosts_fixture_beat(&hosts, host, &said, 2000);
    ck_assert_ptr_null(hosts_curve(host, two->vm));
    hosts_deinit(&hosts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hosts-vms");
    TCase *tc = tcase_create("hosts-vms");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_test(tc, each_vm_has_its_own);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
