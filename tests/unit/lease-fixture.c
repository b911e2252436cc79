/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lease-fixture: lease.c and lease-demand.c alone.  See lease-fixture.h. */
#include "lease-fixture.h"

#include <check.h>
#include <string.h>

#include "rcached/pager/tag.h"
#include "rcached/pager/wanting.h"

Pager p;
Remote remote;
struct RcacheLease table[RCACHE_NR_LEASES];
uint64_t now, resident;
enum RcacheCause trouble;
bool silent;
WireHead sent[64];
unsigned nr_sent, nr_events, nr_wants;
uint64_t wanted, wanting, revoked;
uint32_t kept;
uint64_t nr_kept_given, kept_only;
unsigned nr_flushed;
const Remote *beside;
unsigned wanted_copies;
const char *avoided;
WantFor wanted_for;
uint64_t revoked;

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

void wanting_look(const Pager *pager, bool elsewhere, uint64_t at, Wanting *w)
{
    *w = (Wanting) { .pages = wanting, .beside = beside, .kept = kept };
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

uint64_t kept_give(Pager *pager, uint64_t pages)
{
    nr_kept_given += pages;
    return MIN(pages, kept_only);
}

/* Those that are void wait for their words. */
unsigned kept_lease_changes(Pager *pager, const Lease *l)
{
    Slots *slots = &pager->slots;
    unsigned gone = 0;

    for (uint32_t i = 0; i < slots->nr; i++) {
        for (uint32_t k = 0; k < slots->slabs[i].pages; k++) {
            uint64_t slot = slot_make(i, k);
            SlotKept kept_for = slots_kept(slots, slot);

            if (slots_is_at(&slots->slabs[i], l->index) && kept_for.page &&
                kept_for.version != SLOTS_VOID) {
                slots_leave(slots, slot);
                g_array_append_val(l->to_free, slot);
                gone++;
            }
        }
    }
    return gone;
}

void freeing_flush(Pager *pager, bool all)
{
    nr_flushed++;
}

void move_lease_gone(Pager *pager, const Lease *l)
{
}

void probe_lease_gone(Pager *pager, const Lease *l)
{
}

uint64_t revoke_lacking(const Pager *pager)
{
    return revoked;
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

unsigned revoke_avoids(const Pager *pager, WantFor what,
                       const char *names[RCACHE_AVOID_MAX])
{
    wanted_for = what;
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
    pager->disk.asked = false;
}

bool own_disk_is_asked(const Pager *pager, uint64_t at)
{
    return pager->disk.asked;
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

void set_up(void)
{
    memset(&p, 0, sizeof(p));
    memset(&remote, 0, sizeof(remote));
    memset(table, 0, sizeof(table));
    p.guest.state = (void *)table;
    p.providers.remotes = g_ptr_array_new();
    g_ptr_array_add(p.providers.remotes, &remote);
    p.locations.copies = 1;
    wanting = kept = revoked = 0;
    kept_only = nr_flushed = 0;
    beside = NULL;
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

void tear_down(void)
{
    leases_deinit(&p.leases);
    slots_deinit(&p.slots);
    g_ptr_array_free(p.providers.remotes, TRUE);
}

unsigned was_sent(uint8_t type, uint64_t lease)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nr_sent; i++) {
        n += sent[i].type == type && sent[i].lease == lease;
    }
    nr_sent = 0;
    return n;
}

struct RcacheLeaseGrant grant(uint64_t lease)
{
    struct RcacheLeaseGrant g = {
        .lease = lease, .epoch = 1, .bytes = 2 * PAGES * RCACHE_PAGE_SIZE,
    };

    wire_text_copy(g.host, sizeof(g.host), "p0");
    wire_text_copy(g.address, sizeof(g.address), "127.0.0.1:1");
    return g;
}

Lease *granted(uint64_t lease)
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

void answer_of(const Lease *l, bool bulk, uint8_t type, uint16_t status,
               unsigned nr)
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

void answer(const Lease *l, bool bulk, uint8_t type, uint16_t status)
{
    answer_of(l, bulk, type, status, 2);
}

Lease *ready(uint64_t lease)
{
    Lease *l = granted(lease);

    answer(l, false, RCACHE_CLAIM_ACK, 0);
    answer(l, true, RCACHE_CLAIM_ACK, 0);
    ck_assert(lease_ready(l));
    nr_sent = 0;
    return l;
}
