/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that the kernel refuses, such as broken memory: tried again more and
 * more seldom, told once, and forgotten when they are there.  The userfaultfd
 * and the loop's timers are played here.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcached/pager/arrival.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

#define PAGES   RCACHE_FRAME_PAGES
#define PAGE    5u
#define SLOT    slot_make(3, 7)

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheCounts counts;
static struct RcacheLease entry;
static Remote remote;
static uint64_t now;
static bool soon;
static int answer;                      /* of the userfaultfd */
static unsigned nr_tries, nr_degraded, nr_recovered;

static int tried(void)
{
    nr_tries++;
    return answer;
}

int uffd_read(int fd, uint64_t *out, uint32_t *thread)
{
    return 0;
}

int uffd_register(int fd, uint64_t start, uint64_t len, bool writes)
{
    return 0;
}

int uffd_copy(int fd, uint64_t addr, const void *src, bool protect)
{
    return tried();
}

int uffd_zeropage(int fd, uint64_t addr)
{
    return tried();
}

int uffd_continue(int fd, uint64_t addr, bool protect)
{
    return tried();
}

int uffd_wake(int fd, uint64_t start, uint64_t len)
{
    return 0;
}

uint64_t pager_now(void)
{
    return now;
}

void pager_soon(Pager *pager)
{
    soon = true;
}

void pager_quit(Pager *pager, const char *fmt, ...)
{
    ck_abort_msg("pager_quit");
}

uint64_t pager_resident(const Pager *pager)
{
    return 0;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_degraded += event == RCACHE_EVENT_DEGRADED && page == PAGE;
    nr_recovered += event == RCACHE_EVENT_RECOVERED;
}

static void set_up(void)
{
    GuestBlock *b;

    p = g_new0(Pager, 1);
    b = &p->guest.block[0];
    p->vmm.sock.fd = -1;
    p->report.counts = &counts;
    memset(words, 0, sizeof(words));
    guest_init(&p->guest);
    b->fd = memfd_create("guest", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(b->fd, PAGES * RCACHE_PAGE_SIZE), 0);
    b->present = true;
    b->pages = PAGES;
    p->guest.nr_blocks = 1;
    faults_init(&p->faults);
    page_errors_init(&p->errors);
    fetches_init(&p->fetches);
    slots_init(&p->slots);
    locations_init(&p->locations, NULL);
    slots_add(&p->slots, 3, 0, 5, 64);
    slots_mark(&p->slots, SLOT);
    p->leases.entry[0] = lease_new(0, &entry, &remote, 1);
    p->limits.local_max = p->limits.ram = p->limits.size = PAGES;
    now = 100 * NS_PER_SEC;
    nr_tries = nr_degraded = nr_recovered = 0;
    soon = false;
}

static void begin(uint64_t word, int err)
{
    words[PAGE] = word;
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    answer = err;
}

static void tear_down(void)
{
    fetches_deinit(&p->fetches);
    faults_deinit(&p->faults);
    page_errors_deinit(&p->errors);
    leases_deinit(&p->leases);
    locations_deinit(&p->locations);
    slots_deinit(&p->slots);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    g_free(p);
}

/* What pager.c does: the timer if it is set, and ten ticks a second. */
static void live(unsigned ms)
{
    for (unsigned i = 1; i <= ms; i++) {
        now += NS_PER_MS;
        if (soon || i % 100 == 0) {
            soon = false;
            fault_retry(p, now);
            fetch_retry(p, now);
        }
    }
}

/* A second into it, and then ten more, it has hardly been tried. */
static void expect_patience(void)
{
    live(1000);
    ck_assert_uint_ge(nr_tries, 5);
    ck_assert_uint_le(nr_tries, 12);
    nr_tries = 0;
    live(10000);
    ck_assert_uint_ge(nr_tries, 8);
    ck_assert_uint_le(nr_tries, 12);
    ck_assert_uint_eq(nr_degraded, 1);
    ck_assert_uint_eq(nr_recovered, 0);
}

static void expect_end(void)
{
    answer = 0;
    live(1100);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(nr_recovered, 1);
    nr_tries = 0;
    live(3000);
    ck_assert_uint_eq(nr_tries, 0);
    ck_assert(page_errors_due(&p->errors, PAGE, 0));
}

START_TEST(a_page_that_is_here)
{
    begin(page_begin(0, RCACHE_HOT), -EHWPOISON);
    fault_page(p, PAGE, now);
    fault_page(p, PAGE, now);           /* another CPU touches it */
    ck_assert_uint_eq(nr_tries, 2);
    expect_patience();
    expect_end();
}
END_TEST

START_TEST(a_page_of_zeros)
{
    begin(page_begin(0, RCACHE_ZERO), -EIO);
    fault_page(p, PAGE, now);
    ck_assert_uint_eq(nr_tries, 1);
    expect_patience();
    expect_end();
}
END_TEST

START_TEST(a_page_that_comes_back)
{
    static const uint8_t key[RCACHE_KEY_SIZE] = { 1 }, vm[16] = { 2 };
    uint8_t bytes[RCACHE_PAGE_SIZE] = { 0 };
    SealMark mark;

    begin(page_with_slot(page_begin(0, RCACHE_REMOTE), SLOT), -EIO);
    p->seal = seal_new(key, true, vm, 3, NULL);
    ck_assert(seal_page(p->seal, PAGE, &sides[PAGE], bytes, &mark));
    ck_assert(seal_store(&sides[PAGE], &mark, 0));
    fault_page(p, PAGE, now);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    location_forget(p, 0);
    fetch_got(p, 0, &remote, bytes);
    ck_assert_uint_eq(nr_tries, 1);
    expect_patience();
    expect_end();
    ck_assert_uint_eq(p->fetches.nr, 0);
    seal_free(p->seal);
}
END_TEST

START_TEST(what_nobody_wants_any_more_is_forgotten)
{
    begin(page_begin(0, RCACHE_HOT), -EIO);
    fault_page(p, PAGE, now);
    guest_del_block(&p->guest, 0);
    live(2000);
    ck_assert_uint_eq(nr_recovered, 1);
    nr_tries = 0;
    live(3000);
    ck_assert_uint_eq(nr_tries, 0);
}
END_TEST

START_TEST(memory_that_is_short_is_asked_for_at_once)
{
    begin(page_begin(0, RCACHE_HOT), -ENOMEM);
    fault_page(p, PAGE, now);
    live(100);
    ck_assert_uint_ge(nr_tries, 90);
    ck_assert_uint_eq(nr_degraded, 0);
}
END_TEST

static Suite *page_errors_suite(void)
{
    Suite *s = suite_create("page-errors");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_page_that_is_here);
    tcase_add_test(t, a_page_of_zeros);
    tcase_add_test(t, a_page_that_comes_back);
    tcase_add_test(t, what_nobody_wants_any_more_is_forgotten);
    tcase_add_test(t, memory_that_is_short_is_asked_for_at_once);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(page_errors_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
