/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placement: who is asked, for how much, and what a refusal says. */
#include <check.h>
#include <string.h>

#include "common/wire-control.h"
#include "arbiter/placement.h"

#define MIB     (1ull << 20)
#define SLAB    (64 * MIB)

static const PlacementConfig config = {
    .spread = 2, .sample = 16, .share = 100,
    .psi_some_max = 2000, .psi_full_max = 500,
};

/* Which of the hosts asks; most tests have it elsewhere. */
static uint32_t me;

/* Without a process of its own, a test finds what the last one left. */
static void set_up(void)
{
    me = PLACEMENT_NO_HOST;
}

static PlacementHost host(uint64_t free)
{
    return (PlacementHost) {
        .alive = true, .connected = true, .lends = true,
        .free = free, .offered = free, .slab = SLAB,
    };
}

static Placement choose(const PlacementHost *hosts, unsigned n,
                        uint64_t bytes, uint64_t seed)
{
    PlacementRequest request = { .requester = me, .bytes = bytes };
    Placement out;

    placement_choose(&config, hosts, n, &request, seed, &out);
    return out;
}

static uint64_t part_of(const Placement *p, unsigned i)
{
    uint64_t bytes = 0;

    for (unsigned j = 0; j < p->nr_parts; j++) {
        bytes += p->part[j].host == i ? p->part[j].bytes : 0;
    }
    return bytes;
}

/* What holds of every placement, whatever the hosts. */
static void check_sane(const Placement *p, const PlacementHost *hosts,
                       unsigned n, uint64_t asked)
{
    uint64_t total = 0;

    ck_assert_uint_le(p->nr_parts, WIRE_GRANTS_MAX);
    for (unsigned i = 0; i < p->nr_parts; i++) {
        const PlacementPart *part = &p->part[i];

        ck_assert_uint_lt(part->host, n);
        ck_assert_uint_gt(part->bytes, 0);
        ck_assert_uint_le(part->bytes, hosts[part->host].free);
        ck_assert_uint_eq(part->bytes % hosts[part->host].slab, 0);
        ck_assert_uint_ne(part->host, me);
        total += part->bytes;
        for (unsigned j = 0; j < i; j++) {
            ck_assert_uint_ne(p->part[j].host, part->host);
        }
    }
    ck_assert_uint_eq(total, p->bytes);
    ck_assert_int_eq(p->bytes < asked, *p->text != 0);
}

START_TEST(split_evenly_over_two)
{
    me = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        PlacementHost hosts[] = { host(9000 * MIB),
                                  host(1024 * MIB),
                                  host(2048 * MIB) };
        Placement p = choose(hosts, 3, 384 * MIB, seed);

        check_sane(&p, hosts, 3, 384 * MIB);
        ck_assert_uint_eq(part_of(&p, 1), 192 * MIB);
        ck_assert_uint_eq(part_of(&p, 2), 192 * MIB);
        ck_assert_str_eq(p.text, "");
    }
}
END_TEST

/* Small requests one after the other end up even as well. */
START_TEST(later_requests_even_it_out)
{
    PlacementHost hosts[] = { host(1024 * MIB), host(1024 * MIB) };

    for (int i = 0; i < 6; i++) {
        Placement p = choose(hosts, 2, 10 * MIB, i);

        check_sane(&p, hosts, 2, 10 * MIB);
        ck_assert_uint_eq(p.nr_parts, 1);
        ck_assert_uint_eq(p.bytes, SLAB);
        hosts[p.part[0].host].vm_bytes += SLAB;
        hosts[p.part[0].host].free -= SLAB;
    }
    ck_assert_uint_eq(hosts[0].vm_bytes, 3 * SLAB);
    ck_assert_uint_eq(hosts[1].vm_bytes, 3 * SLAB);
}
END_TEST

START_TEST(uneven_room_is_used)
{
    PlacementHost hosts[] = { host(64 * MIB), host(1024 * MIB) };
    Placement p = choose(hosts, 2, 640 * MIB, 1);

    check_sane(&p, hosts, 2, 640 * MIB);
    ck_assert_uint_eq(part_of(&p, 0), 64 * MIB);
    ck_assert_uint_eq(part_of(&p, 1), 576 * MIB);
}
END_TEST

