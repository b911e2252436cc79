/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work: what the test guest does where the oracle's visits are not the test.
 *
 * init runs it in its place for rcache.run=NAME on the kernel's command line:
 *
 * disk   reads every disk over and over, past the guest's own cache, with
 *        many requests under way, and compares each block.  A block is made
 *        of its number (see block_is_right); the buffer is overwritten with
 *        something else before each round, so that what a read did not
 *        deliver cannot look right.
 * free   takes rcache.mib MiB, stamps it, leaves it alone until a line comes
 *        on the console, and gives it back to the kernel; then waits for ever.
 * churn  takes chunks of memory, stamps them, verifies them later and gives
 *        them back, for ever, with rcache.mib MiB at most.
 *
 * Once a second, and when its state changes, it prints
 *   RCACHE state=S verified=N mismatches=N
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE        4096ul
#define HUGE        (2ul << 20)
#define REQUEST     (256ul * 1024)
#define DEPTH       8u
#define CHUNK       (4ul << 20)
#define DISKS_MAX   8

/* Shared with the children of "disk". */
typedef struct Report {
    uint64_t verified;          /* pages */
    uint64_t mismatches;
} Report;

typedef struct Disk {
    const char *name;
    int fd;
    uint64_t size;
    char *buffer;
    aio_context_t aio;
} Disk;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static void fail(const char *what)
{
    printf("RCACHE state=failed what=%s error=%d\n", what, errno);
    fflush(stdout);
    for (;;) {
        pause();
    }
}

static void report(const Report *r, const char *state)
{
    printf("RCACHE state=%s verified=%llu mismatches=%llu\n", state,
           (unsigned long long)__atomic_load_n(&r->verified,
                                               __ATOMIC_RELAXED),
           (unsigned long long)__atomic_load_n(&r->mismatches,
                                               __ATOMIC_RELAXED));
    fflush(stdout);
}

static void found(Report *r, const char *where, uint64_t number, int right,
                  uint64_t seen)
{
    __atomic_fetch_add(&r->verified, 1, __ATOMIC_RELAXED);
    if (right) {
        return;
    }
    if (__atomic_fetch_add(&r->mismatches, 1, __ATOMIC_RELAXED) < 10) {
        printf("RCACHE mismatch where=%s page=%llu found=%llx\n", where,
               (unsigned long long)number, (unsigned long long)seen);
        fflush(stdout);
    }
}

/* rcache.NAME=N of the kernel's command line */
static unsigned long argument(const char *name, unsigned long fallback)
{
    char line[2048] = "", key[64], *at;
    FILE *f = fopen("/proc/cmdline", "re");

    if (f) {
        if (!fgets(line, sizeof(line), f)) {
            line[0] = '\0';
        }
        fclose(f);
    }
    snprintf(key, sizeof(key), "rcache.%s=", name);
    at = strstr(line, key);
    return at ? strtoul(at + strlen(key), NULL, 10) : fallback;
}

static void *take(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        fail("mmap");
    }
    return p;
}

static void stamp(uint64_t *page, uint64_t number)
{
    for (unsigned i = 0; i < PAGE / sizeof(*page); i++) {
        page[i] = mix(number) + i;
    }
}

/* Blocks of a disk are stamped alike, with little-endian words. */
static int block_is_right(const uint64_t *page, uint64_t number)
{
    uint64_t wrong = 0;

    for (unsigned i = 0; i < PAGE / sizeof(*page); i++) {
        wrong |= page[i] ^ (mix(number) + i);
    }
    return wrong == 0;
}

/* ------------------------------------------------------------------ disk */

static void disk_reap(Disk *d, Report *r)
{
    struct io_event event;
    uint64_t first;

    if (syscall(SYS_io_getevents, d->aio, 1, 1, &event, NULL) != 1) {
        fail("io_getevents");
    }
    if (event.res != (int64_t)REQUEST) {
        errno = event.res < 0 ? -event.res : EIO;
        fail("read");
    }
    first = event.data / PAGE;
    for (uint64_t i = first; i < first + REQUEST / PAGE; i++) {
        const uint64_t *page = (uint64_t *)(d->buffer + i * PAGE);

        found(r, d->name, i, block_is_right(page, i), page[0]);
    }
}

