/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-memory: the VM's memory as the pager holds it: blocks with their
 * memfds, and the state memfd with its tables.
 *
 * Nothing here writes guest bytes: a memfd is read with pread(2), punched,
 * and asked where it has data; bytes get in through the userfaultfd alone.
 */
#ifndef PAGER_GUEST_MEMORY_H
#define PAGER_GUEST_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

typedef struct GuestBlock {
    bool present;
    uint32_t generation;
    uint64_t first;             /* index of its first word */
    uint64_t pages;
    uint64_t address;           /* in the VMM */
    uint64_t fd_offset;
    int fd;
    void *map;                  /* PROT_NONE, for mincore(); NULL: none yet */
    uint64_t managed;           /* pages from its start under management */
    bool asked;                 /* MANAGE is out, or answered */
    bool ready;                 /* MANAGED has come */
    bool registered;            /* and its faults come to us, in all of it */
    bool tracked;               /* and the kernel notes what is written */
    int error;                  /* the last that kept it from being managed */
    uint64_t retry_at;          /* ns, ask again */
    char name[64];
} GuestBlock;

typedef struct Guest {
    GuestBlock block[RCACHE_BLOCKS_MAX];
    unsigned nr_blocks;         /* one past the highest that is present */
    int uffd;
    int state_fd;
    int pagemap_fd;
    struct RcacheState *state;  /* mapped; NULL before guest_map_state() */
    struct RcacheState layout;  /* as checked: where tables are, how many */
    uint64_t state_size;
} Guest;

void guest_init(Guest *guest);
void guest_deinit(Guest *guest);

/**
 * guest_map_state() - check the state memfd and map it
 * @fd: taken over
 *
 * Return: true, or false with @error saying what is wrong with it
 */
bool guest_map_state(Guest *guest, int fd, GError **error);

/**
 * guest_add_block() - a BLOCK_ADD
 * @fd: taken over
 */
bool guest_add_block(Guest *guest, const struct RcacheVmmBlock *msg, int fd,
                     GError **error);
void guest_del_block(Guest *guest, uint32_t block);

/*
 * The tables of the state memfd.  Where they are is taken from .layout, never
 * from .state again: the VMM could have changed it after the check.
 */
static inline void *guest_at(const Guest *guest, uint64_t offset)
{
    return (char *)guest->state + offset;
}

/** guest_words() - the page words; the VMM may change one at any time */
static inline uint64_t *guest_words(const Guest *guest)
{
    return guest_at(guest, guest->layout.words_off);
}

/** guest_sides() - the side records, one for each word */
static inline struct RcacheSide *guest_sides(const Guest *guest)
{
    return guest_at(guest, guest->layout.sides_off);
}

/** guest_frames() - a bit for each frame whose words the VMM has changed */
static inline uint64_t *guest_frames(const Guest *guest)
{
    return guest_at(guest, guest->layout.frames_off);
}

/** guest_leases() - RCACHE_NR_LEASES entries, which the pager writes */
static inline struct RcacheLease *guest_leases(const Guest *guest)
{
    return guest_at(guest, guest->layout.leases_off);
}

/** guest_slabs() - the slab table; slab-table.h says what is in it */
static inline struct RcacheSlab *guest_slabs(const Guest *guest)
{
    return guest_at(guest, guest->layout.slabs_off);
}

/** guest_block_of_page() - the block that has this word, or NULL */
GuestBlock *guest_block_of_page(Guest *guest, uint64_t page);

/**
 * guest_next_block() - where a walk through the words goes on
 * @page: where it is
 * @next: @page itself if it is in a block, else the first word of the block
 *        behind it, or of the first block of all
 *
 * Return: that block, or NULL if there is none
 */
GuestBlock *guest_next_block(Guest *guest, uint64_t page, uint64_t *next);

/** guest_page_of_address() - the word of an address in the VMM */
bool guest_page_of_address(const Guest *guest, uint64_t addr, uint64_t *page);

/** block_address() - of one of its pages, in the VMM; in bytes */
static inline uint64_t block_address(const GuestBlock *b, uint64_t page)
{
    return b->address + (page - b->first) * RCACHE_PAGE_SIZE;
}

/** block_offset() - of one of its pages, in the memfd; in bytes */
static inline uint64_t block_offset(const GuestBlock *b, uint64_t page)
{
    return b->fd_offset + (page - b->first) * RCACHE_PAGE_SIZE;
}

/** guest_read() - the bytes of @n pages in a row of one block; 0 or -errno */
int guest_read(Guest *guest, uint64_t page, unsigned n, void *buf);

/** guest_punch() - give the memory of @n pages in a row back; 0 or -errno */
int guest_punch(Guest *guest, uint64_t page, unsigned n);

/**
 * guest_keep() - have the kernel keep @n pages in a row that have data
 *
 * A page of shared memory that was only ever read is clean, and the kernel may
 * drop it: it is zeros again when it is next touched.  In a managed range
 * that next touch would find a hole under a page that is said to be here.
 * fallocate(2) marks such pages dirty.  (What COPY, ZEROPAGE and CONTINUE map
 * is dirty already.)
 */
int guest_keep(Guest *guest, uint64_t page, unsigned n);

/**
 * guest_present() - which pages of the memfd are in memory
 * @page, @n: in a row, of one block, at most a frame
 * @has: 1 or 0 for each
 *
 * What is not in memory may have been swapped out: guest_next_data() tells.
 * The call maps the block (and touches nothing there) until guest_unmap().
 *
 * Return: 0 or -errno: this kernel does not tell us
 */
int guest_present(Guest *guest, uint64_t page, unsigned n, uint8_t *has);

/**
 * guest_let_go() - of all that keeps the guest's RAM from being free
 *
 * The blocks stay known, but no call that reads or writes pages does anything
 * any more; the state memfd stays.  Freeing takes its time, in a thread of its
 * own: the caller has others to answer meanwhile.
 */
void guest_let_go(Guest *guest);

/** guest_unmap() - nobody is going to call guest_present() for a while */
void guest_unmap(Guest *guest);

/**
 * guest_next_data() - where the memfd has data
 * @page: from here
 * @end: up to here, in the same block
 *
 * Return: the first page of @page..@end with data, @end if there is none, or
 * -errno
 */
int64_t guest_next_data(Guest *guest, uint64_t page, uint64_t end);

/** guest_has_data() - 1 or 0, or -errno */
int guest_has_data(Guest *guest, uint64_t page);

/** guest_blocks_bytes() - what the memfds take up, by st_blocks */
uint64_t guest_blocks_bytes(const Guest *guest);

/** guest_ram_pages() - of all blocks */
uint64_t guest_ram_pages(const Guest *guest);

/** guest_page_number() - the word of the @n-th of these pages, from 0 on */
uint64_t guest_page_number(const Guest *guest, uint64_t n);

#endif
