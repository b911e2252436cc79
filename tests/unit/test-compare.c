/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies in a slab is compared with the sums that are kept here: who is
 * asked for what, and what is made of the answers.  compare.c alone: providers
 * and fetches are played here.
 */
#include <check.h>
#include <string.h>

#include "common/wire-check.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define PAGES   128u            /* of the slab, and more than one batch */
#define GUEST   1024u           /* pages */
#define SLAB    3u
#define AT      2u              /* leases: what is compared, */
#define SOURCE  0u              /* what it was copied from, */
#define OTHER   1u              /* and the slab's other place */

static Pager *p;
static Remote remote[3];
static struct RcacheLease shared[3];
static GuestBlock block;
static uint64_t now;
static unsigned nr_sent, nr_verdicts, nr_fetched, nr_told;
static const Remote *closed;    /* the last whose session was ended */
static enum CompareVerdict verdict;
static WireHead sent;
static RcacheSlot sent_slots[RCACHE_BATCH_PAGES];
static const DataConn *sent_to;
static uint64_t fetched;

uint64_t pager_now(void)
{
    return now += 1000;
}

uint64_t pager_resident(const Pager *pager)
{
    return 0;
}

GuestBlock *guest_next_block(Guest *guest, uint64_t page, uint64_t *next)
{
    *next = page < GUEST ? page : 0;
    return &block;
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    sent = *head;
    memcpy(sent_slots, slots, head->count * sizeof(*slots));
    sent_to = conn;
    nr_sent++;
}

int fetch_start(Pager *pager, uint64_t page, uint64_t word, bool demand,
                uint64_t at)
{
    ck_assert(!demand);
    fetched = page;
    nr_fetched++;
    return 0;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return true;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_told++;
}

void remote_close(Remote *r, const char *reason)
{
    closed = r;
}

static void done(Pager *pager, unsigned i, enum CompareVerdict what)
{
    verdict = what;
    nr_verdicts++;
    compare_end(pager, i);
}

/* The slab's page @page is the guest's page 5 + 2 * @page. */
static uint64_t guest_page(uint32_t page)
{
    return 5 + 2 * page;
}

static uint64_t sum_of(uint32_t page)
{
    return 1000 + page;
}

static void set_up(void)
{
    static const SlotPlace places[] = {
        { SOURCE, 7, false }, { OTHER, 8, true },
    };

    p = g_new0(Pager, 1);
    slots_init(&p->slots);
    compares_init(&p->compares);
    p->limits.local_max = 1;
    block = (GuestBlock) { .present = true, .pages = GUEST };
    table_init(&p->table, g_new0(uint64_t, GUEST),
               g_new0(struct RcacheSide, GUEST), GUEST);
    for (unsigned i = 0; i < 3; i++) {
        Lease *l;

        memset(&remote[i], 0, sizeof(remote[i]));
        remote[i].state = REMOTE_UP;
        remote[i].features = RCACHE_FEATURE_SUMS;
        shared[i] = (struct RcacheLease) { .id = 100 + i, .epoch = 1 };
        l = p->leases.entry[i] = lease_new(i, &shared[i], &remote[i], 0);
        l->claimed[0] = l->claimed[1] = true;
    }
    slots_add_at(&p->slots, SLAB, places, PAGES);
    slots_freeze(&p->slots, SLAB, true);
    for (uint32_t page = 0; page < PAGES; page++) {
        uint64_t i = guest_page(page);

        p->table.words[i] = page_with_slot(RCACHE_REMOTE,
                                           slot_make(SLAB, page));
        p->table.sides[i].sum = sum_of(page);
    }
    table_recount(&p->table, 0);
    table_recount(&p->table, RCACHE_FRAME_PAGES);
    nr_sent = nr_verdicts = nr_fetched = nr_told = 0;
    closed = NULL;
}

static void tear_down(void)
{
    g_free(p->table.words);
    g_free(p->table.sides);
    table_deinit(&p->table);
    compares_deinit(&p->compares);
    leases_deinit(&p->leases);
    slots_deinit(&p->slots);
    g_free(p);
}

static Lease *lease(unsigned i)
{
    return p->leases.entry[i];
}

