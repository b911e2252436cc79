/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is believed of a scan, and when a page leaves without bytes, and when it
 * does not.  docs/design.md, "Clean pages".
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "kept-fixture.h"
#include "rcached/pager/clean.h"

/* ------------------------------------------------------------ zap and scan */

START_TEST(a_page_that_was_written_gives_its_slot_up)
{
    memset(marker, true, KEEPERS);
    marker[3] = false;
    zap_begin();
    zap_answer(0, 0);
    ck_assert_uint_eq(page_state(words[3]), RCACHE_ZAPPED);
    expect_ended(3);
    ck_assert_uint_eq(nr_freed, 1);
    ck_assert_uint_eq(words[4] & RCACHE_CLEAN, RCACHE_CLEAN);
    ck_assert_uint_eq(page_slot(words[4]), slot_of(4));
}
END_TEST

START_TEST(a_scan_that_fails_proves_nothing)
{
    memset(marker, true, KEEPERS);
    scan_error = -EFAULT;
    zap_begin();
    zap_answer(0, 0);
    for (unsigned i = 0; i < KEEPERS; i++) {
        ck_assert_uint_eq(page_state(words[i]), RCACHE_ZAPPED);
        expect_ended(i);
    }
}
END_TEST

START_TEST(a_page_that_is_pinned_is_dirty)
{
    memset(marker, true, KEEPERS);
    zap_begin();
    zap_answer(1, 5);
    ck_assert_uint_eq(page_state(words[5]), RCACHE_HOT);
    expect_ended(5);
    ck_assert_uint_eq(page_state(words[6]), RCACHE_ZAPPED);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS - 1);
}
END_TEST

/* It was mapped while its zap was out: whoever did that has made it dirty. */
START_TEST(a_page_that_was_touched_meanwhile_is_not_called_clean)
{
    Zap *z = zap_begin();

    memset(marker, true, KEEPERS);
    ck_assert(table_step(&p->table, 5, z->word[5],
                         page_with_slot(page_to(z->word[5], RCACHE_HOT), 0)));
    kept_end(p, 5, z->word[5]);
    zap_answer(0, 0);
    ck_assert_uint_eq(page_state(words[5]), RCACHE_HOT);
    ck_assert_uint_eq(words[5] & RCACHE_CLEAN, 0);
}
END_TEST

/* One that keeps no slot needs none, and a hole between two is not long. */
START_TEST(only_keepers_are_scanned)
{
    Zap *z = &p->evictor.zap[0];
    uint8_t clean[ZAP_PAGES];

    *z = (Zap) { .seq = 9, .n = 3, .page = { 2, 200, 201 },
                 .word = { words[2], words[200], words[201] } };
    clean_scan(p, z, clean);
    ck_assert_uint_eq(nr_scanned, 1);
    nr_scanned = 0;
    *z = (Zap) { .seq = 9, .n = 3, .page = { 2, 6, 200 },
                 .word = { words[2], words[6], words[200] } };
    marker[4] = marker[6] = true;
    clean_scan(p, z, clean);
    ck_assert_uint_eq(nr_scanned, 5);
    ck_assert(!clean[0] && clean[1] && !clean[2]);
    p->guest.block[0].tracked = false;
    clean_scan(p, z, clean);
    ck_assert(!clean[0] && !clean[1] && !clean[2]);
}
END_TEST

/* ----------------------------------------------------------------- leaving */

START_TEST(clean_pages_leave_without_bytes)
{
    zapped_clean();
    evict_work(p, now);
    for (unsigned i = 0; i < KEEPERS; i++) {
        expect_gone_for_nothing(i);
        ck_assert_uint_eq(sides[i].version, 3);
    }
    ck_assert_uint_eq(nr_puts, 0);
    ck_assert_uint_eq(nr_freed, 0);
    ck_assert_uint_eq(p->slots.nr_kept, 0);
    ck_assert_uint_eq(p->kept.left, KEEPERS);
    ck_assert_uint_eq(counts.evicted, KEEPERS);
    ck_assert_uint_eq(p->evictor.progress.at, now);
}
END_TEST

