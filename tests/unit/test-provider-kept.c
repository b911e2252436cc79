/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a provider leaves with the service manager, and under which names. */
#include <check.h>
#include <string.h>

#include "rcached/provider/kept-name.h"
#include "rcached/provider/provider-own.h"
#include "spill-fixture.h"

/* Of FileDescriptorStoreMax= in the unit. */
#define KEPT_MOST       16384u
/* The longest variable that the kernel takes. */
#define ENV_MAX         (128u << 10)

/* The slabs that are kept, and how many of them have an earlier name. */
static unsigned slabs_kept(unsigned *old_ones)
{
    GHashTableIter iter;
    gpointer name;
    unsigned n = 0;

    *old_ones = 0;
    pthread_mutex_lock(&kept_lock);
    g_hash_table_iter_init(&iter, kept);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        uint32_t number;
        bool old;

        if (kept_name_parse(name, &number, &old)) {
            n++;
            *old_ones += old;
        }
    }
    pthread_mutex_unlock(&kept_lock);
    return n;
}

/* As an earlier daemon would have named them. */
static void name_as_before(void)
{
    g_autoptr(GList) names = NULL;

    pthread_mutex_lock(&kept_lock);
    names = g_hash_table_get_keys(kept);
    for (GList *link = names; link; link = link->next) {
        char name[KEPT_NAME_MAX];
        uint32_t number;
        gpointer fd;
        bool old;

        if (kept_name_parse(link->data, &number, &old)) {
            fd = g_hash_table_lookup(kept, link->data);
            kept_name(number, true, name);
            g_hash_table_remove(kept, link->data);
            g_hash_table_replace(kept, g_strdup(name), fd);
        }
    }
    pthread_mutex_unlock(&kept_lock);
}

START_TEST(names_are_read_back)
{
    static const char *const others[] = {
        "leases", "spill-key", "spill-file", "s", "slab-", "slab-1x",
        "s100000000", "S1", "",
    };
    char name[KEPT_NAME_MAX];
    uint32_t number;
    bool old;

    for (unsigned i = 0; i < 2; i++) {
        kept_name(0xfeed, i, name);
        ck_assert_str_eq(name, i ? "slab-65261" : "sfeed");
        ck_assert(kept_name_parse(name, &number, &old));
        ck_assert_uint_eq(number, 0xfeed);
        ck_assert_uint_eq(old, i);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        ck_assert_msg(!kept_name_parse(others[i], &number, &old), "%s",
                      others[i]);
    }
}
END_TEST

/* Else the daemon could not be started again. */
START_TEST(all_names_fit_into_one_variable)
{
    size_t bytes = sizeof("LISTEN_FDNAMES=leases:spill-key:spill-file");

    for (uint32_t i = 0; i < KEPT_MOST; i++) {
        char name[KEPT_NAME_MAX];

        kept_name(i, false, name);
        bytes += strlen(name) + 1;
    }
    ck_assert_uint_le(bytes, ENV_MAX);
}
END_TEST

/* They stay under those names, and are let go of under them. */
START_TEST(slabs_that_an_earlier_daemon_named)
{
    unsigned old;

    spill_put(0, SLABS * PAGES, 1);
    name_as_before();
    for (unsigned i = 0; i < 2; i++) {
        spill_restart();
        ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
        spill_check(0, SLABS * PAGES, 1);
        ck_assert_uint_eq(slabs_kept(&old), SLABS);
        ck_assert_uint_eq(old, SLABS);
    }
    ck_assert_uint_eq(give(2, VM_A, 1).bytes, SLAB);
    ck_assert_uint_eq(slabs_kept(&old), SLABS + 1);
    ck_assert_uint_eq(old, SLABS);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    WAIT_FOR(snapshot().leased == SLAB);
    WAIT_FOR(slabs_kept(&old) == 1);
    ck_assert_uint_eq(old, 0);
    /* Their numbers are used again, under short names. */
    ck_assert_uint_eq(give(3, VM_A, 2).bytes, 2 * SLAB);
    ck_assert_uint_eq(slabs_kept(&old), 3);
    ck_assert_uint_eq(old, 0);
}
END_TEST

START_TEST(as_many_slabs_as_names_and_descriptors)
{
    ck_assert_uint_eq(kept_slabs_most(KEPT_MOST, 0), KEPT_MOST - 3);
    ck_assert_uint_eq(kept_slabs_most(4, 0), 1);
    ck_assert_uint_eq(kept_slabs_most(2, 0), 0);
    /* Names are longer than descriptors are many. */
    ck_assert_uint_ge(kept_slabs_most(100000, 0), KEPT_MOST);
    ck_assert_uint_le(kept_slabs_most(100000, 0) * strlen("s1234:"),
                      ENV_MAX);
    ck_assert_uint_le(kept_slabs_most(100000, 5000) * strlen("s1234:") +
                      5000 * (strlen("slab-12345:") - strlen("s1234:")),
                      ENV_MAX);
    ck_assert_uint_lt(kept_slabs_most(100000, 1000000), 12000);
}
END_TEST

static WireGrantAck give_own(uint64_t id, uint64_t slabs)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = 5000, .bytes = slabs * SLAB,
        .name = "vm", .host = "lender",
    };
    WireGrantAck ack;

    provider_grant_own(provider, &grant, &ack);
    return ack;
}

/* One that the manager has no room for would be closed, and nobody told. */
START_TEST(no_more_slabs_than_are_kept)
{
    WireGrantAck ack;
    unsigned old;

    config.keep_max = 3 + SLABS + 3;
    spill_restart();
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    ck_assert_uint_eq(snapshot().keepable, (SLABS + 3) * SLAB);
    ck_assert_uint_eq(snapshot().offered, (SLABS + 3) * SLAB);
    ck_assert_uint_eq(give_own(2, 1).bytes, SLAB);
    ck_assert_uint_eq(snapshot().keepable, (SLABS + 2) * SLAB);
    ck_assert_uint_eq(give(3, VM_A, 5).bytes, 2 * SLAB);
    ack = give(4, VM_A, 1);
    ck_assert_uint_eq(ack.status, RCACHE_E_NO_ROOM);
    ck_assert_ptr_nonnull(strstr(ack.text, "FileDescriptorStoreMax"));
    ack = give_own(5, 1);
    ck_assert_uint_eq(ack.status, RCACHE_E_NO_ROOM);
    ck_assert_ptr_nonnull(strstr(ack.text, "FileDescriptorStoreMax"));
    ck_assert_uint_eq(g_hash_table_size(kept), config.keep_max);
    ck_assert_uint_eq(slabs_kept(&old), SLABS + 3);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    WAIT_FOR(snapshot().leased == 2 * SLAB);
    ck_assert_uint_eq(give_own(6, 5).bytes, SLABS * SLAB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-kept");
    TCase *tc = tcase_create("provider-kept");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, spill_set_up, spill_tear_down);
    tcase_add_test(tc, names_are_read_back);
    tcase_add_test(tc, all_names_fit_into_one_variable);
    tcase_add_test(tc, slabs_that_an_earlier_daemon_named);
    tcase_add_test(tc, as_many_slabs_as_names_and_descriptors);
    tcase_add_test(tc, no_more_slabs_than_are_kept);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
