/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab: a piece of lent memory.  See slab.h.
 */
#include "rcached/provider/slab.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/secrecy.h"
#include "common/xxh3.h"
#include "rcached/provider/slab-internal.h"

/* ---------------------------------------------------------------- guard */

/* Is this process in a memory cgroup that may not swap? */
static bool cgroup_forbids_swap(void)
{
    g_autofree char *text = NULL, *path = NULL;
    char *line, *slash;

    if (!g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL)) {
        return false;
    }
    line = strstr(text, "0::/");
    if (!line || (line != text && line[-1] != '\n')) {
        return false;
    }
    path = g_strndup(line + 3, strcspn(line + 3, "\n"));
    /* A limit of any ancestor holds as well. */
    while ((slash = strrchr(path, '/'))) {
        g_autofree char *file = g_strdup_printf(
            "/sys/fs/cgroup%s/memory.swap.max", path);
        g_autofree char *value = NULL;

        if (g_file_get_contents(file, &value, NULL, NULL) &&
            !strcmp(g_strchomp(value), "0")) {
            return true;
        }
        *slash = '\0';
    }
    return false;
}

/* Can @bytes be locked?  On fault only: nothing is populated to find out. */
static bool can_lock(size_t bytes)
{
    void *probe = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool ok;

    if (probe == MAP_FAILED) {
        return false;
    }
    ok = mlock2(probe, bytes, MLOCK_ONFAULT) == 0;
    munmap(probe, bytes);
    return ok;
}

bool slab_guard_find(bool always_lock, size_t probe, SlabGuard *out,
                     GError **errp)
{
    if (!always_lock && !secrecy_host_has_swap("")) {
        *out = SLAB_GUARD_NO_SWAP;
        return true;
    }
    if (!always_lock && cgroup_forbids_swap()) {
        *out = SLAB_GUARD_CGROUP;
        return true;
    }
    if (can_lock(probe)) {
        *out = SLAB_GUARD_MLOCK;
        return true;
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                "lent memory could reach swap: locking it is not allowed "
                "(raise the limit, LimitMEMLOCK=infinity) and "
                "memory.swap.max is not 0 (MemorySwapMax=0)");
    return false;
}

bool slab_guard_process(SlabGuard guard, GError **errp)
{
    if (guard == SLAB_GUARD_MLOCK &&
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "pages that TLS decrypts could reach swap: memory cannot "
                    "be locked (%s); raise the limit, LimitMEMLOCK=infinity",
                    g_strerror(errno));
        return false;
    }
    return true;
}

const char *slab_guard_name(SlabGuard guard)
{
    static const char *const names[] = {
        [SLAB_GUARD_NO_SWAP] = "the host has no swap",
        [SLAB_GUARD_CGROUP] = "the cgroup may not swap",
        [SLAB_GUARD_MLOCK] = "locked",
    };

    return names[guard];
}

/* @whole: locking it may bring all of it into memory. */
static int memory_protect(void *base, size_t bytes, SlabGuard guard,
                          bool whole)
{
    if (madvise(base, bytes, MADV_DONTDUMP) ||
        madvise(base, bytes, MADV_DONTFORK)) {
        return -errno;
    }
    if (guard == SLAB_GUARD_MLOCK &&
        mlock2(base, bytes, whole ? 0 : MLOCK_ONFAULT)) {
        return -errno;
    }
    return 0;
}

void *secret_alloc(size_t size, SlabGuard guard)
{
    void *buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (buf == MAP_FAILED) {
        return NULL;
    }
    if (memory_protect(buf, size, guard, true)) {
        munmap(buf, size);
        return NULL;
    }
    return buf;
}

void secret_free(void *buf, size_t size)
{
    if (buf) {
        munmap(buf, size);
    }
}

/* ----------------------------------------------------------------- slab */

/* Before Linux 5.14 transfers take the faults: slower, not wrong. */
static int memory_populate(void *base, size_t bytes)
{
    return madvise(base, bytes, MADV_POPULATE_WRITE) && errno != EINVAL
           ? -errno : 0;
}

/*
 * Map @fd; the descriptor becomes the slab's.  @whole: all is in memory, which
 * is locked if that is the guard.  @populate: all pages of a whole one are
 * mapped as well, and not as each is touched.
 */
static int slab_map(int fd, uint32_t pages, SlabGuard guard, bool whole,
                    bool populate, Slab **out)
{
    size_t bytes = slab_file_bytes(pages), tail = slab_bytes(pages);
    uint8_t *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                         0);
    int ret;

    if (base == MAP_FAILED) {
        return -errno;
    }
    ret = memory_protect(base, bytes, guard, whole);
    if (!ret) {
        populate = populate && whole;
        ret = memory_populate(populate ? base : base + tail,
                              populate ? bytes : bytes - tail);
    }
    if (ret) {
        munmap(base, bytes);
        return ret;
    }
    *out = g_new0(Slab, 1);
    **out = (Slab) {
        .fd = fd,
        .pages = pages,
        .base = base,
        .tail = (struct SlabTail *)(base + tail),
    };
    return 0;
}

/* A signal ends fallocate() early and undoes what it did. */
static int allocate(int fd, off_t at, size_t bytes)
{
    int tries = 0;

    while (fallocate(fd, 0, at, bytes)) {
        if (errno != EINTR || ++tries == 100) {
            return -errno;
        }
    }
    return 0;
}

