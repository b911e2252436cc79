/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a lease: asked for, granted, claimed, renewed, released; refused,
 * late, and without an entry.  lease.c and lease-demand.c alone: providers,
 * rcached and the guest are played here.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define PAGES   256u            /* of a slab */
#define TTL_MS  30000u
#define LEASE   UINT64_C(77)

static Pager p;
static Remote remote;
static struct RcacheLease table[RCACHE_NR_LEASES];
static uint64_t now, resident;
static enum RcacheCause trouble;
static bool silent;

/* What was sent, and what was told. */
static WireHead sent[64];
static unsigned nr_sent, nr_events, nr_wants;
static uint64_t wanted, wanting;
static unsigned wanted_copies;
static const char *avoided;

uint64_t pager_now(void)
{
    return now;
}

uint64_t pager_resident(const Pager *pager)
{
    return resident;
}

void pager_soon(Pager *pager)
{
}

static void note(const WireHead *head)
{
    sent[nr_sent++ % G_N_ELEMENTS(sent)] = *head;
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    note(head);
}

void data_conn_send_bytes(DataConn *conn, const GByteArray *bytes)
{
    WireHead head = { 0 };

    ck_assert_int_eq(wire_head_decode(bytes->data, WIRE_ANY, &head), WIRE_OK);
    note(&head);
}

Remote *providers_get(Pager *pager, const char *address, const char *host)
{
    return &remote;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t at, uint64_t *since)
{
    return trouble;
}

bool providers_is_silent(const Pager *pager, const Remote *r, uint64_t at)
{
    return silent;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return true;
}

void remote_close(Remote *r, const char *reason)
{
    r->state = REMOTE_CLOSING;
}

uint64_t copies_wanting(const Pager *pager)
{
    return wanting;
}

bool location_add(Pager *pager, const Lease *l, uint32_t number)
{
    slots_add(&pager->slots, number, l->index, number, l->slab_pages);
    return true;
}

void location_remove(Pager *pager, uint32_t slab)
{
    slots_remove(&pager->slots, slab);
}

void location_clear(Pager *pager, uint32_t slab, unsigned which)
{
    slots_set_place(&pager->slots, slab, which,
                    (SlotPlace) { SLOTS_NO_LEASE, 0, false });
}

void move_source_gone(Pager *pager, uint32_t slab, const Lease *l)
{
}

void location_lease_ready(Pager *pager, const Lease *l)
{
}

void freeing_requeue(Lease *l)
{
}

void freeing_flush(Pager *pager, bool all)
{
}

void move_lease_gone(Pager *pager, const Lease *l)
{
}

void probe_lease_gone(Pager *pager, const Lease *l)
{
}

uint64_t revoke_lacking(const Pager *pager)
{
    return 0;
}

void revoke_claimed(Pager *pager, Lease *l, const WireClaimAck *ack,
                    const void *payload)
{
}

uint64_t revoke_keeps(const Pager *pager, const Lease *l)
{
    return pager->slots.pages[l->index];
}

uint64_t revoke_give_back(Pager *pager, uint64_t pages)
{
    return 0;
}

bool revoke_pending(const Pager *pager)
{
    return false;
}

unsigned revoke_avoids(const Pager *pager, const char *names[RCACHE_AVOID_MAX])
{
    return 0;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_events += event == RCACHE_EVENT_PAGE_LOST;
}

void health_refused(Pager *pager, uint64_t at)
{
}

uint64_t limit_low_water(const Pager *pager)
{
    return 1024;
}

uint64_t command_wants(const Pager *pager)
{
    return 0;
}

void own_disk_answer(Pager *pager, bool used)
{
}

void uplink_want(Pager *pager, uint64_t bytes, unsigned copies,
                 const char *const *avoid, unsigned nr_avoid)
{
    pager->want.tag = 1000 + ++nr_wants;
    wanted = bytes;
    wanted_copies = copies;
    avoided = nr_avoid ? avoid[nr_avoid - 1] : NULL;
}

