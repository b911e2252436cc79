/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the platform tests share.  Each test is one program that shows one
 * fact of the kernel the design leans on: exit 0 says that it holds here, 1
 * that it does not (and rcached would be wrong on this kernel), 77 that this
 * machine cannot show it, with the reason on stdout.
 *
 * "The guest" is a thread that touches a page, "the pager" the test's main
 * thread or a child with the same descriptors.  A child has copies of the
 * mappings, but they are not registered: its ioctls act on the parent's
 * memory, as the pager's do on QEMU's.
 */
#ifndef TESTS_PLATFORM_H
#define TESTS_PLATFORM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Newer than Debian 12's headers; the values are the kernel's ABI. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xaa, 0x00)
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef PAGEMAP_SCAN
struct page_region {
    uint64_t start, end, categories;
};
struct pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask;
    uint64_t return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WPALLOWED (1 << 0)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((uint64_t)1 << 1)
#endif

#define PAGE            4096ul
#define NO_TIME_MS      200     /* long enough to say "it does not come" */
#define PATIENCE_MS     5000    /* how long to wait for what must come */
#define UFFD_BASE       (UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM)
#define UFFD_MODES      (UFFDIO_REGISTER_MODE_MISSING | \
                         UFFDIO_REGISTER_MODE_MINOR)

#define SKIP(...)                                               \
    do {                                                        \
        printf("skipped: " __VA_ARGS__);                        \
        printf("\n");                                           \
        exit(77);                                               \
    } while (0)

/* The fact itself: COND must hold; the rest says in words what it is. */
#define EXPECT(cond, ...)                                       \
    do {                                                        \
        if (!(cond)) {                                          \
            printf("%s:%d: FAIL: ", __FILE__, __LINE__);        \
            printf(__VA_ARGS__);                                \
            printf(" (%s)\n", #cond);                           \
            fflush(stdout);                                     \
            _exit(1);                                           \
        }                                                       \
    } while (0)

/* A result that must be this one: both numbers are printed if it is not. */
#define EXPECT_EQ(got, want, ...)                               \
    do {                                                        \
        long got_ = (got);                                      \
        long want_ = (want);                                    \
        if (got_ != want_) {                                    \
            printf("%s:%d: FAIL: ", __FILE__, __LINE__);        \
            printf(__VA_ARGS__);                                \
            printf(": %ld, not %ld\n", got_, want_);            \
            fflush(stdout);                                     \
            _exit(1);                                           \
        }                                                       \
    } while (0)

/* A step that only prepares the ground; failing here is not the fact. */
#define NEED(cond)                                              \
    do {                                                        \
        if (!(cond)) {                                          \
            printf("%s:%d: cannot prepare: %s: %s\n", __FILE__, \
                   __LINE__, #cond, strerror(errno));           \
            fflush(stdout);                                     \
            _exit(1);                                           \
        }                                                       \
    } while (0)

/* A test that hangs has failed. */
static inline void platform_start(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(60);
}

static inline void sleep_ms(int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

    while (nanosleep(&ts, &ts) < 0 && errno == EINTR) {
    }
}

/* ------------------------------------------------------- userfaultfd */

/* uffd_try: a new userfaultfd, or -errno; FLAGS as in open(2). */
static inline int uffd_try(uint64_t features, int flags)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };
    int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int uffd;
    int err;

    if (dev >= 0) {
        uffd = ioctl(dev, USERFAULTFD_IOC_NEW, flags | O_CLOEXEC);
        close(dev);
    } else {
        uffd = syscall(SYS_userfaultfd, flags | O_CLOEXEC);
    }
    if (uffd < 0) {
        return -errno;
    }
    if (ioctl(uffd, UFFDIO_API, &api) < 0) {
        err = -errno;
        close(uffd);
        return err;
    }
    return uffd;
}

/* uffd_open: the same; skips the test where there is no such userfaultfd. */
static inline int uffd_open(uint64_t features)
{
    int uffd = uffd_try(features, O_NONBLOCK);

    if (uffd == -EPERM || uffd == -EACCES || uffd == -ENOSYS) {
        SKIP("no userfaultfd for this user: %s", strerror(-uffd));
    }
    if (uffd == -EINVAL) {
        SKIP("the kernel's userfaultfd lacks one of the features 0x%llx",
             (unsigned long long)features);
    }
    NEED(uffd >= 0);
    return uffd;
}

