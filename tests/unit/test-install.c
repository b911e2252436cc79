/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is put into guest memory, for every answer of the kernel (rule 5).  The
 * userfaultfd is played here; the memfd that is punched is a real one.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcached/pager/install.h"
#include "rcached/pager/uffd.h"

#define ADDRESS 0x7f0000000000ull       /* in the VMM */
#define FIRST   32u                     /* word of the block's first page */
#define PAGES   8u
#define PAGE    (FIRST + 3)

enum Call { COPY, ZERO, CONTINUE, WAKE, NR_CALLS };

static Guest guest;
static char bytes[RCACHE_PAGE_SIZE];
static int answers[NR_CALLS][16];
static unsigned calls[NR_CALLS];

static int called(enum Call call, uint64_t addr)
{
    ck_assert_uint_eq(addr, ADDRESS + (PAGE - FIRST) * RCACHE_PAGE_SIZE);
    ck_assert_uint_lt(calls[call], 16);
    return answers[call][calls[call]++];
}

int uffd_copy(int fd, uint64_t addr, const void *src, bool protect)
{
    ck_assert_ptr_eq(src, bytes);
    return called(COPY, addr);
}

int uffd_zeropage(int fd, uint64_t addr)
{
    return called(ZERO, addr);
}

int uffd_continue(int fd, uint64_t addr, bool protect)
{
    return called(CONTINUE, addr);
}

int uffd_wake(int fd, uint64_t start, uint64_t len)
{
    ck_assert_uint_eq(len, RCACHE_PAGE_SIZE);
    return called(WAKE, start);
}

static void set_up(void)
{
    GuestBlock *b = &guest.block[0];

    guest_init(&guest);
    b->fd = memfd_create("guest", MFD_CLOEXEC);
    ck_assert_int_ge(b->fd, 0);
    ck_assert_int_eq(ftruncate(b->fd, PAGES * RCACHE_PAGE_SIZE), 0);
    b->present = true;
    b->first = FIRST;
    b->pages = PAGES;
    b->address = ADDRESS;
    guest.nr_blocks = 1;
    memset(answers, 0, sizeof(answers));
    memset(calls, 0, sizeof(calls));
}

static void tear_down(void)
{
    guest_deinit(&guest);
}

static void write_page(void)
{
    ck_assert_int_eq(pwrite(guest.block[0].fd, "x", 1,
                            (PAGE - FIRST) * RCACHE_PAGE_SIZE), 1);
    ck_assert_int_eq(guest_has_data(&guest, PAGE), 1);
}

/* ---------------------------------------------------------------- zeros */

START_TEST(zeros_go_into_a_hole)
{
    ck_assert_int_eq(install_zero(&guest, PAGE), 0);
    ck_assert_uint_eq(calls[ZERO], 1);
    ck_assert_uint_eq(calls[CONTINUE] + calls[WAKE], 0);
}
END_TEST

START_TEST(zeros_do_not_go_over_what_is_there)
{
    write_page();
    answers[ZERO][0] = -EEXIST;
    ck_assert_int_eq(install_zero(&guest, PAGE), 0);
    ck_assert_uint_eq(calls[CONTINUE], 1);
    ck_assert_int_eq(guest_has_data(&guest, PAGE), 1);
}
END_TEST

START_TEST(who_waits_for_a_mapped_page_is_woken)
{
    answers[ZERO][0] = answers[CONTINUE][0] = -EEXIST;
    ck_assert_int_eq(install_zero(&guest, PAGE), 0);
    ck_assert_uint_eq(calls[WAKE], 1);
    answers[CONTINUE][1] = -EEXIST;
    ck_assert_int_eq(install_present(&guest, PAGE, false), 0);
    ck_assert_uint_eq(calls[WAKE], 2);
}
END_TEST

