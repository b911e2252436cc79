/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slab table: each location apart, whatever the VMM writes there. */
#include <check.h>
#include <stdlib.h>

#include "rcached/pager/slab-table.h"

static struct RcacheSlab *table;

static void set_up(void)
{
    table = calloc(RCACHE_NR_SLABS, sizeof(*table));
}

static void tear_down(void)
{
    free(table);
}

START_TEST(a_location_is_what_was_set)
{
    Location at = slab_table_get(table, 5, 0);

    ck_assert_uint_eq(at.lease, LOCATION_NONE);
    slab_table_set(table, 5, 0, (Location) { 0, 77 });
    at = slab_table_get(table, 5, 0);
    ck_assert_uint_eq(at.lease, 0);
    ck_assert_uint_eq(at.number, 77);
    /* As the document says: the index plus one, then the number. */
    ck_assert_uint_eq(table[5].location[0].lease, 1);
    ck_assert_uint_eq(table[5].location[0].number, 77);
}
END_TEST

START_TEST(locations_do_not_touch_each_other)
{
    slab_table_set(table, 3, 0, (Location) { 4, 1 });
    slab_table_set(table, 3, 1, (Location) { 9, 2 });
    slab_table_set(table, 3, 0, (Location) { LOCATION_NONE, 8 });
    ck_assert_uint_eq(slab_table_get(table, 3, 0).lease, LOCATION_NONE);
    ck_assert_uint_eq(table[3].location[0].number, 0);
    ck_assert_uint_eq(slab_table_get(table, 3, 1).lease, 9);
    ck_assert_uint_eq(slab_table_get(table, 3, 1).number, 2);
    ck_assert(slab_table_is_free(table, 2));
    ck_assert(slab_table_is_free(table, 4));
}
END_TEST

START_TEST(an_entry_with_any_location_is_not_free)
{
    slab_table_set(table, 0, 0, (Location) { 0, 0 });
    slab_table_set(table, 1, 1, (Location) { 0, 0 });
    ck_assert_uint_eq(slab_table_find_free(table, 0), 2);
    ck_assert_uint_eq(slab_table_find_free(table, 7), 7);
    for (uint32_t i = 0; i < RCACHE_NR_SLABS; i++) {
        slab_table_set(table, i, 0, (Location) { 1, i });
    }
    ck_assert_uint_eq(slab_table_find_free(table, 0), RCACHE_NR_SLABS);
    ck_assert_uint_eq(slab_table_find_free(table, RCACHE_NR_SLABS),
                      RCACHE_NR_SLABS);
}
END_TEST

START_TEST(a_lease_that_the_vmm_made_up_comes_through)
{
    table[6].location[0].lease = UINT32_MAX;
    ck_assert_uint_eq(slab_table_get(table, 6, 0).lease, INT32_MAX - 1u);
    ck_assert(slab_table_get(table, 6, 0).stale);
}
END_TEST

static Suite *slab_table_suite(void)
{
    Suite *s = suite_create("slab-table");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_location_is_what_was_set);
    tcase_add_test(t, locations_do_not_touch_each_other);
    tcase_add_test(t, an_entry_with_any_location_is_not_free);
    tcase_add_test(t, a_lease_that_the_vmm_made_up_comes_through);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(slab_table_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
