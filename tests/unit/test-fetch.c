/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that come back: what is done with their bytes, right and wrong ones,
 * and with a page whose word has changed meanwhile.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "common/wire-check.h"
#include "fetch-fixture.h"

START_TEST(right_bytes_are_installed)
{
    start();
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(nr_installed, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(counts.fetched, 1);
    ck_assert_uint_eq(counts.faults_remote, 1);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

/* Write-protected where it keeps its slot, and nowhere else (K1). */
START_TEST(a_page_keeps_its_slot_if_it_may)
{
    tracked = _i & 1;
    may_keep = _i & 2;
    start();
    kept_slot = UINT64_MAX;
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(kept_slot, _i == 3 ? 77 : 0);
    ck_assert_int_eq(was_protected, _i == 3);
    tracked = may_keep = false;
}
END_TEST

/* A place has it wrong, or not at all: it has to be stored anew. */
START_TEST(a_page_that_a_place_lacks_keeps_no_slot)
{
    tracked = may_keep = true;
    other_failed = _i == 0;
    stored_anew = _i == 1;
    start();
    if (_i == 2) {
        ck_assert(!fetch_got(p, asked, &remote, wrong));
    } else if (_i == 3) {
        fetch_missing(p, asked);
        now += 2 * NS_PER_SEC;
        fetch_retry(p, now);
    }
    kept_slot = UINT64_MAX;
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(kept_slot, 0);
    tracked = may_keep = other_failed = stored_anew = false;
}
END_TEST

/* It was to be stored anew when it could not be put there; that is not known
 * any more when it can. */
START_TEST(a_page_that_comes_late_keeps_no_slot)
{
    tracked = may_keep = stored_anew = true;
    install_error = -ENOMEM;
    start();
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FILLING);
    install_error = 0;
    stored_anew = false;
    kept_slot = UINT64_MAX;
    fetch_retry(p, now);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert(!was_protected);
    ck_assert_uint_eq(kept_slot, 0);
    tracked = may_keep = false;
}
END_TEST

/* What the kernel does not take so is dirty, and comes all the same. */
START_TEST(a_page_that_cannot_be_tracked_comes_plainly)
{
    tracked = may_keep = true;
    install_error = -ENOMEM;
    start();
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FILLING);
    ck_assert(p->fetches.entry[asked].plain);
    ck_assert(was_protected);
    install_error = 0;
    fetch_retry(p, now);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert(!was_protected);
    ck_assert_uint_eq(kept_slot, 0);
    tracked = may_keep = false;
}
END_TEST

START_TEST(wrong_bytes_never_are)
{
    start();
    for (unsigned i = 0; i < 10; i++) {
        unsigned before = nr_asked;

        ck_assert(!fetch_got(p, asked, &remote, wrong));
        fetch_missing(p, asked);
        if (nr_asked == before) {       /* held back after a few */
            now += 2 * NS_PER_SEC;
            fetch_retry(p, now);
        }
        ck_assert_uint_eq(nr_asked, before + 1);
    }
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(p->fetches.entry[asked].wrong_since, 100 * NS_PER_SEC);
    ck_assert_uint_eq(counts.checksum_errors, 10);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(nr_installed, 1);
}
END_TEST

/* Anybody can make a page that has the sum of another one. */
START_TEST(a_right_sum_is_not_enough)
{
    start();
    sides[PAGE].sum = wire_page_sum(wrong);
    ck_assert(!fetch_got(p, asked, &remote, wrong));
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(counts.checksum_errors, 1);
}
END_TEST

START_TEST(no_bytes_are_asked_for_again_later)
{
    start();
    fetch_missing(p, asked);
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_asked, 1);
    fetch_retry(p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_asked, 2);
}
END_TEST

