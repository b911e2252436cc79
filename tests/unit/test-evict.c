/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages go and when, and what counts as progress.  evict.c with its hands
 * and limits: the guest is a memfd, zaps and providers are played here.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/wire-check.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/written.h"

#define PAGES   2048u
#define ZAPPED  512u            /* of them, the first */

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheCounts counts;
static const uint8_t key[RCACHE_KEY_SIZE] = { 1 }, vm[16] = { 2 };
static uint64_t now;

/* What the providers are said to do; and what was put and freed. */
static bool coming;
static uint64_t overdue;
static unsigned nr_puts, nr_put, nr_freed, put_number;
static uint64_t put_sum;                /* of the first page */
static uint8_t put_page[RCACHE_PAGE_SIZE];

/* What reading one page comes to: -errno, or the bytes there are; 0: works. */
static uint64_t broken;
static int broken_as;
static unsigned nr_zapped;      /* zaps that name it */

ssize_t pread64(int fd, void *buf, size_t len, off64_t at)
{
    uint64_t first = at / RCACHE_PAGE_SIZE;

    if (broken_as && broken >= first &&
        broken < first + len / RCACHE_PAGE_SIZE) {
        errno = broken_as < 0 ? -broken_as : 0;
        return broken_as < 0 ? -1 : broken_as;
    }
    return syscall(SYS_pread64, fd, buf, len, at);
}

uint64_t pager_now(void)
{
    return now;
}

uint64_t pager_resident(const Pager *pager)
{
    return table_resident(&pager->table);
}

void pager_soon(Pager *pager)
{
}

void uplink_auto(Pager *pager)
{
}

void fault_poll(Pager *pager)
{
}

int install_wake(Guest *guest, uint64_t page)
{
    return 0;
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    const struct RcacheVmmZap *zap = msg;

    for (unsigned i = 0; i < zap->nr_ranges; i++) {
        nr_zapped += broken >= zap->range[i].first &&
                     broken < zap->range[i].first + zap->range[i].count;
    }
}

uint64_t command_wants(const Pager *pager)
{
    return 0;
}

void command_evicted(Pager *pager, unsigned n)
{
}

bool location_has_room(const Pager *pager)
{
    return true;
}

bool location_is_coming(const Pager *pager, uint64_t at)
{
    return coming;
}

uint64_t location_overdue(const Pager *pager, uint64_t at)
{
    return overdue;
}

unsigned location_reserve(Pager *pager, uint64_t *out, unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        out[i] = slot_make(1, i);
    }
    return max;
}

void location_unreserve(Pager *pager, const uint64_t *slot, unsigned n)
{
}

bool location_put(Pager *pager, unsigned i, const uint64_t *slot, unsigned n,
                  const uint64_t *sum, const void *bytes)
{
    put_number = i;
    put_sum = sum[0];
    memcpy(put_page, bytes, sizeof(put_page));
    nr_put = n;
    nr_puts++;
    return true;
}

void location_free(Pager *pager, uint64_t slot)
{
    nr_freed++;
}

/* No page keeps its slot here: test-kept has those. */
bool location_knows(const Pager *pager, uint64_t slot)
{
    return true;
}

void freeing_flush(Pager *pager, bool all)
{
    ck_abort();
}

uint64_t put_room(const Pager *pager, uint64_t at)
{
    return 0;
}

bool put_is_room(const Pager *pager, uint32_t group, unsigned copies,
                 uint64_t at)
{
    ck_abort();
}

bool providers_is_silent(const Pager *pager, const Remote *r, uint64_t at)
{
    ck_abort();
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    ck_abort();
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    ck_abort();
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    ck_abort();
}

uint32_t places_excess(const Lease *l)
{
    return 0;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t at, uint64_t *since)
{
    return RCACHE_CAUSE_NONE;
}

int written_is_tracked(int fd, uint64_t addr)
{
    ck_abort();
}

int written_clean(int fd, uint64_t addr, unsigned n, uint8_t *clean)
{
    ck_abort();
}

