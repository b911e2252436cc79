/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placement where no more than a few may be named in an answer. */
#include <check.h>

#include "arbiter/placement.h"

#define MIB     (1ull << 20)
#define SLAB    (64 * MIB)

static const PlacementConfig config = {
    .spread = 2, .sample = 16, .share = 100,
    .psi_some_max = 2000, .psi_full_max = 500,
};

static PlacementHost host(uint64_t free)
{
    return (PlacementHost) {
        .alive = true, .connected = true, .lends = true,
        .free = free, .offered = free, .slab = SLAB,
    };
}

/* Where only so many may be named, room decides, and not who is liked. */
START_TEST(room_decides_if_few_may_be_named)
{
    PlacementConfig whole = config;
    PlacementRequest request = { .requester = PLACEMENT_NO_HOST,
                                 .parts_max = 1, .bytes = 2048 * MIB };
    PlacementHost two[] = { host(1152 * MIB), host(102400 * MIB) };
    PlacementHost many[32];

    two[0].offered = 1216 * MIB;
    two[1].offered = 1024000 * MIB;
    for (unsigned i = 0; i < 16; i++) {
        many[i] = host(SLAB);
        many[i].offered = 16384 * MIB;
        many[i].vm_bytes = 2048 * MIB;
        many[16 + i] = host(3 * SLAB);
        many[16 + i].offered = 16384 * MIB;
    }
    whole.share = 50;
    for (uint64_t seed = 0; seed < 100; seed++) {
        Placement p;

        request.parts_max = 1;
        request.bytes = 2048 * MIB;
        placement_choose(&config, two, 2, &request, seed, &p);
        ck_assert_uint_eq(p.bytes, 2048 * MIB);
        request.parts_max = 0;
        request.bytes = 16 * 3 * SLAB;
        placement_choose(&whole, many, 32, &request, seed, &p);
        ck_assert_uint_eq(p.bytes, 16 * 3 * SLAB);
        ck_assert_str_eq(p.text, "");
    }
}
END_TEST

START_TEST(more_room_than_may_be_named)
{
    PlacementRequest request = { .requester = PLACEMENT_NO_HOST,
                                 .bytes = 100 * SLAB };
    PlacementHost hosts[100];
    Placement p;

    for (unsigned i = 0; i < 100; i++) {
        hosts[i] = host(SLAB);
    }
    placement_choose(&config, hosts, 100, &request, 1, &p);
    ck_assert_uint_eq(p.bytes, 16 * SLAB);
    ck_assert_str_eq(p.text, "1024 of 6400 MiB is what 16 hosts have, and no "
                     "more are named at a time: 84 others have room, ask "
                     "again");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement-few");
    TCase *tc = tcase_create("placement-few");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, room_decides_if_few_may_be_named);
    tcase_add_test(tc, more_room_than_may_be_named);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
