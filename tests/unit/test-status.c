/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict: its line, and what the arbiter finds wrong in heartbeats. */
#include <check.h>
#include <string.h>

#include "common/hold.h"
#include "common/wire-beat.h"
#include "arbiter/status.h"
#include "tests/unit/hosts-fixture.h"

static const PlacementConfig config = { .psi_some_max = 2000,
                                        .psi_full_max = 500 };
static Hosts hosts;
static Shunned shunned;
static HostsSaid said_a, said_b;
static Host *a, *b;

static void set_up(void)
{
    hosts_fixture_init(&hosts);
    shunned_init(&shunned);
    a = hosts_fixture_add(&hosts, "a");
    b = hosts_fixture_add(&hosts, "b");
    said_a = said_b = hosts_fixture_said();
}

static void tear_down(void)
{
    shunned_deinit(&shunned);
    hosts_deinit(&hosts);
}

/* Both hosts have just reported; the line, whose summary is "fine". */
static char *judge_at(uint64_t now, VerdictLevel *level)
{
    g_autoptr(Verdict) verdict = verdict_new();

    status_judge(&hosts, &shunned, &config, 0, now, verdict);
    *level = verdict_level(verdict);
    return verdict_line(verdict, "fine");
}

static void expect(VerdictLevel level, const char *text)
{
    VerdictLevel got;
    g_autofree char *line = NULL;

    hosts_fixture_beat(&hosts, a, &said_a, 1000);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    line = judge_at(1000, &got);
    ck_assert_str_eq(line, text);
    ck_assert_int_eq(got, level);
}

START_TEST(all_is_well)
{
    hosts_fixture_guest(&said_a, "web", 1);
    hosts_fixture_lease(&said_b, "web", 1, "a", 64 * MIB, 10 * MIB);
    expect(VERDICT_NOTE, "ok: fine");
    /* Restarts and drains are told, and are no problem. */
    said_a.guest[0].pager_restarts = 2;
    said_b.host.flags |= RCACHE_HOST_DRAINING;
    expect(VERDICT_NOTE, "ok: fine");
}
END_TEST

START_TEST(a_vm_that_waits)
{
    WireBeatGuest *g = hosts_fixture_guest(&said_a, "web", 1);
    WireBeatLease held = { .vm = { 1 }, .host = "b", .lease = 5,
                           .state = RCACHE_LEASE_CLAIMED };

    said_a.held[said_a.nr_held++] = held;
    g->stall_ns = STATUS_STALL_NS;
    expect(VERDICT_NOTE, "ok: fine");
    g->stall_ns = 12 * STATUS_STALL_NS;
    expect(VERDICT_FAILING,
           "failing: vm web on a has waited for a page for 12.0 s");
    said_a.held[0].state = RCACHE_LEASE_GRANTED;        /* not connected */
    expect(VERDICT_FAILING, "failing: vm web on a has waited for a page for "
           "12.0 s; the VM cannot reach b");
    /* Another VM's providers are not its. */
    said_a.held[0].vm[0] = 2;
    expect(VERDICT_FAILING,
           "failing: vm web on a has waited for a page for 12.0 s");
}
END_TEST

/* The first VM's pager is of an older build, and says nothing of it. */
START_TEST(a_vm_that_stalls)
{
    struct RcacheVmmDelays delays = {
        .vcpus = 2, .recent = 60 * UINT64_C(1000000000),
        .waited_recent = 12 * UINT64_C(1000000000), .faults_recent = 1000,
        .whole = { .recent = 12 * UINT64_C(1000000000) },
    };
    WireBeatGuest *g;

    hosts_fixture_guest(&said_a, "old", 1);
    g = hosts_fixture_guest(&said_a, "web", 2);
    g->delays = &delays;
    delays.phase[RCACHE_PHASE_QUEUE].recent = 12 * UINT64_C(1000000000);
    hosts.config.stall_warn = 10;
    expect(VERDICT_NOTE, "ok: fine");
    hosts.config.stall_warn = 9;
    expect(VERDICT_DEGRADED, "degraded: vm web on a: its vCPUs have waited for "
           "pages that were away in 10 % of the last minute, 100 % of that in "
           "the phase queue, 12.00 ms a page: it waits until cold pages have "
           "gone, or until its provider can be asked; or raise its local-max");
    /* What is said of it is of a pager that is gone. */
    g->flags &= ~RCACHE_GUEST_PAGER;
    expect(VERDICT_FAILING, "failing: vm web on a has no pager");
}
END_TEST

