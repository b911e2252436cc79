/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where bytes are: pages that are asked for, and what becomes of a GET when
 * providers go away, refuse, are fenced, and slabs move.
 */
#include <check.h>

#include "location-fixture.h"
#include "rcached/pager/tag.h"

START_TEST(a_get_goes_to_the_slabs_provider)
{
    uint64_t slot = stored_slot();

    location_get(p, 3, slot);
    ck_assert_uint_eq(sent.type, RCACHE_GET);
    ck_assert_uint_eq(sent.lease, 100);
    ck_assert_uint_eq(sent_slot, wire_slot(7, slot_page(slot)));
    ck_assert_ptr_eq(sent_to, &remote[0].fault);
    ck_assert(location_get_is_out(p, 3));
    ck_assert(location_is_read(p, &remote[0], slot_slab(slot)));
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert_ptr_eq(got_bytes, page);
    ck_assert(!location_get_is_out(p, 3));
    ck_assert(!location_is_read(p, &remote[0], slot_slab(slot)));
}
END_TEST

START_TEST(answers_to_nothing_are_told)
{
    ck_assert(!answer(0, RCACHE_GET_REPLY, 0));
    location_get(p, 3, stored_slot());
    ck_assert(!answer(1, RCACHE_GET_REPLY, 0));     /* from another */
    sent.tag++;
    ck_assert(!answer(0, RCACHE_GET_REPLY, 0));     /* of another use */
    sent.tag = tag_encode(TAG_GET, LOCATION_GETS, 1);
    ck_assert(!answer(0, RCACHE_GET_REPLY, 0));
    sent.tag = tag_encode(TAG_PUT, LOCATION_PUTS, 1);
    ck_assert(!answer(0, RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(nr_got + nr_stored, 0);
}
END_TEST

START_TEST(a_get_waits_for_its_provider)
{
    uint64_t slot = stored_slot();

    remote[0].state = REMOTE_DOWN;
    location_get(p, 0, slot);
    ck_assert_uint_eq(nr_sent, 0);
    /* It is not this host that the page waits for. */
    ck_assert_int_eq(p->delays.clock[0].phase, RCACHE_PHASE_QUEUE);
    comes_back(1);                      /* another's lease */
    ck_assert_uint_eq(nr_sent, 0);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_int_eq(p->delays.clock[0].phase, RCACHE_PHASE_SEND);
    goes_away(0);                       /* before it has answered */
    ck_assert_int_eq(p->delays.clock[0].phase, RCACHE_PHASE_QUEUE);
    ck_assert_uint_eq(nr_got, 0);
    ck_assert(!location_get_is_out(p, 0));
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
}
END_TEST

/* Its page is discarded while the GET waits for the provider. */
START_TEST(a_get_of_a_freed_slot_is_not_sent)
{
    uint64_t slot = stored_slot();

    remote[0].state = REMOTE_DOWN;
    location_get(p, 0, slot);
    location_free(p, slot);
    comes_back(0);
    ck_assert(!location_get_is_out(p, 0));
    ck_assert(!location_is_read(p, &remote[0], slot_slab(slot)));
}
END_TEST

START_TEST(fenced_is_asked_again_in_the_next_session)
{
    location_get(p, 0, stored_slot());
    ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_FENCED));
    ck_assert_uint_eq(nr_closed, 1);
    ck_assert_uint_eq(nr_got, 0);
    goes_away(0);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(a_refusal_brings_no_bytes)
{
    location_get(p, 0, stored_slot());
    ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_SLOT));
    ck_assert_uint_eq(nr_got, 0);
    ck_assert_uint_eq(nr_missing, 1);
}
END_TEST

static unsigned nr_lines;

static void count_line(const gchar *domain, GLogLevelFlags level,
                       const gchar *text, gpointer opaque)
{
    nr_lines++;
}

START_TEST(refusals_do_not_fill_the_log)
{
    uint64_t slot = stored_slot();

    g_log_set_default_handler(count_line, NULL);
    for (unsigned i = 0; i < 10; i++) {
        location_get(p, 0, slot);
        ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_SLOT));
    }
    g_log_set_default_handler(g_log_default_handler, NULL);
    ck_assert_uint_eq(nr_lines, 3);
}
END_TEST

/* A guest waits: the first time a millisecond, and never long. */
START_TEST(busy_is_asked_again_soon)
{
    uint64_t began = now, pause = NS_PER_MS;

    location_get(p, 0, stored_slot());
    for (unsigned i = 1; i < 20; i++) {
        ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_BUSY));
        ck_assert_uint_eq(nr_busy, i);
        ck_assert(!location_get_is_out(p, 0));
        ck_assert(soon);
        soon = false;
        location_retry(p, now + pause - 1);
        ck_assert_uint_eq(nr_sent, i);
        ck_assert(soon);                /* it is looked at again */
        soon = false;
        now += pause;
        location_retry(p, now);
        ck_assert_uint_eq(nr_sent, i + 1);
        ck_assert(!soon);
        pause = MIN(2 * pause, 100 * NS_PER_MS);
    }
    ck_assert_uint_le(now - began, 20 * 100 * NS_PER_MS);
    ck_assert_uint_eq(nr_got, 0);
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
    location_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 20);
}
END_TEST

