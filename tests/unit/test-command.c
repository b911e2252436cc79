/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that are cancelled, also while a new pager does not know all pages
 * yet: each has one RESULT, and limits are what they were.  An evict of more
 * than the guest leaves alone ends.  command.c alone: the VMM, and pages that
 * go and come, are played here.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "rcached/pager/pager.h"

#define PAGES   1024u
#define RAM     1000u           /* of them */
#define ID      77u

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static uint64_t now, resident;
static struct RcacheVmmResult result;
static unsigned nr_results, nr_link_results;

uint64_t pager_now(void)
{
    return now;
}

uint64_t pager_resident(const Pager *pager)
{
    return resident;
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    const struct RcacheVmmHdr *hdr = msg;

    if (hdr->type == RCACHE_VMM_RESULT) {
        ck_assert_uint_eq(len, sizeof(result));
        memcpy(&result, msg, len);
        nr_results++;
    }
}

void uplink_result(Pager *pager, uint64_t tag, int status, uint64_t value,
                   const char *text)
{
    nr_link_results++;
}

void limit_end(Pager *pager)
{
    pager->limits.auto_least = 0;
}

void limit_resume(Pager *pager, uint64_t least)
{
    pager->limits.auto_least = least;
}

int fetch_start(Pager *pager, uint64_t page, uint64_t word, bool demand,
                uint64_t at)
{
    return -EBUSY;
}

/* A new pager that has looked at no page yet. */
static void set_up(void)
{
    p = g_new0(Pager, 1);
    memset(words, 0, sizeof(words));
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    guest_init(&p->guest);
    p->attach.reconcile.left = 2;
    p->limits = (Limits) { .ram = RAM, .size = 700, .local_max = 400 };
    now = 1000 * NS_PER_SEC;
    resident = 390;
    nr_results = nr_link_results = 0;
}

static void tear_down(void)
{
    guest_deinit(&p->guest);
    table_deinit(&p->table);
    g_free(p);
}

static void resize(uint32_t what, uint64_t size, uint64_t local_max)
{
    struct RcacheVmmResize msg = {
        .hdr.id = ID, .what = what, .size = size * RCACHE_PAGE_SIZE,
        .local_max = local_max * RCACHE_PAGE_SIZE,
    };

    command_resize(p, &msg);
}

/* The loop, for a while: not all pages are known yet, so nothing ends. */
static void wait_for_the_attach(void)
{
    for (unsigned i = 0; i < 300; i++) {
        now += 100 * NS_PER_MS;
        command_tick(p, now);
    }
    ck_assert_uint_eq(nr_results, 0);
}

