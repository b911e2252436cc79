/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How RAM comes under management.  takeover.c alone: memory is played here. */
#include <check.h>
#include <errno.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

#define PAGES   (UINT64_C(100) << 10)   /* of the block: seven pieces */
#define ADDRESS (UINT64_C(1) << 40)

static Pager *p;
static uint64_t *words;
static struct RcacheSide *sides;
static uint64_t now, here;              /* here: bytes in the memfds */
static unsigned nr_asked, nr_registered, nr_told, nr_polls;
static uint64_t registered_at, registered_bytes;
static int registering;
static bool all_may_be_here;
static bool registered_writes, no_writes;       /* the kernel tracks none */
static unsigned nr_tracked;

uint64_t pager_now(void)
{
    return now;
}

bool limit_is_all(const Pager *pager)
{
    return all_may_be_here;
}

uint64_t guest_blocks_bytes(const Guest *guest)
{
    return here;
}

GuestBlock *guest_block_of_page(Guest *guest, uint64_t page)
{
    return &guest->block[0];
}

int guest_keep(Guest *guest, uint64_t page, unsigned n)
{
    return 0;
}

void guest_unmap(Guest *guest)
{
}

int reconcile_ask(Reconcile *r, uint64_t first, unsigned n,
                  const uint64_t *word, uint8_t *has)
{
    for (unsigned i = 0; i < n; i++) {
        has[i] = first + i < here / RCACHE_PAGE_SIZE;
    }
    return 0;
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    nr_asked++;
}

void kept_track(Pager *pager, unsigned block)
{
    nr_tracked++;
}

int uffd_register(int fd, uint64_t start, uint64_t len, bool writes)
{
    if (writes && no_writes) {
        return -EINVAL;
    }
    nr_registered++;
    registered_writes = writes;
    registered_at = start;
    registered_bytes = len;
    return registering;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_told += event == RCACHE_EVENT_DEGRADED;
}

void fault_poll(Pager *pager)
{
    nr_polls++;
}

bool slots_valid(const Slots *slots, uint64_t slot)
{
    return false;
}

void location_free(Pager *pager, uint64_t slot)
{
    ck_abort_msg("no slot is in use");
}

static void set_up(void)
{
    p = g_new0(Pager, 1);
    words = g_new0(uint64_t, PAGES);
    sides = g_new0(struct RcacheSide, PAGES);
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    p->guest.nr_blocks = 1;
    p->guest.block[0] = (GuestBlock) {
        .present = true, .pages = PAGES, .address = ADDRESS,
    };
    p->limits.ram = PAGES;
    p->limits.local_max = PAGES / 2;
    now = 100 * NS_PER_SEC;
    here = nr_asked = nr_registered = nr_told = nr_polls = 0;
    registering = 0;
    all_may_be_here = registered_writes = no_writes = false;
    nr_tracked = 0;
}

static void tear_down(void)
{
    table_deinit(&p->table);
    g_free(sides);
    g_free(words);
    g_free(p);
}

static void take_up(unsigned percent)
{
    here = p->limits.local_max * RCACHE_PAGE_SIZE / 100 * percent;
    takeover_tick(p, now);
}

static void vmm_answers(int status)
{
    struct RcacheVmmManage msg = { .status = status };

    takeover_answer(p, &msg);
}

START_TEST(nothing_until_it_is_needed)
{
    take_up(79);
    ck_assert_uint_eq(nr_asked, 0);
    all_may_be_here = true;
    take_up(100);
    ck_assert_uint_eq(nr_asked, 0);
    all_may_be_here = false;
    take_up(80);
    take_up(81);
    ck_assert_uint_eq(nr_asked, 1);
    ck_assert(!takeover_work(p));       /* the VMM has not answered */
    ck_assert_uint_eq(nr_registered, 0);
}
END_TEST

/* All of a block has its faults come to us before its first piece is done. */
START_TEST(a_block_is_registered_as_a_whole)
{
    take_up(80);
    vmm_answers(0);
    here += 10 * RCACHE_PAGE_SIZE;      /* the guest goes on until then */
    p->takeover.arrived = 3;
    ck_assert(takeover_work(p));
    ck_assert_uint_eq(nr_registered, 1);
    ck_assert_uint_eq(registered_at, ADDRESS);
    ck_assert_uint_eq(registered_bytes, PAGES * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(p->takeover.block_bytes, here);
    ck_assert_uint_eq(p->takeover.arrived, 0);
    ck_assert(!p->takeover.managed);
    ck_assert_uint_gt(nr_polls, 1);
    while (takeover_work(p)) {
    }
    ck_assert(p->takeover.managed);
    ck_assert_uint_eq(nr_registered, 1);
    ck_assert_uint_eq(p->table.count[RCACHE_HOT], here / RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(p->table.count[RCACHE_HOT] +
                      p->table.count[RCACHE_UNTOUCHED], PAGES);
}
END_TEST

/* With keep-clean what is written is tracked; without, nothing is asked for. */
START_TEST(writes_are_tracked_if_they_are_to_be)
{
    p->kept.wanted = _i;
    no_writes = _i == 2;
    take_up(80);
    vmm_answers(0);
    while (takeover_work(p)) {
    }
    ck_assert_uint_eq(nr_registered, 1);
    ck_assert_int_eq(registered_writes, _i == 1);
    ck_assert_uint_eq(nr_tracked, 1);   /* kept.c asks the kernel itself */
    ck_assert_uint_eq(nr_told, 0);
}
END_TEST

/* 0: the VMM refuses; 1: the kernel does. */
START_TEST(a_refusal_is_told_once_and_asked_again)
{
    registering = _i ? -ENOMEM : 0;
    for (unsigned i = 1; i <= 3; i++) {
        take_up(80);
        vmm_answers(_i ? 0 : -ENOMEM);
        ck_assert(!takeover_work(p));
        take_up(80);                    /* not at once */
        ck_assert_uint_eq(nr_asked, i);
        ck_assert_uint_eq(nr_registered, _i ? i : 0);
        now += NS_PER_SEC;
    }
    ck_assert_uint_eq(nr_told, 1);
    ck_assert_uint_eq(p->guest.block[0].managed, 0);
    registering = 0;
    take_up(80);
    vmm_answers(0);
    while (takeover_work(p)) {
    }
    ck_assert(p->takeover.managed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("takeover");
    TCase *t = tcase_create("takeover");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, nothing_until_it_is_needed);
    tcase_add_test(t, a_block_is_registered_as_a_whole);
    tcase_add_loop_test(t, writes_are_tracked_if_they_are_to_be, 0, 3);
    tcase_add_loop_test(t, a_refusal_is_told_once_and_asked_again, 0, 2);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
