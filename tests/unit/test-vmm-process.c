/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VMM's process: told apart from one that has its pid, found again, dead. */
#include <check.h>
#include <glib.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rcached/vmm-process.h"

static struct ucred peer_of(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    return peer;
}

/* This process, as it would be seen if it connected. */
static void ourselves(VmmProcess *p)
{
    struct ucred us;
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    us = peer_of(pair[0]);
    vmm_process_of_peer(p, pair[0], &us);
    close(pair[0]);
    close(pair[1]);
}

START_TEST(a_process_is_found_again)
{
    VmmProcess us, again;

    ourselves(&us);
    ck_assert_int_eq(us.pid, getpid());
    ck_assert_uint_eq(us.uid, geteuid());
    ck_assert_uint_gt(us.mark, 0);
    ck_assert_int_eq(vmm_process_alive(&us), VMM_ALIVE);
    vmm_process_find(&again, us.pid, us.mark, us.uid);
    ck_assert_int_eq(vmm_process_alive(&again), VMM_ALIVE);
    ck_assert(vmm_process_is(&us, &again));
    vmm_process_clear(&again);
    vmm_process_clear(&us);
    ck_assert_int_eq(vmm_process_alive(&us), VMM_NOT_KNOWN);
}
END_TEST

/* Whatever else poll(2) may say of it. */
START_TEST(only_a_pidfd_says_that_one_is_dead)
{
    VmmProcess p;
    int fd = dup(0);

    vmm_process_init(&p);
    p.pidfd = fd;
    close(fd);
    ck_assert_int_eq(vmm_process_alive(&p), VMM_ALIVE);
}
END_TEST

START_TEST(one_that_has_its_pid_now_is_another)
{
    VmmProcess us, before;

    ourselves(&us);
    vmm_process_find(&before, us.pid, us.mark + 1, us.uid);
    ck_assert_int_eq(vmm_process_alive(&before), VMM_DEAD);
    ck_assert(!vmm_process_is(&before, &us));
    vmm_process_clear(&before);
    vmm_process_clear(&us);
}
END_TEST

START_TEST(without_its_mark_nothing_is_known)
{
    VmmProcess p;

    vmm_process_find(&p, getpid(), 0, geteuid());
    ck_assert_int_eq(vmm_process_alive(&p), VMM_NOT_KNOWN);
    ck_assert_uint_eq(p.uid, geteuid());
    vmm_process_clear(&p);
}
END_TEST

START_TEST(when_a_process_began)
{
    uint64_t start = vmm_process_start(getpid());

    ck_assert_uint_gt(start, 0);
    ck_assert_uint_ge(start, vmm_process_start(getppid()));
    ck_assert_uint_gt(vmm_process_start(getppid()), vmm_process_start(1));
    ck_assert_int_eq(prctl(PR_SET_NAME, "a) S 1 (b 2"), 0);
    ck_assert_uint_eq(vmm_process_start(getpid()), start);
    ck_assert_uint_eq(vmm_process_start(-1), 0);
}
END_TEST

/* Whoever has its connection then is not that process. */
START_TEST(one_that_connected_and_died_is_dead)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    socklen_t len = sizeof(addr);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd;
    struct ucred peer;
    VmmProcess p;
    pid_t pid;

    /* Linux chooses a name for one that has only its family. */
    ck_assert_int_eq(bind(listener, (void *)&addr, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(getsockname(listener, (void *)&addr, &len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    pid = fork();
    if (!pid) {
        fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        if (connect(fd, (void *)&addr, len)) {
            _exit(1);
        }
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    peer = peer_of(fd);
    vmm_process_of_peer(&p, fd, &peer);
    ck_assert_int_eq(p.pid, pid);
    ck_assert_int_eq(vmm_process_alive(&p), VMM_DEAD);
    ck_assert(!vmm_process_is(&p, &p));
    vmm_process_clear(&p);
    close(fd);
    close(listener);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vmm-process");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, only_a_pidfd_says_that_one_is_dead);
    tcase_add_test(tc, a_process_is_found_again);
    tcase_add_test(tc, one_that_has_its_pid_now_is_another);
    tcase_add_test(tc, without_its_mark_nothing_is_known);
    tcase_add_test(tc, when_a_process_began);
    tcase_add_test(tc, one_that_connected_and_died_is_dead);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
