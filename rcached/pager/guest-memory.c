/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest-memory: the VM's memory as the pager holds it.  See guest-memory.h. */
#include "rcached/pager/guest-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

void guest_init(Guest *guest)
{
    *guest = (Guest) { .uffd = -1, .state_fd = -1, .pagemap_fd = -1 };
    for (unsigned i = 0; i < RCACHE_BLOCKS_MAX; i++) {
        guest->block[i].fd = -1;
    }
}

void guest_deinit(Guest *guest)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        guest_del_block(guest, i);
    }
    if (guest->state) {
        munmap(guest->state, guest->state_size);
    }
    autofd_close(&guest->uffd);
    autofd_close(&guest->state_fd);
    autofd_close(&guest->pagemap_fd);
    guest_init(guest);
}

static bool refuse(GError **error, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(GError **error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (error) {
        *error = g_error_new_valist(G_IO_ERROR, G_IO_ERROR_INVALID_DATA, fmt,
                                    ap);
    }
    va_end(ap);
    return false;
}

/* Does a table of @n entries of @size bytes lie inside, aligned? */
static bool table_fits(const struct RcacheState *s, uint64_t off, uint64_t n,
                       uint64_t size)
{
    return off >= RCACHE_STATE_HEADER && off % 8 == 0 &&
           off <= s->total_size && n <= (s->total_size - off) / size;
}

static bool state_is_ours(const struct RcacheState *s, uint64_t size,
                          GError **error)
{
    if (s->magic != RCACHE_STATE_MAGIC) {
        return refuse(error, "the state memfd has no magic number");
    }
    if (s->version != RCACHE_STATE_VERSION ||
        s->header_size != RCACHE_STATE_HEADER) {
        return refuse(error, "the state memfd has layout version %u, this "
                      "rcached knows %u: go back to the rcached the VM was "
                      "started under, bring its memory home "
                      "(remote-cache-resize with size=0), and start the VM "
                      "anew with the QEMU of this release", s->version,
                      RCACHE_STATE_VERSION);
    }
    if (s->total_size > size || s->nr_leases != RCACHE_NR_LEASES ||
        s->nr_slabs != RCACHE_NR_SLABS || !s->nr_pages ||
        !table_fits(s, s->frames_off,
                    (s->nr_pages / RCACHE_FRAME_PAGES + 64) / 64, 8) ||
        !table_fits(s, s->leases_off, s->nr_leases,
                    sizeof(struct RcacheLease)) ||
        !table_fits(s, s->slabs_off, s->nr_slabs,
                    sizeof(struct RcacheSlab)) ||
        !table_fits(s, s->words_off, s->nr_pages, 8) ||
        !table_fits(s, s->sides_off, s->nr_pages,
                    sizeof(struct RcacheSide))) {
        return refuse(error, "the tables of the state memfd do not fit into "
                      "its %" G_GUINT64_FORMAT " bytes", size);
    }
    return true;
}

bool guest_map_state(Guest *guest, int fd, GError **error)
{
    struct RcacheState head;
    struct stat st;
    int seals;

    guest->state_fd = fd;
    seals = fcntl(fd, F_GET_SEALS);
    if (fstat(fd, &st) < 0 || seals < 0 || !(seals & F_SEAL_SHRINK)) {
        return refuse(error, "the state memfd is not a memfd sealed against "
                      "shrinking");
    }
    /* The tables' places are checked in a copy: the VMM can write it. */
    if (pread(fd, &head, sizeof(head), 0) != sizeof(head)) {
        return refuse(error, "the state memfd is too short");
    }
    if (!state_is_ours(&head, st.st_size, error)) {
        return false;
    }
    guest->state = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                        fd, 0);
    if (guest->state == MAP_FAILED) {
        guest->state = NULL;
        return refuse(error, "cannot map the state memfd: %s",
                      g_strerror(errno));
    }
    guest->state_size = st.st_size;
    guest->layout = head;
    return true;
}