/* All pages are here, and the first ones are old enough to go. */
static void set_up(void)
{
    GuestBlock *b;

    p = g_new0(Pager, 1);
    p->report.counts = &counts;
    p->seal = seal_new(key, true, vm, 3, NULL);
    memset(sides, 0, sizeof(sides));
    memset(&counts, 0, sizeof(counts));
    guest_init(&p->guest);
    b = &p->guest.block[0];
    *b = (GuestBlock) { .present = true, .pages = PAGES,
                        .fd = memfd_create("guest", MFD_CLOEXEC) };
    p->guest.nr_blocks = 1;
    ck_assert_int_eq(ftruncate(b->fd, PAGES * RCACHE_PAGE_SIZE), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_int_eq(pwrite(b->fd, "x", 1, i * RCACHE_PAGE_SIZE), 1);
        words[i] = i < ZAPPED ? RCACHE_ZAPPED : RCACHE_HOT;
    }
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    for (unsigned i = 0; i < PAGES; i += RCACHE_FRAME_PAGES) {
        table_recount(&p->table, i);
    }
    p->clock.front = p->clock.between = ZAPPED;
    p->limits = (Limits) { .ram = PAGES, .size = PAGES, .local_max = 1024 };
    room_queue_init(&p->faults.room);
    evictor_init(&p->evictor);
    slots_init(&p->slots);
    now = 1000 * NS_PER_SEC;
    coming = false;
    overdue = nr_puts = nr_put = nr_freed = 0;
    broken_as = nr_zapped = 0;
}

static void tear_down(void)
{
    evictor_deinit(&p->evictor);
    slots_deinit(&p->slots);
    room_queue_deinit(&p->faults.room);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    seal_free(p->seal);
    g_free(p);
}

/* -------------------------------------------------------------- progress */

START_TEST(only_pages_that_have_gone_are_progress)
{
    uint64_t began = now;

    for (unsigned i = 1; i < 5; i++) {
        p->clock.back = 0;
        p->clock.between = ZAPPED;
        nr_freed = 0;
        evict_work(p, now);
        ck_assert_uint_eq(nr_puts, i);
        evict_stored(p, put_number, false);     /* it was refused */
        ck_assert_uint_eq(nr_freed, nr_put);
        ck_assert_uint_eq(page_state(words[0]), RCACHE_ZAPPED);
        /* The first one might have gone. */
        ck_assert_uint_eq(p->evictor.progress.at, began);
        now += NS_PER_SEC;
    }
    evict_work(p, now);
    evict_stored(p, put_number, true);
    ck_assert_uint_eq(p->evictor.progress.at, now);
    ck_assert_uint_eq(counts.evicted, nr_put);
}
END_TEST

START_TEST(a_put_of_pages_that_were_touched_is_no_progress)
{
    evict_work(p, now);
    for (unsigned i = 0; i < ZAPPED; i++) {
        table_step(&p->table, i, words[i], page_to(words[i], RCACHE_HOT));
    }
    now += NS_PER_SEC;
    evict_stored(p, put_number, true);
    ck_assert_uint_ne(p->evictor.progress.at, now);
    ck_assert_uint_eq(counts.evicted, 0);
}
END_TEST

/* What is sent is sealed, and its record says as what when the page is away. */
START_TEST(pages_leave_sealed)
{
    const char plain[16] = "x";
    const uint8_t *got;

    evict_work(p, now);
    ck_assert_uint_gt(nr_put, 0);
    ck_assert_int_ne(memcmp(put_page, plain, sizeof(plain)), 0);
    ck_assert_uint_eq(put_sum, wire_page_sum(put_page));
    ck_assert_uint_eq(sides[0].version, 1);
    evict_stored(p, put_number, true);
    ck_assert_uint_eq(page_state(words[0]), RCACHE_REMOTE);
    ck_assert_uint_eq(sides[0].sum, put_sum);
    got = seal_open(p->seal, 0, &sides[0], put_page);
    ck_assert_ptr_nonnull(got);
    ck_assert_int_eq(memcmp(got, plain, sizeof(plain)), 0);
}
END_TEST

/* The record is the one of the PUT that is out, or the page stays. */
START_TEST(a_page_that_was_sealed_again_stays)
{
    evict_work(p, now);
    sides[0].version++;
    evict_stored(p, put_number, true);
    ck_assert_uint_eq(page_state(words[0]), RCACHE_ZAPPED);
    ck_assert_uint_eq(page_state(words[1]), RCACHE_REMOTE);
    ck_assert_uint_eq(nr_freed, 1);
}
END_TEST

