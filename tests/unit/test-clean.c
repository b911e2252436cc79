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
#include "rcached/pager/tag.h"

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
    ck_assert_uint_eq(nr_asks, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(asked[i].count, KEEPERS);
        ck_assert_uint_eq(asked[i].epoch, 1);
        ck_assert_uint_eq(asked_slot[i][5], wire_slot(7 + i, 5));
    }
    place_answers(1, 0, -1);
    for (unsigned i = 0; i < KEEPERS; i++) {
        expect_asked(i);
    }
    ck_assert_uint_eq(counts.evicted, 0);
    place_answers(0, 0, -1);
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
    ck_assert_uint_eq(p->cleans.nr, 0);
}
END_TEST

/* They need no slot and no PUT. */
START_TEST(they_leave_where_nobody_has_room)
{
    zapped_clean();
    room = 0;
    p->kept.again_at = UINT64_MAX;      /* and none is given up for it */
    evict_work(p, now);
    places_confirm();
    for (unsigned i = 0; i < KEEPERS; i++) {
        expect_gone_for_nothing(i);
    }
}
END_TEST

/* All that have to go are on their way by that: others are sampled for the next
 * time, or they would have no time to be touched in. */
START_TEST(the_next_are_sampled_meanwhile)
{
    zapped_clean();
    room = 0;
    p->kept.again_at = UINT64_MAX;
    p->limits.ram = 2 * PAGES;
    p->limits.local_max = PAGES + 64 - KEEPERS;
    p->limits.size = KEEPERS + 1;
    evict_work(p, now);
    ck_assert_uint_eq(p->cleans.nr, KEEPERS);
    ck_assert_uint_eq(p->evictor.zap_seq, 1);
    evict_work(p, now);
    ck_assert_uint_eq(p->evictor.zap_seq, 1);   /* nothing has to go now */
}
END_TEST

/* Few are not worth a question: they are collected, as those of a PUT are. */
START_TEST(a_few_wait_for_others)
{
    zapped_clean();
    p->limits.ram = 2 * PAGES;
    p->limits.local_max = PAGES + 64 - KEEPERS;
    evict_work(p, now);
    ck_assert_uint_eq(nr_asks + nr_puts, 0);
}
END_TEST

START_TEST(no_more_leave_than_may_be_away)
{
    zapped_clean();
    p->limits.size = 5;
    p->clock.back = 0;
    clean_leave(p, KEEPERS);
    places_confirm();
    ck_assert_uint_eq(table_away(&p->table), 5);
    ck_assert_uint_eq(page_state(words[5]), RCACHE_ZAPPED);
    ck_assert_uint_eq(words[5] & RCACHE_CLEAN, RCACHE_CLEAN);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS - 5);
}
END_TEST

/* Pages that are asked about are kept once, and not away yet. */
START_TEST(what_is_asked_about_is_counted_once)
{
    zapped_clean();
    p->limits.size = KEEPERS;
    clean_leave(p, KEEPERS);
    expect_asked(0);
    kept_tick(p, now);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
    expect_asked(0);
}
END_TEST

/* One frame names one lease: each group of slabs is asked about by itself. */
START_TEST(pages_are_asked_about_where_they_are)
{
    p->locations.copies = 1;
    slots_add(&p->slots, 1, 0, 9, 128);
    for (unsigned i = 4; i < 6; i++) {
        uint64_t slot = slot_make(1, 40 + i);

        kept_end(p, i, words[i]);
        slots_mark(&p->slots, slot);
        slots_keep(&p->slots, slot, i, 3);
        words[i] = page_with_slot(words[i], slot);
        sides[i].sum = 1000 + 40 + i;
    }
    zapped_clean();
    clean_leave(p, KEEPERS);
    ck_assert_uint_eq(nr_asks, 3);
    ck_assert_uint_eq(asked[1].count, KEEPERS - 2);
    ck_assert_uint_eq(asked[0].count, 2);
    ck_assert_uint_eq(asked_slot[0][1], wire_slot(9, 45));
    place_answers(0, 0, -1);
    ck_assert_uint_eq(page_state(words[4]), RCACHE_REMOTE);
    ck_assert_uint_eq(page_slot(words[5]), slot_make(1, 45));
    expect_asked(6);
}
END_TEST

/* Others do not wait: what there is no entry for goes with bytes. */
START_TEST(not_all_are_asked_about_at_once)
{
    uint64_t page[2] = { 3, 4 };

    zapped_clean();
    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        p->cleans.ask[i] = (CleanAsk) { .n = 1, .sent = now, .page = { 200 },
                                        .word = { UINT64_MAX } };
    }
    ck_assert_uint_eq(clean_leave(p, KEEPERS), 0);
    ck_assert_uint_eq(clean_go(p, page, 2), 2);
    p->cleans.ask[7].n = 0;
    ck_assert_uint_eq(clean_go(p, page, 2), 0);
    expect_asked(3);
    expect_asked(4);
}
END_TEST

