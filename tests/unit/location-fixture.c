/* SPDX-License-Identifier: GPL-2.0-or-later */
/* location-fixture: location.c alone.  See location-fixture.h. */
#include "location-fixture.h"

#include <check.h>
#include <string.h>

Pager *p;
Remote remote[2];
static struct RcacheLease shared[2];
uint8_t page[RCACHE_PAGE_SIZE];

/* What was sent last, and how often; and what was told. */
WireHead sent;
static WireHead sent_own[2];
RcacheSlot sent_slot, sent_slots[RCACHE_BATCH_PAGES];
const DataConn *sent_to;
unsigned nr_sent, nr_closed;
unsigned nr_got, nr_missing, nr_stored, nr_wrong, nr_in_vain, nr_between;
unsigned wrong_number;
uint8_t many_pages[RCACHE_BATCH_PAGES * RCACHE_PAGE_SIZE];
const void *got_bytes;
const Remote *got_from;
bool bytes_are_right;
bool stored_ok, soon;
unsigned nr_busy, nr_told;
const Remote *silent;

uint64_t now;

uint64_t pager_now(void)
{
    return now;
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    sent = *head;
    for (unsigned i = 0; i < G_N_ELEMENTS(remote); i++) {
        if (conn == &remote[i].fault || conn == &remote[i].bulk) {
            sent_own[i] = *head;
        }
    }
    sent_slot = slots[0];
    memcpy(sent_slots, slots,
           MIN(head->count, RCACHE_BATCH_PAGES) * sizeof(slots[0]));
    sent_to = conn;
    nr_sent++;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t at, uint64_t *since)
{
    return RCACHE_CAUSE_NONE;
}

bool providers_is_silent(const Pager *pager, const Remote *r, uint64_t at)
{
    return r == silent;
}

bool providers_may_put(const Remote *r)
{
    return true;
}

void providers_pages(Remote *r, enum PassageWay way, bool good,
                     const Pager *pager)
{
}

void pager_soon(Pager *pager)
{
    soon = true;
}

void providers_get_busy(Remote *r, const Pager *pager)
{
    nr_busy++;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return ++nr_told <= 3;
}

void providers_put_wrong(Remote *r, const Pager *pager)
{
    nr_wrong++;
}

void providers_put_in_vain(Remote *r, const Pager *pager)
{
    nr_in_vain++;
}

void remote_close(Remote *r, const char *reason)
{
    r->state = REMOTE_CLOSING;
    nr_closed++;
}

/* test-kept has that. */
unsigned kept_slab_changes(Pager *pager, uint32_t slab)
{
    return 0;
}

static bool got(Pager *pager, unsigned i, Remote *from, const void *bytes)
{
    got_bytes = bytes;
    got_from = from;
    nr_got++;
    return bytes_are_right && i != wrong_number;
}

static void between(Pager *pager)
{
    nr_between++;
}

static void missing(Pager *pager, unsigned i)
{
    nr_missing++;
}

static void stored(Pager *pager, unsigned i, bool ok)
{
    stored_ok = ok;
    nr_stored++;
}

static const LocationOps ops = {
    .got = got, .missing = missing, .between = between, .stored = stored,
};

void set_up(void)
{
    p = g_new0(Pager, 1);
    slots_init(&p->slots);
    locations_init(&p->locations, &ops);
    p->guest.state = g_malloc0(RCACHE_NR_SLABS * sizeof(struct RcacheSlab));
    for (unsigned i = 0; i < 2; i++) {
        Lease *l;

        memset(&remote[i], 0, sizeof(remote[i]));
        remote[i].state = REMOTE_UP;
        shared[i] = (struct RcacheLease) { .id = 100 + i, .epoch = 1 };
        l = p->leases.entry[i] = lease_new(i, &shared[i], &remote[i], 0);
        l->slab_pages = PAGES;
        l->claimed[0] = l->claimed[1] = true;
    }
    ck_assert(location_add(p, p->leases.entry[0], 7));
    nr_sent = nr_closed = nr_got = nr_stored = nr_wrong = nr_busy = 0;
    nr_told = nr_missing = nr_in_vain = nr_between = 0;
    wrong_number = UINT_MAX;
    bytes_are_right = true;
    soon = false;
    silent = NULL;
    now = 5 * NS_PER_SEC;
}

void set_up_two(void)
{
    set_up();
    p->locations.copies = 2;
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 70);
    p->locations.gets.hedge_ns = 2 * NS_PER_MS;
    nr_sent = 0;
}

void tear_down(void)
{
    leases_deinit(&p->leases);
    locations_deinit(&p->locations);
    slots_deinit(&p->slots);
    g_free(p->guest.state);
    g_free(p);
}

uint64_t stored_slot(void)
{
    uint64_t slot;

    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    return slot;
}

bool answer(unsigned from, uint8_t type, uint16_t status)
{
    WireHead head = { .type = type, .tag = sent.tag, .status = status,
                      .count = 1 };

    return location_answer(p, &remote[from], &head, page);
}

bool answer_own(unsigned from, uint8_t type, uint16_t status)
{
    WireHead head = { .type = type, .tag = sent_own[from].tag,
                      .status = status, .count = 1 };

    return location_answer(p, &remote[from], &head, page);
}

bool answer_many(unsigned from, uint16_t status, unsigned count)
{
    WireHead head = { .type = RCACHE_GET_REPLY, .tag = sent.tag,
                      .status = status, .count = count };

    return location_answer(p, &remote[from], &head, many_pages);
}

void goes_away(unsigned i)
{
    remote[i].state = REMOTE_DOWN;
    freeing_requeue(p->leases.entry[i]);
    location_remote_down(p, &remote[i]);
}

void comes_back(unsigned i)
{
    remote[i].state = REMOTE_UP;
    location_lease_ready(p, p->leases.entry[i]);
}
