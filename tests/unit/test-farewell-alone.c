/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pager that only says farewell for a VM that has ended, and is given what
 * the VM's process left as its state memfd, whatever that is.
 */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "rcached/pager/pager-end.h"
#include "rcached/pager/pager.h"

#define UUID            0x77
#define INCARNATION     UINT64_C(42)
#define LEASE           UINT64_C(0x1234)

static const uint8_t uuid[RCACHE_UUID_LEN] = {
    UUID, UUID, UUID, UUID, UUID, UUID, UUID, UUID,
    UUID, UUID, UUID, UUID, UUID, UUID, UUID, UUID
};
static int state = -1;
static struct RcacheState head;

static void put_head(void)
{
    ck_assert_int_eq(pwrite(state, &head, sizeof(head), 0), sizeof(head));
}

/* Of a VM of one page, with a lease at a port where nobody listens. */
static void begin(void)
{
    struct RcacheLease lease = {
        .id = LEASE, .epoch = 1, .provider = "far",
        .address = "127.0.0.1:1",
    };

    head = (struct RcacheState) {
        .magic = RCACHE_STATE_MAGIC, .version = RCACHE_STATE_VERSION,
        .header_size = RCACHE_STATE_HEADER, .incarnation = INCARNATION,
        .nr_pages = 1, .nr_leases = RCACHE_NR_LEASES,
        .nr_slabs = RCACHE_NR_SLABS, .frames_off = RCACHE_STATE_HEADER,
    };
    memcpy(head.uuid, uuid, sizeof(uuid));
    head.leases_off = head.frames_off + 4096;
    head.slabs_off = head.leases_off +
                     RCACHE_NR_LEASES * sizeof(struct RcacheLease);
    head.words_off = head.slabs_off +
                     RCACHE_NR_SLABS * sizeof(struct RcacheSlab);
    head.sides_off = head.words_off + sizeof(uint64_t);
    head.total_size = head.sides_off + sizeof(struct RcacheSide);
    state = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(state, head.total_size), 0);
    ck_assert_int_eq(pwrite(state, &lease, sizeof(lease), head.leases_off),
                     sizeof(lease));
    put_head();
}

static void end(void)
{
    close(fd_steal(&state));
}

static void seal(void)
{
    ck_assert_int_eq(fcntl(state, F_ADD_SEALS, F_SEAL_SHRINK), 0);
}

/* Somebody wants its place at once, so that nobody is waited for. */
static bool farewell(char **why)
{
    g_autofree char *cannot = NULL;
    Pager *p = pager_new(-1, NULL, "here", 0, &cannot);
    g_autoptr(GError) error = NULL;
    bool done;

    ck_assert_msg(p != NULL, "%s", cannot);
    p->farewell.wanted_at = pager_now();
    done = pager_end_alone(p, uuid, INCARNATION, "web", dup(state), &error);
    *why = done ? NULL : g_strdup(error->message);
    pager_quiesce(p);
    pager_free(p);
    return done;
}

static uint64_t session(void)
{
    struct RcacheState now;

    ck_assert_int_eq(pread(state, &now, sizeof(now), 0), sizeof(now));
    return now.session;
}

static uint64_t lease_id(void)
{
    struct RcacheLease now;

    ck_assert_int_eq(pread(state, &now, sizeof(now), head.leases_off),
                     sizeof(now));
    return now.id;
}

START_TEST(who_is_away_is_tried)
{
    g_autofree char *why = NULL;

    seal();
    ck_assert(farewell(&why));
    ck_assert_uint_ge(session(), 1);
    ck_assert_uint_eq(lease_id(), LEASE);
}
END_TEST

/* Its leases would be claimed in this VM's name. */
START_TEST(the_state_of_another_vm_is_left_alone)
{
    g_autofree char *why = NULL;

    if (_i) {
        head.uuid[15]++;
    } else {
        head.incarnation++;
    }
    put_head();
    seal();
    ck_assert(farewell(&why));
    ck_assert_uint_eq(session(), 0);
    ck_assert_uint_eq(lease_id(), LEASE);
}
END_TEST

START_TEST(what_may_shrink_is_not_mapped)
{
    g_autofree char *why = NULL;

    ck_assert(!farewell(&why));
    ck_assert_ptr_nonnull(strstr(why, "sealed"));
    ck_assert_uint_eq(session(), 0);
}
END_TEST

START_TEST(what_does_not_fit_is_not_read)
{
    g_autofree char *why = NULL;

    head.leases_off = head.total_size - sizeof(struct RcacheLease);
    put_head();
    seal();
    ck_assert(!farewell(&why));
    ck_assert_ptr_nonnull(strstr(why, "do not fit"));
}
END_TEST

/* No provider takes a session below it: that is the orphan time's. */
START_TEST(sessions_may_have_run_out)
{
    g_autofree char *why = NULL;

    head.session = UINT64_MAX;
    put_head();
    seal();
    ck_assert(farewell(&why));
    ck_assert_uint_eq(lease_id(), LEASE);
}
END_TEST

START_TEST(a_damaged_lease_is_nobodys)
{
    struct RcacheLease lease = { .id = LEASE };
    g_autofree char *why = NULL;

    memset(lease.provider, 'x', sizeof(lease.provider));
    memset(lease.address, 'x', sizeof(lease.address));
    ck_assert_int_eq(pwrite(state, &lease, sizeof(lease), head.leases_off),
                     sizeof(lease));
    seal();
    ck_assert(farewell(&why));
    ck_assert_uint_eq(session(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("farewell-alone");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, who_is_away_is_tried);
    tcase_add_loop_test(tc, the_state_of_another_vm_is_left_alone, 0, 2);
    tcase_add_test(tc, what_may_shrink_is_not_mapped);
    tcase_add_test(tc, what_does_not_fit_is_not_read);
    tcase_add_test(tc, sessions_may_have_run_out);
    tcase_add_test(tc, a_damaged_lease_is_nobodys);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
