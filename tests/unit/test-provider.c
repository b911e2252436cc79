/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole provider on loopback: pages there and back, leases and what is
 * given back, where it listens, and a restart.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provider-fixture.h"

#include "common/wire-beat.h"
#include "common/wire-control.h"

/* ----------------------------------------------------------------- pages */

START_TEST(pages_there_and_back)
{
    Client c = leased(1, 2), fault;
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint8_t have[RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE];
    uint8_t want[RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE];
    unsigned round, i;

    fault = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&fault, 1), RCACHE_OK);
    for (round = 0; round < 50; round++) {
        unsigned n = round % RCACHE_BATCH_PAGES + 1;

        for (i = 0; i < n; i++) {
            /* Some next to each other, some not, in both slabs. */
            slots[i] = client_slot(&c, (round * 7 + i * (round % 5 + 1)) %
                                       (2 * PAGES));
        }
        ck_assert_uint_eq(client_put(&c, slots, n, round), RCACHE_OK);
        client_fill(want, slots, n, round);
        ck_assert_uint_eq(client_get(&fault, slots, n, have), RCACHE_OK);
        ck_assert_mem_eq(have, want, n * WIRE_PAGE_SIZE);
    }
    client_close(&c);
    client_close(&fault);
}
END_TEST

START_TEST(stored_pages_are_counted)
{
    Client c = leased(1, 1);
    RcacheSlot slots[3] = { client_slot(&c, 1), client_slot(&c, 2),
                            client_slot(&c, 100) };

    client_put(&c, slots, 3, 1);
    client_put(&c, slots, 2, 2);
    ck_assert_uint_eq(snapshot().stored, 3 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(client_free(&c, slots, 1), RCACHE_OK);
    ck_assert_uint_eq(client_free(&c, slots, 1), RCACHE_OK);
    ck_assert_uint_eq(snapshot().stored, 2 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(snapshot().leased, SLAB);
    ck_assert_uint_eq(snapshot().put_pages, 5);
    client_close(&c);
}
END_TEST

/* Requests sent at once are all answered, PUTs behind one another too. */
START_TEST(requests_in_a_row)
{
    enum { N = 40 };
    Client c = leased(1, 1);
    g_autofree uint8_t *pages = g_malloc(64 * WIRE_PAGE_SIZE);
    RcacheSlot slots[64];
    WireHead head;
    uint8_t *payload;
    unsigned i, j;
    uint64_t first = c.tag + 1;

    for (i = 0; i < N; i++) {
        for (j = 0; j < 64; j++) {
            slots[j] = client_slot(&c, i % 4 * 64 + j);
        }
        client_fill(pages, slots, 64, i);
        client_put_begin(&c, slots, 64);
        client_send(&c, pages, 64 * WIRE_PAGE_SIZE);
        client_send_slots(&c, RCACHE_FREE, slots, 1);
    }
    for (i = 0; i < 2 * N; i++) {
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.tag, first + i);
        ck_assert_uint_eq(head.type, i % 2 ? RCACHE_FREE_ACK
                                           : RCACHE_PUT_ACK);
        ck_assert_uint_eq(head.status, RCACHE_OK);
    }
    for (j = 1; j < 64; j++) {
        ck_assert(client_has(&c, client_slot(&c, j), N - 4));
    }
    client_close(&c);
}
END_TEST

/* Frames may come in pieces of any size. */
START_TEST(requests_in_pieces)
{
    Client c = leased(1, 1);
    RcacheSlot slots[3] = { client_slot(&c, 9), client_slot(&c, 5),
                            client_slot(&c, 6) };
    WireHead head = {
        .type = RCACHE_PUT, .count = 3, .length = 3 * (8 + WIRE_PAGE_SIZE),
        .tag = 99, .lease = 1, .epoch = 1,
    };
    uint8_t frame[WIRE_HEAD_LEN + 3 * (8 + WIRE_PAGE_SIZE)];
    unsigned sizes[] = { 1, 39, 40, 41, 63, 64, 4096, 4159, 4160, 9000 };
    uint8_t *payload;
    size_t i, at;

    wire_head_encode(frame, &head);
    wire_slots_encode(frame + WIRE_HEAD_LEN, slots, 3);
    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        client_fill(frame + WIRE_HEAD_LEN + 24, slots, 3, i);
        for (at = 0; at < sizeof(frame); at += sizes[i]) {
            client_send(&c, frame + at, MIN(sizes[i], sizeof(frame) - at));
            if (sizes[i] > 1 || at < 100 || at % 1000 == 0) {
                g_usleep(2000);
            }
        }
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.status, RCACHE_OK);
        ck_assert(client_has(&c, slots[0], i));
        ck_assert(client_has(&c, slots[1], i));
        ck_assert(client_has(&c, slots[2], i));
    }
    client_close(&c);
}
END_TEST

