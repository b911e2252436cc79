/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-state: the state memfd of a VM, as this daemon keeps it.  See vm-state.h.
 *
 * It is read with pread(2): whatever the VMM has done to it, that only fails.
 * A file that could keep a reader waiting is no memfd.
 */
#include "rcached/vm-state.h"

#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "rcache/vmm.h"

bool vm_state_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && seals & F_SEAL_SHRINK;
}

static bool read_head(int fd, struct RcacheState *head)
{
    return fd >= 0 && pread(fd, head, sizeof(*head), 0) == sizeof(*head) &&
           head->magic == RCACHE_STATE_MAGIC;
}

uint32_t vm_state_version(int fd)
{
    struct RcacheState head;

    return read_head(fd, &head) ? head.version : 0;
}

static unsigned count_leases(int fd, uint64_t at)
{
    g_autofree struct RcacheLease *lease = g_new(struct RcacheLease,
                                                 RCACHE_NR_LEASES);
    const size_t len = RCACHE_NR_LEASES * sizeof(*lease);
    unsigned n = 0;

    if (pread(fd, lease, len, at) != (ssize_t)len) {
        return 0;
    }
    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        n += lease[i].id != 0;
    }
    return n;
}

unsigned vm_state_leases(int fd)
{
    struct RcacheState head;

    if (!read_head(fd, &head) || head.version != RCACHE_STATE_VERSION) {
        return 0;
    }
    return count_leases(fd, head.leases_off);
}

static void *close_it(void *fd)
{
    close(GPOINTER_TO_INT(fd));
    return NULL;
}

void vm_state_close(int *fd)
{
    int last = fd_steal(fd);
    GThread *thread;

    if (last < 0) {
        return;
    }
    thread = g_thread_try_new("vm-state", close_it, GINT_TO_POINTER(last),
                              NULL);
    if (thread) {
        g_thread_unref(thread);
    } else {
        close(last);
    }
}