START_TEST(more_than_two_only_if_needed)
{
    PlacementHost hosts[] = { host(256 * MIB), host(256 * MIB),
                              host(256 * MIB), host(256 * MIB) };
    Placement two = choose(hosts, 4, 512 * MIB, 3);
    Placement three = choose(hosts, 4, 576 * MIB, 3);

    check_sane(&two, hosts, 4, 512 * MIB);
    check_sane(&three, hosts, 4, 576 * MIB);
    ck_assert_uint_eq(two.nr_parts, 2);
    ck_assert_uint_eq(two.bytes, 512 * MIB);
    ck_assert_uint_eq(three.nr_parts, 3);
    ck_assert_uint_eq(three.bytes, 576 * MIB);
}
END_TEST

START_TEST(partial_says_so)
{
    PlacementHost hosts[] = { host(9000 * MIB), host(100 * MIB),
                              host(128 * MIB), host(63 * MIB) };
    Placement p;

    me = 0;
    p = choose(hosts, 4, 512 * MIB, 1);

    check_sane(&p, hosts, 4, 512 * MIB);
    ck_assert_uint_eq(p.bytes, 192 * MIB);
    ck_assert_str_eq(p.text, "192 of 512 MiB is all that providers have: of "
                             "the others 1 the requester itself, 1 full");
}
END_TEST

START_TEST(refusals_say_why)
{
    PlacementHost hosts[] = {
        host(SLAB), host(SLAB), host(SLAB), host(SLAB), host(SLAB),
        host(SLAB), host(SLAB), host(SLAB - 1), host(SLAB), host(SLAB),
        host(SLAB),
    };
    Placement p;

    me = 0;
    hosts[1].alive = false;
    hosts[2].connected = false;
    hosts[3].lends = false;
    hosts[4].draining = true;
    hosts[5].psi_some = 2001;
    hosts[6].psi_full = 501;
    hosts[8].slab = 0;
    hosts[9].said_no = true;
    hosts[10].avoided = true;
    p = choose(hosts, 11, SLAB, 1);
    check_sane(&p, hosts, 11, SLAB);
    ck_assert_uint_eq(p.nr_parts, 0);
    ck_assert_str_eq(p.text, "no host has room: 1 the requester itself, "
                     "1 not alive, 1 not connected, 1 not lending, "
                     "1 draining, 2 under memory pressure, 2 full, "
                     "1 slow or out of reach, 1 refused");
    me = PLACEMENT_NO_HOST;
    p = choose(NULL, 0, SLAB, 1);
    ck_assert_str_eq(p.text, "no host has room");
}
END_TEST

START_TEST(pressure_counts)
{
    int calm = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        PlacementHost hosts[] = { host(1024 * MIB),
                                  host(1024 * MIB),
                                  host(1024 * MIB) };
        Placement p;

        hosts[1].psi_some = 1000;
        p = choose(hosts, 3, 2 * SLAB, seed);
        calm += !part_of(&p, 1);
    }
    ck_assert_int_eq(calm, 100);
}
END_TEST

START_TEST(a_vm_stays_where_it_is)
{
    PlacementHost hosts[20];

    for (int i = 0; i < 20; i++) {
        hosts[i] = host(1024 * MIB);
    }
    hosts[7].vm_bytes = hosts[19].vm_bytes = 10 * SLAB;
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p = choose(hosts, 20, 4 * SLAB, seed);

        check_sane(&p, hosts, 20, 4 * SLAB);
        ck_assert_uint_eq(part_of(&p, 7), 2 * SLAB);
        ck_assert_uint_eq(part_of(&p, 19), 2 * SLAB);
    }
}
END_TEST

/* A sample spreads a burst; what it lacks is looked for everywhere. */
START_TEST(many_hosts)
{
    enum { N = 1000 };
    g_autofree PlacementHost *hosts = g_new0(PlacementHost, N);
    g_autofree unsigned *hits = g_new0(unsigned, N);
    unsigned used = 0;
    Placement p, again;

    for (unsigned i = 0; i < N; i++) {
        hosts[i] = host(1024 * MIB);
    }
    for (uint64_t seed = 0; seed < 1000; seed++) {
        p = choose(hosts, N, 2 * SLAB, seed);
        check_sane(&p, hosts, N, 2 * SLAB);
        again = choose(hosts, N, 2 * SLAB, seed);
        ck_assert_mem_eq(&p, &again, sizeof(p));
        for (unsigned i = 0; i < p.nr_parts; i++) {
            hits[p.part[i].host]++;
        }
    }
    for (unsigned i = 0; i < N; i++) {
        used += hits[i] > 0;
        ck_assert_uint_lt(hits[i], 20);
    }
    ck_assert_uint_gt(used, 700);

    for (unsigned i = 0; i < N; i++) {
        hosts[i].free = i == 997 || i == 3 ? 10 * SLAB : SLAB;
    }
    p = choose(hosts, N, 20 * SLAB, 1);
    check_sane(&p, hosts, N, 20 * SLAB);
    ck_assert_uint_eq(p.bytes, 20 * SLAB);
    ck_assert_uint_eq(part_of(&p, 997), 10 * SLAB);
}
END_TEST