START_TEST(a_page_that_goes_between_two_calls_is_tried_again)
{
    answers[ZERO][0] = -EEXIST;
    answers[CONTINUE][0] = -EFAULT;
    ck_assert_int_eq(install_zero(&guest, PAGE), -EAGAIN);
    ck_assert_uint_eq(calls[WAKE], 0);
}
END_TEST

/* ---------------------------------------------------------------- bytes */

START_TEST(foreign_bytes_make_way)
{
    unsigned intruders = 0;

    write_page();
    answers[COPY][0] = -EEXIST;
    ck_assert_int_eq(install_bytes(&guest, PAGE, bytes, false, &intruders),
                     0);
    ck_assert_uint_eq(calls[COPY], 2);
    ck_assert_uint_eq(intruders, 1);
    ck_assert_int_eq(guest_has_data(&guest, PAGE), 0);
    ck_assert_uint_eq(calls[CONTINUE], 0);
}
END_TEST

START_TEST(one_who_keeps_writing_does_not_hold_up_others)
{
    unsigned intruders = 0;

    for (unsigned i = 0; i < 16; i++) {
        answers[COPY][i] = -EEXIST;
    }
    ck_assert_int_eq(install_bytes(&guest, PAGE, bytes, false, &intruders),
                     -EAGAIN);
    ck_assert_uint_eq(intruders, calls[COPY]);
}
END_TEST

START_TEST(a_block_may_go_between_two_attempts)
{
    unsigned intruders = 0;

    answers[COPY][0] = -ENOMEM;
    ck_assert_int_eq(install_bytes(&guest, PAGE, bytes, false, &intruders),
                     -ENOMEM);
    guest_del_block(&guest, 0);
    ck_assert_int_eq(install_bytes(&guest, PAGE, bytes, false, &intruders),
                     -ENOENT);
    ck_assert_int_eq(install_zero(&guest, PAGE), -ENOENT);
    ck_assert_int_eq(install_present(&guest, PAGE, false), -ENOENT);
    ck_assert_int_eq(install_wake(&guest, PAGE), -ENOENT);
    ck_assert_uint_eq(calls[COPY], 1);
}
END_TEST

/* -------------------------------------------------------------- present */

START_TEST(nothing_to_map_is_told_from_trouble)
{
    answers[CONTINUE][0] = -EFAULT;
    ck_assert_int_eq(install_present(&guest, PAGE, false), -ENODATA);
    answers[CONTINUE][1] = -EAGAIN;
    ck_assert_int_eq(install_present(&guest, PAGE, false), -EAGAIN);
}
END_TEST

START_TEST(what_the_kernel_says_comes_through)
{
    static const int errors[] = { -EAGAIN, -ENOMEM, -ESRCH, -ENOENT, -EIO };
    unsigned intruders = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        answers[COPY][i] = answers[ZERO][i] = answers[CONTINUE][i] = errors[i];
        ck_assert_int_eq(install_bytes(&guest, PAGE, bytes, false, &intruders),
                         errors[i]);
        ck_assert_int_eq(install_zero(&guest, PAGE), errors[i]);
        ck_assert_int_eq(install_present(&guest, PAGE, false), errors[i]);
    }
    ck_assert_uint_eq(intruders, 0);
    ck_assert_uint_eq(calls[WAKE], 0);
}
END_TEST

static Suite *install_suite(void)
{
    Suite *s = suite_create("install");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, zeros_go_into_a_hole);
    tcase_add_test(t, zeros_do_not_go_over_what_is_there);
    tcase_add_test(t, who_waits_for_a_mapped_page_is_woken);
    tcase_add_test(t, a_page_that_goes_between_two_calls_is_tried_again);
    tcase_add_test(t, foreign_bytes_make_way);
    tcase_add_test(t, one_who_keeps_writing_does_not_hold_up_others);
    tcase_add_test(t, a_block_may_go_between_two_attempts);
    tcase_add_test(t, nothing_to_map_is_told_from_trouble);
    tcase_add_test(t, what_the_kernel_says_comes_through);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(install_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
