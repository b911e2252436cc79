/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uffd: the userfaultfd's ioctls, typed.  See uffd.h. */
#include "rcached/pager/uffd.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "rcache/vmm.h"

/* Newer than Debian 12's headers; the value is the kernel's ABI. */
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((uint64_t)1 << 1)
#endif

/* The kernel asks for a retry only while a mapping changes: microseconds. */
#define EAGAIN_TRIES    100

static int uffd_ioctl(int fd, unsigned long request, void *arg)
{
    for (int i = 0; i < EAGAIN_TRIES; i++) {
        if (ioctl(fd, request, arg) == 0) {
            return 0;
        }
        if (errno != EAGAIN) {
            return -errno;
        }
    }
    return -EAGAIN;
}

int uffd_read(int fd, uint64_t *out, uint32_t *thread)
{
    struct uffd_msg msg[UFFD_READ_MAX];
    ssize_t len = read(fd, msg, sizeof(msg));
    int n = 0;

    if (len < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    for (size_t i = 0; i < len / sizeof(msg[0]); i++) {
        if (msg[i].event == UFFD_EVENT_PAGEFAULT) {
            thread[n] = msg[i].arg.pagefault.feat.ptid;
            out[n++] = msg[i].arg.pagefault.address &
                       ~(uint64_t)(RCACHE_PAGE_SIZE - 1);
        }
    }
    return n;
}

int uffd_register(int fd, uint64_t start, uint64_t len, bool writes)
{
    struct uffdio_register reg = {
        .range = { .start = start, .len = len },
        .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
                (writes ? UFFDIO_REGISTER_MODE_WP : 0),
    };

    return uffd_ioctl(fd, UFFDIO_REGISTER, &reg);
}

int uffd_copy(int fd, uint64_t addr, const void *src, bool protect)
{
    struct uffdio_copy copy = {
        .dst = addr, .src = (uintptr_t)src, .len = RCACHE_PAGE_SIZE,
        .mode = protect ? UFFDIO_COPY_MODE_WP : 0,
    };

    return uffd_ioctl(fd, UFFDIO_COPY, &copy);
}

int uffd_zeropage(int fd, uint64_t addr)
{
    struct uffdio_zeropage zero = {
        .range = { .start = addr, .len = RCACHE_PAGE_SIZE },
    };

    return uffd_ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

int uffd_continue(int fd, uint64_t addr, bool protect)
{
    struct uffdio_continue cont = {
        .range = { .start = addr, .len = RCACHE_PAGE_SIZE },
        .mode = protect ? UFFDIO_CONTINUE_MODE_WP : 0,
    };

    return uffd_ioctl(fd, UFFDIO_CONTINUE, &cont);
}

bool uffd_is_dead(int fd, uint64_t addr)
{
    /* Nothing is protected here, so that there is nothing to take back. */
    struct uffdio_writeprotect none = {
        .range = { .start = addr, .len = RCACHE_PAGE_SIZE },
    };

    return uffd_ioctl(fd, UFFDIO_WRITEPROTECT, &none) == -ESRCH;
}

int uffd_wake(int fd, uint64_t start, uint64_t len)
{
    struct uffdio_range range = { .start = start, .len = len };

    return uffd_ioctl(fd, UFFDIO_WAKE, &range);
}