static bool block_is_sane(const Guest *guest, const struct RcacheVmmBlock *m,
                          uint64_t fd_size, GError **error)
{
    uint64_t pages = m->length / RCACHE_PAGE_SIZE;
    uint64_t nr = guest->layout.nr_pages;

    if (m->block >= RCACHE_BLOCKS_MAX || guest->block[m->block].present) {
        return refuse(error, "block id %u is taken or too high", m->block);
    }
    if (!m->length || m->length % RCACHE_PAGE_SIZE ||
        m->address % RCACHE_PAGE_SIZE || m->fd_offset % RCACHE_PAGE_SIZE ||
        m->first_word > nr || pages > nr - m->first_word ||
        m->address + m->length < m->address ||
        m->fd_offset > fd_size || m->length > fd_size - m->fd_offset) {
        return refuse(error, "block %u does not fit its memory or its words",
                      m->block);
    }
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        const GuestBlock *b = &guest->block[i];

        if (b->present && m->first_word < b->first + b->pages &&
            b->first < m->first_word + pages) {
            return refuse(error, "blocks %u and %u share words", m->block, i);
        }
    }
    return true;
}

bool guest_add_block(Guest *guest, const struct RcacheVmmBlock *msg, int fd,
                     GError **error)
{
    autofd owned = fd;
    struct stat st;
    GuestBlock *b;

    if (fstat(fd, &st) < 0) {
        return refuse(error, "block %u: %s", msg->block, g_strerror(errno));
    }
    if (st.st_blksize != RCACHE_PAGE_SIZE) {
        return refuse(error, "block %u is in pages of %ld bytes: memory of "
                      "hugetlbfs is not managed", msg->block,
                      (long)st.st_blksize);
    }
    if (!block_is_sane(guest, msg, st.st_size, error)) {
        return false;
    }
    b = &guest->block[msg->block];
    *b = (GuestBlock) {
        .present = true, .generation = msg->generation,
        .first = msg->first_word, .pages = msg->length / RCACHE_PAGE_SIZE,
        .address = msg->address, .fd_offset = msg->fd_offset,
        .fd = fd_steal(&owned),
    };
    memcpy(b->name, msg->name, sizeof(b->name));
    b->name[sizeof(b->name) - 1] = '\0';
    guest->nr_blocks = MAX(guest->nr_blocks, msg->block + 1);
    return true;
}

static void block_unmap(GuestBlock *b)
{
    if (b->map) {
        munmap(b->map, b->pages * RCACHE_PAGE_SIZE);
        b->map = NULL;
    }
}

void guest_unmap(Guest *guest)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        block_unmap(&guest->block[i]);
    }
}

static void close_it(int *fd)
{
    autofd_close(fd);
    *fd = -1;
}

/* The last to close a memfd frees its memory: seconds, for tens of GiB. */
static void *close_all(void *opaque)
{
    g_autoptr(GArray) fds = opaque;

    for (guint i = 0; i < fds->len; i++) {
        close(g_array_index(fds, int, i));
    }
    return NULL;
}

void guest_let_go(Guest *guest)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    GThread *thread;

    guest_unmap(guest);
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        if (guest->block[i].fd >= 0) {
            g_array_append_val(fds, guest->block[i].fd);
            guest->block[i].fd = -1;
        }
    }
    thread = g_thread_try_new("let-go", close_all, fds, NULL);
    if (thread) {
        g_thread_unref(thread);
    } else {
        close_all(fds);         /* slow, but else it is kept for longer yet */
    }
    close_it(&guest->uffd);
    close_it(&guest->pagemap_fd);
}

void guest_del_block(Guest *guest, uint32_t block)
{
    block_unmap(&guest->block[block]);
    autofd_close(&guest->block[block].fd);
    guest->block[block] = (GuestBlock) { .fd = -1 };
}

GuestBlock *guest_block_of_page(Guest *guest, uint64_t page)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        GuestBlock *b = &guest->block[i];

        if (b->present && page - b->first < b->pages) {
            return b;
        }
    }
    return NULL;
}

GuestBlock *guest_next_block(Guest *guest, uint64_t page, uint64_t *next)
{
    GuestBlock *behind = NULL, *first = NULL;

    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        GuestBlock *b = &guest->block[i];

        if (!b->present) {
            continue;
        }
        if (page - b->first < b->pages) {
            *next = page;
            return b;
        }
        if (b->first > page && (!behind || b->first < behind->first)) {
            behind = b;
        }
        if (!first || b->first < first->first) {
            first = b;
        }
    }
    behind = behind ? behind : first;
    *next = behind ? behind->first : page;
    return behind;
}

