/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kept-fixture: see kept-fixture.h. */
#include "kept-fixture.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/wire-check.h"
#include "rcached/pager/clean.h"
#include "rcached/pager/install.h"
#include "rcached/pager/places.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/written.h"

#define FIRST   (UINT64_C(1) << 32)     /* where the block is in the VMM */
#define START   (1000 * NS_PER_SEC)

Pager *p;
uint64_t words[PAGES];
struct RcacheSide sides[PAGES];
struct RcacheCounts counts;
static struct RcacheState state;
static struct RcacheLease shared[2];
Remote remote[2];
static const uint8_t key[RCACHE_KEY_SIZE] = { 1 }, vm[16] = { 2 };
uint64_t now, room;
uint32_t excess;
enum RcacheCause trouble;
bool silent;
unsigned room_copies;

bool marker[PAGES];
int scan_error, track_error;
unsigned nr_scanned;

unsigned nr_puts, nr_put, nr_freed, nr_flushed, nr_told;
uint64_t freed[PAGES];

WireHead asked[2];
RcacheSlot asked_slot[2][RCACHE_BATCH_PAGES];
unsigned nr_asks;

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

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_told++;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return true;
}

bool providers_is_silent(const Pager *pager, const Remote *r, uint64_t at)
{
    return silent;
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    unsigned i = conn == &remote[1].bulk;

    ck_assert(conn == &remote[i].bulk);
    ck_assert_uint_eq(head->type, RCACHE_SUMS);
    ck_assert_uint_eq(head->lease, 100 + i);
    asked[i] = *head;
    memcpy(asked_slot[i], slots, head->count * sizeof(slots[0]));
    nr_asks++;
}

int install_wake(Guest *guest, uint64_t page)
{
    return 0;
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
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
    return room > 0;
}

bool location_is_coming(const Pager *pager, uint64_t at)
{
    return false;
}

uint64_t location_overdue(const Pager *pager, uint64_t at)
{
    return 0;
}

unsigned location_reserve(Pager *pager, uint64_t *out, unsigned max)
{
    unsigned n = MIN(max, room);

    return slots_take_group(&pager->slots, 0, out, n);
}

void location_unreserve(Pager *pager, const uint64_t *slot, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        slots_clear(&pager->slots, slot[i]);
    }
}

bool location_put(Pager *pager, unsigned i, const uint64_t *slot, unsigned n,
                  const uint64_t *sum, const void *bytes)
{
    nr_put += n;
    nr_puts++;
    return true;
}

bool location_knows(const Pager *pager, uint64_t slot)
{
    return slots_valid(&pager->slots, slot) &&
           slots_used(&pager->slots, slot) &&
           !slots_leaving(&pager->slots, slot);
}

void location_free(Pager *pager, uint64_t slot)
{
    if (location_knows(pager, slot)) {
        slots_leave(&pager->slots, slot);
        freed[nr_freed++] = slot;
    }
}

void freeing_flush(Pager *pager, bool all)
{
    nr_flushed++;
}

uint64_t put_room(const Pager *pager, uint64_t at)
{
    return room;
}

bool put_is_room(const Pager *pager, uint32_t group, unsigned copies,
                 uint64_t at)
{
    return copies <= room_copies;
}

uint32_t places_excess(const Lease *l)
{
    return l->index ? 0 : excess;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t at, uint64_t *since)
{
    return trouble;
}

int written_is_tracked(int fd, uint64_t addr)
{
    ck_assert_uint_eq(addr, FIRST);
    return track_error;
}

int written_clean(int fd, uint64_t addr, unsigned n, uint8_t *clean)
{
    memset(clean, 0, n);
    for (unsigned i = 0; !scan_error && i < n; i++) {
        clean[i] = marker[(addr - FIRST) / RCACHE_PAGE_SIZE + i];
    }
    nr_scanned += n;
    return scan_error;
}

uint64_t slot_of(unsigned page)
{
    return slot_make(0, page);
}