/* --------------------------------------------------------------- leases */

START_TEST(claim_and_renew)
{
    Client c = leased(1, 2), again;
    ProviderSnapshot snap;

    ck_assert_uint_eq(c.slab_pages, PAGES);
    ck_assert_uint_eq(c.nr_slabs, 2);
    again = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&again, 1), RCACHE_OK);
    ck_assert_mem_eq(again.slabs, c.slabs, 2 * sizeof(c.slabs[0]));
    ck_assert_uint_eq(client_claim(&again, 1), RCACHE_OK);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RENEW), RCACHE_OK);
    provider_snapshot(provider, &snap);
    ck_assert_uint_eq(snap.leases->len, 1);
    ck_assert_uint_eq(g_array_index(snap.leases, WireBeatLease, 0).state,
                      RCACHE_LEASE_CLAIMED);
    ck_assert_uint_le(g_array_index(snap.leases, WireBeatLease, 0).expires_ms,
                      config.ttl_ms);
    provider_snapshot_clear(&snap);
    client_close(&c);
    client_close(&again);
}
END_TEST

START_TEST(grants_have_limits)
{
    WireGrantAck ack = give(1, VM_A, 60);

    ck_assert_uint_eq(ack.bytes, 60 * SLAB);
    ck_assert_uint_eq(give(2, VM_A, 60).bytes, 4 * SLAB);
    ack = give(3, VM_A, 1);
    ck_assert_uint_eq(ack.status, RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(ack.bytes, 0);
    provider_set_limit(provider, 65 * SLAB);
    ck_assert_uint_eq(give(3, VM_A, 1).bytes, SLAB);
    ck_assert_uint_eq(snapshot().offered, 65 * SLAB);
}
END_TEST

START_TEST(unclaimed_leases_go_and_expired_ones_stay)
{
    Client c;
    RcacheSlot x;
    WireGrant grant = { .lease = 2, .epoch = 1, .claim_ms = 1, .bytes = SLAB };
    WireGrantAck ack;

    provider_free(provider);
    config.ttl_ms = 200;
    fixture_start();
    c = leased(1, 1);
    x = client_slot(&c, 0);
    client_put(&c, &x, 1, 1);
    provider_grant(provider, &grant, &ack);
    ck_assert_uint_eq(ack.bytes, SLAB);
    WAIT_FOR(snapshot().leased == SLAB);
    g_usleep(700000);
    ck_assert(client_has(&c, x, 1));
    ck_assert_uint_eq(client_bare(&c, RCACHE_RENEW), RCACHE_OK);
    client_close(&c);
}
END_TEST

/* The memfds of slabs that this process has open, as new descriptors. */
static unsigned slab_fds(int *fds, unsigned max)
{
    unsigned n = 0;
    int fd;

    for (fd = 0; fd < 1000 && n < max; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *target = g_file_read_link(path, NULL);

        if (target && strstr(target, "memfd:rcached-slab")) {
            fds[n++] = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
        }
    }
    return n;
}

START_TEST(release_punches_the_memory)
{
    Client c = leased(1, 2);
    RcacheSlot x = client_slot(&c, 300);
    uint8_t page[WIRE_PAGE_SIZE], byte;
    struct stat st;
    int fds[3];
    unsigned i;

    memset(page, 0x5a, sizeof(page));
    client_put(&c, &x, 1, 1);
    ck_assert_uint_eq(slab_fds(fds, 3), 2);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    /* The answer comes when it is done. */
    ck_assert_uint_eq(snapshot().leased, 0);
    for (i = 0; i < 2; i++) {
        ck_assert_int_eq(fstat(fds[i], &st), 0);
        ck_assert_int_eq(st.st_blocks, 0);
        ck_assert_int_eq(pread(fds[i], &byte, 1, 44 * WIRE_PAGE_SIZE), 1);
        ck_assert_uint_eq(byte, 0);
        close(fds[i]);
    }
    ck_assert_uint_eq(client_get(&c, &x, 1, page), RCACHE_E_LEASE);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_E_LEASE);
    client_close(&c);
}
END_TEST