START_TEST(a_pager_that_is_stuck)
{
    WireBeatGuest *g = hosts_fixture_guest(&said_a, "web", 1);

    g->figures_age_ms = RCACHE_FIGURES_MAX_MS - 1;
    expect(VERDICT_NOTE, "ok: fine");
    /* What is known of it is old, and is not told as if it were of now. */
    g->figures_age_ms = 12345;
    g->stall_ns = 2 * STATUS_STALL_NS;
    g->resident = g->local_max + 17 * MIB;
    expect(VERDICT_FAILING,
           "failing: vm web on a: no figures for 12 s: its pager is stuck");
}
END_TEST

START_TEST(no_pager_and_no_room)
{
    WireBeatGuest *g = hosts_fixture_guest(&said_a, "web", 1);

    g->resident = g->local_max + 16 * MIB;
    expect(VERDICT_NOTE, "ok: fine");
    g->resident++;
    expect(VERDICT_DEGRADED, "degraded: vm web on a has 80.0 MiB here, above "
           "its local-max of 64.0 MiB: no host has memory to lend");
    g->flags &= ~RCACHE_GUEST_PAGER;
    expect(VERDICT_FAILING, "failing: vm web on a has no pager; vm web on a "
           "has 80.0 MiB here, above its local-max of 64.0 MiB: no host has "
           "memory to lend");
    /* A VM without a remote cache has none to miss. */
    g->flags = 0;
    expect(VERDICT_NOTE, "ok: fine");
}
END_TEST

START_TEST(hosts_that_are_away)
{
    VerdictLevel level;
    g_autofree char *suspect = NULL, *dead = NULL, *gone = NULL;

    hosts_fixture_lease(&said_b, "web", 1, "a", 64 * MIB, 10 * MIB);
    hosts_fixture_lease(&said_b, "web", 1, "a", 64 * MIB, 10 * MIB);
    hosts_fixture_lease(&said_b, "db", 2, "a", 64 * MIB, 0);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    hosts_fixture_beat(&hosts, a, &said_a, 6000);
    suspect = judge_at(6000, &level);
    ck_assert_str_eq(suspect, "degraded: host b is suspect, last heard 5.0 s "
                     "ago; the host holds 20.0 MiB of vm web");
    hosts_fixture_beat(&hosts, a, &said_a, 13000);
    b->conn = NULL;
    dead = judge_at(13000, &level);
    ck_assert_str_eq(dead, "degraded: host b is dead and not connected, last "
                     "heard 12.0 s ago; the host holds 20.0 MiB of vm web");
    hosts_fixture_beat(&hosts, b, &said_b, 13000);
    gone = judge_at(13000, &level);
    ck_assert_ptr_nonnull(strstr(gone, "b is alive and not connected"));
    ck_assert_int_eq(level, VERDICT_DEGRADED);
}
END_TEST

START_TEST(leases_that_end)
{
    WireBeatLease *l = hosts_fixture_lease(&said_b, "web", 1, "a", MIB, MIB);

    l->expires_ms = 4000;
    expect(VERDICT_DEGRADED, "degraded: leases of vm web on host b end "
           "within 5 s and are not being renewed");
    l->state = RCACHE_LEASE_GRANTED;    /* not claimed yet: that is short */
    expect(VERDICT_NOTE, "ok: fine");
    l->state = RCACHE_LEASE_EXPIRED;
    expect(VERDICT_DEGRADED, "degraded: leases of vm web on host b have "
           "expired: that host may take the memory back");
}
END_TEST

START_TEST(pressure_and_nonsense)
{
    said_a.host.psi_some_avg10 = 2000;
    said_a.host.psi_full_avg10 = 500;
    expect(VERDICT_NOTE, "ok: fine");
    said_a.host.psi_full_avg10 = 501;
    expect(VERDICT_DEGRADED, "degraded: host a is short of memory (PSI some "
           "20.0 %, full 5.0 %): it is asked for nothing new");
    said_a.host.offered = said_a.host.mem_total + 1;
    expect(VERDICT_DEGRADED, "degraded: host a is asked for nothing: it "
           "offers more memory than it has");
}
END_TEST

