/* SPDX-License-Identifier: GPL-2.0-or-later */
/* written: which pages were written, by PAGEMAP_SCAN.  See written.h. */
#include "rcached/pager/written.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "rcache/vmm.h"

/* Newer than Debian 12's headers (linux/fs.h): the kernel's ABI. */
struct scan_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

struct scan_arg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;          /* out: where it stopped */
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};

#define SCAN                    _IOWR('f', 16, struct scan_arg)
#define SCAN_CHECK_WPASYNC      (1u << 1)   /* EPERM where nothing is tracked */

#define IS_WPALLOWED            (1u << 0)
#define IS_WRITTEN              (1u << 1)
#define IS_PRESENT              (1u << 3)
#define IS_SWAPPED              (1u << 4)
#define IS_ANY                  (IS_WPALLOWED | IS_WRITTEN | IS_PRESENT | \
                                 IS_SWAPPED)
#define IS_CLEAN                (IS_WPALLOWED | IS_SWAPPED)

/* As many as pages of a zap, if none of them is beside another. */
#define REGIONS                 256u

/* One call; how many regions it names, or -errno. */
static int scan_some(int fd, struct scan_arg *scan, struct scan_region *region)
{
    int ret;

    *scan = (struct scan_arg) {
        .size = sizeof(*scan), .flags = SCAN_CHECK_WPASYNC,
        .start = scan->start, .end = scan->end,
        .vec = (uintptr_t)region, .vec_len = REGIONS,
        .category_anyof_mask = IS_SWAPPED, .return_mask = IS_ANY,
    };
    do {
        ret = ioctl(fd, SCAN, scan);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : ret;
}

int written_is_tracked(int fd, uint64_t addr)
{
    struct scan_region region[REGIONS];
    struct scan_arg scan = { .start = addr, .end = addr + RCACHE_PAGE_SIZE };
    int ret = scan_some(fd, &scan, region);

    return ret < 0 ? ret : 0;
}

int written_clean(int fd, uint64_t addr, unsigned n, uint8_t *clean)
{
    uint64_t end = addr + (uint64_t)n * RCACHE_PAGE_SIZE, at = addr;
    struct scan_region region[REGIONS];

    memset(clean, 0, n);
    while (at < end) {
        struct scan_arg scan = { .start = at, .end = end };
        int found = scan_some(fd, &scan, region);

        if (found < 0 || scan.walk_end <= at || scan.walk_end > end) {
            memset(clean, 0, n);
            return found < 0 ? found : -EIO;
        }
        for (int i = 0; i < found; i++) {
            uint64_t first = region[i].start, stop = region[i].end;

            if (region[i].categories == IS_CLEAN && first >= at &&
                first < stop && stop <= scan.walk_end) {
                memset(clean + (first - addr) / RCACHE_PAGE_SIZE, 1,
                       (stop - first) / RCACHE_PAGE_SIZE);
            }
        }
        at = scan.walk_end;
    }
    return 0;
}
