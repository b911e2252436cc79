/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spill files that are full, too small, or not what was written. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spill-fixture.h"

#include "common/wire-move.h"

/* ------------------------------------------------------------ the disk lies */

START_TEST(no_page_is_readable_on_disk)
{
    g_autofree uint8_t *bytes = g_malloc(AREAS * SLAB);
    uint8_t page[WIRE_PAGE_SIZE];
    RcacheSlot slot = client_slot(&c, 3);
    int fd;

    spill_put(0, 100, 1);
    spill_go_out();
    client_fill(page, &slot, 1, 1);
    fd = spill_open();
    ck_assert_int_eq(pread(fd, bytes, AREAS * SLAB, 0), AREAS * SLAB);
    ck_assert_ptr_null(memmem(bytes, AREAS * SLAB, page, 16));
    close(fd);
}
END_TEST

/* Flip a bit of every page; return the descriptor to undo it with. */
static void flip_all(int fd)
{
    for (uint64_t at = 1234; at < AREAS * SLAB; at += WIRE_PAGE_SIZE) {
        uint8_t byte;

        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 4;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    }
    ck_assert_int_eq(fsync(fd), 0);
}

START_TEST(a_changed_byte_is_caught)
{
    uint8_t page[WIRE_PAGE_SIZE];
    uint64_t errors;
    RcacheSlot slot = client_slot(&c, 3);
    int fd;

    spill_put(0, 100, 1);
    spill_go_out();
    fd = spill_open();
    flip_all(fd);
    ck_assert_uint_eq(client_get(&c, &slot, 1, page), RCACHE_E_SLOT);
    ck_assert_uint_gt(snapshot().spill_errors, 0);
    ck_assert_str_ne(snapshot().spill_problem, "");
    /* It does not come back as something else either. */
    provider_revoke(provider, ALL, 64 * SLAB, NOW);
    errors = snapshot().spill_errors;
    WAIT_FOR(snapshot().spill_errors > errors);
    ck_assert(!snapshot().spill_failing);
    ck_assert_uint_eq(client_get(&c, &slot, 1, page), RCACHE_E_SLOT);
    still_serves();
    flip_all(fd);
    spill_check(0, 100, 1);
    close(fd);
}
END_TEST

/*
 * All slabs come back, of one all pages but the one that cannot be read.  It
 * says which slab, of whom; slabs still go out, and that one comes when it can.
 */
START_TEST(a_bad_page_stays_alone)
{
    static const uint64_t at = 7 * WIRE_PAGE_SIZE + 99;     /* of area 0 */
    uint8_t byte;
    int fd;

    spill_put(0, SLABS * PAGES, 1);
    spill_go_out();
    fd = spill_open();
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    provider_revoke(provider, ALL, 64 * SLAB, NOW);
    WAIT_FOR(snapshot().spill_slabs_back == SLABS - 1);
    WAIT_FOR(snapshot().in_file == WIRE_PAGE_SIZE);
    WAIT_FOR(snapshot().spilled == 0);
    ck_assert(!snapshot().spill_failing);
    ck_assert_ptr_nonnull(strstr(snapshot().spill_problem, "of VM 'vm' on "));
    provider_revoke(provider, 0, 0, NOW);
    WAIT_FOR(snapshot().spilled == SLABS * SLAB);
    byte ^= 4;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    spill_come_back();
    spill_check(0, SLABS * PAGES, 1);
}
END_TEST

START_TEST(older_bytes_are_caught)
{
    g_autofree uint8_t *old = g_malloc(AREAS * SLAB);
    uint8_t page[WIRE_PAGE_SIZE];
    RcacheSlot slot = client_slot(&c, 3);
    int fd;

    spill_put(0, 10, 1);
    spill_go_out();
    fd = spill_open();
    ck_assert_int_eq(pread(fd, old, AREAS * SLAB, 0), AREAS * SLAB);
    spill_put(3, 1, 2);
    spill_check(3, 1, 2);
    ck_assert_int_eq(pwrite(fd, old, AREAS * SLAB, 0), AREAS * SLAB);
    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_uint_eq(client_get(&c, &slot, 1, page), RCACHE_E_SLOT);
    spill_check(4, 6, 1);
    close(fd);
}
END_TEST