START_TEST(two_hosts_of_one_name)
{
    hosts_twinned(a, "with another boot id", 1000);
    expect(VERDICT_DEGRADED, "degraded: more than one host calls itself a "
           "(with another boot id), and only one of them is heard at a time: "
           "give each its own name");
}
END_TEST

/* The only note there is, or "". */
static char *note(void)
{
    g_autoptr(Verdict) verdict = verdict_new();
    g_autoptr(JsonObject) o = json_object_new();
    JsonArray *notes;

    hosts_fixture_beat(&hosts, a, &said_a, 1000);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    status_judge(&hosts, &shunned, &config, 0, 1000, verdict);
    verdict_set(verdict, o, "fine");
    notes = json_object_get_array_member(o, "notes");
    ck_assert_uint_le(json_array_get_length(notes), 1);
    return g_strdup(json_array_get_length(notes)
                    ? json_array_get_string_element(notes, 0) : "");
}

static void expect_note(const char *text)
{
    g_autofree char *got = note();

    ck_assert_str_eq(got, text);
}

START_TEST(mixed_versions)
{
    expect_note("");
    b->version = 2;
    expect_note("versions are mixed: version 2 of the protocol is not spoken "
                "by this arbiter, a; finish the upgrade");
    a->version = 2;
    expect_note("versions are mixed: version 2 of the protocol is not spoken "
                "by this arbiter; finish the upgrade");
    /* What is not there speaks nothing. */
    a->version = 1;
    b->conn = NULL;
    expect_note("");
}
END_TEST

START_TEST(one_host_that_flaps)
{
    for (unsigned i = 0; i < 3; i++) {
        hosts_hello(&hosts, "a", a->boot_id, "127.0.0.1:1", 900 + i);
    }
    expect(VERDICT_DEGRADED, "degraded: host a has connected again 3 times "
           "within a minute: its connection does not last, or its rcached is "
           "started again and again; the logs of both say why");
}
END_TEST

/* What a host that is not there has said of its VMs is no news of them. */
START_TEST(vms_of_a_host_that_is_dead)
{
    WireBeatGuest *g = hosts_fixture_guest(&said_a, "web", 1);
    g_autofree char *alive = NULL, *dead = NULL;
    VerdictLevel level;

    hosts_fixture_guest(&said_a, "db", 2);
    g->flags &= ~RCACHE_GUEST_PAGER;
    hosts_fixture_beat(&hosts, a, &said_a, 1000);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    alive = judge_at(2000, &level);
    ck_assert_str_eq(alive, "failing: vm web on a has no pager");
    a->conn = NULL;
    hosts_fixture_beat(&hosts, b, &said_b, 20000);
    dead = judge_at(20000, &level);
    ck_assert_str_eq(dead, "degraded: host a is dead and not connected, last "
                     "heard 19.0 s ago; 2 VMs ran there then");
    ck_assert_int_eq(level, VERDICT_DEGRADED);
}
END_TEST

/* A provider that has come back without what it held. */
START_TEST(bytes_that_are_gone)
{
    WireBeatTrouble lost = { .vm = { 1 }, .name = "web", .host = "b",
                             .cause = RCACHE_CAUSE_LOST, .since_s = 12,
                             .lost = 107 * MIB };
    WireBeatTrouble wrong = { .vm = { 1 }, .name = "web", .host = "b",
                              .cause = RCACHE_CAUSE_WRONG, .since_s = 3,
                              .wrong = 1 };

    hosts_fixture_guest(&said_a, "web", 1);
    said_a.trouble[said_a.nr_troubles++] = lost;
    expect(VERDICT_FAILING, "failing: vm web on a has lost 107.0 MiB that "
           "provider b held: that provider has not known the lease for 12 s");
    said_a.trouble[0] = wrong;
    expect(VERDICT_DEGRADED, "degraded: provider b returned wrong bytes for 1 "
           "page of vm web on a, last 3 s ago: the guest is not given them, "
           "and waits");
    /* What has been is a note. */
    said_a.trouble[0].cause = RCACHE_CAUSE_NONE;
    expect(VERDICT_NOTE, "ok: fine");
}
END_TEST

