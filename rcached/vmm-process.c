/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-process: see vmm-process.h.
 *
 * What is read from /proc/PID belongs to the process of the pidfd if that one
 * is still alive afterwards.
 */
#include "rcached/vmm-process.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD    77
#endif
#define PIDFS_MAGIC     0x50494446
/* Of /proc/PID/stat, where the first field is 1. */
#define START_FIELD     22
#define AFTER_NAME      3

void vmm_process_init(VmmProcess *p)
{
    *p = (VmmProcess) { .uid = VMM_NO_UID, .pidfd = -1 };
}

void vmm_process_clear(VmmProcess *p)
{
    autofd_close(&p->pidfd);
    vmm_process_init(p);
}

void vmm_process_move(VmmProcess *to, VmmProcess *from)
{
    autofd_close(&to->pidfd);
    *to = *from;
    vmm_process_init(from);
}

VmmAlive vmm_process_alive(const VmmProcess *p)
{
    struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

    if (p->dead) {
        return VMM_DEAD;
    }
    if (p->pidfd < 0) {
        return VMM_NOT_KNOWN;
    }
    return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN ? VMM_DEAD
                                                         : VMM_ALIVE;
}

/* The name, the second field, may have blanks and parentheses in it. */
uint64_t vmm_process_start(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return 0;
    }
    at = strrchr(text, ')');
    at = at ? strchr(at, ' ') : NULL;
    for (unsigned field = AFTER_NAME; at && field < START_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? g_ascii_strtoull(at + 1, NULL, 10) : 0;
}

/* Each process has an inode of its own in pidfs, and no number comes twice. */
static uint64_t read_inode(int pidfd)
{
    struct statfs fs;
    struct stat st;

    return fstatfs(pidfd, &fs) || fs.f_type != PIDFS_MAGIC ||
           fstat(pidfd, &st) ? 0 : st.st_ino;
}

static void set_mark(VmmProcess *p)
{
    if (p->pidfd >= 0) {
        p->mark = read_inode(p->pidfd);
    }
    if (p->pidfd >= 0 && !p->mark && p->pid > 0) {
        p->mark = vmm_process_start(p->pid);
    }
    if (vmm_process_alive(p) != VMM_ALIVE) {
        p->mark = 0;
    }
}

uint64_t vmm_process_mark(pid_t pid)
{
    VmmProcess p;
    uint64_t mark;

    vmm_process_init(&p);
    p.pid = pid;
    p.pidfd = syscall(SYS_pidfd_open, pid, 0);
    set_mark(&p);
    mark = p.mark;
    vmm_process_clear(&p);
    return mark;
}

void vmm_process_of_peer(VmmProcess *p, int fd, const struct ucred *peer)
{
    socklen_t len = sizeof(p->pidfd);

    vmm_process_init(p);
    p->pid = peer->pid;
    p->uid = peer->uid;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &p->pidfd, &len) < 0) {
        p->pidfd = -1;
        p->dead = errno == ESRCH || errno == EINVAL;
        if (errno == ENOPROTOOPT && peer->pid > 0) {
            p->pidfd = syscall(SYS_pidfd_open, peer->pid, 0);
            p->dead = p->pidfd < 0 && errno == ESRCH;
        }
    }
    set_mark(p);
}

void vmm_process_find(VmmProcess *p, pid_t pid, uint64_t mark, uid_t uid)
{
    vmm_process_init(p);
    p->pid = pid;
    p->uid = uid;
    p->mark = mark;
    if (pid <= 0 || !mark) {
        return;
    }
    p->pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (p->pidfd < 0) {
        p->dead = errno == ESRCH;
        return;
    }
    set_mark(p);
    if (p->mark != mark) {      /* 0: it cannot be seen whether it is the one */
        p->dead = vmm_process_alive(p) == VMM_DEAD || p->mark;
        p->mark = mark;
        close(fd_steal(&p->pidfd));
    }
}

bool vmm_process_is(const VmmProcess *a, const VmmProcess *b)
{
    return a->pid == b->pid && a->mark == b->mark &&
           (a->mark || a->uid == b->uid) && vmm_process_alive(b) != VMM_DEAD;
}