void set_up(void)
{
    GuestBlock *b;
    SlotPlace place[SLOTS_PLACES] = { { 0, 7, false }, { 1, 8, false } };

    p = g_new0(Pager, 1);
    p->report.counts = &counts;
    p->seal = seal_new(key, true, vm, 3, NULL);
    memset(sides, 0, sizeof(sides));
    memset(&counts, 0, sizeof(counts));
    memset(marker, 0, sizeof(marker));
    guest_init(&p->guest);
    p->guest.state = &state;
    b = &p->guest.block[0];
    *b = (GuestBlock) { .present = true, .pages = PAGES, .address = FIRST,
                        .tracked = true, .registered = true,
                        .fd = memfd_create("guest", MFD_CLOEXEC) };
    p->guest.nr_blocks = 1;
    ck_assert_int_eq(ftruncate(b->fd, PAGES * RCACHE_PAGE_SIZE), 0);
    slots_init(&p->slots);
    slots_add_at(&p->slots, 0, place, 128);
    for (unsigned i = 0; i < 2; i++) {
        Lease *l;

        memset(&remote[i], 0, sizeof(remote[i]));
        remote[i].state = REMOTE_UP;
        remote[i].features = RCACHE_FEATURE_SUMS;
        remote[i].heard_at = START;
        shared[i] = (struct RcacheLease) { .id = 100 + i, .epoch = 1 };
        l = p->leases.entry[i] = lease_new(i, &shared[i], &remote[i], 0);
        l->claimed[0] = l->claimed[1] = true;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_int_eq(pwrite(b->fd, "x", 1, i * RCACHE_PAGE_SIZE), 1);
        words[i] = RCACHE_HOT;
        if (i < KEEPERS) {
            slots_mark(&p->slots, slot_of(i));
            sides[i].version = 3;
            sides[i].sum = 1000 + i;
            slots_keep(&p->slots, slot_of(i), i, 3);
            words[i] = page_with_slot(RCACHE_HOT | RCACHE_CLEAN, slot_of(i));
        }
    }
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    table_recount(&p->table, 0);
    p->limits = (Limits) { .ram = PAGES, .size = PAGES, .local_max = 64 };
    p->locations.copies = 2;
    p->kept.wanted = true;
    room_queue_init(&p->faults.room);
    page_errors_init(&p->errors);
    evictor_init(&p->evictor);
    now = START;
    room = 100;
    room_copies = 2;
    excess = 0;
    silent = false;
    trouble = RCACHE_CAUSE_NONE;
    scan_error = track_error = 0;
    nr_scanned = nr_puts = nr_put = nr_freed = nr_flushed = nr_told = 0;
    nr_asks = 0;
}

void tear_down(void)
{
    p->guest.state = NULL;
    evictor_deinit(&p->evictor);
    page_errors_deinit(&p->errors);
    room_queue_deinit(&p->faults.room);
    table_deinit(&p->table);
    slots_deinit(&p->slots);
    leases_deinit(&p->leases);
    guest_deinit(&p->guest);
    seal_free(p->seal);
    g_free(p);
}

Zap *zap_begin(void)
{
    Zap *z = &p->evictor.zap[0];

    *z = (Zap) { .seq = 9, .n = KEEPERS };
    for (unsigned i = 0; i < KEEPERS; i++) {
        z->page[i] = i;
        z->word[i] = page_begin(words[i], RCACHE_ZAPPING) | RCACHE_CLEAN;
        ck_assert(table_step(&p->table, i, words[i], z->word[i]));
    }
    return z;
}

void zap_answer(unsigned nr_pinned, uint32_t pinned)
{
    struct {
        struct RcacheVmmZapDone done;
        uint32_t pinned[1];
    } msg = { .done = { .seq = 9, .nr_pinned = nr_pinned } };

    msg.pinned[0] = pinned;
    evict_zap_done(p, &msg.done);
}

void zapped_clean(void)
{
    memset(marker, true, KEEPERS);
    zap_begin();
    zap_answer(0, 0);
    p->clock.front = p->clock.between = KEEPERS;
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
}

void frees_answered(void)
{
    for (unsigned i = 0; i < nr_freed; i++) {
        slots_left(&p->slots, freed[i], 0);
        slots_left(&p->slots, freed[i], 1);
    }
}

void place_answers(unsigned i, uint16_t status, int wrong)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t sums[RCACHE_BATCH_PAGES];
    WireHead head = asked[i];

    for (unsigned k = 0; k < head.count; k++) {
        unsigned page = wire_slot_page(asked_slot[i][k]);

        sums[k] = 1000 + page + (wrong == (int)page);
    }
    wire_append_sums(out, &head, sums, head.count);
    head.type = RCACHE_SUMS_ACK;
    head.status = status;
    ck_assert(clean_answer(p, &remote[i], &head, out->data + WIRE_HEAD_LEN));
}

void places_confirm(void)
{
    place_answers(0, 0, -1);
    place_answers(1, 0, -1);
}

void expect_asked(unsigned page)
{
    ck_assert_uint_eq(page_state(words[page]), RCACHE_EVICTING);
    ck_assert_uint_eq(page_slot(words[page]), slot_of(page));
    ck_assert_uint_eq(words[page] & RCACHE_CLEAN, RCACHE_CLEAN);
    ck_assert_uint_eq(slots_kept(&p->slots, slot_of(page)).page, page + 1);
}

void expect_gone_for_nothing(unsigned page)
{
    ck_assert_uint_eq(page_state(words[page]), RCACHE_REMOTE);
    ck_assert_uint_eq(page_slot(words[page]), slot_of(page));
    ck_assert_uint_eq(words[page] & RCACHE_CLEAN, 0);
    ck_assert(slots_used(&p->slots, slot_of(page)));
    ck_assert_uint_eq(slots_kept(&p->slots, slot_of(page)).page, 0);
}

void expect_ended(unsigned page)
{
    ck_assert_uint_eq(page_slot(words[page]), 0);
    ck_assert_uint_eq(words[page] & RCACHE_CLEAN, 0);
    ck_assert(!location_knows(p, slot_of(page)));
}
