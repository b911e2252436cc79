/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a slab's memory may be given back, and what the next daemon finds. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rcached/provider/slab-away.h"

#define PAGES   256u
#define LEASE   9u

static Slab *slab;

static void set_up(void)
{
    ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &slab), 0);
    slab_set_owner(slab, 3, LEASE);
    ck_assert_int_eq(slab_away_begin(slab, 5), 0);
}

static void tear_down(void)
{
    slab_free(slab);
}

static uint64_t blocks(void)
{
    struct stat st;

    ck_assert_int_eq(fstat(slab->fd, &st), 0);
    return st.st_blocks;
}

START_TEST(memory_stays_as_long_as_it_holds_something)
{
    uint64_t all = blocks();

    slab_set_stored(slab, 70, true);
    slab_set_stored(slab, 71, true);
    slab_set_in_file(slab, 70, true);
    ck_assert_uint_eq(slab_chunk_memory(slab, 1), UINT64_C(1) << 7);
    ck_assert_uint_eq(slab_chunk_file(slab, 1), UINT64_C(1) << 6);
    ck_assert(!slab_chunk_punch(slab, 1));
    slab_set_in_file(slab, 71, true);
    slab->users = 1;            /* a transfer touches it */
    ck_assert(!slab_chunk_punch(slab, 1));
    slab->filing = 1;           /* no: only the file */
    ck_assert(slab_chunk_punch(slab, 1));
    ck_assert_uint_eq(slab_given_back(slab), 64);
    ck_assert_uint_eq(blocks(), all - 64 * WIRE_PAGE_SIZE / 512);
    ck_assert_uint_eq(slab_pages_in_file(slab), 2);
    ck_assert_int_eq(slab_chunk_restore(slab, 1), 0);
    ck_assert_uint_eq(slab_given_back(slab), 0);
    ck_assert_uint_eq(blocks(), all);
}
END_TEST

START_TEST(puts_go_where_the_slab_goes)
{
    ck_assert(slab_chunk_punch(slab, 0));
    ck_assert(slab_puts_to_file(slab, 1));
    ck_assert(slab_puts_to_file(slab, 64));
    slab->away->back = true;
    ck_assert(slab_puts_to_file(slab, 1));
    ck_assert(!slab_puts_to_file(slab, 64));
    ck_assert_int_eq(slab_chunk_restore(slab, 0), 0);
    ck_assert(!slab_puts_to_file(slab, 1));
    slab_away_end(slab);
    ck_assert(!slab_puts_to_file(slab, 64));
}
END_TEST

/* A daemon was killed when half of it was in the file. */
START_TEST(the_next_daemon_goes_on)
{
    uint64_t lease;
    Slab *next;
    int fd;

    memset(slab_page(slab, 0), 1, WIRE_PAGE_SIZE);
    slab_set_stored(slab, 0, true);
    slab_set_stored(slab, 64, true);
    slab->away->seals[64].count = 77;
    slab_set_in_file(slab, 64, true);
    fd = dup(slab->fd);
    ck_assert_int_eq(slab_adopt(fd, PAGES, SLAB_GUARD_NO_SWAP, &lease, &next),
                     0);
    slab_free(slab);
    slab = next;
    ck_assert_uint_eq(lease, LEASE);
    ck_assert_ptr_nonnull(slab->away);
    ck_assert_uint_eq(slab->away->area, 5);
    ck_assert_uint_eq(slab->away->lease, LEASE);
    ck_assert_uint_eq(slab->away->seals[64].count, 77);
    ck_assert(!slab_in_file(slab, 0));
    ck_assert(slab_in_file(slab, 64));
    ck_assert_uint_eq(slab_page(slab, 0)[9], 1);
    /* All but the chunk that still holds something. */
    ck_assert_uint_eq(slab_given_back(slab), PAGES - 64);
}
END_TEST

START_TEST(what_has_come_back_is_an_ordinary_slab)
{
    uint64_t lease, before;
    Slab *next;
    int fd;

    slab_away_end(slab);
    before = blocks();
    fd = dup(slab->fd);
    ck_assert_int_eq(slab_adopt(fd, PAGES, SLAB_GUARD_NO_SWAP, &lease, &next),
                     0);
    slab_free(slab);
    slab = next;
    ck_assert_ptr_null(slab->away);
    ck_assert_uint_eq(blocks(), before);
}
END_TEST

