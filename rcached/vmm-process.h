/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-process: the process that a VM belongs to: which one it is, whose, and
 * whether it lives.
 *
 * A pid alone names nobody: when its process has ended another one may get it.
 * A pidfd is that process for ever, but only for as long as somebody has it
 * open.  What is left for the next daemon is the pid with a mark that no other
 * process of this boot has together with it: the number of the pidfd's inode
 * (from Linux 6.9 on), or else the time at which the process began, where /proc
 * shows processes of other users (ProtectProc=).
 */
#ifndef RCACHED_VMM_PROCESS_H
#define RCACHED_VMM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define VMM_NO_UID      ((uid_t)-1)

/**
 * struct VmmProcess - one process
 * @pid: 0: not known, or of a pid namespace that cannot be seen from here
 * @mark: see above; 0: there is none
 * @uid: whose it was when it connected; VMM_NO_UID: not known
 * @pidfd: or -1
 * @dead: proved, without a pidfd
 */
typedef struct VmmProcess {
    pid_t pid;
    uint64_t mark;
    uid_t uid;
    int pidfd;
    bool dead;
} VmmProcess;

typedef enum VmmAlive { VMM_ALIVE, VMM_DEAD, VMM_NOT_KNOWN } VmmAlive;

/** vmm_process_init() - nobody is known */
void vmm_process_init(VmmProcess *p);

/** vmm_process_clear() - the same, for one that is in use */
void vmm_process_clear(VmmProcess *p);

/** vmm_process_move() - @to, which is in use, becomes what @from was */
void vmm_process_move(VmmProcess *to, VmmProcess *from);

/**
 * vmm_process_of_peer() - who has connected
 * @p: initialized here
 * @fd: the connection
 * @peer: its credentials
 *
 * The kernel says which process it was (SO_PEERPIDFD, from 6.5 on).  An older
 * one is asked for the process that has the pid now; so this is to be called
 * as soon as the connection is there.
 */
void vmm_process_of_peer(VmmProcess *p, int fd, const struct ucred *peer);

/**
 * vmm_process_find() - the process that an earlier daemon has written down
 * @p: initialized here
 */
void vmm_process_find(VmmProcess *p, pid_t pid, uint64_t mark, uid_t uid);

/** vmm_process_alive() - does it live? */
VmmAlive vmm_process_alive(const VmmProcess *p);

/** vmm_process_mark() - the mark of a process that lives; 0: there is none */
uint64_t vmm_process_mark(pid_t pid);

/** vmm_process_start() - when it began, in clock ticks; 0: /proc hides it */
uint64_t vmm_process_start(pid_t pid);

/** vmm_process_is() - are both the same process?  Its user may have changed
 * meanwhile, where it is known by its mark. */
bool vmm_process_is(const VmmProcess *a, const VmmProcess *b);

#endif
