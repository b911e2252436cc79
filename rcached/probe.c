/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe: does this machine have what is needed?  See probe.h. */
#include "rcached/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/ring.h"

#define UFFD_DEVICE     "/dev/userfaultfd"
#define UFFD_SYSCTL     "/proc/sys/vm/unprivileged_userfaultfd"
#define SHMEM_THP       "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

bool probe_uring(GError **errp)
{
    int err = 0;
    Ring *ring = ring_new(8, &err);

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

/*
 * The VMM opens the device itself, as another user perhaps; that it is not
 * even there, and the sysctl is off, is what can be seen from here.
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

bool probe_vms(GError **errp)
{
    g_autofree char *thp = NULL;

    if (!probe_uffd(errp)) {
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