/* KiB of the slab's mapping that are @field in smaps. */
static unsigned mapped(const Slab *s, const char *field)
{
    g_autofree char *text = NULL, *head = NULL;
    char *line;

    ck_assert(g_file_get_contents("/proc/self/smaps", &text, NULL, NULL));
    head = g_strdup_printf("\n%lx-", (unsigned long)(uintptr_t)s->base);
    line = strstr(text, head);
    ck_assert_ptr_nonnull(line);
    line = strstr(line, field);
    ck_assert_ptr_nonnull(line);
    return strtoul(line + strlen(field), NULL, 10);
}

/* A large lender serves at once, and its bytes are there all the same. */
START_TEST(an_adopted_slab_is_mapped_as_it_is_touched)
{
    Slab *whole, *next;
    uint64_t lease;

    ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &whole), 0);
    slab_set_owner(whole, 3, LEASE);
    for (uint32_t i = 0; i < PAGES; i++) {
        memset(slab_page(whole, i), i + 1, WIRE_PAGE_SIZE);
        slab_set_stored(whole, i, true);
    }
    ck_assert_uint_ge(mapped(whole, "Rss:"), PAGES * 4);
    ck_assert_int_eq(slab_adopt(dup(whole->fd), PAGES, SLAB_GUARD_NO_SWAP,
                                &lease, &next), 0);
    slab_free(whole);
    ck_assert_uint_lt(mapped(next, "Rss:"), PAGES * 4 / 2);
    ck_assert_uint_eq(next->stored, PAGES);
    for (uint32_t i = 0; i < PAGES; i++) {
        ck_assert_uint_eq(slab_page(next, i)[99], (i + 1) & 0xff);
    }
    slab_free(next);
}
END_TEST

/* Where nothing else keeps it out of swap, all of it is locked at once. */
START_TEST(an_adopted_slab_is_locked)
{
    Slab *whole, *next;
    uint64_t lease;

    if (slab_new(PAGES, SLAB_GUARD_MLOCK, &whole)) {
        return;                 /* not allowed here */
    }
    slab_set_owner(whole, 3, LEASE);
    ck_assert_int_eq(slab_adopt(dup(whole->fd), PAGES, SLAB_GUARD_MLOCK,
                                &lease, &next), 0);
    slab_free(whole);
    ck_assert_uint_ge(mapped(next, "Rss:"), PAGES * 4);
    ck_assert_uint_ge(mapped(next, "Locked:"), PAGES * 4);
    slab_free(next);
}
END_TEST

/* It is not found out page by page. */
START_TEST(an_adopted_slab_has_all_its_memory)
{
    Slab *whole, *next;
    uint64_t lease, all;
    struct stat st;

    ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &whole), 0);
    slab_set_owner(whole, 3, LEASE);
    ck_assert_int_eq(fstat(whole->fd, &st), 0);
    all = st.st_blocks;
    ck_assert(!slab_punch(whole, 16));
    ck_assert_int_eq(slab_adopt(dup(whole->fd), PAGES, SLAB_GUARD_NO_SWAP,
                                &lease, &next), 0);
    ck_assert_int_eq(fstat(next->fd, &st), 0);
    ck_assert_uint_eq(st.st_blocks, all);
    slab_free(whole);
    slab_free(next);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("slab-away");
    TCase *tc = tcase_create("slab-away");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, memory_stays_as_long_as_it_holds_something);
    tcase_add_test(tc, puts_go_where_the_slab_goes);
    tcase_add_test(tc, the_next_daemon_goes_on);
    tcase_add_test(tc, what_has_come_back_is_an_ordinary_slab);
    tcase_add_test(tc, an_adopted_slab_is_mapped_as_it_is_touched);
    tcase_add_test(tc, an_adopted_slab_is_locked);
    tcase_add_test(tc, an_adopted_slab_has_all_its_memory);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
