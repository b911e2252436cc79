/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where shmem may use huge pages, a store through a mapping into a hole would
 * bring in 512 pages of zeros, over pages that are away.  MADV_NOHUGEPAGE on
 * the mapping keeps a store to one page, and UFFDIO_COPY always fills one:
 * rule 7, and "written by COPY and ZEROPAGE only".
 *
 * What a large folio would cost: punching one of its pages gives that page
 * back, but while another one is pinned it only turns to zeros, with no hole.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "platform.h"

#define FRAME (2ul << 20)

static size_t blocks(int fd)
{
    struct stat st;

    NEED(fstat(fd, &st) == 0);
    return st.st_blocks * 512 / PAGE;
}

/* A file on a tmpfs with huge=always, in a mount namespace of our own. */
static int huge_file(void)
{
    char dir[] = "/tmp/platform-XXXXXX";
    char path[64];
    int fd;

    if (unshare(CLONE_NEWNS) < 0 || !mkdtemp(dir)) {
        SKIP("no mount namespace of our own: %s", strerror(errno));
    }
    NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    if (mount("platform", dir, "tmpfs", 0, "huge=always,size=64m") < 0) {
        int err = errno;

        rmdir(dir);
        SKIP("no tmpfs with huge pages: %s", strerror(err));
    }
    snprintf(path, sizeof(path), "%s/ram", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    NEED(fd >= 0);
    NEED(umount2(dir, MNT_DETACH) == 0);
    rmdir(dir);
    return fd;
}

/* Maps FRAMES frames at an address where a huge page could be mapped. */
static char *map_frames(int fd, size_t frames)
{
    size_t size = frames * FRAME;
    char *raw = mmap(NULL, size + FRAME, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at;

    NEED(raw != MAP_FAILED);
    at = (char *)(((uintptr_t)raw + FRAME - 1) & ~(FRAME - 1));
    at = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    NEED(at != MAP_FAILED);
    return at;
}

static void punch_page(int fd, size_t page)
{
    NEED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * PAGE,
                   PAGE) == 0);
}

static bool is_hole(int fd, size_t page)
{
    return lseek(fd, page * PAGE, SEEK_HOLE) == (off_t)(page * PAGE);
}

/* @store: the first frame of @fd, a large folio */
static void punch_large(int fd, char *store)
{
    struct iovec pinned = { store + 100 * PAGE, PAGE };
    char bytes[PAGE];
    size_t before;
    int ends[2];

    memset(store, 'h', FRAME);
    before = blocks(fd);
    NEED(pipe(ends) == 0);
    NEED(vmsplice(ends[1], &pinned, 1, 0) == (ssize_t)PAGE);
    punch_page(fd, 5);
    EXPECT_EQ(store[5 * PAGE], 0, "a byte of what was punched");
    EXPECT_EQ(is_hole(fd, 5), false, "a hole while another page is pinned");

    NEED(read(ends[0], bytes, PAGE) == (ssize_t)PAGE);
    punch_page(fd, 5);
    EXPECT_EQ(is_hole(fd, 5), true, "a hole when it no longer is");
    EXPECT_EQ(before - blocks(fd), 1, "pages given back");
    EXPECT_EQ(store[4 * PAGE], 'h', "the page before");
    EXPECT_EQ(store[6 * PAGE], 'h', "the page behind");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    char *store, *managed;
    size_t before;
    int fd, uffd;

    platform_start();
    uffd = uffd_open(UFFD_BASE);
    fd = huge_file();
    NEED(ftruncate(fd, 3 * FRAME) == 0);
    store = map_frames(fd, 3);
    managed = map_frames(fd, 3);

    store[0] = 'h';
    before = blocks(fd);
    if (before == 1) {
        SKIP("this kernel gave no huge page to a store on huge=always");
    }
    EXPECT_EQ(before, FRAME / PAGE, "pages a plain store brings in");

    NEED(madvise(managed, 3 * FRAME, MADV_NOHUGEPAGE) == 0);
    managed[FRAME] = 'n';
    EXPECT_EQ(blocks(fd) - before, 1, "pages a NOHUGEPAGE store brings in");

    before = blocks(fd);
    NEED(uffd_register(uffd, managed, 3 * FRAME / PAGE, UFFD_MODES) == 0);
    EXPECT_EQ(uffd_copy(uffd, managed + 2 * FRAME, page_of('c')), 0, "COPY");
    EXPECT_EQ(blocks(fd) - before, 1, "pages a COPY brings in");

    punch_large(fd, store);
    return 0;
}