/* They need no slot and no PUT. */
START_TEST(they_leave_where_nobody_has_room)
{
    zapped_clean();
    room = 0;
    p->kept.again_at = UINT64_MAX;      /* and none is given up for it */
    evict_work(p, now);
    for (unsigned i = 0; i < KEEPERS; i++) {
        expect_gone_for_nothing(i);
    }
}
END_TEST

START_TEST(no_more_leave_than_may_be_away)
{
    zapped_clean();
    p->limits.size = 5;
    p->clock.back = 0;
    clean_leave(p, KEEPERS);
    ck_assert_uint_eq(table_away(&p->table), 5);
}
END_TEST

typedef enum Reason {
    READ, SEALED, FROZEN, ONE_COPY, STALE, AWAY, LOST, RELEASED, ABANDONED,
    OWN, EXCESS, TROUBLE, WRONG, SWEPT, VOID, REASONS
} Reason;

static void make(Reason reason)
{
    Lease *l = p->leases.entry[0];
    SlotPlace place = p->slots.slabs[0].place[0];

    switch (reason) {
    case READ:
        slots_set_read(&p->slots, slot_of(4), true);
        break;
    case SEALED:
        sides[4].version++;
        break;
    case FROZEN:
        slots_freeze(&p->slots, 0, true);
        break;
    case ONE_COPY:
        slots_set_place(&p->slots, 0, 0,
                        (SlotPlace) { SLOTS_NO_LEASE, 0, false });
        break;
    case STALE:
        place.stale = true;
        slots_set_place(&p->slots, 0, 0, place);
        p->locations.copies = 1;
        break;
    case AWAY:
        remote[0].state = REMOTE_DOWN;
        break;
    case LOST:
        l->lost = true;
        break;
    case RELEASED:
        l->releasing = true;
        break;
    case ABANDONED:
        l->abandoned = true;
        break;
    case OWN:
        remote[0].own = true;
        break;
    case EXCESS:
        excess = 1;
        break;
    case TROUBLE:
        trouble = RCACHE_CAUSE_HUNG;
        break;
    case WRONG:
        remote[0].wrong = 1;
        remote[0].wrong_at = now;
        break;
    case SWEPT:
        l->sweep = true;
        break;
    case VOID:
        slots_keep_void(&p->slots, slot_of(4));
        break;
    case REASONS:
        break;
    }
}

/* K3: whatever is not as it was when the page came. */
START_TEST(it_may_not_leave_if)
{
    zapped_clean();
    ck_assert(kept_may_leave(p, 4, words[4], now));
    make(_i);
    ck_assert(!kept_may_leave(p, 4, words[4], now));
}
END_TEST

/* Then it goes with bytes, and the slot first: the record is another's soon. */
START_TEST(it_goes_with_bytes_then)
{
    zapped_clean();
    sides[4].version++;
    p->limits.local_max = 32;
    evict_work(p, now);
    ck_assert_uint_eq(page_state(words[4]), RCACHE_EVICTING);
    expect_ended(4);
    ck_assert_uint_eq(nr_put, 1);
    expect_gone_for_nothing(3);
    expect_gone_for_nothing(5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clean");
    TCase *tc = tcase_create("clean");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_page_that_was_written_gives_its_slot_up);
    tcase_add_test(tc, a_scan_that_fails_proves_nothing);
    tcase_add_test(tc, a_page_that_is_pinned_is_dirty);
    tcase_add_test(tc, a_page_that_was_touched_meanwhile_is_not_called_clean);
    tcase_add_test(tc, only_keepers_are_scanned);
    tcase_add_test(tc, clean_pages_leave_without_bytes);
    tcase_add_test(tc, they_leave_where_nobody_has_room);
    tcase_add_test(tc, no_more_leave_than_may_be_away);
    tcase_add_loop_test(tc, it_may_not_leave_if, 0, REASONS);
    tcase_add_test(tc, it_goes_with_bytes_then);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
