/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages under a key: what is read is what was written there, or nothing. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rcached/provider/spill-key.h"

static SpillKey *key;
static uint8_t plain[WIRE_PAGE_SIZE], page[WIRE_PAGE_SIZE];
static const SpillPlace place = { .lease = 7, .slab = 3, .page = 11 };
static SpillSeal seal;

static void set_up(void)
{
    g_autoptr(GError) error = NULL;

    key = spill_key_new(SLAB_GUARD_NO_SWAP, &error);
    ck_assert_msg(key != NULL, "%s", error ? error->message : "?");
    for (unsigned i = 0; i < sizeof(plain); i++) {
        plain[i] = i * 7;
    }
    memcpy(page, plain, sizeof(page));
    ck_assert(spill_seal(key, &place, page, &seal));
}

static void tear_down(void)
{
    spill_key_free(key);
}

static bool unseals(const SpillPlace *where, const SpillSeal *with)
{
    uint8_t copy[WIRE_PAGE_SIZE];

    memcpy(copy, page, sizeof(copy));
    return spill_unseal(key, where, copy, with) &&
           !memcmp(copy, plain, sizeof(copy));
}

START_TEST(what_is_sealed_is_read_again)
{
    unsigned same = 0;

    for (unsigned i = 0; i < sizeof(page); i++) {
        same += page[i] == plain[i];
    }
    ck_assert_uint_lt(same, sizeof(page) / 16);
    ck_assert(unseals(&place, &seal));
}
END_TEST

START_TEST(a_changed_bit_is_found)
{
    for (unsigned i = 0; i < sizeof(page); i += 97) {
        page[i] ^= 1 << (i % 8);
        ck_assert(!unseals(&place, &seal));
        page[i] ^= 1 << (i % 8);
    }
    for (unsigned i = 0; i < sizeof(seal.tag); i++) {
        SpillSeal other = seal;

        other.tag[i] ^= 1;
        ck_assert(!unseals(&place, &other));
    }
    ck_assert(unseals(&place, &seal));
}
END_TEST

/* Neither another page's bytes nor those of another time will do. */
START_TEST(another_place_is_another_page)
{
    const SpillPlace others[] = {
        { 8, 3, 11 }, { 7, 4, 11 }, { 7, 3, 12 },
    };
    uint8_t later[WIRE_PAGE_SIZE];
    SpillSeal next;

    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        ck_assert(!unseals(&others[i], &seal));
    }
    memcpy(later, plain, sizeof(later));
    ck_assert(spill_seal(key, &place, later, &next));
    ck_assert(!unseals(&place, &next));
    ck_assert_mem_ne(later, page, sizeof(later));
}
END_TEST

/* No nonce comes twice, not even after the daemon is killed and goes on. */
START_TEST(nonces_are_used_once)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash,
                                                  g_int64_equal);
    static SpillSeal seals[3000];
    g_autoptr(GError) error = NULL;

    g_hash_table_add(seen, &seal.count);
    for (unsigned i = 0; i < G_N_ELEMENTS(seals); i++) {
        uint8_t copy[WIRE_PAGE_SIZE] = { 0 };

        if (i % 1000 == 500) {
            SpillKey *next = spill_key_adopt(spill_key_fd(key),
                                             SLAB_GUARD_NO_SWAP, &error);

            ck_assert_msg(next != NULL, "%s", error ? error->message : "?");
            spill_key_free(key);
            key = next;
        }
        ck_assert(spill_seal(key, &place, copy, &seals[i]));
        ck_assert(g_hash_table_add(seen, &seals[i].count));
    }
    ck_assert(unseals(&place, &seal));
}
END_TEST

START_TEST(another_key_reads_nothing)
{
    SpillKey *first = key;

    key = spill_key_new(SLAB_GUARD_NO_SWAP, NULL);
    ck_assert_ptr_nonnull(key);
    ck_assert(!unseals(&place, &seal));
    spill_key_free(first);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    g_autoptr(GError) error = NULL;
    FILE *file = tmpfile();

    ck_assert_ptr_null(spill_key_adopt(fileno(file), SLAB_GUARD_NO_SWAP,
                                       &error));
    ck_assert_ptr_nonnull(error);
    g_clear_error(&error);
    ck_assert_int_eq(ftruncate(fileno(file), WIRE_PAGE_SIZE), 0);
    ck_assert_ptr_null(spill_key_adopt(fileno(file), SLAB_GUARD_NO_SWAP,
                                       &error));
    ck_assert_ptr_nonnull(error);
    fclose(file);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spill-key");
    TCase *tc = tcase_create("spill-key");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, what_is_sealed_is_read_again);
    tcase_add_test(tc, a_changed_bit_is_found);
    tcase_add_test(tc, another_place_is_another_page);
    tcase_add_test(tc, nonces_are_used_once);
    tcase_add_test(tc, another_key_reads_nothing);
    tcase_add_test(tc, what_is_no_key_is_refused);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
