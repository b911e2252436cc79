/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that wait for room: in order, each once, and for how long. */
#include <check.h>

#include "rcached/pager/room-queue.h"

#define PAGES   20000u

static RoomQueue queue;

static void set_up(void)
{
    room_queue_init(&queue);
}

static void tear_down(void)
{
    room_queue_deinit(&queue);
}

START_TEST(pages_come_out_in_order)
{
    for (uint64_t page = 0; page < PAGES; page++) {
        room_queue_add(&queue, page, 1);
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        ck_assert_uint_eq(room_queue_len(&queue), PAGES - page);
        ck_assert_uint_eq(room_queue_first(&queue), page);
        ck_assert_uint_eq(room_queue_take(&queue, 2), page);
    }
    ck_assert_uint_eq(room_queue_len(&queue), 0);
}
END_TEST

START_TEST(a_page_waits_once)
{
    room_queue_add(&queue, 7, 1);
    room_queue_add(&queue, 7, 2);
    ck_assert_uint_eq(room_queue_len(&queue), 1);
    ck_assert_uint_eq(room_queue_take(&queue, 3), 7);
    room_queue_add(&queue, 7, 4);       /* it may come again */
    ck_assert_uint_eq(room_queue_len(&queue), 1);
}
END_TEST

START_TEST(since_is_when_nobody_was_served_any_more)
{
    room_queue_add(&queue, 1, 10);
    room_queue_add(&queue, 2, 20);
    ck_assert_uint_eq(queue.since, 10);
    room_queue_take(&queue, 30);
    ck_assert_uint_eq(queue.since, 30);
    room_queue_take(&queue, 40);
    room_queue_add(&queue, 3, 50);
    ck_assert_uint_eq(queue.since, 50);
}
END_TEST

static Suite *room_queue_suite(void)
{
    Suite *s = suite_create("room-queue");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, pages_come_out_in_order);
    tcase_add_test(t, a_page_waits_once);
    tcase_add_test(t, since_is_when_nobody_was_served_any_more);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(room_queue_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