bool guest_page_of_address(const Guest *guest, uint64_t addr, uint64_t *page)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        const GuestBlock *b = &guest->block[i];

        if (b->present && addr - b->address < b->pages * RCACHE_PAGE_SIZE) {
            *page = b->first + (addr - b->address) / RCACHE_PAGE_SIZE;
            return true;
        }
    }
    return false;
}

int guest_read(Guest *guest, uint64_t page, unsigned n, void *buf)
{
    GuestBlock *b = guest_block_of_page(guest, page);
    ssize_t len = (ssize_t)n * RCACHE_PAGE_SIZE, got;

    if (!b) {
        return -ENOENT;
    }
    got = pread(b->fd, buf, len, block_offset(b, page));
    return got == len ? 0 : got < 0 ? -errno : -EIO;
}

int guest_punch(Guest *guest, uint64_t page, unsigned n)
{
    GuestBlock *b = guest_block_of_page(guest, page);

    if (!b) {
        return -ENOENT;
    }
    return fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     block_offset(b, page),
                     (off_t)n * RCACHE_PAGE_SIZE) < 0 ? -errno : 0;
}

int guest_keep(Guest *guest, uint64_t page, unsigned n)
{
    GuestBlock *b = guest_block_of_page(guest, page);

    if (!b) {
        return -ENOENT;
    }
    return fallocate(b->fd, FALLOC_FL_KEEP_SIZE, block_offset(b, page),
                     (off_t)n * RCACHE_PAGE_SIZE) < 0 ? -errno : 0;
}

/*
 * mincore() tells the truth only about a file that one may write to or owns;
 * of any other it says that all of it is in memory.
 */
static int block_map(GuestBlock *b)
{
    void *map;

    if (b->map) {
        return 0;
    }
    if (faccessat(b->fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) < 0) {
        return -errno;
    }
    map = mmap(NULL, b->pages * RCACHE_PAGE_SIZE, PROT_NONE,
               MAP_SHARED | MAP_NORESERVE, b->fd, b->fd_offset);
    if (map == MAP_FAILED) {
        return -errno;
    }
    b->map = map;
    return 0;
}

int guest_present(Guest *guest, uint64_t page, unsigned n, uint8_t *has)
{
    GuestBlock *b = guest_block_of_page(guest, page);
    int ret = b ? block_map(b) : -ENOENT;

    if (ret < 0) {
        return ret;
    }
    if (mincore((char *)b->map + (page - b->first) * RCACHE_PAGE_SIZE,
                (size_t)n * RCACHE_PAGE_SIZE, has) < 0) {
        return -errno;
    }
    for (unsigned i = 0; i < n; i++) {
        has[i] &= 1;            /* the other bits are the kernel's */
    }
    return 0;
}

int64_t guest_next_data(Guest *guest, uint64_t page, uint64_t end)
{
    GuestBlock *b = guest_block_of_page(guest, page);
    uint64_t found;
    off_t at;

    if (page >= end) {
        return end;             /* possibly no page of a block any more */
    }
    if (!b) {
        return -ENOENT;
    }
    at = lseek(b->fd, block_offset(b, page), SEEK_DATA);
    if (at < 0) {
        /* ENXIO: nothing but a hole up to the end of the file */
        return errno == ENXIO ? (int64_t)end : -errno;
    }
    found = b->first + (at - b->fd_offset) / RCACHE_PAGE_SIZE;
    return MIN(found, end);
}

int guest_has_data(Guest *guest, uint64_t page)
{
    int64_t at = guest_next_data(guest, page, page + 1);

    return at < 0 ? at : at == (int64_t)page;
}

uint64_t guest_blocks_bytes(const Guest *guest)
{
    uint64_t bytes = 0;
    struct stat st;

    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        if (guest->block[i].present && !fstat(guest->block[i].fd, &st)) {
            bytes += (uint64_t)st.st_blocks * 512;
        }
    }
    return bytes;
}

uint64_t guest_page_number(const Guest *guest, uint64_t n)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        const GuestBlock *b = &guest->block[i];

        if (b->present && n < b->pages) {
            return b->first + n;
        }
        n -= b->present ? b->pages : 0;
    }
    return 0;
}

uint64_t guest_ram_pages(const Guest *guest)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        pages += guest->block[i].present ? guest->block[i].pages : 0;
    }
    return pages;
}
