/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mincore(2) over a mapping that is never touched, PROT_NONE even, says for a
 * whole range of a memfd which pages are in memory: one call for a frame,
 * however long the run of data around it is (SEEK_HOLE walks all of that).
 *
 * What it calls absent is not always a hole: shared memory that was swapped
 * out is absent and has data, as SEEK_DATA on that page says.  So a pager that
 * holds a word saying "here" against mincore asks again before it believes
 * that a page is gone.
 *
 * For that part the test makes a small swap file and a memory cgroup for a
 * moment; the page leaves memory only when its cgroup is reclaimed.
 */
#include "platform.h"

#include <sys/swap.h>

#define PAGES       512
#define SWAP_PAGES  1024
#define V1 "/sys/fs/cgroup/memory"
#define V2 "/sys/fs/cgroup"

static char swap_path[] = "/var/tmp/rcached-swap-XXXXXX";
static bool swap_is_on;
static char group[128];
static const char *root, *reclaim_file;

static bool present(char *map, size_t page)
{
    unsigned char vec[PAGES];

    NEED(mincore(map, PAGES * PAGE, vec) == 0);
    return vec[page] & 1;
}

static void all_is_said(const Ram *ram, char *map)
{
    EXPECT_EQ(present(map, 0), 0, "a page of an empty memfd is present");
    NEED(uffd_copy(ram->uffd, ram->guest + 5 * PAGE, page_of('m')) == 0);
    NEED(uffd_zeropage(ram->uffd, ram->guest + 9 * PAGE) == 0);
    NEED(madvise(ram->guest, PAGES * PAGE, MADV_DONTNEED) == 0);
    EXPECT_EQ(present(map, 5), 1, "a page nobody has mapped is present");
    EXPECT_EQ(present(map, 9), 1, "so is one of zeros");
    EXPECT_EQ(present(map, 6), 0, "the hole behind it is present");
    NEED(ram_punch(ram, 5, 1) == 0);
    EXPECT_EQ(present(map, 5), 0, "a punched page is present");
    /* What is only reserved is a hole to both. */
    NEED(fallocate(ram->memfd, FALLOC_FL_KEEP_SIZE, 20 * PAGE, PAGE) == 0);
    EXPECT_EQ(present(map, 20), ram_present(ram, 20),
              "mincore and SEEK_DATA differ about what fallocate reserves");
}

/* The mapping takes up nothing, so asking costs no memory. */
static void nothing_is_mapped(const char *map)
{
    for (size_t i = 0; i < PAGES; i++) {
        EXPECT(!ram_mapped(map + i * PAGE), "asking maps nothing");
    }
}

static bool put(const char *dir, const char *name, const char *text)
{
    char path[256];
    bool ok;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

static void group_leave(void)
{
    if (group[0]) {
        put(root, "cgroup.procs", "0");
        for (int i = 0; rmdir(group) < 0 && i < 50; i++) {
            sleep_ms(20);
        }
    }
}

static void group_enter(void)
{
    bool v1 = access(V1 "/cgroup.procs", W_OK) == 0;

    root = v1 ? V1 : V2;
    reclaim_file = v1 ? "memory.force_empty" : "memory.reclaim";
    snprintf(group, sizeof(group), "%s/rcached-mincore-%d", root, getpid());
    if (mkdir(group, 0755) < 0) {
        group[0] = '\0';
        SKIP("no memory cgroup to be had: %s", strerror(errno));
    }
    if (!put(group, "cgroup.procs", "0")) {
        SKIP("the memory cgroup cannot be entered");
    }
}

static void swap_off(void)
{
    if (swap_is_on) {
        swapoff(swap_path);
        swap_is_on = false;
    }
    unlink(swap_path);
    group_leave();
}

static void swap_end(int sig)
{
    swap_off();
    _exit(1);
}

/* A swap file as mkswap(8) makes it; 77 from here where it cannot be. */
static void swap_on(void)
{
    static char page[PAGE];
    uint32_t head[3] = { 1, SWAP_PAGES - 1, 0 };
    int fd = mkstemp(swap_path);

    if (fd < 0) {
        SKIP("no place for a swap file: %s", strerror(errno));
    }
    atexit(swap_off);
    signal(SIGALRM, swap_end);
    signal(SIGTERM, swap_end);
    signal(SIGINT, swap_end);
    for (int i = 0; i < SWAP_PAGES; i++) {
        memset(page, 0, PAGE);
        if (i == 0) {
            memcpy(page + 1024, head, sizeof(head));
            memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
        }
        NEED(write(fd, page, PAGE) == (ssize_t)PAGE);
    }
    NEED(fsync(fd) == 0);
    close(fd);
    if (swapon(swap_path, 0) < 0) {
        SKIP("no swap here, and none can be made: %s", strerror(errno));
    }
    swap_is_on = true;
}

static void swapped_is_absent(const Ram *ram, char *map)
{
    bool out = false;

    memset(ram->other + 30 * PAGE, 's', PAGE);
    for (int i = 0; i < 200 && !out; i++) {
        put(group, reclaim_file, "1M");
        sleep_ms(10);
        out = !present(map, 30);
    }
    if (!out) {
        SKIP("the kernel does not swap this page out");
    }
    EXPECT_EQ(ram_present(ram, 30), 1, "SEEK_DATA: a swapped page has data");
    EXPECT(page_is(ram->other + 30 * PAGE, 's'), "its bytes come back");
}

int main(void)
{
    Ram ram;
    char *map;

    platform_start();
    ram_init(&ram, PAGES);
    map = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_SHARED, ram.memfd, 0);
    NEED(map != MAP_FAILED);
    all_is_said(&ram, map);
    nothing_is_mapped(map);
    swap_on();
    group_enter();
    swapped_is_absent(&ram, map);
    return 0;
}