START_TEST(a_provider_of_no_use)
{
    WireBeatTrouble away = { .vm = { 1 }, .name = "web", .host = "b",
                             .cause = RCACHE_CAUSE_NO_PAGES, .since_s = 1 };

    said_a.trouble[said_a.nr_troubles++] = away;
    hosts_fixture_beat(&hosts, a, &said_a, 1000);
    shunned_beat(&shunned, &hosts, a, 1000);
    expect(VERDICT_DEGRADED, "degraded: provider b passes small frames but no "
           "pages, as a found 1 s ago: nothing new is asked of it for those "
           "hosts");
}
END_TEST

/* More than a host may offer is cut, and it is told whose offer that is. */
START_TEST(an_offer_that_is_cut)
{
    g_autoptr(Verdict) v = verdict_new();
    g_autoptr(JsonObject) o = json_object_new();
    JsonArray *notes;

    hosts.config.max_offer = 100 * MIB;
    said_b.host.offered = 100 * MIB;
    hosts_fixture_beat(&hosts, a, &said_a, 1000);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    status_judge(&hosts, &shunned, &config, 0, 1000, v);
    verdict_set(v, o, "");
    ck_assert(json_object_get_boolean_member(o, "ok"));
    notes = json_object_get_array_member(o, "notes");
    ck_assert_uint_eq(json_array_get_length(notes), 1);
    ck_assert_str_eq(json_array_get_string_element(notes, 0), "host a offers "
                     "512.0 MiB, of which max-offer allows 100.0 MiB");
}
END_TEST

/* A lease that no heartbeat has room for is not one that is gone. */
START_TEST(more_than_a_heartbeat_holds)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireBeatHost host = said_a.host;
    WireBeatLease lease = { .name = "vm", .host = "b", .epoch = 1,
                            .state = RCACHE_LEASE_CLAIMED,
                            .expires_ms = 30000 };
    guint start = wire_beat_begin(frame);
    VerdictLevel level;
    const char *why;
    char *line;

    memcpy(host.boot_id, a->boot_id, sizeof(host.boot_id));
    ck_assert(wire_beat_host(frame, start, &host));
    for (lease.lease = 1; wire_beat_lease(frame, start, RCACHE_SECTION_LEASE,
                                          &lease); lease.lease++) {
    }
    wire_beat_end(frame, start);
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    said_a.host.seq = 10;
    for (unsigned full = 0; full < 2; full++) {
        if (!full) {
            hosts_fixture_beat(&hosts, a, &said_a, 1000);
        } else {
            a->seq_valid = false;
            ck_assert_int_eq(hosts_beat(&hosts, a,
                                        frame->data + WIRE_HEAD_LEN,
                                        frame->len - WIRE_HEAD_LEN, 1000,
                                        &why), HOSTS_BEAT_TAKEN);
        }
        line = judge_at(1000, &level);
        ck_assert_int_eq(!!strstr(line, "host a has more leases"), full);
        g_free(line);
    }
}
END_TEST

START_TEST(the_line_is_a_line)
{
    g_autoptr(Verdict) v = verdict_new();
    g_autoptr(JsonObject) o = json_object_new();
    g_autofree char *line = NULL;
    JsonArray *problems;

    for (int i = 0; i < 300; i++) {
        verdict_add(v, VERDICT_DEGRADED, "d%d", i);
    }
    verdict_add(v, VERDICT_FAILING, "f");
    verdict_add(v, VERDICT_NOTE, "n");
    line = verdict_line(v, "");
    ck_assert_str_eq(line, "failing: f; d0; d1; and 298 more");
    verdict_set(v, o, "");
    ck_assert(!json_object_get_boolean_member(o, "ok"));
    ck_assert_str_eq(json_object_get_string_member(o, "level"), "failing");
    problems = json_object_get_array_member(o, "problems");
    ck_assert_uint_eq(json_array_get_length(problems), 258);
    ck_assert_str_eq(json_array_get_string_element(problems, 0), "f");
    ck_assert_str_eq(json_array_get_string_element(problems, 257),
                     "and 44 more");
    ck_assert_uint_eq(json_array_get_length(
        json_object_get_array_member(o, "notes")), 1);
}
END_TEST

