/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placement of two copies: that each slab can have a partner elsewhere. */
#include <check.h>
#include <string.h>

#include "arbiter/placement.h"

#define MIB     (1ull << 20)
#define SLAB    (64 * MIB)
#define HOSTS   60

static const PlacementConfig config = {
    .spread = 2, .sample = 16, .share = 100,
    .psi_some_max = 2000, .psi_full_max = 500,
};

static PlacementHost hosts[HOSTS];
static PlacementRequest request;

static void set_up(void)
{
    memset(hosts, 0, sizeof(hosts));
    request = (PlacementRequest) { .requester = PLACEMENT_NO_HOST,
                                   .copies = 2 };
}

static void host_set(unsigned i, uint64_t slabs, uint32_t domain)
{
    hosts[i] = (PlacementHost) {
        .alive = true, .connected = true, .lends = true, .domain = domain,
        .free = slabs * SLAB, .offered = slabs * SLAB, .slab = SLAB,
    };
}

static Placement choose(unsigned n, uint64_t slabs, uint64_t seed)
{
    Placement out;

    request.bytes = slabs * SLAB;
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

static uint64_t total_of(const Placement *p)
{
    uint64_t bytes = 0;

    for (unsigned j = 0; j < p->nr_parts; j++) {
        bytes += p->part[j].bytes;
    }
    return bytes;
}

/* In hosts of this domain; of host @host alone where that is 0. */
static uint64_t domain_of(const Placement *p, uint32_t domain, unsigned host)
{
    uint64_t bytes = 0;

    for (unsigned j = 0; j < p->nr_parts; j++) {
        unsigned at = p->part[j].host;

        bytes += domain ? (hosts[at].domain == domain ? p->part[j].bytes : 0)
                        : (at == host ? p->part[j].bytes : 0);
    }
    return bytes;
}

/* Twice of each copy, no more than one of them in a domain, whole slabs. */
static void check_pairs(const Placement *p)
{
    ck_assert_uint_eq(total_of(p), 2 * p->bytes);
    ck_assert_uint_le(p->nr_parts, WIRE_GRANTS_MAX);
    for (unsigned j = 0; j < p->nr_parts; j++) {
        unsigned at = p->part[j].host;

        ck_assert_uint_eq(p->part[j].bytes % hosts[at].slab, 0);
        ck_assert_uint_le(part_of(p, at), hosts[at].free);
        ck_assert_uint_le(domain_of(p, hosts[at].domain, at), p->bytes);
    }
}

/* The most that pairs can have of all these hosts. */
static uint64_t most_of_pairs(unsigned n)
{
    uint64_t room[HOSTS] = { 0 }, sum = 0, largest = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned at = hosts[i].domain ? hosts[i].domain - 1 : i + HOSTS / 2;

        room[at % HOSTS] += hosts[i].free;
        sum += hosts[i].free;
    }
    for (unsigned i = 0; i < HOSTS; i++) {
        largest = MAX(largest, room[i]);
    }
    return MIN(sum / SLAB / 2, (sum - largest) / SLAB) * SLAB;
}

START_TEST(partners_are_in_other_domains)
{
    for (uint64_t seed = 0; seed < 600; seed++) {
        unsigned n = 2 + seed % (HOSTS / 2 - 2), domains = 2 + seed % 7;
        uint64_t slabs = 1 + seed % 9, most;
        Placement p;

        for (unsigned i = 0; i < n; i++) {
            host_set(i, (1 + (i * 7 + seed) % 5), 1 + (i * 13 + seed) %
                     domains);
            hosts[i].domain = seed % 3 ? hosts[i].domain : 0;
        }
        p = choose(n, slabs, seed);
        most = most_of_pairs(n);
        check_pairs(&p);
        if (n <= WIRE_GRANTS_MAX && most) {
            ck_assert_uint_eq(p.bytes, MIN(slabs * SLAB, most));
        }
        ck_assert_int_eq(p.bytes < slabs * SLAB, *p.text != 0);
        ck_assert_uint_eq(p.alone, 0);
    }
}
END_TEST

/* The largest domain alone is of no use. */
START_TEST(as_much_as_finds_a_partner)
{
    Placement p;

    host_set(0, 8, 3);
    host_set(1, 8, 3);
    host_set(2, 2, 4);
    p = choose(3, 4, 1);
    check_pairs(&p);
    ck_assert_uint_eq(p.bytes, 2 * SLAB);
    ck_assert_uint_eq(part_of(&p, 2), 2 * SLAB);
    ck_assert_str_eq(p.text, "128 of 256 MiB is all that providers have");
    /* Three that have a third each: any two of them are partners. */
    host_set(0, 2, 1);
    host_set(1, 2, 2);
    host_set(2, 2, 3);
    p = choose(3, 3, 1);
    check_pairs(&p);
    ck_assert_uint_eq(p.bytes, 3 * SLAB);
    ck_assert_str_eq(p.text, "");
}
END_TEST

