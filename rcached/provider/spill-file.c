/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spill-file: the file that slabs go to.  See spill-file.h. */
#include "rcached/provider/spill-file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#define CHECK_PAGES     256u

struct SpillFile {
    int fd;
    uint64_t area_bytes;
    uint32_t nr_areas;
    uint32_t used;
    bool *taken;                /* of each area */
};

static SpillFile *file_of(int fd, uint64_t size, uint64_t area_bytes)
{
    SpillFile *file = g_new0(SpillFile, 1);

    file->fd = fd;
    file->area_bytes = area_bytes;
    file->nr_areas = MIN(size / area_bytes, UINT32_MAX - 1);
    file->taken = g_new0(bool, file->nr_areas + 1);
    return file;
}

static void set_errno(GError **errp, const char *dir, const char *what,
                      int error)
{
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(error),
                "spill-dir %s: %s: %s", dir, what, g_strerror(error));
}

/* Memory that goes to a file system in memory does not come back. */
static bool dir_is_on_disk(const char *dir, GError **errp)
{
    struct statfs fs;

    if (statfs(dir, &fs)) {
        set_errno(errp, dir, "cannot be used", errno);
        return false;
    }
    if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "spill-dir %s is in memory (tmpfs): name a directory on "
                    "a disk", dir);
        return false;
    }
    return true;
}

/* Some file systems cannot make a file that never had a name. */
static int open_named(const char *dir)
{
    g_autofree char *name = g_build_filename(dir, ".rcached-spill-XXXXXX",
                                             NULL);
    int fd = mkostemp(name, O_DIRECT | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    unlink(name);
    return fd;
}

static int file_open(const char *dir, GError **errp)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        fd = open_named(dir);
    } else if (fd < 0) {
        fd = -errno;
    }
    if (fd == -EINVAL) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "spill-dir %s: its file system cannot be written past "
                    "the page cache (O_DIRECT): name a directory on another",
                    dir);
    } else if (fd < 0) {
        set_errno(errp, dir, "cannot make a file there", -fd);
    }
    return fd;
}

static bool set_aside(int fd, const char *dir, uint64_t size, GError **errp)
{
    g_autofree char *text = g_format_size_full(size,
                                               G_FORMAT_SIZE_IEC_UNITS);
    int error;

    do {
        error = fallocate(fd, 0, 0, size) ? errno : 0;
    } while (error == EINTR);
    if (error == EOPNOTSUPP) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "spill-dir %s: its file system cannot set room aside "
                    "(fallocate): name a directory on another", dir);
    } else if (error) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(error),
                    "spill-dir %s: cannot set %s aside: %s; make spill-size "
                    "smaller, or name another directory", dir, text,
                    g_strerror(error));
    }
    return !error;
}

SpillFile *spill_file_new(const char *dir, uint64_t size,
                          uint64_t area_bytes, GError **errp)
{
    autofd fd = -1;

    size -= size % area_bytes;
    if (!size) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "spill-size is less than a slab of %" PRIu64 " bytes",
                    area_bytes);
        return NULL;
    }
    if (!dir_is_on_disk(dir, errp)) {
        return NULL;
    }
    fd = file_open(dir, errp);
    if (fd < 0 || !set_aside(fd, dir, size, errp)) {
        return NULL;
    }
    return file_of(fd_steal(&fd), size, area_bytes);
}

SpillFile *spill_file_adopt(int fd, uint64_t area_bytes, GError **errp)
{
    struct stat st;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (own < 0 || fstat(own, &st) || !S_ISREG(st.st_mode)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the spill file that the previous daemon left "
                    "cannot be used");
        if (own >= 0) {
            close(own);
        }
        return NULL;
    }
    return file_of(own, st.st_size, area_bytes);
}

bool spill_file_is_like(const SpillFile *file, const char *dir, uint64_t size)
{
    struct stat is, would;

    return size / file->area_bytes == file->nr_areas &&
           !fstat(file->fd, &is) && !stat(dir, &would) &&
           is.st_dev == would.st_dev;
}