static void begin(void)
{
    compare_begin(p, 0, SLAB, (ComparePlace) { lease(AT), 9 }, lease(SOURCE),
                  false, done);
    while (compare_work(p)) {
        /* until all is listed */
    }
}

/* @who answers what was sent last, with @wrong pages from @first on. */
static void answer_but(unsigned who, uint32_t first, unsigned wrong)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .tag = sent.tag, .count = sent.count };
    uint64_t sums[RCACHE_BATCH_PAGES];

    ck_assert_ptr_eq(sent_to, &remote[who].bulk);
    for (unsigned i = 0; i < sent.count; i++) {
        uint32_t page = wire_slot_page(sent_slots[i]);

        sums[i] = sum_of(page) + (page >= first && page < first + wrong);
    }
    wire_append_sums(frame, &head, sums, sent.count);
    head.type = RCACHE_SUMS_ACK;
    compare_answer(p, &remote[who], &head, frame->data + WIRE_HEAD_LEN);
}

static void answer_status(unsigned who, uint16_t status)
{
    WireHead head = { .type = RCACHE_SUMS_ACK, .tag = sent.tag,
                      .status = status };

    compare_answer(p, &remote[who], &head, NULL);
}

/* What was copied is wrong in @wrong pages from @first on. */
static void copied_wrong(uint32_t first, unsigned wrong)
{
    begin();
    for (unsigned i = 0; i < PAGES / RCACHE_BATCH_PAGES; i++) {
        answer_but(AT, first, wrong);
    }
}

static void goes_away(unsigned i)
{
    remote[i].state = REMOTE_DOWN;
    compare_remote_down(p, &remote[i]);
}

START_TEST(each_page_is_asked_for_once)
{
    begin();
    ck_assert_uint_eq(sent.type, RCACHE_SUMS);
    ck_assert_uint_eq(sent.count, RCACHE_BATCH_PAGES);
    ck_assert_uint_eq(sent.lease, 100 + AT);
    ck_assert_uint_eq(sent_slots[1], wire_slot(9, 1));
    answer_but(AT, 0, 0);
    ck_assert_uint_eq(sent_slots[0], wire_slot(9, RCACHE_BATCH_PAGES));
    answer_but(AT, 0, 0);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(nr_verdicts, 1);
    ck_assert_int_eq(verdict, COMPARE_RIGHT);
    ck_assert_uint_eq(nr_told, 0);
}
END_TEST

START_TEST(the_right_bytes_are_read_from_the_other_place)
{
    copied_wrong(70, 2);
    ck_assert_uint_eq(nr_sent, 3);
    ck_assert_uint_eq(sent.count, 2);
    ck_assert_uint_eq(sent_slots[0], wire_slot(7, 70));
    answer_but(SOURCE, 70, 2);
    ck_assert_uint_eq(sent_slots[0], wire_slot(8, 70));
    answer_but(OTHER, 71, 1);                   /* it has one of them */
    ck_assert_int_eq(verdict, COMPARE_NOT_YET);
    ck_assert(remote[SOURCE].wrong && !remote[AT].wrong);
    ck_assert(compare_keeps_off(p, SLAB));
    compare_tick(p, now);
    ck_assert_uint_eq(nr_fetched, 1);
    ck_assert_uint_eq(fetched, guest_page(70));
    ck_assert(compare_keeps_off(p, SLAB));
    p->table.words[fetched] = RCACHE_HOT;       /* it is here */
    compare_tick(p, now);
    ck_assert_uint_eq(nr_fetched, 1);
    ck_assert(!compare_keeps_off(p, SLAB));
}
END_TEST

START_TEST(a_place_that_is_away_is_waited_for)
{
    goes_away(OTHER);
    copied_wrong(70, 1);
    answer_but(SOURCE, 70, 1);
    ck_assert_int_eq(verdict, COMPARE_NOT_YET);
    compare_tick(p, now);
    ck_assert(compare_keeps_off(p, SLAB));
    remote[OTHER].state = REMOTE_UP;
    compare_tick(p, now);
    ck_assert(!compare_keeps_off(p, SLAB));
}
END_TEST