/* One domain: two hosts of it are better than one copy. */
START_TEST(hosts_if_there_are_no_domains)
{
    Placement p;

    host_set(0, 8, 3);
    host_set(1, 8, 3);
    host_set(2, 8, 4);
    hosts[2].alive = false;
    p = choose(3, 4, 1);
    ck_assert_uint_eq(p.bytes, 4 * SLAB);
    ck_assert_uint_eq(part_of(&p, 0), 4 * SLAB);
    ck_assert_uint_eq(part_of(&p, 1), 4 * SLAB);
    /* But not beside what other domains can give. */
    host_set(2, 1, 4);
    p = choose(3, 4, 1);
    check_pairs(&p);
    ck_assert_uint_eq(p.bytes, SLAB);
}
END_TEST

START_TEST(one_copy_if_there_is_one_host)
{
    Placement p;

    host_set(0, 8, 3);
    host_set(1, 8, 4);
    hosts[1].alive = false;
    p = choose(2, 4, 1);
    ck_assert_uint_eq(p.bytes, 0);
    ck_assert_uint_eq(p.alone, 4 * SLAB);
    ck_assert_uint_eq(part_of(&p, 0), 4 * SLAB);
    ck_assert_str_eq(p.text, "2 copies need as many hosts, and 1 with room "
                     "is there, which lends room for one copy: of the others "
                     "1 not alive");
    /* A few hosts are no reason to do without a second copy. */
    request.few = true;
    p = choose(2, 4, 1);
    ck_assert_uint_eq(p.nr_parts, 0);
}
END_TEST

/*
 * A VM does not count what no second copy can be of, and asks for all it needs
 * again: that must not end with all that the one host has.
 */
START_TEST(one_copy_is_not_lent_again_and_again)
{
    Placement p;

    host_set(0, 100, 3);
    p = choose(1, 4, 1);
    ck_assert_uint_eq(p.alone, 4 * SLAB);
    hosts[0].vm_bytes = 4 * SLAB;
    p = choose(1, 4, 1);
    ck_assert_uint_eq(p.nr_parts, 0);
    ck_assert_str_ne(p.text, "");
    p = choose(1, 6, 1);
    ck_assert_uint_eq(p.alone, 2 * SLAB);
    /* All that may be away, where that is known. */
    request.size = 9 * SLAB;
    p = choose(1, 4, 1);
    ck_assert_uint_eq(p.alone, 4 * SLAB);
    hosts[0].vm_bytes = 8 * SLAB;
    p = choose(1, 4, 1);
    ck_assert_uint_eq(p.alone, SLAB);
    hosts[0].vm_bytes = 9 * SLAB;
    p = choose(1, 4, 1);
    ck_assert_uint_eq(p.nr_parts, 0);
    request.size = 0;
    hosts[0].vm_bytes = 4 * SLAB;
    /* What has partners elsewhere is another matter. */
    host_set(1, 100, 4);
    hosts[1].vm_bytes = 3 * SLAB;
    hosts[1].free = 0;
    p = choose(2, 6, 1);
    ck_assert_uint_eq(p.alone, 5 * SLAB);
}
END_TEST

/* What the VM has counts, so that no domain comes to more than half. */
START_TEST(what_it_has_is_balanced)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p;

        for (unsigned i = 0; i < 4; i++) {
            host_set(i, 20, 1 + i);
        }
        hosts[0].vm_bytes = 6 * SLAB;
        hosts[1].vm_bytes = 2 * SLAB;
        p = choose(4, 4, seed);
        check_pairs(&p);
        ck_assert_uint_eq(p.bytes, 4 * SLAB);
        ck_assert_uint_le(part_of(&p, 0) + hosts[0].vm_bytes, 8 * SLAB);
        /* Small ones, one after the other. */
        hosts[0].vm_bytes = hosts[1].vm_bytes = 0;
        for (unsigned k = 0; k < 7; k++) {
            uint64_t sum = 0, most = 0;

            p = choose(4, 1, seed + k);
            check_pairs(&p);
            ck_assert_uint_eq(p.bytes, SLAB);
            for (unsigned i = 0; i < 4; i++) {
                hosts[i].vm_bytes += part_of(&p, i);
                hosts[i].free -= part_of(&p, i);
                sum += hosts[i].vm_bytes;
                most = MAX(most, hosts[i].vm_bytes);
            }
            ck_assert_uint_le(2 * most, sum);
        }
    }
}
END_TEST

/* But new slabs find partners among each other in any case. */
START_TEST(balance_gives_way_to_partners)
{
    Placement p;

    host_set(0, 20, 1);
    host_set(1, 20, 2);
    hosts[0].vm_bytes = 10 * SLAB;
    p = choose(2, 5, 1);
    check_pairs(&p);
    ck_assert_uint_eq(p.bytes, 5 * SLAB);
    ck_assert_uint_eq(part_of(&p, 0), 5 * SLAB);
}
END_TEST