/* -------------------------------------------------------------- fixture */

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
    memset(&remote, 0, sizeof(remote));
    memset(table, 0, sizeof(table));
    p.guest.state = (void *)table;
    p.providers.remotes = g_ptr_array_new();
    g_ptr_array_add(p.providers.remotes, &remote);
    p.locations.copies = 1;
    wanting = 0;
    resident = 2048;
    slots_init(&p.slots);
    demand_init(&p.want.demand, 60 * NS_PER_SEC);
    p.takeover.managing = true;
    p.limits.size = 64 * PAGES;
    wire_text_copy(remote.host, sizeof(remote.host), "p0");
    remote.state = REMOTE_UP;
    now = 1000 * NS_PER_SEC;
    nr_sent = nr_events = nr_wants = 0;
    trouble = RCACHE_CAUSE_NONE;
    silent = false;
}

static void tear_down(void)
{
    leases_deinit(&p.leases);
    slots_deinit(&p.slots);
    g_ptr_array_free(p.providers.remotes, TRUE);
}

/* Was such a frame sent since the last look? */
static unsigned was_sent(uint8_t type, uint64_t lease)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nr_sent; i++) {
        n += sent[i].type == type && sent[i].lease == lease;
    }
    nr_sent = 0;
    return n;
}

static struct RcacheLeaseGrant grant(uint64_t lease)
{
    struct RcacheLeaseGrant g = {
        .lease = lease, .epoch = 1, .bytes = 2 * PAGES * RCACHE_PAGE_SIZE,
    };

    wire_text_copy(g.host, sizeof(g.host), "p0");
    wire_text_copy(g.address, sizeof(g.address), "127.0.0.1:1");
    return g;
}

static Lease *granted(uint64_t lease)
{
    struct RcacheLeaseGrant g = grant(lease);

    ck_assert(lease_granted(&p, &g, "rack1"));
    ck_assert_str_eq(p.leases.entry[0]->known.label, "rack1");
    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        if (p.leases.entry[i] && p.leases.entry[i]->known.id == lease) {
            return p.leases.entry[i];
        }
    }
    ck_abort();
}

/* As the provider that has @nr slabs for the lease. */
static void answer_of(const Lease *l, bool bulk, uint8_t type,
                      uint16_t status, unsigned nr)
{
    uint64_t tag = tag_encode(TAG_CLAIM, l->index, 0);
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireClaimAck ack = { .slab_pages = PAGES, .ttl_ms = TTL_MS,
                         .nr_slabs = nr };
    WireHead head = { .type = type, .status = status, .lease = l->known.id,
                      .epoch = 1, .tag = tag };
    const uint32_t slab[] = { 0, 1, 2 };
    WireHead decoded;

    if (type == RCACHE_CLAIM_ACK && !status) {
        wire_append_claim_ack(out, &head, &ack, slab);
    } else if (type == RCACHE_RENEW_ACK && !status) {
        wire_append_renew_ack(out, &head, TTL_MS);
    }
    if (out->len) {
        ck_assert_int_eq(wire_head_decode(out->data, WIRE_ANY, &decoded),
                         WIRE_OK);
        head = decoded;
    }
    lease_answer(&p, &remote, bulk, &head,
                 out->len ? out->data + WIRE_HEAD_LEN : NULL);
}

static void answer(const Lease *l, bool bulk, uint8_t type, uint16_t status)
{
    answer_of(l, bulk, type, status, 2);
}

static Lease *ready(uint64_t lease)
{
    Lease *l = granted(lease);

    answer(l, false, RCACHE_CLAIM_ACK, 0);
    answer(l, true, RCACHE_CLAIM_ACK, 0);
    ck_assert(lease_ready(l));
    nr_sent = 0;
    return l;
}

/* --------------------------------------------------------------- its life */

START_TEST(claimed_renewed_released)
{
    Lease *l = granted(LEASE);

    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
    answer(l, false, RCACHE_CLAIM_ACK, 0);
    ck_assert(!lease_ready(l));
    answer(l, true, RCACHE_CLAIM_ACK, 0);
    ck_assert(lease_ready(l));
    /* A third of its life, from when the CLAIM was sent. */
    now += TTL_MS / 3 * NS_PER_MS - 1;
    lease_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RENEW, LEASE), 0);
    lease_tick(&p, ++now);
    ck_assert_uint_eq(was_sent(RCACHE_RENEW, LEASE), 1);
    /* The answer takes a while, and the next third counts from the RENEW. */
    now += 5 * NS_PER_SEC;
    answer(l, true, RCACHE_RENEW_ACK, 0);
    now += TTL_MS / 3 * NS_PER_MS - 5 * NS_PER_SEC;
    lease_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RENEW, LEASE), 1);
    lease_release(&p, l);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    answer(l, true, RCACHE_RELEASE_ACK, 0);
    ck_assert_ptr_null(p.leases.entry[0]);
    ck_assert_uint_eq(table[0].id, 0);
}
END_TEST