static void is_cancelled(uint64_t value)
{
    ck_assert_uint_eq(nr_results, 1);
    ck_assert_uint_eq(result.hdr.id, ID);
    ck_assert_int_eq(result.status, -ECANCELED);
    ck_assert_uint_eq(result.value, value * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(result.size, 700 * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(result.local_max, 400 * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(p->limits.size, 700);
    ck_assert_uint_eq(p->limits.local_max, 400);
    ck_assert_int_eq(p->command.active.kind, COMMAND_NONE);
}

/* All pages are known now: of the command nothing is left. */
static void is_over(void)
{
    p->attach.reconcile.left = 0;
    ck_assert_uint_eq(command_wants(p), 0);
    ck_assert(!command_home_work(p, now));
    command_tick(p, now + 60 * NS_PER_SEC);
    command_cancel(p, ID);              /* its RESULT was on its way */
    ck_assert_uint_eq(nr_results, 1);
}

START_TEST(an_evict_before_all_pages_are_known)
{
    command_evict(p, false, ID, RCACHE_EVICT_BYTES, 100 * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(command_wants(p), 100);
    wait_for_the_attach();
    command_cancel(p, ID + 1);          /* of another command */
    ck_assert_uint_eq(nr_results, 0);
    command_cancel(p, ID);
    is_cancelled(0);
    is_over();
}
END_TEST

START_TEST(a_resize_before_all_pages_are_known)
{
    resize(RCACHE_RESIZE_SIZE | RCACHE_RESIZE_LOCAL_MAX, 900, 200);
    ck_assert_uint_eq(p->limits.local_max, 200);
    wait_for_the_attach();
    command_cancel(p, ID);
    is_cancelled(390);
    is_over();
}
END_TEST

/* rcached chose local_max; to bring all home ended that. */
START_TEST(a_resize_that_ended_auto)
{
    p->limits.auto_least = 300;
    resize(RCACHE_RESIZE_SIZE, 0, 0);
    ck_assert_uint_eq(p->limits.auto_least, 0);
    command_cancel(p, ID);
    ck_assert_uint_eq(p->limits.auto_least, 300);
    ck_assert_uint_eq(result.flags, RCACHE_RESULT_AUTO);
    ck_assert_uint_eq(p->limits.size, 700);
    is_over();
}
END_TEST

START_TEST(what_went_until_then_is_told)
{
    p->attach.reconcile.left = 0;
    command_evict(p, false, ID, RCACHE_EVICT_BYTES, 100 * RCACHE_PAGE_SIZE);
    command_evicted(p, 30);
    command_tick(p, now);
    command_cancel(p, ID);
    is_cancelled(30);
    is_over();
}
END_TEST

/* The VMM's numbers are not rcached's. */
START_TEST(an_evict_of_rcached_is_not_the_vmms)
{
    command_evict(p, true, ID, RCACHE_EVICT_BYTES, 100 * RCACHE_PAGE_SIZE);
    command_cancel(p, ID);
    ck_assert_uint_eq(nr_results + nr_link_results, 0);
    ck_assert_int_eq(p->command.active.kind, COMMAND_EVICT_BYTES);
}
END_TEST

static void set_state(uint64_t page, enum RcachePageState state)
{
    uint64_t word = table_load(&p->table, page);

    ck_assert(table_step(&p->table, page, word, page_to(word, state)));
}

/* What was here has had its turn; the rest the guest brings back. */
START_TEST(an_evict_of_more_than_the_guest_leaves_alone)
{
    p->attach.reconcile.left = 0;
    set_state(5, RCACHE_EVICTING);
    command_evict(p, false, ID, RCACHE_EVICT_BYTES, 500 * RCACHE_PAGE_SIZE);
    command_evicted(p, 30);
    p->clock.swept += 100 * PAGES;      /* of what was managed until then */
    command_tick(p, now);
    p->takeover.managed = true;
    ck_assert_uint_eq(command_wants(p), 470);
    p->clock.swept += (CLOCK_CREDIT_MAX + 2) * PAGES;
    command_tick(p, now);
    ck_assert_uint_eq(command_wants(p), 470);
    p->clock.swept++;
    ck_assert_uint_eq(command_wants(p), 0);
    command_tick(p, now);
    ck_assert_uint_eq(nr_results, 0);   /* a page is on its way */
    command_evicted(p, 1);
    set_state(5, RCACHE_PUNCHING);
    command_tick(p, now);
    ck_assert_uint_eq(nr_results, 1);
    ck_assert_int_eq(result.status, -EAGAIN);
    ck_assert_uint_eq(result.value, 31 * RCACHE_PAGE_SIZE);
    is_over();
}
END_TEST

/* ------------------------------------------------------------------ held */

START_TEST(an_evict_of_a_vm_that_is_held)
{
    p->attach.reconcile.left = 0;
    p->limits.held = true;
    command_evict(p, false, ID, RCACHE_EVICT_BYTES, 100 * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(nr_results, 1);
    ck_assert_int_eq(result.status, -EPERM);
    ck_assert_ptr_nonnull(strstr(result.text, "hold=off"));
    ck_assert_int_eq(p->command.active.kind, COMMAND_NONE);
}
END_TEST

START_TEST(an_evict_that_a_hold_ends)
{
    p->attach.reconcile.left = 0;
    command_evict(p, false, ID, RCACHE_EVICT_BYTES, 100 * RCACHE_PAGE_SIZE);
    command_evicted(p, 30);
    p->limits.held = true;
    ck_assert_uint_eq(command_wants(p), 0);
    command_tick(p, now);
    ck_assert_uint_eq(nr_results, 1);
    ck_assert_int_eq(result.status, -EPERM);
    ck_assert_uint_eq(result.value, 30 * RCACHE_PAGE_SIZE);
    is_over();
}
END_TEST

/* It is what holds when the hold is over: nothing has to go for it. */
START_TEST(a_resize_of_a_vm_that_is_held)
{
    p->attach.reconcile.left = 0;
    p->limits.held = true;
    p->limits.held_max = RAM;
    resize(RCACHE_RESIZE_LOCAL_MAX, 0, 310);
    command_tick(p, now);
    ck_assert_uint_eq(nr_results, 1);
    ck_assert_int_eq(result.status, 0);
    ck_assert_uint_eq(result.local_max, 310 * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(p->limits.local_max, 310);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("command");
    TCase *tc = tcase_create("command");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_evict_before_all_pages_are_known);
    tcase_add_test(tc, a_resize_before_all_pages_are_known);
    tcase_add_test(tc, a_resize_that_ended_auto);
    tcase_add_test(tc, what_went_until_then_is_told);
    tcase_add_test(tc, an_evict_of_rcached_is_not_the_vmms);
    tcase_add_test(tc, an_evict_of_more_than_the_guest_leaves_alone);
    tcase_add_test(tc, an_evict_of_a_vm_that_is_held);
    tcase_add_test(tc, an_evict_that_a_hold_ends);
    tcase_add_test(tc, a_resize_of_a_vm_that_is_held);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