static inline int uffd_register(int uffd, void *addr, size_t pages,
                                uint64_t modes)
{
    struct uffdio_register reg = {
        .range = { (uintptr_t)addr, pages * PAGE },
        .mode = modes,
    };

    return ioctl(uffd, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

static inline int uffd_copy_mode(int uffd, void *dst, const void *src,
                                 size_t pages, uint64_t mode)
{
    struct uffdio_copy copy = {
        .dst = (uintptr_t)dst,
        .src = (uintptr_t)src,
        .len = pages * PAGE,
        .mode = mode,
    };

    return ioctl(uffd, UFFDIO_COPY, &copy) < 0 ? -errno : 0;
}

static inline int uffd_copy(int uffd, void *dst, const void *src)
{
    return uffd_copy_mode(uffd, dst, src, 1, 0);
}

static inline int uffd_zeropage(int uffd, void *addr)
{
    struct uffdio_zeropage zero = { .range = { (uintptr_t)addr, PAGE } };

    return ioctl(uffd, UFFDIO_ZEROPAGE, &zero) < 0 ? -errno : 0;
}

/* uffd_continue: *MAPPED, if not NULL, gets the bytes mapped or -errno. */
static inline int uffd_continue(int uffd, void *addr, size_t pages,
                                uint64_t mode, int64_t *mapped)
{
    struct uffdio_continue cont = {
        .range = { (uintptr_t)addr, pages * PAGE },
        .mode = mode,
    };
    int ret = ioctl(uffd, UFFDIO_CONTINUE, &cont) < 0 ? -errno : 0;

    if (mapped) {
        *mapped = cont.mapped;
    }
    return ret;
}

static inline int uffd_wake(int uffd, void *addr, size_t pages)
{
    struct uffdio_range range = { (uintptr_t)addr, pages * PAGE };

    return ioctl(uffd, UFFDIO_WAKE, &range) < 0 ? -errno : 0;
}

/* fault_next: reads one message; false if none comes within MS. */
static inline bool fault_next(int uffd, struct uffd_msg *msg, int ms)
{
    struct pollfd pfd = { .fd = uffd, .events = POLLIN };

    if (poll(&pfd, 1, ms) <= 0) {
        return false;
    }
    return read(uffd, msg, sizeof(*msg)) == sizeof(*msg);
}

/* fault_expect: the next message is a fault on ADDR; its flags. */
static inline uint64_t fault_expect(int uffd, const void *addr)
{
    struct uffd_msg msg;

    EXPECT(fault_next(uffd, &msg, PATIENCE_MS), "a fault message comes");
    EXPECT_EQ(msg.event, UFFD_EVENT_PAGEFAULT, "the kind of event");
    EXPECT_EQ(msg.arg.pagefault.address & ~(PAGE - 1), (uintptr_t)addr,
              "the address of the fault");
    return msg.arg.pagefault.flags;
}

static inline bool fault_is_minor(uint64_t flags)
{
    return (flags & UFFD_PAGEFAULT_FLAG_MINOR) != 0;
}

/* --------------------------------------------------------------- RAM */

typedef struct Ram {
    int memfd;
    int uffd;
    char *guest;        /* QEMU's mapping, registered with uffd */
    char *other;        /* another mapping, not registered */
    size_t pages;
} Ram;

static inline char *ram_map(int memfd, size_t pages)
{
    char *map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                     memfd, 0);

    NEED(map != MAP_FAILED);
    NEED(madvise(map, pages * PAGE, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
    return map;
}

/* ram_init_bare: a memfd with two mappings; nothing is registered. */
static inline void ram_init_bare(Ram *ram, size_t pages)
{
    ram->memfd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    NEED(ram->memfd >= 0);
    NEED(ftruncate(ram->memfd, pages * PAGE) == 0);
    ram->guest = ram_map(ram->memfd, pages);
    ram->other = ram_map(ram->memfd, pages);
    ram->pages = pages;
    ram->uffd = -1;
}

/* ram_init: the same, and the guest's mapping is registered. */
static inline void ram_init(Ram *ram, size_t pages)
{
    ram_init_bare(ram, pages);
    ram->uffd = uffd_open(UFFD_BASE);
    NEED(uffd_register(ram->uffd, ram->guest, pages, UFFD_MODES) == 0);
}

static inline int ram_punch(const Ram *ram, size_t page, size_t pages)
{
    return fallocate(ram->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     page * PAGE, pages * PAGE) < 0 ? -errno : 0;
}

/* ram_present: is this page in the memfd's page cache? */
static inline bool ram_present(const Ram *ram, size_t page)
{
    return lseek(ram->memfd, page * PAGE, SEEK_DATA) == (off_t)(page * PAGE);
}

/* ram_mapped: has the page at ADDR a present page-table entry here? */
static inline bool ram_mapped(const char *addr)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry = 0;

    NEED(fd >= 0);
    NEED(pread(fd, &entry, sizeof(entry), (uintptr_t)addr / PAGE * 8) ==
         sizeof(entry));
    close(fd);
    return entry >> 63 & 1;
}

/* page_of: a page of one byte, good until the next call. */
/* For pages_scan(): all that the tests know. */
#define SCAN_ALL    (PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN | PAGE_IS_PRESENT | \
                     PAGE_IS_SWAPPED)

/* Pages in one of the categories @any; how many regions: at most 1. */
static inline int pages_scan(int pagemap, const char *addr, size_t pages,
                             uint64_t any, uint64_t which,
                             struct page_region *region)
{
    struct pm_scan_arg scan = {
        .size = sizeof(scan), .start = (uintptr_t)addr,
        .end = (uintptr_t)addr + pages * PAGE, .vec = (uintptr_t)region,
        .vec_len = 1, .category_anyof_mask = any, .return_mask = which,
    };
    int ret = ioctl(pagemap, PAGEMAP_SCAN, &scan);

    NEED(ret >= 0);
    return ret;
}

static inline char *page_of(int byte)
{
    static char page[PAGE] __attribute__((aligned(4096)));

    memset(page, byte, PAGE);
    return page;
}

/* page_is: are all bytes of this page BYTE? */
static inline bool page_is(const char *page, int byte)
{
    for (size_t i = 0; i < PAGE; i++) {
        if (page[i] != (char)byte) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------- the guest's thread */

typedef struct Touch {
    pthread_t thread;
    volatile char *addr;
    bool write;
    char value;         /* to write, or what was read */
    bool whole;         /* read: every byte was the same */
    int done[2];
} Touch;

static inline void *touch_thread(void *arg)
{
    Touch *t = arg;

    if (t->write) {
        *t->addr = t->value;
    } else {
        t->value = *t->addr;
        t->whole = page_is((const char *)t->addr, t->value);
    }
    NEED(write(t->done[1], "", 1) == 1);
    return NULL;
}

static inline void touch_start(Touch *t, char *addr, bool write, char value)
{
    t->addr = addr;
    t->write = write;
    t->value = value;
    NEED(pipe(t->done) == 0);
    NEED(pthread_create(&t->thread, NULL, touch_thread, t) == 0);
}

static inline void touch_read(Touch *t, char *addr)
{
    touch_start(t, addr, false, 0);
}

static inline void touch_write(Touch *t, char *addr, char value)
{
    touch_start(t, addr, true, value);
}

/* touch_done: has the touch come through within MS? */
static inline bool touch_done(Touch *t, int ms)
{
    struct pollfd pfd = { .fd = t->done[0], .events = POLLIN };

    if (poll(&pfd, 1, ms) <= 0) {
        return false;
    }
    NEED(pthread_join(t->thread, NULL) == 0);
    close(t->done[0]);
    close(t->done[1]);
    return true;
}

/* ---------------------------------------------------------- children */

/* child_ok: a child has ended with 0; it printed why if not. */
static inline void child_ok(pid_t pid)
{
    int status;

    NEED(waitpid(pid, &status, 0) == pid);
    EXPECT_EQ(status, 0, "the child's wait status");
}

static inline void child_kill(pid_t pid)
{
    NEED(kill(pid, SIGKILL) == 0);
    NEED(waitpid(pid, NULL, 0) == pid);
}

#endif
