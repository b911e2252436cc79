/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which state memfds a pager takes, and what it says about those it does not;
 * how it lets go of the guest's memory.
 */
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rcached/pager/guest-memory.h"

#define PAGES   1024u

static struct RcacheState head;
static Guest guest;
static GError *error;

/* Tables one behind the other, as a VMM lays them out. */
static void set_up(void)
{
    uint64_t end = RCACHE_STATE_HEADER;

    memset(&head, 0, sizeof(head));
    head.magic = RCACHE_STATE_MAGIC;
    head.version = RCACHE_STATE_VERSION;
    head.header_size = RCACHE_STATE_HEADER;
    head.nr_pages = PAGES;
    head.nr_leases = RCACHE_NR_LEASES;
    head.nr_slabs = RCACHE_NR_SLABS;
    head.frames_off = end;
    end += RCACHE_PAGE_SIZE;
    head.leases_off = end;
    end += RCACHE_NR_LEASES * sizeof(struct RcacheLease);
    head.slabs_off = end;
    end += RCACHE_NR_SLABS * sizeof(struct RcacheSlab);
    head.words_off = end;
    end += PAGES * sizeof(uint64_t);
    head.sides_off = end;
    end += PAGES * sizeof(struct RcacheSide);
    head.total_size = end;
    guest_init(&guest);
    error = NULL;
}

static void tear_down(void)
{
    guest_deinit(&guest);
    g_clear_error(&error);
}

static bool taken(void)
{
    int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, head.total_size), 0);
    ck_assert_int_eq(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    return guest_map_state(&guest, fd, &error);
}

START_TEST(tables_are_where_the_head_says)
{
    ck_assert(taken());
    ck_assert_ptr_eq(guest_sides(&guest),
                     (char *)guest.state + head.sides_off);
    guest_sides(&guest)[PAGES - 1].sum = 1;
}
END_TEST

START_TEST(an_older_layout_is_refused_with_the_remedy)
{
    head.version = RCACHE_STATE_VERSION - 1;
    ck_assert(!taken());
    ck_assert_ptr_null(guest.state);
    ck_assert_ptr_nonnull(strstr(error->message, "layout version 2"));
    ck_assert_ptr_nonnull(strstr(error->message, "size=0"));
    ck_assert_ptr_nonnull(strstr(error->message, "start the VM anew"));
}
END_TEST

START_TEST(side_records_must_fit)
{
    head.total_size -= 8;
    ck_assert(!taken());
    ck_assert_ptr_nonnull(strstr(error->message, "do not fit"));
}
END_TEST

START_TEST(a_slab_table_of_single_locations_does_not_fit)
{
    head.slabs_off = head.total_size - RCACHE_NR_SLABS * 8;
    ck_assert(!taken());
}
END_TEST

START_TEST(pages_are_numbered_over_all_blocks)
{
    guest.nr_blocks = 3;
    guest.block[0] = (GuestBlock) { .present = true, .first = 100,
                                    .pages = 10, .fd = -1 };
    guest.block[1] = (GuestBlock) { .pages = 5, .fd = -1 };     /* was there */
    guest.block[2] = (GuestBlock) { .present = true, .first = 50,
                                    .pages = 20, .fd = -1 };
    ck_assert_uint_eq(guest_page_number(&guest, 0), 100);
    ck_assert_uint_eq(guest_page_number(&guest, 9), 109);
    ck_assert_uint_eq(guest_page_number(&guest, 10), 50);
    ck_assert_uint_eq(guest_page_number(&guest,
                                        guest_ram_pages(&guest) - 1), 69);
}
END_TEST

/* The time that close(2) of it takes, if the peer reads nothing. */
#define LINGER_S    4

/* A connection with more to send than the peer, *@peer, has room for. */
static int slow_to_close(int *peer)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct linger linger = { .l_onoff = 1, .l_linger = LINGER_S };
    int server = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    static const char zeros[65536];
    socklen_t len = sizeof(at);

    ck_assert_int_eq(bind(server, (void *)&at, len), 0);
    ck_assert_int_eq(getsockname(server, (void *)&at, &len), 0);
    ck_assert_int_eq(listen(server, 1), 0);
    ck_assert_int_eq(connect(fd, (void *)&at, len), 0);
    *peer = accept(server, NULL, NULL);
    ck_assert_int_ge(*peer, 0);
    close(server);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
                                sizeof(linger)), 0);
    while (send(fd, zeros, sizeof(zeros), MSG_DONTWAIT) > 0) {
    }
    return fd;
}

/* The last one that closes tens of GiB waits for seconds until it is free. */
START_TEST(nobody_waits_until_memory_is_free)
{
    int64_t began;
    int peer;

    guest.nr_blocks = 1;
    guest.block[0].fd = slow_to_close(&peer);
    began = g_get_monotonic_time();
    guest_let_go(&guest);
    ck_assert_int_lt(g_get_monotonic_time() - began,
                     LINGER_S * G_USEC_PER_SEC / 2);
    ck_assert_int_eq(guest.block[0].fd, -1);
    close(peer);
}
END_TEST

static Suite *guest_memory_suite(void)
{
    Suite *s = suite_create("guest-memory");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, tables_are_where_the_head_says);
    tcase_add_test(t, an_older_layout_is_refused_with_the_remedy);
    tcase_add_test(t, side_records_must_fit);
    tcase_add_test(t, a_slab_table_of_single_locations_does_not_fit);
    tcase_add_test(t, pages_are_numbered_over_all_blocks);
    tcase_add_test(t, nobody_waits_until_memory_is_free);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(guest_memory_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
