/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe: does this machine have what is needed?  See probe.h. */
#include "rcached/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/ring.h"
#include "common/secrecy.h"

#define SMALL_RING      8u
/* As large as a pager's, see pager.c. */
#define PAGER_RING      1024u
/* More than a pager has before its VM's memory comes. */
#define LOCK_BYTES      (UINT64_C(256) << 20)

#define UFFD_DEVICE     "/dev/userfaultfd"
#define UFFD_SYSCTL     "/proc/sys/vm/unprivileged_userfaultfd"
#define SHMEM_THP       "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static bool probe_ring(unsigned entries, GError **errp)
{
    int err = 0;
    Ring *ring = ring_new(entries, &err);

    if (!ring) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(-err),
                    "io_uring cannot be used: %s (see the sysctl "
                    "kernel.io_uring_disabled, and LimitMEMLOCK)",
                    g_strerror(-err));
        return false;
    }
    ring_free(ring);
    return true;
}

bool probe_uring(GError **errp)
{
    return probe_ring(SMALL_RING, errp);
}

/*
 * The VMM opens the device itself, as another user perhaps, or has the daemon
 * open it; that it is not even there, and the sysctl is off, is what can be
 * seen from here.
 */
static bool probe_uffd(GError **errp)
{
    g_autofree char *sysctl = NULL;

    if (g_file_test(UFFD_DEVICE, G_FILE_TEST_EXISTS)) {
        return true;
    }
    if (g_file_get_contents(UFFD_SYSCTL, &sysctl, NULL, NULL) &&
        *sysctl == '1') {
        return true;
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                "%s is not there: this kernel has no userfaultfd, or is "
                "older than 6.1", UFFD_DEVICE);
    return false;
}

/*
 * Pagers lock what they have on a host with swap.  Whether that would be
 * allowed is asked with a reservation that nothing is ever put into.
 */
static bool probe_memlock(GError **errp)
{
    void *area;
    int err;

    if (!secrecy_host_has_swap()) {
        return true;
    }
    area = mmap(NULL, LOCK_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    err = area == MAP_FAILED || mlock2(area, LOCK_BYTES, MLOCK_ONFAULT)
              ? errno : 0;
    if (area != MAP_FAILED) {
        munmap(area, LOCK_BYTES);
    }
    if (err) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(err),
                    "memory cannot be locked (%s) and this host has swap: "
                    "LimitMEMLOCK=infinity in the unit, ulimit -l unlimited, "
                    "or swapoff", g_strerror(err));
    }
    return !err;
}

bool probe_vms(GError **errp)
{
    g_autofree char *thp = NULL;

    if (!probe_ring(PAGER_RING, errp) || !probe_uffd(errp) ||
        !probe_memlock(errp)) {
        return false;
    }
    if (g_file_get_contents(SHMEM_THP, &thp, NULL, NULL) &&
        (strstr(thp, "[always]") || strstr(thp, "[force]"))) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "huge pages would get into managed memory: write "
                    "\"advise\" or \"never\" to %s", SHMEM_THP);
        return false;
    }
    return true;
}
