/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a pager ends: for how long it stays, and what it asks providers for until
 * then.
 */
#include "lease-fixture.h"

#include <check.h>

#include "rcached/pager/tag.h"

#define HOUR_NS (3600 * NS_PER_SEC)

static Farewell *f;
static FarewellSeen seen;

static void begin(void)
{
    set_up();
    f = &p.farewell;
    seen = (FarewellSeen) { .held = true };
}

static FarewellState look(void)
{
    return farewell_look(f, &seen, now);
}

static FarewellState after(uint64_t ns)
{
    now += ns;
    return look();
}

/* ---------------------------------------------------------------- states */

START_TEST(nothing_before_it_begins)
{
    seen.dead = true;
    ck_assert_int_eq(after(HOUR_NS), FAREWELL_NOT_YET);
}
END_TEST

START_TEST(a_doubt_has_no_end_of_its_own)
{
    farewell_begin(f, now);
    ck_assert_int_eq(after(HOUR_NS), FAREWELL_DOUBT);
    ck_assert(!farewell_leaves(f));
    seen.dead = true;
    ck_assert_int_eq(look(), FAREWELL_RELEASING);
    ck_assert(farewell_leaves(f));
}
END_TEST

START_TEST(who_is_waited_for_does_not_stay)
{
    bool *const why[] = { &seen.alone, &seen.waits };

    for (unsigned i = 0; i < G_N_ELEMENTS(why); i++) {
        *f = (Farewell) { 0 };
        seen = (FarewellSeen) { .held = true };
        *why[i] = true;
        farewell_begin(f, now);
        ck_assert_int_eq(look(), FAREWELL_DOUBT);
        ck_assert_int_eq(after(FAREWELL_ALONE_NS - 1), FAREWELL_DOUBT);
        ck_assert_int_eq(after(1), FAREWELL_OVER);
        seen.dead = true;
        ck_assert_int_eq(look(), FAREWELL_OVER);
    }
}
END_TEST

/* A daemon that is started anew is away for a moment only. */
START_TEST(who_becomes_alone_late_has_as_long)
{
    farewell_begin(f, now);
    ck_assert_int_eq(after(HOUR_NS), FAREWELL_DOUBT);
    for (int i = 0; i < 3; i++) {
        seen.alone = true;
        ck_assert_int_eq(look(), FAREWELL_DOUBT);
        ck_assert_int_eq(after(FAREWELL_ALONE_NS - 1), FAREWELL_DOUBT);
        seen.alone = false;
        ck_assert_int_eq(after(1), FAREWELL_DOUBT);
    }
    seen.alone = true;
    look();
    ck_assert_int_eq(after(FAREWELL_ALONE_NS), FAREWELL_OVER);
}
END_TEST

/* A VMM that wants no remote memory any more may have said so in vain. */
START_TEST(a_doubt_ends_where_nothing_is_away)
{
    seen.home = true;
    farewell_begin(f, now);
    ck_assert_int_eq(after(FAREWELL_HOME_NS - 1), FAREWELL_DOUBT);
    ck_assert_int_eq(after(1), FAREWELL_OVER);
}
END_TEST

START_TEST(who_is_wanted_away_goes_at_once)
{
    farewell_begin(f, now);
    ck_assert_int_eq(after(NS_PER_SEC), FAREWELL_DOUBT);
    f->wanted_at = now;
    ck_assert_int_eq(look(), FAREWELL_OVER);
    /* That was said before the connection's end was seen, or long before. */
    *f = (Farewell) { .wanted_at = now };
    farewell_begin(f, now + FAREWELL_WANTED_NS);
    ck_assert_int_eq(after(FAREWELL_WANTED_NS), FAREWELL_OVER);
    *f = (Farewell) { .wanted_at = now };
    farewell_begin(f, now + FAREWELL_WANTED_NS + 1);
    ck_assert_int_eq(after(FAREWELL_WANTED_NS + 1), FAREWELL_DOUBT);
}
END_TEST

START_TEST(the_dead_have_a_minute)
{
    farewell_begin(f, now);
    seen.dead = true;
    look();
    ck_assert_int_eq(after(FAREWELL_RELEASING_NS - 1), FAREWELL_RELEASING);
    ck_assert_int_eq(after(1), FAREWELL_OVER);
}
END_TEST

START_TEST(who_lives_waits_for_us)
{
    farewell_begin(f, now);
    seen.bye = seen.reached = true;
    ck_assert_int_eq(look(), FAREWELL_RELEASING);
    ck_assert(!farewell_leaves(f));
    ck_assert_int_eq(after(FAREWELL_BYE_NS - 1), FAREWELL_RELEASING);
    ck_assert_int_eq(after(1), FAREWELL_OVER);
}
END_TEST

/* Its guest stands still meanwhile. */
START_TEST(who_lives_does_not_wait_for_providers_that_are_away)
{
    farewell_begin(f, now);
    seen.bye = true;
    ck_assert_int_eq(look(), FAREWELL_RELEASING);
    ck_assert_int_eq(after(FAREWELL_LAST_NS - 1), FAREWELL_RELEASING);
    ck_assert_int_eq(after(1), FAREWELL_OVER);
}
END_TEST

START_TEST(what_is_out_may_be_answered)
{
    farewell_begin(f, now);
    seen.dead = true;
    f->wanted_at = now;
    ck_assert_int_eq(after(NS_PER_SEC), FAREWELL_RELEASING);
    ck_assert_int_eq(after(FAREWELL_LAST_NS - 1), FAREWELL_RELEASING);
    ck_assert_int_eq(after(1), FAREWELL_OVER);
}
END_TEST

