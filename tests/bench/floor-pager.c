/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-pager: the least that a guest with remote pages can cost here, for the
 * patterns of access.h.
 *
 * The guest's threads and a bare pager are one process; two others have the
 * store, one answers GETs over TCP and one takes PUTs.  The pager has no words,
 * no clock, no checksum and no failures, and knows what no pager can know:
 * in which order pages are visited, so that it reads ahead of a scan in windows
 * (GETs of many pages, a UFFDIO_COPY for each run of them) with a marker, the
 * first page of each, which is here but not mapped, and whose touch asks for
 * the next window; which pages zipf visits most, so that these never go; and
 * which pages have been written, so that all others go for nothing.  What goes
 * is what has been here longest.
 *
 *     bench-floor-pager [--mem=MIB] [--local=MIB] [--window=PAGES]
 *
 * Commands are those of bench-swap; floor-pages.c has the way of a page.
 */
#include <linux/userfaultfd.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/floor-pages.h"
#include "tests/bench/measure.h"

#define MIB             (1ul << 20)

/* ------------------------------------------------------------- the store */

static bool receive(int fd, void *to, size_t len)
{
    return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

static void send_all(int fd, const char *from, size_t len)
{
    while (len) {
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

        if (n <= 0) {
            _exit(0);
        }
        from += n;
        len -= n;
    }
}

/* Pages side by side leave in one send. */
static void store_gets(Floor *f, int fd)
{
    uint32_t n, page[FLOOR_BATCH_MAX];

    while (receive(fd, &n, sizeof(n)) && n <= FLOOR_BATCH_MAX &&
           receive(fd, page, n * sizeof(page[0]))) {
        for (uint32_t i = 0, run; i < n; i += run) {
            for (run = 1; i + run < n && page[i + run] == page[i] + run;) {
                run++;
            }
            send_all(fd, f->store + page[i] * MEASURE_PAGE,
                     run * MEASURE_PAGE);
        }
    }
    _exit(0);
}

static void store_puts(Floor *f, int fd)
{
    uint32_t n, page[FLOOR_BATCH_MAX];

    while (receive(fd, &n, sizeof(n)) && n <= FLOOR_BATCH_MAX &&
           receive(fd, page, n * sizeof(page[0]))) {
        for (uint32_t i = 0; i < n; i++) {
            if (!receive(fd, f->store + page[i] * MEASURE_PAGE,
                         MEASURE_PAGE)) {
                _exit(0);
            }
        }
        if (send(fd, &n, sizeof(n), MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    _exit(0);
}

/* A process of its own at the other end of a connection. */
static int store_start(Floor *f, void serve(Floor *f, int fd))
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), server;
    int client = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&addr, &len) < 0 ||
        connect(client, (struct sockaddr *)&addr, len) < 0 ||
        (server = accept(listener, NULL, NULL)) < 0) {
        measure_die("loopback connection");
    }
    close(listener);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!measure_fork()) {
        close(client);
        serve(f, server);
    }
    close(server);
    return client;
}

/* ----------------------------------------------------------------- set-up */

static void *map_shared(int fd, size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

    if (map == MAP_FAILED) {
        measure_die("mmap");
    }
    return map;
}

static void make_ram(Floor *f)
{
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM,
    };
    struct uffdio_register reg = {
        .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
    };
    size_t bytes = f->plan.pages * MEASURE_PAGE;
    int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

    f->memfd = memfd_create("floor", MFD_CLOEXEC);
    if (f->memfd < 0 || ftruncate(f->memfd, bytes) < 0) {
        measure_die("memfd");
    }
    f->memory.ram = map_shared(f->memfd, bytes);
    f->other = map_shared(f->memfd, bytes);
    f->uffd = dev < 0 ? -1 : ioctl(dev, USERFAULTFD_IOC_NEW,
                                   O_NONBLOCK | O_CLOEXEC);
    reg.range.start = (uintptr_t)f->memory.ram;
    reg.range.len = bytes;
    if (f->uffd < 0 || ioctl(f->uffd, UFFDIO_API, &api) < 0 ||
        ioctl(f->uffd, UFFDIO_REGISTER, &reg) < 0) {
        measure_die("userfaultfd");
    }
    close(dev);
}

static void floor_init(Floor *f, int argc, char **argv)
{
    uint64_t pages = measure_option(argc, argv, "mem", 512) * MIB /
                     MEASURE_PAGE;

    f->plan.pages = pages;
    f->local = measure_option(argc, argv, "local", 128) * MIB / MEASURE_PAGE;
    f->window = measure_option(argc, argv, "window", 64);
    if (f->window < 2 || f->window > FLOOR_BATCH_MAX ||
        f->local < 4 * f->window) {
        fprintf(stderr, "floor-pager: a window of %u pages is no good\n",
                f->window);
        exit(2);
    }
    f->store = map_shared(-1, pages * MEASURE_PAGE);
    f->gets = store_start(f, store_gets);
    f->puts = store_start(f, store_puts);
    make_ram(f);
    f->memory.version = calloc(pages, sizeof(*f->memory.version));
    f->memory.dirty = calloc(pages, sizeof(*f->memory.dirty));
    f->memory.away = floor_is_away;
    f->memory.opaque = f;
    f->page = calloc(pages, sizeof(*f->page));
    f->fifo = calloc(pages + 1, sizeof(*f->fifo));
    f->expected = calloc(pages + 1, sizeof(*f->expected));
    f->in = malloc(FLOOR_IN);
    f->out = malloc(FLOOR_BATCH_MAX * (MEASURE_PAGE + 4) + 4);
}

/* -------------------------------------------------------------- commands */

/* Into the store, where they are when they are away. */
static void run_fill(Floor *f)
{
    AccessMemory store = { .ram = f->store, .version = f->memory.version };

    access_fill(&store, f->plan.pages);
    printf("{\"pages\": %lu}\n", f->plan.pages);
    fflush(stdout);
}

static double thread_seconds(pthread_t thread)
{
    struct timespec t = { 0 };
    clockid_t id;

    if (pthread_getcpuclockid(thread, &id) == 0) {
        clock_gettime(id, &t);
    }
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void run_access(Floor *f)
{
    AccessResult result;
    pthread_t pager;
    double seconds;
    char more[96];

    floor_begin(f);
    if (pthread_create(&pager, NULL, floor_run, f)) {
        measure_die("pthread_create");
    }
    access_run(&f->plan, &f->memory, &f->position, &result);
    seconds = thread_seconds(pager);
    f->stop = true;
    pthread_join(pager, NULL);
    floor_end(f);
    snprintf(more, sizeof(more), ", \"pager_cpu\": %.6f, \"here_max\": %lu",
             seconds, f->here_max);
    access_report(&result, more);
}

int main(int argc, char **argv)
{
    Floor *f = calloc(1, sizeof(*f));
    char line[128];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    floor_init(f, argc, argv);
    printf("{\"pid\": %d}\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (!strcmp(line, "fill\n")) {
            run_fill(f);
        } else if (access_parse(&f->plan, line)) {
            run_access(f);
        } else {
            break;
        }
    }
    return 0;
}
