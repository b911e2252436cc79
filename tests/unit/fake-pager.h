/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-pager: what a test program is when the daemon in it starts "a pager"
 * (/proc/self/exe --pager), and the VMM's side of such a conversation.
 *
 * It answers HELLO and says in the text of its HELLO_ACK what it was given:
 * "pid=N sid=N fds=0,1,2,3,4,5".  Then it connects its link, reports itself
 * with figures that fake_* below name, and asks for a lease.  What comes over
 * the link it tells the VMM as the text of an EVENT.  How it behaves goes by
 * the name of the VM:
 *
 *   "crash..."     exits with status 3 after its HELLO_ACK
 *   "brief..."     is READY, then exits with status 3
 *   "cannot..."    says that it cannot start, and why, and exits with status 1
 *   "stubborn..."  does not end when the VMM's connection does
 *   "parting..."   so, too, and says that it leaves; ends at LINK_LEAVE
 *   "mute..."      answers no LINK_EVICT
 *   "dumb..."      reports once and not again
 *   "obeys..."     does what LINK_HOLD says, and says so
 *   "old..."       speaks another version of the link
 *   "bad..."       says that it has more leases than the message holds
 *   anything else  ends with status 0 when the VMM's connection does
 *
 * SIGTERM makes each of them leave, with status 0.  None lives longer than two
 * minutes.
 */
#ifndef TESTS_FAKE_PAGER_H
#define TESTS_FAKE_PAGER_H

#include <check.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcache/vmm.h"

#define FAKE_GUEST      (UINT64_C(512) << 20)
#define FAKE_RESIDENT   (UINT64_C(96) << 20)
#define FAKE_REMOTE     (UINT64_C(400) << 20)
#define FAKE_ONE_COPY   (UINT64_C(32) << 20)
#define FAKE_COPYING    (UINT64_C(16) << 20)
#define FAKE_WANT       (UINT64_C(64) << 20)    /* of each copy */
#define FAKE_SOLE       UINT64_C(4096)
#define FAKE_LEASE      UINT64_C(0x1234)
#define FAKE_FREE       (UINT64_C(32) << 20)
#define FAKE_TOTAL      (UINT64_C(480) << 20)

/** fake_pager_main() - be one, if that is what argv asks for; then exit */
void fake_pager_main(int argc, char **argv);

/** fake_pager_run() - run the tests of @tc; the exit status of the program */
int fake_pager_run(const char *name, TCase *tc);

/**
 * fake_state() - a state memfd with two leases, for VM number @uuid
 *
 * The pager of a VM that is called "indebted" sends one along.  A process that
 * is to give leases back empties the table, but that of a VM called "doomed" is
 * killed, and one called "lasting..." has one that stays; .session of its head
 * counts them.
 */
int fake_state(uint8_t uuid, uint64_t incarnation);

/** fake_vmm_hello() - a HELLO that is in order, for VM number @uuid */
struct RcacheVmmHello fake_vmm_hello(uint8_t uuid, uint64_t incarnation,
                                     const char *name);

/** fake_vmm_connect() - to vmm.sock; the descriptor, or -1 */
int fake_vmm_connect(const char *path);

/**
 * fake_vmm_process() - a VMM that is another process
 * @path: of vmm.sock
 * @uid: of this user
 *
 * It has said HELLO when this returns, and stays until fake_vmm_kill().
 */
pid_t fake_vmm_process(const char *path, uid_t uid,
                       const struct RcacheVmmHello *hello);
void fake_vmm_kill(pid_t pid);

/**
 * fake_vmm_recv() - the next message, with the main loop running meanwhile
 * @buf: RCACHE_VMM_MSG_MAX bytes
 *
 * Return: its length, 0 at the end, -1 if nothing came in five seconds
 */
ssize_t fake_vmm_recv(int fd, void *buf);

/** fake_pump() - run the main loop for so long, or until @done says so */
bool fake_pump(unsigned ms, bool (*done)(void *opaque), void *opaque);

#endif