/* Every write fails with ENOSPC: the slabs stay, and it is said. */
START_TEST(a_full_disk_loses_nothing)
{
    int fd = spill_fd(), saved = dup(fd), full = open("/dev/full", O_RDWR);

    spill_put(0, 400, 1);
    ck_assert_int_eq(dup2(full, fd), fd);
    provider_revoke(provider, 0, 0, NOW);
    WAIT_FOR(snapshot().spill_failing);
    spill_check(0, 400, 1);
    ck_assert_uint_eq(snapshot().in_file, 0);
    ck_assert_ptr_nonnull(strstr(snapshot().spill_problem, "No space"));
    spill_put(400, 20, 2);
    spill_check(400, 20, 2);
    ck_assert_int_eq(dup2(saved, fd), fd);
    close(saved);
    close(full);
    /* When it can be written to again they go. */
    WAIT_FOR(snapshot().spilled == SLABS * SLAB);
    ck_assert_str_eq(snapshot().spill_problem, "");
    spill_check(0, 400, 1);
    spill_check(400, 20, 2);
}
END_TEST

/* A PUT that the disk does not take is kept in memory. */
START_TEST(a_put_to_a_full_disk_stays_in_memory)
{
    int fd = spill_fd(), saved = dup(fd), full = open("/dev/full", O_RDWR);

    spill_put(0, 50, 1);
    spill_go_out();
    ck_assert_int_eq(dup2(full, fd), fd);
    spill_put(20, 1, 2);
    spill_put(100, 40, 2);
    spill_check(20, 1, 2);
    spill_check(100, 40, 2);
    ck_assert_int_eq(dup2(saved, fd), fd);
    close(saved);
    close(full);
    spill_check(0, 20, 1);
    spill_check(20, 1, 2);
    spill_check(21, 29, 1);
    spill_check(100, 40, 2);
}
END_TEST

/* ------------------------------------------------------------ a slow disk */

#define FEW     8u              /* pages: they fit a pipe, twice */

/* The slab with most in it goes last, and so to this area. */
#define LAST    ((SLABS - 1) * SLAB)

/* The file's descriptor is one end of a pipe for a while. */
typedef struct Slow {
    int fd, saved, end[2];
} Slow;

static Slow slow_begin(bool writes)
{
    Slow slow = { .fd = spill_fd() };

    slow.saved = dup(slow.fd);
    ck_assert_int_eq(pipe2(slow.end, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(slow.end[writes], slow.fd), slow.fd);
    return slow;
}

static void slow_end(Slow *slow)
{
    ck_assert_int_eq(dup2(slow->saved, slow->fd), slow->fd);
    close(slow->saved);
    close(slow->end[0]);
    close(slow->end[1]);
}

/* What is PUT while its page is read stays, and so do its neighbours. */
START_TEST(a_put_while_its_page_comes_back)
{
    uint8_t bytes[FEW * WIRE_PAGE_SIZE];
    Slow slow;
    int fd;

    spill_put(0, FEW, 1);
    spill_go_out();
    fd = spill_open();
    ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), LAST), sizeof(bytes));
    slow = slow_begin(false);
    provider_revoke(provider, ALL, 64 * SLAB, NOW);
    WAIT_FOR(snapshot().spilled < SLABS * SLAB);
    WAIT_FOR(snapshot().spilled <= SLABS * SLAB - FEW * WIRE_PAGE_SIZE);
    spill_put(3, 1, 2);
    spill_check(3, 1, 2);
    ck_assert_int_eq(write(slow.end[1], bytes, sizeof(bytes)),
                     sizeof(bytes));
    WAIT_FOR(snapshot().in_file == 0);
    slow_end(&slow);
    spill_come_back();
    spill_check(0, 3, 1);
    spill_check(3, 1, 2);
    spill_check(4, FEW - 4, 1);
    ck_assert_uint_eq(snapshot().spill_errors, 0);
    close(fd);
}
END_TEST

/* A PUT that began before its slab went: begin it, and see that it has. */
static void put_begin(RcacheSlot slot)
{
    struct {
        uint8_t ping[WIRE_HEAD_LEN];
        uint8_t head[WIRE_HEAD_LEN];
        uint8_t slot[8];
    } frames;
    WireHead ping = { .type = RCACHE_PING, .tag = ++c.tag };
    WireHead head = {
        .type = RCACHE_PUT, .count = 1, .length = 8 + WIRE_PAGE_SIZE,
        .tag = c.tag + 1, .lease = c.lease, .epoch = c.epoch,
    };

    wire_head_encode(frames.ping, &ping);
    wire_head_encode(frames.head, &head);
    wire_slots_encode(frames.slot, &slot, 1);
    client_send(&c, &frames, sizeof(frames));
    ck_assert_uint_eq(client_answer(&c, RCACHE_PONG, NULL, NULL), RCACHE_OK);
    c.tag++;
}