/* What one provider has beyond half of it all is of no use for two copies. */
START_TEST(the_other_copy_is_asked_of_others)
{
    Lease *l;
    uint64_t slot;

    p.takeover.managing = true;
    p.limits.size = 64;
    p.locations.copies = 2;
    wanting = 256;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);
    ck_assert_uint_eq(wanted_copies, 2);
    ck_assert_ptr_null(avoided);
    l = ready(LEASE);
    slots_add(&p.slots, 10, l->index, 10, 1024);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(slots_take(&p.slots, l->index, &slot, 1), 1);
    }
    now += 10 * NS_PER_SEC;
    p.want.tag = p.want.at = 0;
    p.want.demand = (Demand) { .assign_ns = NS_PER_SEC };
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 2);
    ck_assert_uint_eq(wanted_copies, 1);
    ck_assert_str_eq(avoided, remote.host);
}
END_TEST

/* Whenever it comes, nothing is made of it. */
START_TEST(more_slabs_than_were_granted)
{
    Lease *l = granted(LEASE);

    answer_of(l, false, RCACHE_CLAIM_ACK, 0, 3);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
    ck_assert(!l->claimed[0]);
    ck_assert_uint_eq(p.slots.nr, 0);
    ck_assert_uint_eq(table[0].slab_pages, 0);
    remote.state = REMOTE_UP;
    answer(l, false, RCACHE_CLAIM_ACK, 0);
    answer_of(l, true, RCACHE_CLAIM_ACK, 0, 3);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
    ck_assert(!l->claimed[1]);
    ck_assert_uint_eq(p.slots.nr, 2);
}
END_TEST

START_TEST(only_one_refusal_is_a_loss)
{
    Lease *l = ready(LEASE);
    uint64_t slot;

    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    lease_remote_down(&p, &remote);
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_BUSY);
    ck_assert(!l->lost && !nr_events);
    ck_assert_uint_eq(lease_lost_pages(&p), 0);
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    ck_assert(l->lost);
    ck_assert_uint_eq(nr_events, 1);
    ck_assert_uint_eq(lease_lost_pages(&p), 1);
    lease_tick(&p, now);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    slots_clear(&p.slots, slot);        /* the guest threw it away */
    lease_tick(&p, now);
    ck_assert_ptr_null(p.leases.entry[0]);
}
END_TEST

START_TEST(another_hosts_refusal_is_no_loss)
{
    Lease *l = ready(LEASE);
    uint64_t slot;

    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    lease_remote_down(&p, &remote);
    wire_text_copy(remote.answers, sizeof(remote.answers), "p7");
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_EPOCH);
    ck_assert(!l->lost && !nr_events);
    wire_text_copy(remote.answers, sizeof(remote.answers), "p0");
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_EPOCH);
    ck_assert(l->lost && nr_events);
}
END_TEST

/* Each session makes it ready, and its provider may refuse all pages. */
START_TEST(a_lease_is_room_once)
{
    Lease *l = ready(LEASE);
    uint64_t first = now;

    ck_assert_uint_eq(p.evictor.progress.at, first);
    for (unsigned i = 0; i < 5; i++) {
        lease_remote_down(&p, &remote);
        now += NS_PER_SEC;
        answer(l, false, RCACHE_CLAIM_ACK, 0);
        answer(l, true, RCACHE_CLAIM_ACK, 0);
        ck_assert(lease_ready(l));
        /* Perhaps the second session is a better one. */
        ck_assert_uint_eq(p.evictor.progress.at, first + NS_PER_SEC);
    }
    lease_release(&p, l);
    answer(l, true, RCACHE_RELEASE_ACK, 0);
    ready(LEASE + 1);                   /* this has been asked for */
    ck_assert_uint_eq(p.evictor.progress.at, now);
}
END_TEST