START_TEST(a_page_that_was_discarded_is_left_alone)
{
    uint64_t zero = page_begin(words[PAGE], RCACHE_ZERO);

    start();
    words[PAGE] = zero;
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(words[PAGE], zero);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(one_that_waits_and_is_discarded_is_forgotten)
{
    start();
    words[PAGE] = page_begin(words[PAGE], RCACHE_ZERO);
    fetch_retry(p, now);
    ck_assert_uint_eq(p->fetches.nr, 0);
    ck_assert_uint_eq(nr_forgotten, 1);
}
END_TEST

START_TEST(bytes_without_memory_for_them_are_kept)
{
    start();
    install_error = -ENOMEM;
    fetch_got(p, asked, &remote, right);
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_installed, 2);
    install_error = 0;
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_asked, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(a_page_whose_block_has_gone_is_given_up)
{
    start();
    install_error = -ENOENT;
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(a_slot_that_is_not_leased_is_a_lost_page)
{
    known = false;
    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], true, now), 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_LOST);
    ck_assert_uint_eq(nr_events, 1);
    ck_assert_uint_eq(nr_asked, 0);
}
END_TEST

START_TEST(there_is_a_bound)
{
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        ck_assert_int_eq(fetch_start(p, i, words[i], false, now), 0);
    }
    ck_assert_int_eq(fetch_start(p, FETCH_MAX, words[FETCH_MAX], true, now),
                     -EBUSY);
    ck_assert_uint_eq(page_state(words[FETCH_MAX]), RCACHE_REMOTE);
}
END_TEST

/* A page is discarded while its GET is out, evicted, and wanted again. */
START_TEST(who_waits_waits_for_the_later_fetch)
{
    unsigned first;

    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], false, now), 0);
    first = asked;
    words[PAGE] = page_with_slot(page_begin(words[PAGE], RCACHE_REMOTE), 77);
    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], false, now), 0);
    ck_assert_uint_ne(asked, first);
    fetch_got(p, first, &remote, right);
    ck_assert_uint_eq(nr_installed, 0);
    fetch_wanted(p, PAGE, now);
    fetch_wanted(p, PAGE + 1, now);     /* nobody fetches that one */
    ck_assert(p->fetches.entry[asked].demand);
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(counts.faults_remote, 1);
    ck_assert_uint_eq(p->fetches.nr, 0);
    ck_assert_uint_eq(g_hash_table_size(p->fetches.by_page), 0);
}
END_TEST

START_TEST(a_provider_that_is_asked_for_enough_is_not_asked)
{
    uint64_t word = words[PAGE];

    may_get = false;
    ck_assert_int_eq(fetch_start(p, PAGE, word, true, now), -EBUSY);
    ck_assert_uint_eq(pool, FETCH_MAX);
    ck_assert_int_eq(fetch_start(p, PAGE, word, false, now), -EBUSY);
    ck_assert_uint_lt(pool, FETCH_MAX);     /* for guests that wait */
    ck_assert_uint_eq(words[PAGE], word);
    ck_assert_uint_eq(p->fetches.nr + nr_asked, 0);
}
END_TEST

static Suite *fetch_suite(void)
{
    Suite *s = suite_create("fetch");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, right_bytes_are_installed);
    tcase_add_loop_test(t, a_page_keeps_its_slot_if_it_may, 0, 4);
    tcase_add_test(t, a_page_that_cannot_be_tracked_comes_plainly);
    tcase_add_test(t, a_page_that_comes_late_keeps_no_slot);
    tcase_add_loop_test(t, a_page_that_a_place_lacks_keeps_no_slot, 0, 4);
    tcase_add_test(t, wrong_bytes_never_are);
    tcase_add_test(t, a_right_sum_is_not_enough);
    tcase_add_test(t, no_bytes_are_asked_for_again_later);
    tcase_add_test(t, a_page_that_was_discarded_is_left_alone);
    tcase_add_test(t, one_that_waits_and_is_discarded_is_forgotten);
    tcase_add_test(t, bytes_without_memory_for_them_are_kept);
    tcase_add_test(t, a_page_whose_block_has_gone_is_given_up);
    tcase_add_test(t, a_slot_that_is_not_leased_is_a_lost_page);
    tcase_add_test(t, there_is_a_bound);
    tcase_add_test(t, who_waits_waits_for_the_later_fetch);
    tcase_add_test(t, a_provider_that_is_asked_for_enough_is_not_asked);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(fetch_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
