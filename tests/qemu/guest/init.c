/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init: the only program of the test guest, and its data-integrity oracle.
 *
 * As PID 1 of an initramfs it loads the modules that it finds in /modules,
 * takes most of the memory that is free, stamps most pages of it, leaves the
 * others zero (but in use), and then visits pages for ever: a part of the
 * visits goes to a small hot set, the others sweep over everything.  Each
 * visit verifies the whole page, and a share of them writes the page anew
 * with the next version.
 *
 * A page holds its number, its version, a checksum of both, and words that
 * follow from them; the versions are kept apart, so that an old copy of a
 * page, or another page's, is noticed as surely as a flipped bit.  A page of
 * version 0 is all zeros.
 *
 * Once a second it prints one line on the console:
 *   RCACHE state=run pages=N verified=N written=N mismatches=N longest_us=N
 *       recent_us=N
 * (all since the start; longest is the longest single visit, and recent the
 * longest one since the line before).  From the kernel command line:
 * rcache.fill= percent of free memory that is taken (80), rcache.zero= percent
 * of it that stays zero (5), rcache.hot= percent of the pages that are hot
 * (10), rcache.write= percent of the visits that write (10), rcache.cold=
 * visits of 100 that sweep (50).
 *
 * A power button that is pressed powers the machine off, where /modules has
 * the drivers for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE    4096ul
#define WORDS   (PAGE / sizeof(uint64_t))
#define HEAD    3u              /* number, version, checksum */
#define PASSES  8               /* over modules that need others first */
#define BUTTONS 4u              /* input devices that are looked at */

typedef struct Oracle {
    uint64_t *memory;
    uint32_t *version;
    uint64_t pages;
    uint64_t stamped;           /* the first so many; the others stay zero */
    uint64_t verified;
    uint64_t written;
    uint64_t mismatches;
    uint64_t longest_ns;
    uint64_t recent_ns;
} Oracle;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static void page_stamp(Oracle *o, uint64_t page)
{
    uint64_t *w = o->memory + page * WORDS;
    uint64_t seed = mix(page << 32 | o->version[page]);

    w[0] = page;
    w[1] = o->version[page];
    w[2] = seed;
    for (unsigned i = HEAD; i < WORDS; i++) {
        w[i] = seed + i * 0x9e3779b97f4a7c15ull;
    }
    o->written++;
}

/* Make it what it has to be, and the guest's own. */
static void page_take(Oracle *o, uint64_t page)
{
    if (o->version[page]) {
        page_stamp(o, page);
    } else {
        memset(o->memory + page * WORDS, 0, PAGE);
    }
}

static int page_is_right(const Oracle *o, uint64_t page)
{
    const uint64_t *w = o->memory + page * WORDS;
    uint64_t seed = mix(page << 32 | o->version[page]);
    uint64_t wrong = 0;

    if (!o->version[page]) {
        for (unsigned i = 0; i < WORDS; i++) {
            wrong |= w[i];
        }
        return wrong == 0;
    }
    wrong = (w[0] ^ page) | (w[1] ^ o->version[page]) | (w[2] ^ seed);
    for (unsigned i = HEAD; i < WORDS; i++) {
        wrong |= w[i] ^ (seed + i * 0x9e3779b97f4a7c15ull);
    }
    return wrong == 0;
}

static void page_visit(Oracle *o, uint64_t page, int write)
{
    uint64_t start = now_ns(), took;

    o->verified++;
    if (!page_is_right(o, page)) {
        const uint64_t *w = o->memory + page * WORDS;

        o->mismatches++;
        if (o->mismatches <= 10) {
            printf("RCACHE mismatch page=%llu version=%u found=%llu/%llu\n",
                   (unsigned long long)page, o->version[page],
                   (unsigned long long)w[0], (unsigned long long)w[1]);
        }
        page_take(o, page);
    }
    if (write && page < o->stamped) {
        o->version[page]++;
        page_stamp(o, page);
    }
    took = now_ns() - start;
    if (took > o->recent_ns) {
        o->recent_ns = took;
    }
    if (took > o->longest_ns) {
        o->longest_ns = took;
    }
}

/* ---------------------------------------------------------------- set-up */

/* 0, or an errno value: ENOENT also when it needs another module first. */
static int load_module(const char *name)
{
    char path[128];
    int fd, ret;

    snprintf(path, sizeof(path), "/modules/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    ret = syscall(SYS_finit_module, fd, "", 0) < 0 ? errno : 0;
    close(fd);
    return ret == EEXIST ? 0 : ret;
}

/* The modules that /modules/list names, in any order. */
static void load_modules(void)
{
    FILE *f = fopen("/modules/list", "re");
    char name[96];
    int failed = 1;

    for (int pass = 0; f && failed && pass < PASSES; pass++) {
        failed = 0;
        rewind(f);
        while (fscanf(f, "%95s", name) == 1) {
            int ret = load_module(name);

            failed += ret != 0;
            if (ret && pass + 1 == PASSES) {
                printf("RCACHE module %s: %s\n", name, strerror(ret));
            }
        }
    }
    if (f) {
        fclose(f);
    }
}

static uint64_t mem_available(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    unsigned long long kib = 0;
    char line[128];

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kib * 1024;
}

/* The text after rcache.NAME= of the kernel's command line, or false. */
static bool argument_text(const char *name, char *value, size_t size)
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
    if (at) {
        at += strlen(key);
        snprintf(value, size, "%.*s", (int)strcspn(at, " \n"), at);
    }
    return at != NULL;
}