/* @whole: with memory for its pages. */
static int slab_make(uint32_t pages, SlabGuard guard, bool whole, Slab **out)
{
    autofd fd = memfd_create("rcached-slab",
                             MFD_CLOEXEC | MFD_ALLOW_SEALING);
    off_t from = whole ? 0 : slab_bytes(pages);
    int ret;

    if (fd < 0) {
        return -errno;
    }
    ret = allocate(fd, from, slab_file_bytes(pages) - from);
    if (ret) {
        return ret;
    }
    if (ftruncate(fd, slab_file_bytes(pages) + slab_away_bytes(pages))) {
        return -errno;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        return -errno;
    }
    ret = slab_map(fd, pages, guard, whole, true, out);
    if (ret) {
        return ret;
    }
    fd = -1; /* the slab's now */
    *(*out)->tail = (struct SlabTail) {
        .magic = SLAB_MAGIC, .version = SLAB_VERSION, .pages = pages,
    };
    return 0;
}

int slab_new(uint32_t pages, SlabGuard guard, Slab **out)
{
    return slab_make(pages, guard, true, out);
}

int slab_new_on_disk(uint32_t pages, SlabGuard guard, uint64_t lease,
                     uint32_t area, Slab **out)
{
    int ret = slab_make(pages, guard, false, out);

    if (ret) {
        return ret;
    }
    slab_set_owner(*out, 0, lease);
    ret = slab_away_begin(*out, area);
    for (uint32_t i = 0; !ret && i < slab_chunks(*out); i++) {
        slab_chunk_punch(*out, i);      /* there is nothing to be punched */
    }
    if (ret) {
        g_clear_pointer(out, slab_free);
    }
    return ret;
}

/* The file has its memory; should a piece lack, it is to fail here. */
static int slab_fill_holes(int fd, uint32_t pages)
{
    size_t bytes = slab_file_bytes(pages);
    struct stat st;

    if (fstat(fd, &st)) {
        return -errno;
    }
    return (size_t)st.st_blocks * 512 < bytes ? allocate(fd, 0, bytes) : 0;
}

/* Is it a slab of this size?  Its head, as far as it is known by now. */
static bool slab_is_ours(int fd, uint32_t pages, struct SlabTail *head)
{
    struct stat st;

    return !fstat(fd, &st) &&
           st.st_size == (off_t)(slab_file_bytes(pages) +
                                 slab_away_bytes(pages)) &&
           fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK &&
           pread(fd, head, sizeof(*head), slab_bytes(pages)) ==
           sizeof(*head) &&
           head->magic == SLAB_MAGIC &&
           (head->version == SLAB_VERSION ||
            head->version == SLAB_VERSION_AWAY) && head->pages == pages;
}

int slab_adopt(int fd, uint32_t pages, SlabGuard guard, uint64_t *lease,
               Slab **out)
{
    struct SlabTail head;
    Slab *slab;
    uint32_t i;
    int ret;

    if (!slab_is_ours(fd, pages, &head)) {
        return -EINVAL;
    }
    ret = head.away ? 0 : slab_fill_holes(fd, pages);
    if (!ret) {
        /* Page by page a large lender would take minutes, and serve nobody. */
        ret = slab_map(fd, pages, guard, !head.away, false, &slab);
    }
    if (ret) {
        return ret;
    }
    slab->number = head.number;
    *lease = head.lease;
    for (i = 0; i < (pages + 63) / 64; i++) {
        slab->stored += __builtin_popcountll(slab->tail->bitmap[i]);
    }
    ret = head.away ? slab_away_adopt(slab) : 0;
    if (ret) {
        munmap(slab->base, slab_file_bytes(pages));
        g_free(slab);
        return ret;
    }
    *out = slab;
    return 0;
}

void slab_free(Slab *slab)
{
    if (!slab) {
        return;
    }
    slab_away_unmap(slab);
    munmap(slab->base, slab_file_bytes(slab->pages));
    close(slab->fd);
    g_free(slab);
}

void slab_set_owner(Slab *slab, uint32_t number, uint64_t lease)
{
    slab->number = number;
    slab->tail->number = number;
    slab->tail->lease = lease;
}

void slab_set_leaving(Slab *slab, bool leaving)
{
    __atomic_store_n(&slab->tail->leaving, leaving, __ATOMIC_SEQ_CST);
}

bool slab_is_leaving(const Slab *slab)
{
    return slab->tail->leaving != 0;
}

uint64_t *slab_stored_bits(const Slab *slab)
{
    return g_memdup2(slab->tail->bitmap, (slab->pages + 63) / 64 * 8);
}

void slab_forget(Slab *slab)
{
    memset(slab->tail->bitmap, 0, (slab->pages + 63) / 64 * 8);
    slab->stored = 0;
}

uint64_t slab_digest(const uint8_t *bytes, uint32_t page)
{
    return XXH3_64bits_withSeed(bytes, WIRE_PAGE_SIZE, page);
}

bool slab_punch(Slab *slab, uint32_t pages)
{
    uint32_t left = slab->pages - slab->punched;

    if (pages >= left) {
        /* The last piece takes the tail and all behind it. */
        fallocate(slab->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  slab_bytes(slab->punched),
                  slab_file_bytes(slab->pages) +
                  slab_away_bytes(slab->pages) - slab_bytes(slab->punched));
        slab->punched = slab->pages;
        return true;
    }
    fallocate(slab->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              slab_bytes(slab->punched), slab_bytes(pages));
    slab->punched += pages;
    return false;
}

bool slab_is_stored(const Slab *slab, uint32_t page)
{
    return slab->tail->bitmap[page / 64] >> (page % 64) & 1;
}

int slab_set_stored(Slab *slab, uint32_t page, bool stored)
{
    uint64_t bit = UINT64_C(1) << (page % 64);
    uint64_t *word = &slab->tail->bitmap[page / 64];

    if (!(*word & bit) == !stored) {
        return 0;
    }
    *word ^= bit;
    slab->stored += stored ? 1 : -1;
    return stored ? 1 : -1;
}
