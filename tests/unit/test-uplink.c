/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rcached is told of leases: all of them, however many there are. uplink.c
 * and leases.c alone: the socket and what makes the figures are played here.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/copies-count.h"
#include "rcached/pager/pager.h"

#define LEASE   UINT64_C(77)

static Pager p;
static Remote remote;
static struct RcacheLease table[RCACHE_NR_LEASES];

/* The last message. */
static union {
    struct LinkStats stats;
    char bytes[LINK_MSG_MAX];
} sent;
static size_t sent_len;

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    ck_assert_uint_le(len, sizeof(sent));
    memcpy(&sent, msg, len);
    sent_len = len;
}

void seqsock_start(SeqSock *sock, int fd)
{
}

void seqsock_flush(SeqSock *sock)
{
}

void report_stats(Pager *pager, struct RcacheVmmStats *s, uint64_t now)
{
}

void report_delays(Pager *pager, struct RcacheVmmDelays *delays, uint64_t now)
{
    *delays = (struct RcacheVmmDelays) { .vcpus = 3 };
}

void copies_count(const Pager *pager, CopiesCount *out)
{
    memset(out, 0, sizeof(*out));
}

bool farewell_leaves(const Farewell *f)
{
    return f->state == FAREWELL_RELEASING;
}

/* As many have lost a page as can be told of. */
bool loss_by(const Pager *pager, unsigned i, Loss *out)
{
    *out = (Loss) { .host = "gone", .pages = 1 };
    return i < LOSSES_MAX;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t now,
                                uint64_t *since)
{
    return RCACHE_CAUSE_NONE;
}

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
    p.attached = true;
    p.uplink.path = "pager.sock";
    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        table[i].id = LEASE + i;
        p.leases.entry[i] = lease_new(i, &table[i], &remote, 0);
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        g_clear_pointer(&p.leases.entry[i], lease_free);
    }
}

/* One left out would be lent to somebody who does not hold it. */
START_TEST(all_leases_are_told)
{
    uplink_tick(&p, NS_PER_SEC);
    ck_assert_uint_eq(sent.stats.hdr.type, LINK_STATS);
    ck_assert_uint_eq(sent.stats.hdr.size, sent_len);
    ck_assert_uint_eq(sent.stats.nr_held, LOSSES_MAX + RCACHE_NR_LEASES);
    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        ck_assert_uint_eq(sent.stats.held[LOSSES_MAX + i].lease, LEASE + i);
    }
}
END_TEST

/* What the guest waits for stands behind the last lease, however many, and
 * whether the VM is held behind that. */
START_TEST(delays_follow_the_leases)
{
    struct RcacheVmmDelays delays;
    struct LinkHolds holds;
    size_t before;

    for (unsigned i = 1; i < RCACHE_NR_LEASES; i++) {
        g_clear_pointer(&p.leases.entry[i], lease_free);
    }
    p.limits.held = true;
    p.limits.held_max = 9;
    uplink_tick(&p, NS_PER_SEC);
    ck_assert_uint_eq(sent.stats.nr_held, LOSSES_MAX + 1);
    before = sizeof(sent.stats) + (LOSSES_MAX + 1) * sizeof(struct LinkHeld) +
             sizeof(struct LinkAhead);
    ck_assert_uint_eq(sent_len, before + sizeof(delays) + sizeof(holds));
    memcpy(&delays, sent.bytes + before, sizeof(delays));
    ck_assert_uint_eq(delays.vcpus, 3);
    memcpy(&holds, sent.bytes + before + sizeof(delays), sizeof(holds));
    ck_assert_uint_eq(holds.held, 1);
    ck_assert_uint_eq(holds.bytes, 9 * RCACHE_PAGE_SIZE);
}
END_TEST

/* Of a VM that has ended there are only leases left. */
START_TEST(who_leaves_says_so)
{
    uplink_tick(&p, NS_PER_SEC);
    ck_assert_uint_eq(sent.stats.attached, LINK_ATTACHED);
    p.done = true;
    uplink_tick(&p, 3 * NS_PER_SEC);
    ck_assert_uint_eq(sent.stats.attached, LINK_APART);
    ck_assert_uint_eq(sent.stats.nr_held, RCACHE_NR_LEASES + LOSSES_MAX);
    p.farewell.state = FAREWELL_RELEASING;
    p.attached = false;
    uplink_tick(&p, 5 * NS_PER_SEC);
    ck_assert_uint_eq(sent.stats.attached, LINK_LEAVING);
    ck_assert_uint_eq(sent.stats.nr_held, RCACHE_NR_LEASES);
    ck_assert_uint_eq(sent_len, sizeof(sent.stats) +
                      RCACHE_NR_LEASES * sizeof(struct LinkHeld) +
                      sizeof(struct LinkAhead));
}
END_TEST

/* Another process says farewell in its place, see farewells.h. */
START_TEST(who_has_no_daemon_looks_for_none)
{
    p.uplink.path = NULL;
    p.uplink.sock.fd = -1;
    uplink_tick(&p, 1000 * NS_PER_SEC);
    ck_assert_uint_eq(p.uplink.connect_at, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink");
    TCase *tc = tcase_create("leases");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, all_leases_are_told);
    tcase_add_test(tc, delays_follow_the_leases);
    tcase_add_test(tc, who_leaves_says_so);
    tcase_add_test(tc, who_has_no_daemon_looks_for_none);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
