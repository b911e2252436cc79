/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory, and the kernel's userfaultfd, played: vmm-played.h. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "rcached/pager/written.h"
#include "tests/fuzz/vmm-played.h"

static bool has_data(off_t at)
{
    return lseek(played.ram_fd, at, SEEK_DATA) == at;
}

bool played_has_data(uint64_t page)
{
    return has_data((off_t)page * RCACHE_PAGE_SIZE);
}

bool played_fault(uint64_t page)
{
    if (played.nr_faults == UFFD_READ_MAX) {
        return false;
    }
    played.fault[played.nr_faults++] = PLAYED_ADDRESS +
                                       page * RCACHE_PAGE_SIZE;
    return true;
}

/* Where an address is in the memfd, or -1. */
static off_t offset_of(uint64_t addr)
{
    return addr - PLAYED_ADDRESS < played.pages * RCACHE_PAGE_SIZE
               ? (off_t)(addr - PLAYED_ADDRESS) : -1;
}

/* Mapped write-protected, and not written since; or not. */
static void mark(off_t at, bool protect)
{
    uint64_t page = at / RCACHE_PAGE_SIZE;

    if (page < PLAYED_MARKS) {
        played.marked[page] = protect;
    }
}

void played_written(uint64_t page)
{
    mark((off_t)page * RCACHE_PAGE_SIZE, false);
}

int written_is_tracked(int fd, uint64_t addr)
{
    return played.refusal;
}

int written_clean(int fd, uint64_t addr, unsigned n, uint8_t *clean)
{
    memset(clean, 0, n);
    for (unsigned i = 0; i < n && !played.refusal; i++) {
        off_t at = offset_of(addr + (uint64_t)i * RCACHE_PAGE_SIZE);

        clean[i] = at >= 0 && at / RCACHE_PAGE_SIZE < PLAYED_MARKS &&
                   played.marked[at / RCACHE_PAGE_SIZE];
    }
    return played.refusal;
}

static int fill(uint64_t addr, const void *bytes, bool protect)
{
    off_t at = offset_of(addr);

    if (played.refusal || at < 0) {
        return at < 0 ? -ENOENT : played.refusal;
    }
    if (has_data(at)) {
        return -EEXIST;
    }
    g_assert(pwrite(played.ram_fd, bytes, RCACHE_PAGE_SIZE, at) ==
             RCACHE_PAGE_SIZE);
    mark(at, protect);
    return 0;
}

int uffd_read(int fd, uint64_t *out, uint32_t *thread)
{
    unsigned n = played.nr_faults;

    memcpy(out, played.fault, n * sizeof(*out));
    for (unsigned i = 0; i < n; i++) {
        thread[i] = i % 3;      /* 0: not known */
    }
    played.nr_faults = 0;
    return n;
}

int uffd_register(int fd, uint64_t start, uint64_t len, bool writes)
{
    return played.refusal;
}

int uffd_copy(int fd, uint64_t addr, const void *src, bool protect)
{
    return fill(addr, src, protect);
}

int uffd_zeropage(int fd, uint64_t addr)
{
    static const uint8_t zeros[RCACHE_PAGE_SIZE];

    return fill(addr, zeros, false);
}

int uffd_continue(int fd, uint64_t addr, bool protect)
{
    off_t at = offset_of(addr);

    if (played.refusal || at < 0 || !has_data(at)) {
        return played.refusal ? played.refusal : -EFAULT;
    }
    mark(at, protect);
    return 0;
}

int uffd_wake(int fd, uint64_t start, uint64_t len)
{
    return 0;
}

bool uffd_is_dead(int fd, uint64_t addr)
{
    return false;
}