/* Its page was stored already, and is written when its bytes come. */
START_TEST(a_put_while_its_page_goes)
{
    static uint8_t all[65536];
    uint8_t page[WIRE_PAGE_SIZE];
    RcacheSlot slot = client_slot(&c, 3);
    Slow slow;
    int fd = spill_open();
    ssize_t n;

    spill_put(0, FEW, 1);
    put_begin(slot);
    slow = slow_begin(true);
    ck_assert_int_eq(write(slow.end[1], all, sizeof(all)), sizeof(all));
    provider_revoke(provider, 0, 0, NOW);
    /* The others have nothing to write; this one's write waits. */
    WAIT_FOR(snapshot().spill_slabs_out == SLABS - 1);
    WAIT_FOR(snapshot().spilled > (SLABS - 1) * SLAB - 1);
    g_usleep(300000);           /* if it has not begun the test is weaker */
    client_fill(page, &slot, 1, 2);
    client_send(&c, page, sizeof(page));
    ck_assert_uint_eq(client_answer(&c, RCACHE_PUT_ACK, NULL, NULL),
                      RCACHE_OK);
    ck_assert_int_eq(read(slow.end[0], all, sizeof(all)), sizeof(all));
    n = read(slow.end[0], all, FEW * WIRE_PAGE_SIZE);
    ck_assert_int_eq(n, FEW * WIRE_PAGE_SIZE);
    ck_assert_int_eq(pwrite(fd, all, n, LAST), n);
    ck_assert_int_eq(dup2(slow.saved, slow.fd), slow.fd);
    spill_go_out();
    /* It has been written again: to the file, or still to the pipe. */
    ck_assert_int_eq(fcntl(slow.end[0], F_SETFL, O_NONBLOCK), 0);
    n = read(slow.end[0], all, sizeof(all));
    if (n > 0) {
        ck_assert_int_eq(n, WIRE_PAGE_SIZE);
        ck_assert_int_eq(pwrite(fd, all, n, LAST + 3 * WIRE_PAGE_SIZE), n);
    }
    slow_end(&slow);
    spill_check(0, 3, 1);
    spill_check(3, 1, 2);
    spill_check(4, FEW - 4, 1);
    ck_assert_uint_eq(snapshot().spill_errors, 0);
    close(fd);
}
END_TEST

/* To a slab that nobody expects: it is answered without a page being sent. */
static uint16_t move_status(RcacheSlot slot)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .tag = ++c.tag, .lease = c.lease, .epoch = c.epoch };
    WireMove move = {
        .to_lease = c.lease, .to_epoch = c.epoch, .to_session = 1,
        .slab = wire_slot_slab(slot),
    };

    wire_text_copy(move.address, sizeof(move.address),
                   provider_address(provider));
    wire_append_move(frame, &head, &move);
    client_send(&c, frame->data, frame->len);
    return client_answer(&c, RCACHE_MOVE_ACK, NULL, NULL);
}

/* A push that began now would leave the page behind. */
START_TEST(a_move_while_a_put_waits_for_the_disk)
{
    static uint8_t all[65536];
    uint8_t page[WIRE_PAGE_SIZE];
    RcacheSlot slot = client_slot(&c, FEW + 1);
    int fd = spill_open();
    Slow slow;
    ssize_t n;

    spill_put(0, FEW, 1);
    spill_go_out();
    ck_assert_uint_eq(move_status(slot), RCACHE_E_LEASE);
    slow = slow_begin(true);
    ck_assert_int_eq(write(slow.end[1], all, sizeof(all)), sizeof(all));
    client_fill(page, &slot, 1, 2);
    client_put_begin(&c, &slot, 1);
    client_send(&c, page, sizeof(page));
    ck_assert_uint_eq(move_status(slot), RCACHE_E_BUSY);
    c.tag--;                    /* the PUT's */
    ck_assert_int_eq(read(slow.end[0], all, sizeof(all)), sizeof(all));
    ck_assert_uint_eq(client_answer(&c, RCACHE_PUT_ACK, NULL, NULL),
                      RCACHE_OK);
    n = read(slow.end[0], all, sizeof(all));
    ck_assert_int_eq(n, WIRE_PAGE_SIZE);
    ck_assert_int_eq(pwrite(fd, all, n, LAST + (FEW + 1) * WIRE_PAGE_SIZE),
                     n);
    slow_end(&slow);
    c.tag++;
    ck_assert_uint_eq(move_status(slot), RCACHE_E_LEASE);
    spill_check(0, FEW, 1);
    spill_check(FEW + 1, 1, 2);
    close(fd);
}
END_TEST