/* Its provider has just stopped to answer: the slots there are no room. */
START_TEST(what_is_free_at_a_silent_provider_is_no_room)
{
    uint64_t slot;

    p.limits.size = 2 * PAGES;
    ready(LEASE);
    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    resident = 1024;                    /* nothing has to go */
    p.slots.pages[0] = 8 * PAGES;       /* enough for all there may be */
    g_array_index(p.slots.groups, SlotGroup, 0).pages = 8 * PAGES;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    silent = true;
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* Two leases at providers that are well; each has its slab's copy at a third
 * provider, that is away: what is free in the slabs is of no use. */
START_TEST(what_is_free_beside_one_that_is_away_is_no_room)
{
    Lease *l[3];
    Remote other[3];
    uint64_t slot;

    p.limits.size = 1;                  /* and 1024 for FREEs on their way */
    p.locations.copies = 2;
    resident = 1024;
    for (unsigned i = 0; i < G_N_ELEMENTS(l); i++) {
        l[i] = granted(LEASE + i);
        other[i] = remote;
        l[i]->remote = &other[i];
    }
    for (unsigned i = 0; i < 2; i++) {
        SlotPlace place[SLOTS_PLACES] = {
            { l[i]->index, 0, false }, { l[2]->index, i, false },
        };

        slots_add_at(&p.slots, i, place, 1100);
    }
    ck_assert_uint_eq(slots_take(&p.slots, l[2]->index, &slot, 1), 1);
    now += 2 * NS_PER_SEC;
    other[2].away_at = now;
    lease_demand_tick(&p, now + 100 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 0);     /* it may be back soon */
    lease_demand_tick(&p, now + 300 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 1);
    ck_assert_uint_eq(wanted_copies, 2);
}
END_TEST

/* Its provider does not let the pager in: a guest has no time for that. */
START_TEST(a_claim_at_one_that_is_away_is_not_waited_for)
{
    p.limits.size = 2 * PAGES;
    resident = 1024;
    granted(LEASE);
    lease_demand_tick(&p, now + 300 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 0);
    remote.away_at = now;
    lease_demand_tick(&p, now + 300 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* What cannot be freed there is of no use, but not what size is for. */
START_TEST(what_a_silent_provider_has_to_free_is_made_up_for)
{
    Lease *l = ready(LEASE);
    uint64_t slot = 0;

    p.limits.size = 1;                  /* and 1024 for FREEs on their way */
    p.slots.slabs[0].nr_used = p.slots.used[0] = p.slots.pages[0] = 1025;
    resident = 1024;
    silent = true;
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 0);
    g_array_append_val(l->to_free, slot);
    lease_demand_tick(&p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
    g_array_set_size(l->to_free, 0);
}
END_TEST

START_TEST(without_an_entry)
{
    struct RcacheLeaseGrant g = grant(LEASE);

    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        table[i].id = 1;
    }
    nr_sent = 0;
    ck_assert(!lease_granted(&p, &g, ""));
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_int_eq(sent[0].type, RCACHE_CLAIM);
    ck_assert_int_eq(sent[1].type, RCACHE_RELEASE);
    ck_assert_uint_eq(sent[1].lease, LEASE);
}
END_TEST

START_TEST(late_grants_and_pauses)
{
    struct LinkGrants none = { 0 }, late = { .nr_grants = 1 };
    uint64_t pause = 0;

    late.grant[0] = grant(LEASE);
    late.hdr.tag = 5;                   /* of a request long forgotten */
    lease_demand_answer(&p, &late);
    ck_assert_ptr_nonnull(p.leases.entry[0]);
    for (unsigned i = 0; i < 3; i++) {
        p.want.tag = none.hdr.tag = 9 + i;
        lease_demand_answer(&p, &none);
        ck_assert_uint_gt(p.want.at - now, pause);
        pause = p.want.at - now;
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lease");
    TCase *tc = tcase_create("lease");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, claimed_renewed_released);
    tcase_add_test(tc, the_other_copy_is_asked_of_others);
    tcase_add_test(tc, more_slabs_than_were_granted);
    tcase_add_test(tc, only_one_refusal_is_a_loss);
    tcase_add_test(tc, another_hosts_refusal_is_no_loss);
    tcase_add_test(tc, a_lease_is_room_once);
    tcase_add_test(tc, what_is_free_at_a_silent_provider_is_no_room);
    tcase_add_test(tc, what_is_free_beside_one_that_is_away_is_no_room);
    tcase_add_test(tc, a_claim_at_one_that_is_away_is_not_waited_for);
    tcase_add_test(tc,
                   what_a_silent_provider_has_to_free_is_made_up_for);
    tcase_add_test(tc, without_an_entry);
    tcase_add_test(tc, late_grants_and_pauses);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