START_TEST(nobody_is_there)
{
    Hosts none;
    g_autoptr(Verdict) v = verdict_new();
    g_autofree char *line = NULL;

    hosts_fixture_init(&none);
    status_judge(&none, &shunned, &config, 0, 0, v);
    line = verdict_line(v, "");
    ck_assert_str_eq(line, "degraded: no host has reported yet");
    hosts_deinit(&none);
}
END_TEST

/* Two copies are wanted; how many of them there are, and how many will be. */
START_TEST(bytes_with_one_copy)
{
    WireBeatGuest *g = hosts_fixture_guest(&said_a, "web", 1);

    g->copies = 1;
    g->one_copy = 40 * MIB;
    expect(VERDICT_NOTE, "ok: fine");
    g->copies = 2;
    expect(VERDICT_DEGRADED, "degraded: 40.0 MiB of vm web on a have one "
           "live copy or none: a provider is away");
    g->repairing = 8 * MIB;
    expect(VERDICT_DEGRADED, "degraded: 40.0 MiB of vm web on a have one "
           "live copy or none; 8.0 MiB are still to be copied");
    g->one_copy = 0;
    expect(VERDICT_NOTE, "ok: fine");
}
END_TEST

/* What an operator holds is no trouble, but for a host without room. */
START_TEST(a_vm_that_is_held)
{
    WireBeatGuest *g = hosts_fixture_guest(&said_a, "web", 1);

    g->remote = 40 * MIB;
    g->flags |= RCACHE_GUEST_NO_ROOM;
    expect(VERDICT_NOTE, "ok: fine");
    g->flags |= RCACHE_GUEST_HELD | RCACHE_GUEST_OBEYS;
    expect(VERDICT_DEGRADED, "degraded: vm web on a is held, and host a has "
           "no room for all of the 40.0 MiB that are away");
    ck_assert_str_eq(hold_text(g), "no room");
    g->flags &= ~RCACHE_GUEST_NO_ROOM;
    expect(VERDICT_NOTE, "ok: fine");
    ck_assert_str_eq(hold_text(g), "coming home");
    g->remote = 0;
    ck_assert_str_eq(hold_text(g), "home");
    g->flags &= ~RCACHE_GUEST_OBEYS;
    ck_assert_str_eq(hold_text(g), "asked");
    g->flags &= ~RCACHE_GUEST_HELD;
    ck_assert_ptr_null(hold_text(g));
}
END_TEST

/* Their VM is on another host by now: nothing is lost when they go. */
START_TEST(leases_of_a_host_that_died)
{
    WireBeatLease *l = hosts_fixture_lease(&said_b, "web", 1, "gone", MIB,
                                           MIB);

    l->state = RCACHE_LEASE_EXPIRED;
    hosts_fixture_beat(&hosts, b, &said_b, 1000);
    expect(VERDICT_DEGRADED, "degraded: leases of vm web on host b have "
           "expired: that host may take the memory back");
    expect_note("");
    hosts_fixture_guest(&said_a, "web", 1);
    expect(VERDICT_NOTE, "ok: fine");
    expect_note("host b still keeps what was lent to vm web on a host that is "
                "gone; that VM runs elsewhere, and nobody uses it");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *tc = tcase_create("status");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, all_is_well);
    tcase_add_test(tc, a_vm_that_waits);
    tcase_add_test(tc, a_vm_that_stalls);
    tcase_add_test(tc, a_pager_that_is_stuck);
    tcase_add_test(tc, no_pager_and_no_room);
    tcase_add_test(tc, bytes_with_one_copy);
    tcase_add_test(tc, a_vm_that_is_held);
    tcase_add_test(tc, hosts_that_are_away);
    tcase_add_test(tc, leases_that_end);
    tcase_add_test(tc, leases_of_a_host_that_died);
    tcase_add_test(tc, pressure_and_nonsense);
    tcase_add_test(tc, two_hosts_of_one_name);
    tcase_add_test(tc, mixed_versions);
    tcase_add_test(tc, one_host_that_flaps);
    tcase_add_test(tc, vms_of_a_host_that_is_dead);
    tcase_add_test(tc, bytes_that_are_gone);
    tcase_add_test(tc, a_provider_of_no_use);
    tcase_add_test(tc, an_offer_that_is_cut);
    tcase_add_test(tc, more_than_a_heartbeat_holds);
    tcase_add_test(tc, the_line_is_a_line);
    tcase_add_test(tc, nobody_is_there);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