/* Released while another connection is in the middle of a PUT to it. */
START_TEST(release_waits_for_transfers)
{
    Client bulk = leased(1, 1), other;
    RcacheSlot x = client_slot(&bulk, 3);
    uint8_t page[WIRE_PAGE_SIZE], *payload;
    struct pollfd pfd;
    WireHead head = { .type = RCACHE_RELEASE, .tag = 1, .lease = 1,
                      .epoch = 1 };

    other = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&other, 1), RCACHE_OK);
    client_fill(page, &x, 1, 5);
    client_put_begin(&bulk, &x, 1);
    client_send(&bulk, page, 1000);
    g_usleep(50000);
    client_send_head(&other, &head);
    pfd = (struct pollfd) { .fd = other.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&pfd, 1, 100), 0);
    ck_assert_uint_eq(snapshot().leased, SLAB);
    client_send(&bulk, page + 1000, sizeof(page) - 1000);
    /* Its bytes are gone, and that is what it is told. */
    ck_assert(client_try_recv(&bulk, &head, &payload));
    ck_assert_uint_eq(head.status, RCACHE_E_LEASE);
    ck_assert(client_try_recv(&other, &head, &payload));
    ck_assert_uint_eq(head.type, RCACHE_RELEASE_ACK);
    ck_assert_uint_eq(head.status, RCACHE_OK);
    ck_assert_uint_eq(snapshot().leased, 0);
    client_close(&bulk);
    client_close(&other);
}
END_TEST

START_TEST(what_nobody_will_claim_is_withdrawn)
{
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 3);
    uint8_t page[WIRE_PAGE_SIZE];

    /* One that was claimed is its VM's, whatever an arbiter thinks. */
    client_put(&c, &x, 1, 1);
    ck_assert(!provider_withdraw(provider, 1));
    ck_assert_uint_eq(client_get(&c, &x, 1, page), RCACHE_OK);
    ck_assert_uint_eq(give(2, VM_A, 3).bytes, 3 * SLAB);
    WAIT_FOR(snapshot().leased == 4 * SLAB);
    ck_assert(!provider_withdraw(provider, 3));
    ck_assert(provider_withdraw(provider, 2));
    WAIT_FOR(snapshot().leased == SLAB);
    client_close(&c);
}
END_TEST

START_TEST(an_operator_can_end_a_lease)
{
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 3);
    uint8_t page[WIRE_PAGE_SIZE];

    client_put(&c, &x, 1, 1);
    ck_assert(!provider_end_lease(provider, 2));
    ck_assert(provider_end_lease(provider, 1));
    ck_assert_uint_eq(client_get(&c, &x, 1, page), RCACHE_E_LEASE);
    WAIT_FOR(snapshot().leased == 0);
    client_close(&c);
}
END_TEST

START_TEST(a_spoilt_page_differs)
{
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 3);

    ck_assert(!provider_debug_flip(provider));
    client_put(&c, &x, 1, 1);
    ck_assert(client_has(&c, x, 1));
    ck_assert(provider_debug_flip(provider));
    ck_assert(!client_has(&c, x, 1));
    client_close(&c);
}
END_TEST

/* --------------------------------------------------------------- set-up */

static void refused(const char *listen, const char *why)
{
    g_autoptr(GError) error = NULL;
    ProviderConfig bad = config;

    bad.listen = listen;
    bad.tls = NULL;
    ck_assert_ptr_null(provider_new(&bad, &error));
    ck_assert_msg(strstr(error->message, why) != NULL, "%s", error->message);
}

START_TEST(listening)
{
    ProviderConfig other = config;
    Provider *second;
    g_autoptr(GError) error = NULL;

    refused("0.0.0.0:0", "tls=none");
    refused("[::]:0", "tls=none");
    refused("192.0.2.77:0", "tls=none");
    refused("nonsense", "is not an address");
    refused(provider_address(provider), "in use");
    other.listen = "[::1]:0";
    second = provider_new(&other, &error);
    ck_assert_msg(second != NULL, "%s", error ? error->message : "");
    ck_assert(g_str_has_prefix(provider_address(second), "[::1]:"));
    {
        Client c = client_session(provider_address(second), VM_A, 1);

        client_close(&c);
    }
    provider_free(second);
    other.slab_size = 3 * 4096;
    ck_assert_ptr_null(provider_new(&other, NULL));
}
END_TEST

/* Lent memory that could be swapped and cannot be locked is not lent. */
static int try_unlockable(void)
{
    struct rlimit none = { 0, 0 };
    ProviderConfig bad = config;
    g_autoptr(GError) error = NULL;

    if (setrlimit(RLIMIT_MEMLOCK, &none) ||
        (geteuid() == 0 && setresuid(65534, 65534, 65534))) {
        return 2;
    }
    bad.lock_memory = true;
    return !provider_new(&bad, &error) && strstr(error->message, "swap")
        ? 0 : 1;
}

START_TEST(unlockable_memory_is_refused)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(try_unlockable());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* -------------------------------------------------------------- restart */

static GHashTable *kept;        /* name -> fd */