static void disk_round(Disk *d, Report *r)
{
    uint64_t offset = 0, done = 0;

    memset(d->buffer, 0xa5, d->size);
    while (done < d->size) {
        for (; offset < d->size && offset - done < DEPTH * REQUEST;
             offset += REQUEST) {
            struct iocb cb = {
                .aio_data = offset, .aio_lio_opcode = IOCB_CMD_PREAD,
                .aio_fildes = d->fd,
                .aio_buf = (uintptr_t)d->buffer + offset,
                .aio_nbytes = REQUEST, .aio_offset = offset,
            };
            struct iocb *cbs[] = { &cb };

            if (syscall(SYS_io_submit, d->aio, 1, cbs) != 1) {
                fail("io_submit");
            }
        }
        disk_reap(d, r);
        done += REQUEST;
    }
}

static void disk_run(const char *name, Report *r)
{
    Disk d = { .name = name };
    char path[300];

    snprintf(path, sizeof(path), "/dev/%s", name);
    d.fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (d.fd < 0 || ioctl(d.fd, BLKGETSIZE64, &d.size) < 0 ||
        syscall(SYS_io_setup, DEPTH, &d.aio) < 0) {
        fail(name);
    }
    d.size -= d.size % REQUEST;
    d.buffer = take(d.size);
    for (;;) {
        disk_round(&d, r);
    }
}

static int is_disk(const struct dirent *e)
{
    return !strncmp(e->d_name, "vd", 2) || !strncmp(e->d_name, "sd", 2);
}

static void run_disk(Report *r)
{
    struct dirent **disks;
    int n = -1;

    /* SCSI buses are looked through in the background. */
    for (int i = 0; i < 300; i++) {
        n = scandir("/sys/block", &disks, is_disk, alphasort);
        if (n >= (int)argument("disks", 1)) {
            break;
        }
        usleep(100000);
    }
    if (n < (int)argument("disks", 1) || n > DISKS_MAX) {
        fail("disks");
    }
    for (int i = 0; i < n; i++) {
        if (!fork()) {
            disk_run(disks[i]->d_name, r);
        }
    }
    for (;;) {
        report(r, "disk");
        sleep(1);
    }
}

/* ------------------------------------------------------------------ free */

static void run_free(Report *r)
{
    uint64_t size = argument("mib", 256) << 20;
    char *taken = take(size + HUGE), line[64];
    char *memory = (char *)(((uintptr_t)taken + HUGE - 1) & ~(HUGE - 1));

    /* Whole huge pages, since less than one is not reported. */
    madvise(memory, size, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < size / PAGE; i++) {
        stamp((uint64_t *)(memory + i * PAGE), i);
    }
    report(r, "held");
    if (!fgets(line, sizeof(line), stdin)) {
        fail("stdin");
    }
    munmap(taken, size + HUGE);
    for (;;) {
        report(r, "freed");
        sleep(1);
    }
}

/* ----------------------------------------------------------------- churn */

static void run_churn(Report *r)
{
    unsigned nr = (argument("mib", 64) << 20) / CHUNK;
    char **chunk = calloc(nr, sizeof(*chunk));
    uint64_t *number = calloc(nr, sizeof(*number));
    uint64_t random = 88172645463325252ull, turn = 0;
    time_t said = 0;

    for (;;) {
        unsigned at = (random = mix(random + 0x9e3779b97f4a7c15ull)) % nr;

        if (!chunk[at]) {
            chunk[at] = take(CHUNK);
            number[at] = ++turn * CHUNK;
        } else {
            for (uint64_t i = 0; i < CHUNK / PAGE; i++) {
                const uint64_t *page = (uint64_t *)(chunk[at] + i * PAGE);

                found(r, "chunk", i, block_is_right(page, number[at] + i),
                      page[0]);
            }
            if (random >> 40 & 1) {
                munmap(chunk[at], CHUNK);
                chunk[at] = NULL;
                continue;
            }
            number[at] = ++turn * CHUNK;
        }
        for (uint64_t i = 0; i < CHUNK / PAGE; i++) {
            stamp((uint64_t *)(chunk[at] + i * PAGE), number[at] + i);
        }
        if (time(NULL) != said) {
            said = time(NULL);
            report(r, "churn");
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Report *r);
    } works[] = {
        { "disk", run_disk }, { "free", run_free }, { "churn", run_churn },
    };
    Report *r = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    for (unsigned i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        if (argc > 1 && r != MAP_FAILED && !strcmp(argv[1], works[i].name)) {
            works[i].run(r);
        }
    }
    fail("rcache.run");
}