START_TEST(a_place_that_goes_away_meanwhile_is_waited_for)
{
    copied_wrong(70, 1);
    answer_but(SOURCE, 70, 1);
    ck_assert_ptr_eq(sent_to, &remote[OTHER].bulk);
    goes_away(OTHER);
    ck_assert_int_eq(verdict, COMPARE_NOT_YET);
    ck_assert(compare_keeps_off(p, SLAB));
    lease(OTHER)->lost = true;                  /* it is back, without them */
    compare_tick(p, now);
    ck_assert(!compare_keeps_off(p, SLAB));
}
END_TEST

START_TEST(what_is_right_nowhere_is_said)
{
    slots_set_place(&p->slots, SLAB, 1,
                    (SlotPlace) { SLOTS_NO_LEASE, 0, false });
    copied_wrong(70, 1);
    answer_but(SOURCE, 70, 1);
    ck_assert_int_eq(verdict, COMPARE_NOWHERE);
    ck_assert_uint_eq(nr_told, 1);
    ck_assert(!compare_keeps_off(p, SLAB));
}
END_TEST

START_TEST(a_copy_that_went_wrong_is_the_copys_fault)
{
    copied_wrong(70, 1);
    answer_but(SOURCE, 0, 0);
    ck_assert_int_eq(verdict, COMPARE_BAD_COPY);
    ck_assert(remote[AT].wrong && !remote[SOURCE].wrong);
    ck_assert(!compare_keeps_off(p, SLAB));
}
END_TEST

START_TEST(a_page_that_has_come_home_does_not_count)
{
    begin();
    p->table.words[guest_page(3)] = RCACHE_HOT;
    answer_but(AT, 3, 1);
    answer_but(AT, 3, 1);
    ck_assert_int_eq(verdict, COMPARE_RIGHT);
}
END_TEST

START_TEST(busy_is_asked_again_and_lacking_is_wrong)
{
    begin();
    answer_status(AT, RCACHE_E_BUSY);
    compare_tick(p, now);
    ck_assert_uint_eq(nr_sent, 1);
    compare_tick(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 2);
    answer_but(AT, 0, 0);
    answer_status(AT, RCACHE_E_SLOT);
    ck_assert_ptr_eq(sent_to, &remote[SOURCE].bulk);
    ck_assert_uint_eq(sent.count, RCACHE_BATCH_PAGES);
}
END_TEST

START_TEST(who_never_answers_loses_its_session)
{
    begin();
    compare_tick(p, now + 29 * NS_PER_SEC);
    ck_assert_ptr_null(closed);
    compare_tick(p, now + 30 * NS_PER_SEC);
    ck_assert_ptr_eq(closed, &remote[AT]);
}
END_TEST

START_TEST(an_answer_of_somebody_else_counts_for_nothing)
{
    WireHead head = { .type = RCACHE_SUMS_ACK, .status = RCACHE_E_SLOT };

    begin();
    head.tag = sent.tag;
    compare_answer(p, &remote[SOURCE], &head, NULL);
    head.tag = sent.tag + 1;
    compare_answer(p, &remote[AT], &head, NULL);
    head.tag = tag_encode(TAG_SUMS, COMPARES_MAX, 1);
    compare_answer(p, &remote[AT], &head, NULL);
    head.tag = tag_encode(TAG_SUMS, 1, 1);
    compare_answer(p, &remote[AT], &head, NULL);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(nr_verdicts, 0);
}
END_TEST

/* The source has not pushed the slab: it cannot read page 70. */
static void cannot_be_read(void)
{
    compare_begin(p, 0, SLAB, (ComparePlace) { lease(SOURCE), 7 },
                  lease(SOURCE), true, done);
    while (compare_work(p)) {
        /* until all is listed */
    }
    answer_but(SOURCE, 0, 0);
    answer_status(SOURCE, RCACHE_E_SLOT);
    for (uint32_t page = RCACHE_BATCH_PAGES; page < PAGES; page++) {
        ck_assert_uint_eq(sent.count, 1);       /* which of them is it? */
        ck_assert_uint_eq(sent_slots[0], wire_slot(7, page));
        if (page == 70) {
            answer_status(SOURCE, RCACHE_E_SLOT);
        } else {
            answer_but(SOURCE, 0, 0);
        }
    }
}