START_TEST(a_page_that_cannot_be_sealed_stays)
{
    sides[0].version = UINT64_MAX;
    evict_work(p, now);
    ck_assert_uint_eq(page_state(words[0]), RCACHE_HOT);
    ck_assert_uint_eq(page_state(words[1]), RCACHE_EVICTING);
    ck_assert_uint_eq(sides[0].version, UINT64_MAX);
}
END_TEST

START_TEST(zero_pages_that_go_are_progress)
{
    ck_assert_int_eq(ftruncate(p->guest.block[0].fd, 0), 0);
    ck_assert_int_eq(ftruncate(p->guest.block[0].fd,
                               PAGES * RCACHE_PAGE_SIZE), 0);
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 0);
    ck_assert_uint_gt(counts.zero_evicted, 0);
    ck_assert_uint_eq(p->evictor.progress.at, now);
}
END_TEST

/* Its leases are ready and its slots free, again and again. */
START_TEST(each_hope_counts_once)
{
    Progress progress = { .at = 5 };

    progress_hope(&progress, PROGRESS_ROOM, 10);
    ck_assert_uint_eq(progress.at, 10);
    progress_hope(&progress, PROGRESS_ROOM, 20);
    ck_assert_uint_eq(progress.at, 10);
    progress_hope(&progress, PROGRESS_SENT, 25);
    ck_assert_uint_eq(progress.at, 25);
    progress_hope(&progress, PROGRESS_SENT, 26);
    ck_assert_uint_eq(progress.at, 25);
    progress_made(&progress, 30);
    ck_assert_uint_eq(progress.at, 30);
    progress_hope(&progress, PROGRESS_ROOM, 40);
    ck_assert_uint_eq(progress.at, 40);
}
END_TEST

/* A provider that grants leases and asks each back before a page is there. */
START_TEST(leases_that_take_nothing_count_a_few_times)
{
    Progress progress = { .at = 5 };
    uint64_t at = 10;

    for (unsigned i = 0; i < PROGRESS_LEASES; i++, at += 10) {
        progress_hope(&progress, PROGRESS_SENT, at);
        ck_assert_uint_eq(progress.at, at);
        progress_lease(&progress, at + 1);
        ck_assert_uint_eq(progress.at, at + 1);
    }
    progress_hope(&progress, PROGRESS_SENT, at);
    progress_lease(&progress, at + 1);
    progress_lease(&progress, at + 2);
    progress_hope(&progress, PROGRESS_SENT, at + 3);
    ck_assert_uint_eq(progress.at, at);
    progress_made(&progress, at + 4);
    progress_lease(&progress, at + 5);
    ck_assert_uint_eq(progress.at, at + 5);
}
END_TEST

/* -------------------------------------------------------------- the last */

/* The front hand, with nothing to find, does not push the back hand on. */
START_TEST(the_last_ones_go_in_one_turn)
{
    const unsigned last = ZAPPED - 1;

    for (unsigned i = last; i < PAGES; i++) {
        table_step(&p->table, i, words[i], page_to(words[i], RCACHE_REMOTE));
    }
    p->limits.local_max = 0;
    for (unsigned gone = 0; gone < last; gone += nr_put) {
        ck_assert_uint_eq(p->clock.back, gone);
        evict_work(p, now);
        evict_stored(p, put_number, true);
    }
    ck_assert_uint_eq(counts.evicted, last);
    ck_assert_uint_eq(table_away(&p->table), PAGES);
}
END_TEST

/* What the back hand has left behind comes up again though nothing is HOT. */
START_TEST(those_left_behind_go_as_well)
{
    for (unsigned i = ZAPPED; i < PAGES; i++) {
        table_step(&p->table, i, words[i], page_to(words[i], RCACHE_REMOTE));
    }
    p->limits.local_max = 0;
    p->clock.back = ZAPPED;
    p->clock.between = 0;
    for (unsigned i = 0; i < 4 && !nr_puts; i++) {
        evict_work(p, now);
    }
    ck_assert_uint_eq(nr_puts, 1);
}
END_TEST

/* ------------------------------------------------------------- near size */

/* Some pages are being fetched, and only a few more may be away. */
static void near_size(void)
{
    for (unsigned i = PAGES - 100; i < PAGES; i++) {
        table_step(&p->table, i, words[i],
                   page_to(words[i], RCACHE_FETCHING));
    }
    p->limits.size = 100 + 7;
}