START_TEST(over_when_nothing_is_held)
{
    farewell_begin(f, now);
    seen.held = false;
    ck_assert_int_eq(look(), FAREWELL_DOUBT);
    seen.dead = true;
    ck_assert_int_eq(look(), FAREWELL_RELEASING);
    ck_assert_int_eq(look(), FAREWELL_OVER);
}
END_TEST

/* ---------------------------------------------------------------- leases */

static void releasing(void)
{
    farewell_begin(f, now);
    seen.dead = true;
    ck_assert_int_eq(look(), FAREWELL_RELEASING);
    nr_sent = 0;
    farewell_release(&p, now);
}

static void says(const Lease *l, uint8_t type, uint16_t status)
{
    WireHead head = { .type = type, .status = status, .lease = l->known.id,
                      .tag = tag_encode(TAG_CLAIM, l->index, 0) };

    farewell_answer(&p, &remote, true, &head);
}

/* It is claimed at last, and so it can be released. */
static void claimed_and_released(const Lease *l)
{
    says(l, RCACHE_CLAIM_ACK, RCACHE_OK);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    says(l, RCACHE_RELEASE_ACK, RCACHE_OK);
    ck_assert_ptr_null(p.leases.entry[0]);
}

START_TEST(a_claimed_lease_is_released)
{
    Lease *l = ready(LEASE);

    releasing();
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    farewell_tick(&p, now += NS_PER_SEC);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 0);
    says(l, RCACHE_RELEASE_ACK, RCACHE_OK);
    ck_assert_ptr_null(p.leases.entry[0]);
    ck_assert_uint_eq(table[0].id, 0);
}
END_TEST

/* Or a CLAIM that was out when the VM ended would have it for ever. */
START_TEST(what_is_not_claimed_is_claimed_first)
{
    Lease *l = granted(LEASE);

    releasing();
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 0);
    says(l, RCACHE_CLAIM_ACK, RCACHE_OK);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    says(l, RCACHE_CLAIM_ACK, RCACHE_OK);       /* to the one before */
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 0);
    says(l, RCACHE_RELEASE_ACK, RCACHE_OK);
    ck_assert_ptr_null(p.leases.entry[0]);
}
END_TEST

START_TEST(a_refused_release_is_no_end)
{
    Lease *l = ready(LEASE);

    releasing();
    says(l, RCACHE_RELEASE_ACK, RCACHE_E_LEASE);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    nr_sent = 0;
    farewell_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
    says(l, RCACHE_CLAIM_ACK, RCACHE_E_BUSY);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    farewell_tick(&p, now += 6 * NS_PER_SEC);
    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
    claimed_and_released(l);
}
END_TEST

START_TEST(what_is_not_known_is_gone)
{
    Lease *l = ready(LEASE);

    releasing();
    says(l, RCACHE_RELEASE_ACK, RCACHE_E_LEASE);
    wire_text_copy(remote.answers, sizeof(remote.answers), "p7");
    says(l, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);  /* another host's word */
    ck_assert_ptr_eq(p.leases.entry[0], l);
    wire_text_copy(remote.answers, sizeof(remote.answers), "p0");
    says(l, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    ck_assert_ptr_null(p.leases.entry[0]);
}
END_TEST

START_TEST(who_is_away_is_asked_when_it_is_back)
{
    Lease *l = ready(LEASE);

    remote.state = REMOTE_DOWN;
    lease_remote_down(&p, &remote);
    releasing();
    farewell_tick(&p, now += 30 * NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 0);
    remote.state = REMOTE_UP;
    farewell_remote_up(&p, &remote);
    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
    claimed_and_released(l);
}
END_TEST

/* The next pager of this VM may need it: nothing is given back in a doubt. */
START_TEST(nothing_goes_in_a_doubt)
{
    Lease *l = ready(LEASE);

    lease_release(&p, l);       /* it had become too much */
    farewell_begin(f, now);
    nr_sent = 0;
    farewell_remote_up(&p, &remote);
    says(l, RCACHE_RELEASE_ACK, RCACHE_OK);
    ck_assert_uint_eq(nr_sent, 0);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    seen.dead = true;
    look();
    farewell_release(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("farewell");
    TCase *tc = tcase_create("farewell");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, begin, tear_down);
    tcase_add_test(tc, nothing_before_it_begins);
    tcase_add_test(tc, a_doubt_has_no_end_of_its_own);
    tcase_add_test(tc, who_is_waited_for_does_not_stay);
    tcase_add_test(tc, who_becomes_alone_late_has_as_long);
    tcase_add_test(tc, a_doubt_ends_where_nothing_is_away);
    tcase_add_test(tc, who_is_wanted_away_goes_at_once);
    tcase_add_test(tc, the_dead_have_a_minute);
    tcase_add_test(tc, who_lives_waits_for_us);
    tcase_add_test(tc, who_lives_does_not_wait_for_providers_that_are_away);
    tcase_add_test(tc, what_is_out_may_be_answered);
    tcase_add_test(tc, over_when_nothing_is_held);
    tcase_add_test(tc, a_claimed_lease_is_released);
    tcase_add_test(tc, what_is_not_claimed_is_claimed_first);
    tcase_add_test(tc, a_refused_release_is_no_end);
    tcase_add_test(tc, what_is_not_known_is_gone);
    tcase_add_test(tc, who_is_away_is_asked_when_it_is_back);
    tcase_add_test(tc, nothing_goes_in_a_doubt);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
