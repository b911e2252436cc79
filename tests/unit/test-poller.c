/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The poller's deadlines, beside peers that always have more to say. */
#include <check.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/poller.h"

#define PEERS   200

typedef struct Peer {
    PollerFd fd;
    unsigned reads;
    bool late;
} Peer;

static void on_ready(PollerFd *fd, uint32_t events)
{
    ((Peer *)fd)->reads++;      /* and it stays ready */
}

static void on_late(PollerFd *fd)
{
    ((Peer *)fd)->late = true;
}

static const PollerOps ops = { .on_ready = on_ready, .on_late = on_late };

static void add(Poller *poller, Peer *peer, const char *says)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], says, *says != 0), *says != 0);
    ck_assert_int_eq(poller_add(poller, &peer->fd, ends[0], EPOLLIN, &ops),
                     0);
}

START_TEST(talkers_hold_no_deadline_up)
{
    Peer *peer = g_new0(Peer, PEERS + 1), *silent = &peer[PEERS];
    Poller *poller = poller_new();
    gint64 end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    for (unsigned i = 0; i < PEERS; i++) {
        add(poller, &peer[i], "more");
    }
    add(poller, silent, "");
    poller_set_due(&silent->fd, g_get_monotonic_time() + 1000);
    while (!silent->late && g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, TRUE);
    }
    ck_assert(silent->late);
    for (unsigned i = 0; i < PEERS; i++) {
        ck_assert_msg(peer[i].reads, "peer %u was not read before", i);
        poller_remove(&peer[i].fd);
    }
    poller_remove(&silent->fd);
    poller_unref(poller);
    g_free(peer);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("poller");
    TCase *tc = tcase_create("poller");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, talkers_hold_no_deadline_up);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
