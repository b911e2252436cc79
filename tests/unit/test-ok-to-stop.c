/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would anything be gone if a host went now? */
#include <check.h>
#include <string.h>

#include "arbiter/ok-to-stop.h"
#include "common/wire-beat.h"
#include "tests/unit/hosts-fixture.h"

#define NOW     60000u

static const PlacementConfig config = { .spread = 2, .sample = 16,
                                        .share = 50 };
static Hosts hosts;
static HostsSaid said[2];       /* the requester, and who is to stop */
static Host *host[2];
static uint64_t started_ms;

static void set_up(void)
{
    hosts_fixture_init(&hosts);
    started_ms = 0;
    for (unsigned i = 0; i < 2; i++) {
        host[i] = hosts_fixture_add(&hosts, i ? "old" : "me");
        said[i] = hosts_fixture_said();
    }
    hosts_fixture_guest(&said[0], "web", 1)->copies = 2;
}

static void tear_down(void)
{
    hosts_deinit(&hosts);
}

/* The VM has so much there, and says how much of it only there. */
static void holds(uint64_t stored, uint64_t sole)
{
    const WireBeatLease *lent = hosts_fixture_lease(&said[1], "web", 1, "me",
                                                    64 * MIB, stored);
    WireBeatLease *held = &said[0].held[said[0].nr_held++];

    *held = *lent;
    g_strlcpy(held->host, "old", sizeof(held->host));
    held->sole = sole;
}

/* All that speaks against it, in one text. */
static char *ask(uint64_t age)
{
    PlacementHost views[2] = { { .slab = MIB }, { .slab = MIB } };
    g_autoptr(GPtrArray) reasons = NULL;
    Whatif whatif;
    char *text;

    hosts_fixture_beat(&hosts, host[0], &said[0], NOW - age);
    hosts_fixture_beat(&hosts, host[1], &said[1], NOW);
    whatif_init(&whatif, &hosts, host[1], views, &config, 7, NOW);
    reasons = ok_to_stop_reasons(&whatif, &hosts, host[1], started_ms, NOW);
    whatif_deinit(&whatif);
    g_ptr_array_add(reasons, NULL);
    text = g_strjoinv("; ", (char **)reasons->pdata);
    return text;
}

static void expect(uint64_t age, const char *text)
{
    g_autofree char *got = ask(age);

    ck_assert_str_eq(got, text);
}

START_TEST(nothing_is_there)
{
    expect(0, "");
    holds(0, 0);
    expect(0, "");
}
END_TEST

START_TEST(another_copy_is_elsewhere)
{
    holds(10 * MIB, 0);
    expect(0, "");
}
END_TEST

START_TEST(the_only_live_copy)
{
    holds(10 * MIB, 0);
    holds(10 * MIB, 3 * MIB);
    expect(0, "vm web on me: 3.0 MiB have no other live copy");
    said[0].guest[0].repairing = 2 * MIB;
    expect(0, "vm web on me: 3.0 MiB have no other live copy; of this VM 2.0 "
           "MiB are still to be copied");
    /* A VM that keeps one copy has all of it only there. */
    said[0].guest[0].copies = 1;
    expect(0, "vm web on me: it keeps one copy, and 3.0 MiB of it are there");
}
END_TEST

/* The provider's word that it stores something is enough to be careful. */
START_TEST(what_is_not_known_counts)
{
    holds(10 * MIB, 0);
    /* Its host is suspect, or its pager is stuck. */
    expect(5000, "vm web on me: 10.0 MiB are there, and it has not said for "
           "5.0 s whether it has them elsewhere");
    said[0].guest[0].figures_age_ms = RCACHE_FIGURES_MAX_MS;
    expect(0, "vm web on me: 10.0 MiB are there, and it has not said for "
           "5.0 s whether it has them elsewhere");
    said[0].guest[0].figures_age_ms = 0;
    /* It does not list the lease (yet). */
    said[0].nr_held = 0;
    expect(0, "vm web on me: 10.0 MiB have no other live copy");
    /* Nor does its host know the VM. */
    said[0].nr_guests = 0;
    expect(0, "vm web of me: 10.0 MiB are there, and that host does not say "
           "whether it has them elsewhere");
}
END_TEST

START_TEST(an_arbiter_that_has_just_started)
{
    started_ms = NOW - 1000;
    expect(0, "this arbiter was started 1.0 s ago and may not know all hosts: "
           "ask again in 2.0 s");
    started_ms = NOW - 3000;
    expect(0, "");
}
END_TEST

START_TEST(vms_that_run_there)
{
    hosts_fixture_guest(&said[1], "db", 2);
    expect(0, "vm db runs there and ends with it");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ok-to-stop");
    TCase *tc = tcase_create("ok-to-stop");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, nothing_is_there);
    tcase_add_test(tc, another_copy_is_elsewhere);
    tcase_add_test(tc, the_only_live_copy);
    tcase_add_test(tc, what_is_not_known_counts);
    tcase_add_test(tc, an_arbiter_that_has_just_started);
    tcase_add_test(tc, vms_that_run_there);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