/* Figures that no host has: bounded work, no overflow. */
START_TEST(hostile_figures)
{
    static const uint64_t values[] = { 0, 1, 4096, SLAB, 1ull << 40,
                                       UINT64_MAX };
    PlacementHost hosts[3];

    for (unsigned i = 0; i < 6 * 6 * 6 * 6; i++) {
        uint64_t asked = values[i / 216 % 6];

        for (unsigned j = 0; j < 3; j++) {
            hosts[j] = host(values[(i + j) % 6]);
            hosts[j].slab = values[i / 6 % 6];
            hosts[j].offered = values[(i / 6 + j) % 6];
            hosts[j].vm_bytes = values[i / 36 % 6];
        }
        check_sane(&(Placement) { 0 }, hosts, 3, 0);
        if (asked) {
            Placement p = choose(hosts, 3, asked, i);

            check_sane(&p, hosts, 3, asked);
        }
    }
}
END_TEST

/* ------------------------------------------- shares, racks, quotas */

static Placement choose_with(const PlacementConfig *c,
                             const PlacementHost *hosts, unsigned n,
                             const PlacementRequest *request, uint64_t seed)
{
    Placement out;

    placement_choose(c, hosts, n, request, seed, &out);
    return out;
}

START_TEST(a_fair_share_if_others_have_room)
{
    PlacementConfig half = config;

    half.share = 50;
    for (uint64_t seed = 0; seed < 50; seed++) {
        PlacementHost hosts[] = { host(8 * SLAB), host(8 * SLAB),
                                  host(8 * SLAB), host(8 * SLAB) };
        PlacementRequest request = { .requester = PLACEMENT_NO_HOST,
                                     .bytes = 12 * SLAB };
        Placement p = choose_with(&half, hosts, 4, &request, seed);

        check_sane(&p, hosts, 4, 12 * SLAB);
        ck_assert_uint_eq(p.nr_parts, 3);
        for (unsigned i = 0; i < p.nr_parts; i++) {
            ck_assert_uint_eq(p.part[i].bytes, 4 * SLAB);
        }

        /* What it has there already counts. */
        hosts[0].vm_bytes = hosts[1].vm_bytes = 3 * SLAB;
        request.bytes = 4 * SLAB;
        p = choose_with(&half, hosts, 4, &request, seed);
        check_sane(&p, hosts, 4, 4 * SLAB);
        ck_assert_uint_eq(p.bytes, 4 * SLAB);
        ck_assert_uint_le(part_of(&p, 0), SLAB);
        ck_assert_uint_le(part_of(&p, 1), SLAB);

        /* Nobody else has room: the share is no wall. */
        hosts[2].free = hosts[3].free = 0;
        p = choose_with(&half, hosts, 4, &request, seed);
        ck_assert_uint_eq(p.bytes, 4 * SLAB);
        ck_assert_uint_eq(part_of(&p, 0), 2 * SLAB);
    }
}
END_TEST

/* A provider that lends a slab or two still gives a VM its first one. */
START_TEST(a_first_slab_is_fair)
{
    PlacementConfig half = config;
    PlacementHost hosts[] = { host(SLAB), host(SLAB) };
    PlacementRequest request = { .requester = PLACEMENT_NO_HOST,
                                 .bytes = 2 * SLAB };
    Placement p;

    half.share = 10;
    p = choose_with(&half, hosts, 2, &request, 1);
    check_sane(&p, hosts, 2, 2 * SLAB);
    ck_assert_uint_eq(p.bytes, 2 * SLAB);
}
END_TEST