START_TEST(a_few_pages_wait_for_those_that_come)
{
    near_size();
    coming = true;
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 0);
}
END_TEST

START_TEST(a_few_pages_go_if_nothing_will_come)
{
    near_size();                /* asked of a provider that says nothing */
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 1);
    ck_assert_uint_eq(nr_put, 7);
}
END_TEST

/* It takes nothing of size from others; and when it comes it is too late. */
START_TEST(a_put_that_is_overdue_has_no_part_of_size)
{
    unsigned late, freed;

    p->limits.size = RCACHE_BATCH_PAGES + 7;
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 1);
    ck_assert_uint_eq(nr_put, RCACHE_BATCH_PAGES);
    late = put_number;
    evict_work(p, now);                 /* a few wait for these */
    ck_assert_uint_eq(nr_puts, 1);
    overdue = RCACHE_BATCH_PAGES;
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 2);
    ck_assert_uint_eq(nr_put, RCACHE_BATCH_PAGES);
    evict_stored(p, put_number, true);
    ck_assert_uint_eq(counts.evicted, RCACHE_BATCH_PAGES);
    freed = nr_freed;
    evict_stored(p, late, true);
    ck_assert_uint_eq(counts.evicted, p->limits.size);
    ck_assert_uint_eq(table_away(&p->table), p->limits.size);
    ck_assert_uint_eq(nr_freed - freed, RCACHE_BATCH_PAGES - 7);
    ck_assert_int_eq(p->table.count[RCACHE_EVICTING], 0);
}
END_TEST

/* ---------------------------------------------------------- broken memory */

/* The front hand comes by the broken page; is that page zapped? */
static bool comes_by(void)
{
    struct RcacheVmmZapDone done = { .hdr = { .size = sizeof(done) } };
    struct RcacheState state = { 0 };
    unsigned before = nr_zapped;

    p->clock.front = p->clock.back = broken;
    p->clock.between = 0;
    p->guest.state = &state;
    evict_work(p, now);
    p->guest.state = NULL;
    done.seq = p->evictor.zap_seq;
    evict_zap_done(p, &done);
    return nr_zapped > before;
}

static const int broken_ways[] = { -EIO, -ENOMEM, 100 };

/* The others go, and it is not zapped on every lap for nothing. */
START_TEST(a_page_that_cannot_be_read_stays)
{
    broken = 5;
    broken_as = broken_ways[_i];
    evict_work(p, now);
    ck_assert_uint_eq(nr_puts, 1);
    ck_assert_uint_eq(nr_put, RCACHE_BATCH_PAGES - 1);
    ck_assert_uint_eq(page_state(words[broken]), RCACHE_HOT);
    ck_assert_uint_eq(page_state(words[broken + 1]), RCACHE_EVICTING);
    ck_assert(!comes_by());
    ck_assert_uint_eq(page_state(words[broken]), RCACHE_HOT);
    now += 2 * NS_PER_SEC;
    ck_assert(comes_by());
    ck_assert_uint_eq(page_state(words[broken]), RCACHE_ZAPPED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("evict");
    TCase *tc = tcase_create("evict");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, only_pages_that_have_gone_are_progress);
    tcase_add_test(tc, a_put_of_pages_that_were_touched_is_no_progress);
    tcase_add_test(tc, pages_leave_sealed);
    tcase_add_test(tc, a_page_that_was_sealed_again_stays);
    tcase_add_test(tc, a_page_that_cannot_be_sealed_stays);
    tcase_add_test(tc, zero_pages_that_go_are_progress);
    tcase_add_test(tc, each_hope_counts_once);
    tcase_add_test(tc, leases_that_take_nothing_count_a_few_times);
    tcase_add_test(tc, the_last_ones_go_in_one_turn);
    tcase_add_test(tc, those_left_behind_go_as_well);
    tcase_add_test(tc, a_few_pages_wait_for_those_that_come);
    tcase_add_test(tc, a_few_pages_go_if_nothing_will_come);
    tcase_add_test(tc, a_put_that_is_overdue_has_no_part_of_size);
    tcase_add_loop_test(tc, a_page_that_cannot_be_read_stays, 0,
                        G_N_ELEMENTS(broken_ways));
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