/* But not while answers come: that would send pages that are clean. */
START_TEST(answers_that_come_are_waited_for)
{
    zapped_clean();
    p->limits.local_max = 32;
    for (unsigned i = 0; i < CLEAN_ASKS_MAX; i++) {
        p->cleans.ask[i] = (CleanAsk) { .n = 1, .sent = now, .page = { 200 },
                                        .word = { UINT64_MAX } };
    }
    evict_work(p, now);
    now += 40 * NS_PER_MS;
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 0);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
    now += 20 * NS_PER_MS;
    evict_work(p, now);
    ck_assert_uint_eq(nr_put, KEEPERS);
}
END_TEST

/* The last question that may be out was asked: what is behind waits, too. */
START_TEST(what_is_behind_them_waits)
{
    zapped_clean();
    p->limits.local_max = 32;
    for (unsigned i = KEEPERS; i < 100; i++) {
        ck_assert(table_step(&p->table, i, words[i],
                             page_to(words[i], RCACHE_ZAPPED)));
    }
    p->clock.front = p->clock.between = 100;
    for (unsigned i = 1; i < CLEAN_ASKS_MAX; i++) {
        p->cleans.ask[i] = (CleanAsk) { .n = 1, .sent = now, .page = { 200 },
                                        .word = { UINT64_MAX } };
    }
    evict_work(p, now);
    ck_assert_uint_eq(nr_asks, 2);
    ck_assert_uint_eq(nr_puts, 0);
}
END_TEST

/* K4: no slot is given up while those that have to go need none. */
START_TEST(they_need_no_room)
{
    zapped_clean();
    room = 0;
    p->limits.ram = 2 * PAGES;
    p->limits.local_max = PAGES + 64 - KEEPERS;
    p->limits.size = KEEPERS + 1;
    evict_work(p, now);
    ck_assert_uint_eq(p->cleans.nr, KEEPERS);
    ck_assert_uint_eq(nr_freed, 0);
}
END_TEST

typedef enum Reason {
    READ, SEALED, FROZEN, ONE_COPY, STALE, AWAY, LOST, RELEASED, ABANDONED,
    OWN, EXCESS, TROUBLE, WRONG, SWEPT, VOID, SILENT, UNHEARD, SUMLESS, REASONS
} Reason;

static void make_lease(Reason reason, Lease *l)
{
    l->lost = reason == LOST;
    l->releasing = reason == RELEASED;
    l->abandoned = reason == ABANDONED;
    l->sweep = reason == SWEPT;
}

static void make(Reason reason)
{
    SlotPlace place = p->slots.slabs[0].place[0];

    make_lease(reason, p->leases.entry[0]);
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
    case VOID:
        slots_keep_void(&p->slots, slot_of(4));
        break;
    case SILENT:
        silent = true;
        break;
    case UNHEARD:
        remote[0].heard_at = now - 1400 * NS_PER_MS;
        break;
    case SUMLESS:
        remote[0].features = 0;
        break;
    default:
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

/* Nor if that comes to be while its places are asked. */
START_TEST(it_may_not_leave_either_if)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    make(_i);
    places_confirm();
    ck_assert_uint_eq(page_state(words[4]), RCACHE_ZAPPED);
    expect_ended(4);
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
    places_confirm();
    expect_gone_for_nothing(3);
    expect_gone_for_nothing(5);
}
END_TEST

/* ----------------------------------------------------- what places answer */

static void expect_all_stay(void)
{
    for (unsigned i = 0; i < KEEPERS; i++) {
        ck_assert_uint_eq(page_state(words[i]), RCACHE_ZAPPED);
        expect_ended(i);
    }
    ck_assert_uint_eq(nr_freed, KEEPERS);
    ck_assert_uint_eq(counts.evicted, 0);
    ck_assert_uint_eq(p->cleans.nr, 0);
}

/* One of two has it wrong, whoever answers first. */
START_TEST(what_a_place_has_otherwise_stays_here)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    place_answers(_i, 0, 4);
    place_answers(!_i, 0, -1);
    expect_all_stay();
    ck_assert_uint_eq(remote[_i].wrong, 1);
    ck_assert_uint_eq(remote[_i].wrong_at, now);
    ck_assert_uint_eq(remote[!_i].wrong, 0);
    ck_assert_uint_eq(nr_told, 1);
}
END_TEST

START_TEST(a_refusal_is_no_confirmation)
{
    const uint16_t status[] = { RCACHE_E_SLOT, RCACHE_E_BUSY, RCACHE_E_LEASE };

    zapped_clean();
    clean_leave(p, KEEPERS);
    place_answers(1, 0, -1);
    place_answers(0, status[_i], -1);
    expect_all_stay();
    ck_assert_uint_eq(remote[0].wrong, 0);
}
END_TEST

/* It has answered for fewer pages than it was asked about. */
START_TEST(half_an_answer_is_none)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    place_answers(1, 0, -1);
    asked[0].count--;
    place_answers(0, 0, -1);
    expect_all_stay();
}
END_TEST