/* Two of a thousand share the requester's rack; no sample needs luck. */
START_TEST(the_same_rack_first)
{
    enum { N = 1000 };
    g_autofree PlacementHost *hosts = g_new0(PlacementHost, N);
    PlacementRequest request = { .requester = 0, .domain = 7,
                                 .bytes = 4 * SLAB };

    for (unsigned i = 0; i < N; i++) {
        hosts[i] = host(64 * SLAB);
        hosts[i].domain = 100 + i % 50;
    }
    hosts[0].domain = hosts[500].domain = hosts[900].domain = 7;
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p = choose_with(&config, hosts, N, &request, seed);

        ck_assert_uint_eq(part_of(&p, 500), 2 * SLAB);
        ck_assert_uint_eq(part_of(&p, 900), 2 * SLAB);
    }
    /* Not one that lacks room for its part, nor one under pressure. */
    hosts[500].free = SLAB;
    hosts[900].psi_some = 2001;
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p = choose_with(&config, hosts, N, &request, seed);

        ck_assert_uint_eq(p.bytes, 4 * SLAB);
        ck_assert_uint_eq(part_of(&p, 500) + part_of(&p, 900), 0);
    }
}
END_TEST

START_TEST(load_counts)
{
    int idle = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        PlacementHost hosts[] = { host(1024 * MIB), host(1024 * MIB),
                                  host(1024 * MIB) };
        Placement p;

        hosts[1].leases = 60;
        p = choose(hosts, 3, 2 * SLAB, seed);
        idle += !part_of(&p, 1);
    }
    ck_assert_int_eq(idle, 100);
}
END_TEST

/* Of a few hosts: all that is asked, within fair shares, or nothing. */
START_TEST(a_few_give_all_or_nothing)
{
    PlacementConfig half = config;
    PlacementRequest request = { .requester = PLACEMENT_NO_HOST,
                                 .bytes = 4 * SLAB, .few = true };
    PlacementHost hosts[] = { host(8 * SLAB), host(8 * SLAB) };
    Placement p;

    half.share = 50;
    p = choose_with(&half, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.bytes, 4 * SLAB);
    /* More than fair shares; more than there is; more than the quota. */
    request.bytes = 10 * SLAB;
    p = choose_with(&half, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.nr_parts + p.bytes, 0);
    ck_assert_uint_eq(choose_with(&config, hosts, 2, &request, 1).bytes,
                      10 * SLAB);
    request.bytes = 17 * SLAB;
    p = choose_with(&config, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.nr_parts + p.bytes, 0);
    half.quota = 2 * SLAB;
    request.bytes = 4 * SLAB;
    p = choose_with(&half, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.nr_parts + p.bytes, 0);
}
END_TEST

START_TEST(a_quota_is_kept)
{
    PlacementConfig few = config;
    PlacementHost hosts[] = { host(100 * SLAB), host(100 * SLAB) };
    PlacementRequest request = { .requester = PLACEMENT_NO_HOST,
                                 .bytes = 8 * SLAB,
                                 .owner_bytes = 5 * SLAB };
    Placement p;

    few.quota = 8 * SLAB + SLAB / 2;
    p = choose_with(&few, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.bytes, 3 * SLAB);
    ck_assert_str_eq(p.text, "192 of 512 MiB is what the quota leaves: its "
                     "owner has 320 of 544 MiB already");
    request.owner_bytes = 9 * SLAB;
    p = choose_with(&few, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.nr_parts, 0);
    ck_assert_str_eq(p.text, "0 of 512 MiB is what the quota leaves: its "
                     "owner has 576 of 544 MiB already");
    few.quota = 0;
    p = choose_with(&few, hosts, 2, &request, 1);
    ck_assert_uint_eq(p.bytes, 8 * SLAB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement");
    TCase *tc = tcase_create("placement");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, split_evenly_over_two);
    tcase_add_test(tc, later_requests_even_it_out);
    tcase_add_test(tc, uneven_room_is_used);
    tcase_add_test(tc, more_than_two_only_if_needed);
    tcase_add_test(tc, partial_says_so);
    tcase_add_test(tc, refusals_say_why);
    tcase_add_test(tc, pressure_counts);
    tcase_add_test(tc, a_vm_stays_where_it_is);
    tcase_add_test(tc, many_hosts);
    tcase_add_test(tc, hostile_figures);
    tcase_add_test(tc, a_fair_share_if_others_have_room);
    tcase_add_test(tc, a_first_slab_is_fair);
    tcase_add_test(tc, the_same_rack_first);
    tcase_add_test(tc, load_counts);
    tcase_add_test(tc, a_few_give_all_or_nothing);
    tcase_add_test(tc, a_quota_is_kept);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