START_TEST(a_bad_directory_is_refused)
{
    static const struct {
        const char *dir, *says;
        uint64_t size;
    } bad[] = {
        { "/dev/shm", "tmpfs", SLAB },
        { "/nonexistent", "No such file", SLAB },
        { ".", "less than a slab", SLAB - 1 },
        { ".", "set", UINT64_C(1) << 60 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        ProviderConfig other = config;

        other.listen = "127.0.0.1:0";
        other.keep = NULL;
        other.spill_dir = bad[i].dir;
        other.spill_size = bad[i].size;
        ck_assert_ptr_null(provider_new(&other, &error));
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error->message, bad[i].says) != NULL, "%s",
                      error->message);
    }
}
END_TEST

/* ------------------------------------------------- a restart, and the disk */

static void restart_and_look(void)
{
    uint32_t slabs[SLABS];

    memcpy(slabs, c.slabs, sizeof(slabs));
    spill_restart();
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    memcpy(c.slabs, slabs, sizeof(slabs));
    spill_check(0, 100, 1);
}

static uint64_t inode(void)
{
    struct stat st;

    ck_assert_int_eq(fstat(spill_fd(), &st), 0);
    return st.st_ino;
}

/* Its room may be all that the disk has: it is not made anew. */
START_TEST(a_restart_keeps_an_empty_file)
{
    uint64_t before = inode();

    spill_put(0, 100, 1);
    restart_and_look();
    ck_assert_uint_eq(inode(), before);
    restart_and_look();
    ck_assert_uint_eq(inode(), before);
    spill_go_out();
    spill_check(0, 100, 1);
}
END_TEST

/* The disk may have got full, or a larger file may have no room. */
START_TEST(a_restart_goes_on_with_the_file_that_there_is)
{
    uint64_t before = inode();

    spill_put(0, 100, 1);
    config.spill_size = UINT64_C(1) << 60;
    restart_and_look();
    ck_assert_uint_eq(inode(), before);
    restart_and_look();
    ck_assert_uint_eq(inode(), before);
    spill_go_out();
    spill_check(0, 100, 1);
}
END_TEST

START_TEST(a_restart_goes_on_without_a_file)
{
    spill_put(0, 100, 1);
    config.spill_dir = "";
    restart_and_look();
    ck_assert_uint_eq(snapshot().spill_size, 0);
    ck_assert_str_eq(snapshot().spill_problem, "");
    config.spill_dir = "/nonexistent";
    restart_and_look();
    ck_assert_uint_eq(snapshot().spill_size, 0);
    ck_assert_ptr_nonnull(strstr(snapshot().spill_problem, "/nonexistent"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-spill-disk");
    TCase *tc = tcase_create("provider-spill-disk");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 100);
    tcase_add_checked_fixture(tc, spill_set_up, spill_tear_down);
    tcase_add_test(tc, no_page_is_readable_on_disk);
    tcase_add_test(tc, a_changed_byte_is_caught);
    tcase_add_test(tc, a_bad_page_stays_alone);
    tcase_add_test(tc, older_bytes_are_caught);
    tcase_add_test(tc, a_full_disk_loses_nothing);
    tcase_add_test(tc, a_put_to_a_full_disk_stays_in_memory);
    tcase_add_test(tc, a_put_while_its_page_comes_back);
    tcase_add_test(tc, a_put_while_its_page_goes);
    tcase_add_test(tc, a_move_while_a_put_waits_for_the_disk);
    tcase_add_test(tc, a_bad_directory_is_refused);
    tcase_add_test(tc, a_restart_keeps_an_empty_file);
    tcase_add_test(tc, a_restart_goes_on_with_the_file_that_there_is);
    tcase_add_test(tc, a_restart_goes_on_without_a_file);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