static unsigned long argument(const char *name, unsigned long fallback)
{
    char value[32];

    return argument_text(name, value, sizeof(value)) ?
           strtoul(value, NULL, 10) : fallback;
}

/* Become another program, where the command line asks for it. */
static void make_way(void)
{
    char name[32], path[40];

    if (argument_text("run", name, sizeof(name))) {
        execl("/work", "work", name, (char *)NULL);
        printf("RCACHE cannot run /work: %s\n", strerror(errno));
    }
    if (argument_text("script", name, sizeof(name))) {
        snprintf(path, sizeof(path), "/%s", name);
        execl("/bin/sh", "sh", path, (char *)NULL);
        printf("RCACHE cannot run %s: %s\n", path, strerror(errno));
    }
}

static void mounts(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
}

static void oracle_take_memory(Oracle *o, unsigned long percent,
                               unsigned long zero_percent)
{
    uint64_t bytes = mem_available() / 100 * percent;

    o->pages = bytes / (PAGE + sizeof(o->version[0]));
    o->stamped = o->pages - o->pages / 100 * zero_percent;
    o->memory = mmap(NULL, o->pages * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    o->version = mmap(NULL, o->pages * sizeof(o->version[0]),
                      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
    if (o->memory == MAP_FAILED || o->version == MAP_FAILED) {
        printf("RCACHE cannot map %llu pages\n",
               (unsigned long long)o->pages);
        sync();
        reboot(RB_POWER_OFF);
    }
    madvise(o->memory, o->pages * PAGE, MADV_NOHUGEPAGE);
}

static void report(Oracle *o, const char *state)
{
    printf("RCACHE state=%s pages=%llu verified=%llu written=%llu "
           "mismatches=%llu longest_us=%llu recent_us=%llu\n", state,
           (unsigned long long)o->pages, (unsigned long long)o->verified,
           (unsigned long long)o->written,
           (unsigned long long)o->mismatches,
           (unsigned long long)(o->longest_ns / 1000),
           (unsigned long long)(o->recent_ns / 1000));
    fflush(stdout);
    o->recent_ns = 0;
}

/* ---------------------------------------------------------- power button */

/* -1 for each that there is not. */
static void buttons_open(int fds[BUTTONS])
{
    char path[32];

    for (unsigned i = 0; i < BUTTONS; i++) {
        snprintf(path, sizeof(path), "/dev/input/event%u", i);
        fds[i] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
}

static void off_when_pressed(const int fds[BUTTONS])
{
    struct input_event event;

    for (unsigned i = 0; i < BUTTONS; i++) {
        while (read(fds[i], &event, sizeof(event)) == sizeof(event)) {
            if (event.type == EV_KEY && event.code == KEY_POWER) {
                printf("RCACHE power button\n");
                fflush(stdout);
                sync();
                reboot(RB_POWER_OFF);
            }
        }
    }
}

/* Report when a second has passed; returns when the next report is due. */
static uint64_t report_due(Oracle *o, const char *state, uint64_t due,
                           const int buttons[BUTTONS])
{
    uint64_t now = now_ns();

    if (now < due) {
        return due;
    }
    report(o, state);
    off_when_pressed(buttons);
    return now + 1000000000ull;
}

int main(void)
{
    Oracle o = { 0 };
    uint64_t due = 0, cold = 0, random = 88172645463325252ull;
    unsigned long hot_pages, write_percent, cold_percent;
    int buttons[BUTTONS];

    mounts();
    load_modules();
    make_way();
    buttons_open(buttons);
    oracle_take_memory(&o, argument("fill", 80), argument("zero", 5));
    hot_pages = o.pages / 100 * argument("hot", 10);
    write_percent = argument("write", 10);
    cold_percent = argument("cold", 50);

    for (uint64_t page = 0; page < o.pages; page++) {
        o.version[page] = page < o.stamped;
        page_take(&o, page);
        due = report_due(&o, "fill", due, buttons);
    }
    for (;;) {
        uint64_t page;

        random = mix(random + 0x9e3779b97f4a7c15ull);
        if (random % 100 < cold_percent || !hot_pages) {
            page = cold;
            cold = cold + 1 == o.pages ? 0 : cold + 1;
        } else {
            page = (random >> 32) % hot_pages;
        }
        page_visit(&o, page, (random >> 16) % 100 < write_percent);
        due = report_due(&o, "run", due, buttons);
    }
}
