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
static HostsSaid said[3];       /* the requester, who is to stop, another */
static Host *host[3];
static uint64_t started_ms;

static void set_up(void)
{
    static const char *const names[] = { "me", "old", "other" };

    hosts_fixture_init(&hosts);
    started_ms = 0;
    for (unsigned i = 0; i < 3; i++) {
        host[i] = hosts_fixture_add(&hosts, names[i]);
        said[i] = hosts_fixture_said();
    }
    hosts_fixture_guest(&said[0], "web", 1)->copies = 2;
}

static void tear_down(void)
{
    hosts_deinit(&hosts);
}

/* The VM has so much at host @at, and says how much of it only there. */
static WireBeatLease *holds_at(unsigned at, uint64_t stored, uint64_t sole)
{
    WireBeatLease *lent = hosts_fixture_lease(&said[at], "web", 1, "me",
                                              64 * MIB, stored);
    WireBeatLease *held = &said[0].held[said[0].nr_held++];

    lent->lease += at << 16;
    *held = *lent;
    g_strlcpy(held->host, host[at]->name, sizeof(held->host));
    held->sole = sole;
    return held;
}

static void holds(uint64_t stored, uint64_t sole)
{
    holds_at(1, stored, sole);
}

/* All that speaks against it, in one text, as far as hosts have said. */
static char *reasons_now(void)
{
    PlacementHost views[3] = { { .slab = MIB }, { .slab = MIB },
                               { .slab = MIB } };
    g_autoptr(GPtrArray) reasons = NULL;
    Whatif whatif;
    char *text;

    whatif_init(&whatif, &hosts, host[1], views, &config, 7, NOW);
    reasons = ok_to_stop_reasons(&whatif, &hosts, host[1], started_ms, NOW);
    whatif_deinit(&whatif);
    g_ptr_array_add(reasons, NULL);
    text = g_strjoinv("; ", (char **)reasons->pdata);
    return text;
}

static void expect_now(const char *text)
{
    g_autofree char *got = reasons_now();

    ck_assert_str_eq(got, text);
}

/* All are heard now, but for the VM's host: so long ago. */
static void expect(uint64_t age, const char *text)
{
    for (unsigned i = 0; i < 3; i++) {
        hosts_fixture_beat(&hosts, host[i], &said[i], i ? NOW : NOW - age);
    }
    expect_now(text);
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

/* Its figures are those of the last one, and nobody is late with others. */
START_TEST(a_vm_without_a_pager)
{
    holds(10 * MIB, 0);
    said[0].guest[0].flags &= ~RCACHE_GUEST_PAGER;
    expect(0, "vm web on me: 10.0 MiB are there, and it has no pager, which "
           "would know whether they are elsewhere");
    said[0].guest[0].flags |= RCACHE_GUEST_PAGER;
    expect(0, "");
}
END_TEST

START_TEST(a_host_that_is_not_connected)
{
    holds(10 * MIB, 0);
    expect(0, "");
    host[0]->conn = NULL;
    expect_now("vm web on me: 10.0 MiB are there, and that host is not "
               "connected to this arbiter");
    /* Its daemon is back, and what is known is still from before. */
    host[0]->conn = &hosts;
    host[0]->seq_valid = false;
    expect_now("vm web on me: 10.0 MiB are there, and that host is not "
               "connected to this arbiter");
    expect(0, "");
}
END_TEST

/* A pager needs longer than an arbiter to see that a provider is gone. */
START_TEST(the_other_copy_is_not_heard)
{
    const char *text = "vm web on me: 10.0 MiB are there, and this arbiter "
                       "does not hear host other, where the VM counts on "
                       "other copies";
    WireBeatLease *held;

    holds(10 * MIB, 0);
    held = holds_at(2, 10 * MIB, 0);
    expect(0, "");
    /* A heartbeat that is late is none that is missed. */
    hosts_fixture_beat(&hosts, host[2], &said[2], NOW - 4000);
    expect_now("");
    hosts_fixture_beat(&hosts, host[2], &said[2], NOW - 4001);
    expect_now(text);
    expect(0, "");
    host[2]->conn = NULL;
    expect_now(text);
    host[2]->conn = &hosts;
    /* Its pager knows, and has made other copies meanwhile. */
    held->state = RCACHE_LEASE_GRANTED;
    hosts_fixture_beat(&hosts, host[2], &said[2], NOW - 4001);
    hosts_fixture_beat(&hosts, host[0], &said[0], NOW);
    expect_now("");
    /* Nobody has heard of that host. */
    held->state = RCACHE_LEASE_CLAIMED;
    g_strlcpy(held->host, "new", sizeof(held->host));
    expect(0, "vm web on me: 10.0 MiB are there, and this arbiter does not "
           "hear host new, where the VM counts on other copies");
}
END_TEST

/* It is back, with nothing. */
START_TEST(the_other_copy_is_not_listed)
{
    const char *text = "vm web on me: 10.0 MiB are there, and host other, "
                       "where the VM counts on other copies, does not report "
                       "one of its leases";

    holds(10 * MIB, 0);
    holds_at(2, 10 * MIB, 0);
    said[2].nr_leases = 0;
    expect(0, text);
    /* Where it lists what it can, that says nothing. */
    host[2]->cut = true;
    expect_now("");
    host[2]->cut = false;
    expect_now(text);
    /* None of its pages is there. */
    said[0].held[1].stored = 0;
    expect(0, "");
}
END_TEST

/* What is there only is told as that, whatever else there is. */
START_TEST(one_copy_is_one_copy)
{
    said[0].guest[0].copies = 1;
    holds(10 * MIB, 10 * MIB);
    holds_at(2, 10 * MIB, 10 * MIB);
    said[2].nr_leases = 0;
    expect(0, "vm web on me: it keeps one copy, and 10.0 MiB of it are there");
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
    tcase_add_test(tc, a_vm_without_a_pager);
    tcase_add_test(tc, a_host_that_is_not_connected);
    tcase_add_test(tc, the_other_copy_is_not_heard);
    tcase_add_test(tc, the_other_copy_is_not_listed);
    tcase_add_test(tc, one_copy_is_one_copy);
    tcase_add_test(tc, an_arbiter_that_has_just_started);
    tcase_add_test(tc, vms_that_run_there);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