START_TEST(what_cannot_be_read_is_read_from_the_other_place)
{
    cannot_be_read();
    ck_assert_uint_eq(sent.count, 1);
    ck_assert_uint_eq(sent_slots[0], wire_slot(8, 70));
    answer_but(OTHER, 0, 0);
    ck_assert_int_eq(verdict, COMPARE_NOT_YET);
    ck_assert_uint_eq(remote[SOURCE].wrong, 0);
    ck_assert(compare_keeps_off(p, SLAB));
    compare_tick(p, now);
    ck_assert_uint_eq(nr_fetched, 1);
    ck_assert_uint_eq(fetched, guest_page(70));
}
END_TEST

START_TEST(what_cannot_be_read_waits_for_the_other_place)
{
    goes_away(OTHER);
    cannot_be_read();
    ck_assert_int_eq(verdict, COMPARE_NOT_YET);
    ck_assert(compare_keeps_off(p, SLAB));
    compare_tick(p, now);
    ck_assert_uint_eq(nr_fetched, 0);
}
END_TEST

/* The others are fetched, and it is what is left. */
START_TEST(what_cannot_be_read_and_is_nowhere_else_stays)
{
    slots_set_place(&p->slots, SLAB, 1,
                    (SlotPlace) { SLOTS_NO_LEASE, 0, false });
    cannot_be_read();
    ck_assert_int_eq(verdict, COMPARE_NOT_YET);
    compare_tick(p, now);
    ck_assert_uint_eq(nr_fetched, PAGES - 1);
    for (uint32_t page = 0; page < PAGES; page++) {
        if (page != 70) {
            p->table.words[guest_page(page)] = RCACHE_HOT;
        }
    }
    compare_tick(p, now);
    ck_assert(!compare_keeps_off(p, SLAB));
    compare_begin(p, 0, SLAB, (ComparePlace) { lease(SOURCE), 7 },
                  lease(SOURCE), true, done);
    while (compare_work(p)) {
        /* until all is listed */
    }
    ck_assert_uint_eq(sent.count, 1);
    answer_status(SOURCE, RCACHE_E_SLOT);
    ck_assert_int_eq(verdict, COMPARE_NOWHERE);
    ck_assert_uint_eq(nr_fetched, PAGES - 1);
    ck_assert_uint_eq(remote[SOURCE].wrong, 0);
    ck_assert(!compare_keeps_off(p, SLAB));
}
END_TEST

START_TEST(a_lease_may_go_meanwhile)
{
    copied_wrong(70, 1);
    compare_lease_gone(p, lease(OTHER));
    answer_but(SOURCE, 70, 1);
    ck_assert_int_eq(verdict, COMPARE_NOWHERE);
    copied_wrong(70, 1);
    answer_but(SOURCE, 70, 1);
    compare_lease_gone(p, lease(OTHER));        /* which has been asked */
    ck_assert_uint_eq(nr_verdicts, 2);
    ck_assert_int_eq(verdict, COMPARE_NOWHERE);
}
END_TEST

static Suite *compare_suite(void)
{
    Suite *s = suite_create("compare");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, each_page_is_asked_for_once);
    tcase_add_test(t, the_right_bytes_are_read_from_the_other_place);
    tcase_add_test(t, a_place_that_is_away_is_waited_for);
    tcase_add_test(t, a_place_that_goes_away_meanwhile_is_waited_for);
    tcase_add_test(t, what_is_right_nowhere_is_said);
    tcase_add_test(t, a_copy_that_went_wrong_is_the_copys_fault);
    tcase_add_test(t, a_page_that_has_come_home_does_not_count);
    tcase_add_test(t, busy_is_asked_again_and_lacking_is_wrong);
    tcase_add_test(t, who_never_answers_loses_its_session);
    tcase_add_test(t, an_answer_of_somebody_else_counts_for_nothing);
    tcase_add_test(t, what_cannot_be_read_is_read_from_the_other_place);
    tcase_add_test(t, what_cannot_be_read_waits_for_the_other_place);
    tcase_add_test(t, what_cannot_be_read_and_is_nowhere_else_stays);
    tcase_add_test(t, a_lease_may_go_meanwhile);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(compare_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