START_TEST(busy_is_not_asked_for_a_slot_to_be_freed)
{
    uint64_t slot = stored_slot();

    location_get(p, 0, slot);
    location_free(p, slot);
    ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_BUSY));
    ck_assert_uint_eq(nr_got, 0);
    ck_assert_uint_eq(nr_missing, 1);
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_FREE);
}
END_TEST

/* The session ends meanwhile: the next one asks, and once. */
START_TEST(busy_in_a_session_that_ended)
{
    location_get(p, 0, stored_slot());
    ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_BUSY));
    goes_away(0);
    location_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 1);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 2);
    location_retry(p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(a_get_that_is_forgotten_is_not_sent)
{
    uint64_t slot = stored_slot();

    remote[0].state = REMOTE_DOWN;
    location_get(p, 0, slot);
    location_forget(p, 0);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 0);
    ck_assert_uint_eq(p->locations.gets.nr, 0);
}
END_TEST

START_TEST(what_hangs_is_not_on_its_way)
{
    uint64_t slot = stored_slot();

    ck_assert(!location_is_coming(p, now));
    location_get(p, 3, slot);
    ck_assert(location_is_coming(p, now));
    ck_assert(location_is_coming(p, now - NS_PER_MS));  /* read before */
    ck_assert(!location_is_coming(p, now + NS_PER_SEC));
    goes_away(0);                       /* to be sent again some time */
    ck_assert(!location_is_coming(p, now));
    comes_back(0);
    ck_assert(location_is_coming(p, now));
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert(!location_is_coming(p, now));
}
END_TEST

/* GETs of numbers @i and on as long as there may be one more; how many. */
static unsigned get_all(unsigned i, uint64_t slot)
{
    unsigned n = 0;

    while (location_may_get(p, slot, LOCATION_GETS)) {
        ck_assert_uint_lt(i + n, LOCATION_GETS);
        location_get(p, i + n++, slot);
    }
    return n;
}

START_TEST(one_provider_cannot_have_all_gets)
{
    uint64_t slot = stored_slot(), other = slot_make(1, 0);
    unsigned first, second;

    ck_assert(location_add(p, p->leases.entry[1], 3));
    slots_mark(&p->slots, other);
    first = get_all(0, slot);
    ck_assert_uint_eq(first, LOCATION_GETS / 2);
    second = get_all(first, other);
    ck_assert_uint_eq(second, LOCATION_GETS / 4);
    ck_assert(!location_may_get(p, slot, LOCATION_GETS));
    /* There is one for a third yet, and a smaller pool is long empty. */
    ck_assert_uint_lt(p->locations.gets.nr_counted, LOCATION_GETS);
    ck_assert(!location_may_get(p, other, LOCATION_GETS / 2));
    /* What has been answered counts until it is done with. */
    ck_assert(answer(1, RCACHE_GET_REPLY, 0));
    ck_assert(!location_may_get(p, other, LOCATION_GETS));
    for (unsigned i = 0; i < second; i++) {
        if (location_get_is_out(p, first + i)) {
            const Get *g = &p->locations.gets.get[first + i];

            sent.tag = tag_encode(TAG_GET, first + i, g->at[0].serial);
            ck_assert(answer(1, RCACHE_GET_REPLY, 0));
        }
        location_forget(p, first + i);
    }
    ck_assert_uint_eq(remote[1].gets, 0);
    ck_assert_uint_eq(remote[0].gets, first);
    ck_assert_uint_eq(p->locations.gets.nr_counted, first);
    ck_assert(location_may_get(p, other, LOCATION_GETS));
}
END_TEST

START_TEST(a_get_counts_where_its_slab_is)
{
    uint64_t slot = stored_slot();

    location_freeze(p, slot_slab(slot));
    remote[0].state = REMOTE_DOWN;
    location_get(p, 0, slot);
    ck_assert_uint_eq(remote[0].gets, 1);
    location_set(p, slot_slab(slot), 0, p->leases.entry[1], 9);
    ck_assert_uint_eq(remote[0].gets, 0);
    ck_assert_uint_eq(remote[1].gets, 1);
    ck_assert(answer(1, RCACHE_GET_REPLY, 0));
    location_get(p, 0, slot);           /* again, since it was wrong */
    ck_assert(answer(1, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(p->locations.gets.nr, 1);
    location_forget(p, 0);
    ck_assert_uint_eq(remote[1].gets, 0);
    ck_assert_uint_eq(p->locations.gets.nr_counted, 0);
    ck_assert_uint_eq(p->locations.gets.nr, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("location-get");
    TCase *t = tcase_create("core");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_get_goes_to_the_slabs_provider);
    tcase_add_test(t, answers_to_nothing_are_told);
    tcase_add_test(t, a_get_waits_for_its_provider);
    tcase_add_test(t, a_get_of_a_freed_slot_is_not_sent);
    tcase_add_test(t, fenced_is_asked_again_in_the_next_session);
    tcase_add_test(t, a_refusal_brings_no_bytes);
    tcase_add_test(t, refusals_do_not_fill_the_log);
    tcase_add_test(t, busy_is_asked_again_soon);
    tcase_add_test(t, busy_is_not_asked_for_a_slot_to_be_freed);
    tcase_add_test(t, busy_in_a_session_that_ended);
    tcase_add_test(t, a_get_that_is_forgotten_is_not_sent);
    tcase_add_test(t, what_hangs_is_not_on_its_way);
    tcase_add_test(t, one_provider_cannot_have_all_gets);
    tcase_add_test(t, a_get_counts_where_its_slab_is);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
