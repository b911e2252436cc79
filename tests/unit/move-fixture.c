/* SPDX-License-Identifier: GPL-2.0-or-later */
/* move-fixture: move.c alone.  See move-fixture.h. */
#include "move-fixture.h"

#include <check.h>
#include <string.h>

#include "rcached/pager/tag.h"

Pager *p;
Remote remote[2];
struct RcacheLease shared[2];
Lease *from, *to;
uint64_t now;
bool quiet;
unsigned nr_sent, nr_moved, nr_frozen, nr_added, nr_cleared;
bool sums;               /* the provider can be asked for them */
CompareDone *compared;   /* NULL: nothing is compared */
ComparePlace compared_at;
bool compared_unread;
bool kept_off;           /* pages are to be fetched first */
const DataConn *sent_to;
Lease *spare_of;
const Remote *closed;    /* the last whose session was ended */
uint32_t spare_number;

uint64_t pager_now(void)
{
    return now;
}

void data_conn_send_bytes(DataConn *conn, const GByteArray *bytes)
{
    sent_to = conn;
    nr_sent++;
}

void location_freeze(Pager *pager, uint32_t slab)
{
    ck_assert_uint_eq(slab, SLAB);
    nr_frozen++;
}

void location_thaw(Pager *pager, uint32_t slab)
{
    ck_assert_uint_eq(slab, SLAB);
    nr_frozen--;
}

void location_set(Pager *pager, uint32_t slab, unsigned which, const Lease *l,
                  uint32_t number)
{
    ck_assert_uint_eq(slab, SLAB);
    ck_assert_uint_eq(which, 0);
    ck_assert_ptr_eq(l, to);
    ck_assert_uint_eq(number, SPARE);
    nr_frozen--;
    nr_moved++;
}

bool location_add(Pager *pager, const Lease *l, uint32_t number)
{
    nr_added++;
    return true;
}

bool probe_is_out(const Pager *pager, uint32_t slab)
{
    return false;
}

bool location_is_quiet(const Pager *pager, uint32_t slab)
{
    return quiet;
}

void location_clear(Pager *pager, uint32_t slab, unsigned which)
{
    ck_assert_uint_eq(slab, SLAB);
    ck_assert_uint_eq(which, 1);
    nr_cleared++;
}

bool compare_is_possible(const Lease *l)
{
    return sums;
}

void compare_begin(Pager *pager, unsigned i, uint32_t slab, ComparePlace at,
                   Lease *source, bool unread, CompareDone *done)
{
    ck_assert_uint_eq(i, 0);
    ck_assert_uint_eq(slab, SLAB);
    ck_assert_ptr_eq(source, from);
    ck_assert_ptr_null(compared);
    compared = done;
    compared_at = at;
    compared_unread = unread;
}

bool compare_keeps_off(const Pager *pager, uint32_t slab)
{
    return kept_off;
}

void compare_end(Pager *pager, unsigned i)
{
    compared = NULL;
}

void compare_lease_gone(Pager *pager, const Lease *l)
{
}

void revoke_spare(Lease *l, uint32_t number, uint32_t was)
{
    spare_of = l;
    spare_number = number;
}

void revoke_dropped(Pager *pager, const Remote *r, const WireHead *head)
{
}

void revoke_tick(Pager *pager, uint64_t at)
{
}

void remote_close(Remote *r, const char *reason)
{
    closed = r;
}

void set_up(void)
{
    closed = NULL;
    p = g_new0(Pager, 1);
    slots_init(&p->slots);
    moves_init(&p->moves);
    for (unsigned i = 0; i < 2; i++) {
        memset(&remote[i], 0, sizeof(remote[i]));
        shared[i] = (struct RcacheLease) { .id = 100 + i, .epoch = 1 };
    }
    from = p->leases.entry[0] = lease_new(0, &shared[0], &remote[0], 0);
    to = p->leases.entry[1] = lease_new(1, &shared[1], &remote[1], 0);
    slots_add(&p->slots, SLAB, 0, OLD, 64);
    slots_mark(&p->slots, slot_make(SLAB, 3));
    now = 100 * NS_PER_SEC;
    quiet = true;
    nr_sent = nr_moved = nr_frozen = nr_added = nr_cleared = 0;
    sums = kept_off = false;
    compared = NULL;
    spare_of = NULL;
    move_begin(p, from, SLAB, to, SPARE);
    ck_assert_uint_eq(nr_frozen, 1);
}

void tear_down(void)
{
    leases_deinit(&p->leases);
    moves_deinit(&p->moves);
    slots_deinit(&p->slots);
    g_free(p);
}

Move *move(void)
{
    return &p->moves.entry[0];
}

void answer_from(const Remote *r, uint8_t type, uint16_t status,
                 uint64_t digest)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .type = type, .tag = move()->tag };
    WireMoved moved = { .pages = 5, .digest = digest };

    wire_append_moved(frame, &head, &moved);
    head.status = status;
    head.length = frame->len - sizeof(struct RcacheHdr);
    move_answer(p, r, &head, frame->data + sizeof(struct RcacheHdr));
}

void answer(uint8_t type, uint16_t status, uint64_t digest)
{
    answer_from(type == RCACHE_MOVE_ACK ? &remote[0] : &remote[1], type,
                status, digest);
}

void expect_stays(void)
{
    ck_assert_uint_eq(p->moves.nr, 0);
    ck_assert_uint_eq(nr_moved, 0);
    ck_assert_uint_eq(nr_frozen, 0);
    ck_assert_ptr_eq(spare_of, to);
    ck_assert_uint_eq(spare_number, SPARE);
}

/* Both providers agree, but the bytes are still to be compared. */
void moves_to_be_compared(void)
{
    sums = true;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_ptr_nonnull(compared);
    ck_assert_ptr_eq(compared_at.lease, to);
    ck_assert_uint_eq(compared_at.number, SPARE);
    ck_assert_uint_eq(nr_moved, 0);
    ck_assert_uint_eq(nr_frozen, 1);
}