/* A copy is lost with its host, and one is asked for: not beside the other. */
START_TEST(a_lost_copy_is_repaired_elsewhere)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p;

        for (unsigned i = 0; i < 5; i++) {
            host_set(i, 20, 1 + i / 2);
        }
        /* 0 and 1 are one rack, 2 and 3 another; 2 is dead. */
        hosts[0].vm_bytes = hosts[2].vm_bytes = 10 * SLAB;
        hosts[2].alive = false;
        request.copies = 1;
        request.balance = PLACEMENT_BALANCE;
        p = choose(5, 10, seed);
        ck_assert_uint_eq(p.bytes, 10 * SLAB);
        ck_assert_uint_eq(part_of(&p, 0) + part_of(&p, 1), 0);
        /* Nobody else has room: not refused, unless that is of no use. */
        hosts[3].free = hosts[4].free = 0;
        p = choose(5, 10, seed);
        ck_assert_uint_eq(p.bytes, 10 * SLAB);
        request.balance = PLACEMENT_ONLY_BALANCE;
        p = choose(5, 10, seed);
        ck_assert_uint_eq(p.bytes, 0);
        ck_assert_str_ne(p.text, "");
    }
}
END_TEST

/* Who is in the domain of one that is to be avoided comes last. */
START_TEST(beside_the_avoided_last)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p;

        for (unsigned i = 0; i < 4; i++) {
            host_set(i, 20, 1 + i / 2);
        }
        hosts[0].avoided = hosts[1].beside = true;
        request.copies = 1;
        request.balance = PLACEMENT_BALANCE;
        p = choose(4, 10, seed);
        ck_assert_uint_eq(p.bytes, 10 * SLAB);
        ck_assert_uint_eq(part_of(&p, 0) + part_of(&p, 1), 0);
        hosts[2].free = hosts[3].free = 4 * SLAB;
        p = choose(4, 10, seed);
        ck_assert_uint_eq(p.bytes, 10 * SLAB);
        ck_assert_uint_ge(part_of(&p, 1), 2 * SLAB);
        ck_assert_uint_eq(part_of(&p, 0), 0);
    }
}
END_TEST

START_TEST(a_quota_counts_both_copies)
{
    PlacementConfig few = config;
    Placement p;

    host_set(0, 100, 1);
    host_set(1, 100, 2);
    few.quota = 11 * SLAB;
    request.bytes = 8 * SLAB;
    request.owner_bytes = 4 * SLAB;
    placement_choose(&few, hosts, 2, &request, 1, &p);
    check_pairs(&p);
    ck_assert_uint_eq(p.bytes, 3 * SLAB);
    ck_assert_str_eq(p.text, "192 of 512 MiB is what the quota leaves: its "
                     "owner has 256 of 704 MiB already");
    request.owner_bytes = 10 * SLAB;
    placement_choose(&few, hosts, 2, &request, 1, &p);
    ck_assert_uint_eq(p.nr_parts, 0);
    ck_assert_ptr_nonnull(strstr(p.text, "quota"));
}
END_TEST

/* Slabs of another size are nobody's partners. */
START_TEST(partners_have_one_size)
{
    Placement p;

    host_set(0, 16, 1);
    host_set(1, 9, 2);
    host_set(2, 9, 3);
    hosts[0].slab = 2 * SLAB;
    p = choose(3, 10, 1);
    ck_assert_uint_eq(p.bytes, 10 * SLAB - SLAB);
    ck_assert_uint_eq(part_of(&p, 0), 0);
    ck_assert_ptr_nonnull(strstr(p.text, "1 lending slabs of another size"));
    /* Nor do new ones differ from what the VM has. */
    host_set(3, 9, 4);
    hosts[3].slab = 2 * SLAB;
    hosts[3].free = 10 * SLAB;
    hosts[0].vm_bytes = 2 * SLAB;
    p = choose(4, 10, 1);
    ck_assert_uint_eq(p.bytes, 10 * SLAB);
    ck_assert_uint_eq(part_of(&p, 1) + part_of(&p, 2), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement-copies");
    TCase *tc = tcase_create("placement-copies");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, partners_are_in_other_domains);
    tcase_add_test(tc, as_much_as_finds_a_partner);
    tcase_add_test(tc, hosts_if_there_are_no_domains);
    tcase_add_test(tc, one_copy_if_there_is_one_host);
    tcase_add_test(tc, one_copy_is_not_lent_again_and_again);
    tcase_add_test(tc, what_it_has_is_balanced);
    tcase_add_test(tc, balance_gives_way_to_partners);
    tcase_add_test(tc, a_lost_copy_is_repaired_elsewhere);
    tcase_add_test(tc, beside_the_avoided_last);
    tcase_add_test(tc, a_quota_counts_both_copies);
    tcase_add_test(tc, partners_have_one_size);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