void spill_file_free(SpillFile *file)
{
    if (file) {
        close(file->fd);
        g_free(file->taken);
        g_free(file);
    }
}

int spill_file_fd(const SpillFile *file)
{
    return file->fd;
}

uint64_t spill_file_size(const SpillFile *file)
{
    return file->nr_areas * file->area_bytes;
}

/* ---------------------------------------------------------------- check */

static uint8_t check_byte(unsigned page)
{
    return page * 37 + 11;
}

static bool check_seal(SpillKey *key, uint8_t *buf, unsigned pages,
                       SpillSeal *seals, GError **errp)
{
    for (unsigned i = 0; i < pages; i++) {
        SpillPlace place = { .page = i };
        uint8_t *page = buf + (size_t)i * WIRE_PAGE_SIZE;

        memset(page, check_byte(i), WIRE_PAGE_SIZE);
        if (!spill_seal(key, &place, page, &seals[i])) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                        "spill file: the cipher failed");
            return false;
        }
    }
    return true;
}

/* Return: NULL, or what is wrong */
static const char *check_write(SpillFile *file, const uint8_t *buf,
                               unsigned pages)
{
    ssize_t size = (ssize_t)pages * WIRE_PAGE_SIZE;
    ssize_t n = pwrite(file->fd, buf, size, 0);

    return n == size ? NULL
                     : n < 0 ? g_strerror(errno) : "less than all was written";
}

static bool check_read(SpillFile *file, SpillKey *key, uint8_t *buf,
                       unsigned pages, const SpillSeal *seals)
{
    ssize_t size = (ssize_t)pages * WIRE_PAGE_SIZE;
    bool same = pread(file->fd, buf, size, 0) == size;

    for (unsigned i = 0; same && i < pages; i++) {
        SpillPlace place = { .page = i };
        uint8_t *page = buf + (size_t)i * WIRE_PAGE_SIZE;

        same = spill_unseal(key, &place, page, &seals[i]) &&
               page[0] == check_byte(i) &&
               page[WIRE_PAGE_SIZE - 1] == check_byte(i);
    }
    return same;
}

bool spill_file_check(SpillFile *file, SpillKey *key, SlabGuard guard,
                      uint64_t *rate, const char **why, GError **errp)
{
    unsigned pages = MIN(CHECK_PAGES, file->area_bytes / WIRE_PAGE_SIZE);
    size_t size = (size_t)pages * WIRE_PAGE_SIZE;
    SpillSeal seals[CHECK_PAGES];
    uint8_t *buf = secret_alloc(size, guard);
    bool good = buf && check_seal(key, buf, pages, seals, errp);
    int64_t began = g_get_monotonic_time();

    *why = good ? check_write(file, buf, pages) : NULL;
    *rate = *why ? 0
                 : size * G_USEC_PER_SEC / (g_get_monotonic_time() - began + 1);
    if (good && !*why && !check_read(file, key, buf, pages, seals)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "spill file: what was read back is not what was written");
        good = false;
    } else if (!buf) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "spill file: no memory for a buffer");
    }
    secret_free(buf, size);
    return good;
}

/* ---------------------------------------------------------------- areas */

uint32_t spill_file_take(SpillFile *file)
{
    for (uint32_t i = 0; i < file->nr_areas; i++) {
        if (spill_file_take_this(file, i)) {
            return i;
        }
    }
    return SPILL_NO_AREA;
}

bool spill_file_take_this(SpillFile *file, uint32_t area)
{
    if (area >= file->nr_areas || file->taken[area]) {
        return false;
    }
    file->taken[area] = true;
    file->used++;
    return true;
}

void spill_file_give(SpillFile *file, uint32_t area)
{
    g_assert(area < file->nr_areas && file->taken[area]);
    file->taken[area] = false;
    file->used--;
}

uint32_t spill_file_used(const SpillFile *file)
{
    return file->used;
}

uint64_t spill_file_offset(const SpillFile *file, uint32_t area,
                           uint32_t page)
{
    return area * file->area_bytes + (uint64_t)page * WIRE_PAGE_SIZE;
}
