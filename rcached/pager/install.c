/* SPDX-License-Identifier: GPL-2.0-or-later */
/* install: what puts something into guest memory.  See install.h. */
#include <errno.h>

#include "rcached/pager/install.h"
#include "rcached/pager/uffd.h"

/* Foreign pages thrown away in a row before others get their turn. */
#define BYTES_TRIES     8

static int wake_at(const Guest *guest, uint64_t addr)
{
    return uffd_wake(guest->uffd, addr, RCACHE_PAGE_SIZE);
}

int install_zero(Guest *guest, uint64_t page)
{
    GuestBlock *b = guest_block_of_page(guest, page);
    uint64_t addr;
    int ret;

    if (!b) {
        return -ENOENT;
    }
    addr = block_address(b, page);
    ret = uffd_zeropage(guest->uffd, addr);
    if (ret != -EEXIST) {
        return ret;
    }
    ret = uffd_continue(guest->uffd, addr, false);
    if (ret == -EEXIST) {
        return wake_at(guest, addr);
    }
    /* A hole again, between the two calls. */
    return ret == -EFAULT ? -EAGAIN : ret;
}

int install_bytes(Guest *guest, uint64_t page, const void *bytes, bool protect,
                  unsigned *intruders)
{
    for (int i = 0; i < BYTES_TRIES; i++) {
        GuestBlock *b = guest_block_of_page(guest, page);
        int ret;

        if (!b) {
            return -ENOENT;
        }
        ret = uffd_copy(guest->uffd, block_address(b, page), bytes, protect);
        if (ret != -EEXIST) {
            return ret;
        }
        (*intruders)++;
        guest_punch(guest, page, 1);
    }
    return -EAGAIN;
}

int install_present(Guest *guest, uint64_t page, bool protect)
{
    GuestBlock *b = guest_block_of_page(guest, page);
    uint64_t addr;
    int ret;

    if (!b) {
        return -ENOENT;
    }
    addr = block_address(b, page);
    ret = uffd_continue(guest->uffd, addr, protect);
    if (ret == -EEXIST) {
        return wake_at(guest, addr);
    }
    return ret == -EFAULT ? -ENODATA : ret;
}

int install_wake(Guest *guest, uint64_t page)
{
    GuestBlock *b = guest_block_of_page(guest, page);

    return b ? wake_at(guest, block_address(b, page)) : -ENOENT;
}

void install_wake_block(Guest *guest, unsigned block)
{
    const GuestBlock *b = &guest->block[block];

    if (b->present) {
        uffd_wake(guest->uffd, b->address, b->pages * RCACHE_PAGE_SIZE);
    }
}

void install_wake_all(Guest *guest)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        install_wake_block(guest, i);
    }
}