static void keep(const char *name, int fd, void *opaque)
{
    static GMutex lock;

    g_mutex_lock(&lock);
    if (fd < 0) {
        g_hash_table_remove(kept, name);
    } else {
        g_hash_table_replace(kept, g_strdup(name),
                             GINT_TO_POINTER(fcntl(fd, F_DUPFD_CLOEXEC, 0)));
    }
    g_mutex_unlock(&lock);
}

static void restart(void)
{
    ProviderKept list[64];
    GHashTableIter iter;
    gpointer name, fd;

    provider_free(provider);
    config.nr_kept = 0;
    g_hash_table_iter_init(&iter, kept);
    while (g_hash_table_iter_next(&iter, &name, &fd)) {
        list[config.nr_kept++] = (ProviderKept) {
            name, fcntl(GPOINTER_TO_INT(fd), F_DUPFD_CLOEXEC, 0),
        };
    }
    config.kept = list;
    fixture_start();
}

START_TEST(a_restart_keeps_leases_and_sessions)
{
    Client c, old;
    RcacheSlot x, y;

    provider_free(provider);
    kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    config.keep = keep;
    fixture_start();
    ck_assert_uint_eq(g_hash_table_size(kept), 1);
    c = leased(7, 3);
    ck_assert_uint_eq(g_hash_table_size(kept), 4);
    x = client_slot(&c, 0);
    y = client_slot(&c, 3 * PAGES - 1);
    client_put(&c, &x, 1, 1);
    client_put(&c, &y, 1, 2);
    give(2, VM_B, 2);
    restart();
    client_close(&c);

    ck_assert_uint_eq(g_hash_table_size(kept), 6);
    ck_assert_uint_eq(snapshot().leased, 5 * SLAB);
    ck_assert_uint_eq(snapshot().stored, 2 * WIRE_PAGE_SIZE);
    old = client_connect(provider_address(provider));
    ck_assert_uint_eq(client_hello(&old, VM_A, 6), RCACHE_E_FENCED);
    client_close(&old);
    c = client_session(provider_address(provider), VM_A, 8);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    ck_assert(client_has(&c, x, 1));
    ck_assert(client_has(&c, y, 2));
    /* What is released is not kept either. */
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    ck_assert_uint_eq(g_hash_table_size(kept), 3);
    client_close(&c);
    restart();
    ck_assert_uint_eq(snapshot().leased, 2 * SLAB);
    /* Slabs stay of the size they are. */
    config.slab_size = 2 * SLAB;
    restart();
    ck_assert_uint_eq(snapshot().leased, 2 * SLAB);
    ck_assert_uint_eq(g_hash_table_size(kept), 3);
}
END_TEST

START_TEST(what_another_release_left_is_not_given_up)
{
    g_autoptr(GError) error = NULL;
    ProviderKept list[1];
    uint32_t version = 99;
    int fd;

    provider_free(provider);
    kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    config.keep = keep;
    fixture_start();
    fd = GPOINTER_TO_INT(g_hash_table_lookup(kept, "leases"));
    provider_free(provider);
    ck_assert_int_eq(pwrite(fd, &version, sizeof(version), 4),
                     sizeof(version));
    list[0] = (ProviderKept) { "leases", fcntl(fd, F_DUPFD_CLOEXEC, 0) };
    config.kept = list;
    config.nr_kept = 1;
    ck_assert_ptr_null(provider_new(&config, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "another release"));
    ck_assert_uint_eq(g_hash_table_size(kept), 1);
    close(list[0].fd);
    config.kept = NULL;
    config.nr_kept = 0;
    fixture_start();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider");
    TCase *tc = tcase_create("provider");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
    tcase_add_test(tc, pages_there_and_back);
    tcase_add_test(tc, stored_pages_are_counted);
    tcase_add_test(tc, requests_in_a_row);
    tcase_add_test(tc, requests_in_pieces);
    tcase_add_test(tc, claim_and_renew);
    tcase_add_test(tc, grants_have_limits);
    tcase_add_test(tc, unclaimed_leases_go_and_expired_ones_stay);
    tcase_add_test(tc, release_punches_the_memory);
    tcase_add_test(tc, release_waits_for_transfers);
    tcase_add_test(tc, an_operator_can_end_a_lease);
    tcase_add_test(tc, what_nobody_will_claim_is_withdrawn);
    tcase_add_test(tc, a_spoilt_page_differs);
    tcase_add_test(tc, listening);
    tcase_add_test(tc, unlockable_memory_is_refused);
    tcase_add_test(tc, a_restart_keeps_leases_and_sessions);
    tcase_add_test(tc, what_another_release_left_is_not_given_up);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