START_TEST(pages_do_not_wait_for_an_answer)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    place_answers(1, 0, -1);
    now += 400 * NS_PER_MS;
    clean_late(p, now);
    expect_asked(0);
    now += 200 * NS_PER_MS;
    evict_work(p, now);
    ck_assert_uint_eq(p->cleans.nr, 0);
    expect_ended(0);
    ck_assert_uint_eq(nr_freed, KEEPERS);
    place_answers(0, 0, -1);            /* too late */
    ck_assert_uint_ne(page_state(words[0]), RCACHE_REMOTE);
    ck_assert_uint_eq(p->kept.left, 0);
}
END_TEST

START_TEST(a_session_that_ends_is_no_answer)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    place_answers(1, 0, -1);
    clean_remote_down(p, &remote[1]);   /* it has answered */
    expect_asked(0);
    clean_remote_down(p, &remote[0]);
    expect_all_stay();
}
END_TEST

/* Another's answer, and one that nobody waits for, are nothing. */
START_TEST(answers_are_told_apart)
{
    WireHead head = { .type = RCACHE_SUMS_ACK };

    zapped_clean();
    clean_leave(p, KEEPERS);
    head.tag = tag_encode(TAG_SUMS, 0, tag_decode(asked[0].tag).serial);
    ck_assert(!clean_answer(p, &remote[0], &head, NULL));
    head.tag = tag_encode(TAG_CLEAN, CLEAN_ASKS_MAX, 0);
    ck_assert(clean_answer(p, &remote[0], &head, NULL));
    head.tag = asked[0].tag + 1;
    ck_assert(clean_answer(p, &remote[0], &head, NULL));
    place_answers(0, 0, -1);
    place_answers(0, 0, -1);            /* a second time */
    expect_asked(0);
    place_answers(1, 0, -1);
    expect_gone_for_nothing(0);
}
END_TEST

/* Its word is not the one that was made for it. */
START_TEST(a_page_that_is_touched_is_called_off)
{
    uint64_t word;

    zapped_clean();
    clean_leave(p, KEEPERS);
    word = words[3];
    ck_assert(table_step(&p->table, 3, word,
                         page_to(word, RCACHE_HOT) | RCACHE_CLEAN));
    word = words[3];
    sides[3].sum = 5;                   /* that is another's now, perhaps */
    places_confirm();
    ck_assert_uint_eq(words[3], word);
    ck_assert(slots_used(&p->slots, slot_of(3)));
    ck_assert_uint_eq(remote[0].wrong + remote[1].wrong, 0);
    expect_gone_for_nothing(2);
    expect_gone_for_nothing(4);
    ck_assert_uint_eq(counts.evicted, KEEPERS - 1);
}
END_TEST

/* The slab is to be copied or left: the slots go at once (K5). */
START_TEST(a_slab_that_changes_calls_it_off)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    ck_assert_uint_eq(kept_slab_changes(p, 0), KEEPERS);
    places_confirm();
    expect_all_stay();
}
END_TEST

/* Words of a block that is used again are like those of before. */
START_TEST(a_block_that_goes_calls_it_off)
{
    zapped_clean();
    clean_leave(p, KEEPERS);
    evict_block_gone(p, 0, 8);
    places_confirm();
    expect_asked(7);
    expect_gone_for_nothing(8);
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
    tcase_add_test(tc, answers_that_come_are_waited_for);
    tcase_add_test(tc, what_is_behind_them_waits);
    tcase_add_test(tc, they_need_no_room);
    tcase_add_test(tc, the_next_are_sampled_meanwhile);
    tcase_add_test(tc, a_few_wait_for_others);
    tcase_add_test(tc, no_more_leave_than_may_be_away);
    tcase_add_test(tc, what_is_asked_about_is_counted_once);
    tcase_add_test(tc, pages_are_asked_about_where_they_are);
    tcase_add_test(tc, not_all_are_asked_about_at_once);
    tcase_add_loop_test(tc, it_may_not_leave_if, 0, REASONS);
    tcase_add_loop_test(tc, it_may_not_leave_either_if, 0, REASONS);
    tcase_add_test(tc, it_goes_with_bytes_then);
    tcase_add_loop_test(tc, what_a_place_has_otherwise_stays_here, 0, 2);
    tcase_add_loop_test(tc, a_refusal_is_no_confirmation, 0, 3);
    tcase_add_test(tc, half_an_answer_is_none);
    tcase_add_test(tc, pages_do_not_wait_for_an_answer);
    tcase_add_test(tc, a_session_that_ends_is_no_answer);
    tcase_add_test(tc, answers_are_told_apart);
    tcase_add_test(tc, a_page_that_is_touched_is_called_off);
    tcase_add_test(tc, a_slab_that_changes_calls_it_off);
    tcase_add_test(tc, a_block_that_goes_calls_it_off);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
