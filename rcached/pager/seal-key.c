/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seal-key: the key that a VMM hands over.  See seal-key.h. */
#include "rcached/pager/seal-key.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* <linux/magic.h> has it since 5.14. */
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif

/* Can it not become shorter under us?  A memfd_secret never does. */
static bool key_stays(int fd)
{
    struct statfs fs;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals >= 0) {
        return seals & F_SEAL_SHRINK;
    }
    return !fstatfs(fd, &fs) && fs.f_type == SECRETMEM_MAGIC;
}

static bool refuse(GError **errp, const char *why)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "the key that its pages are to be sealed with cannot be read: "
                "%s", why);
    return false;
}

bool seal_key_read(int fd, uint8_t key[RCACHE_KEY_SIZE], GError **errp)
{
    struct RcacheKey known;
    struct stat st;
    void *map;

    if (fstat(fd, &st) || st.st_size < RCACHE_PAGE_SIZE || !key_stays(fd)) {
        return refuse(errp, "it is not in a page of memory that stays");
    }
    map = mmap(NULL, RCACHE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return refuse(errp, g_strerror(errno));
    }
    memcpy(&known, map, sizeof(known));
    munmap(map, RCACHE_PAGE_SIZE);
    if (known.magic != RCACHE_KEY_MAGIC ||
        known.version != RCACHE_KEY_VERSION) {
        explicit_bzero(&known, sizeof(known));
        return refuse(errp, "it was made by another release");
    }
    memcpy(key, known.key, RCACHE_KEY_SIZE);
    explicit_bzero(&known, sizeof(known));
    return true;
}
