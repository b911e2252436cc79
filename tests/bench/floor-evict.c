/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-evict: the least that sending pages away can cost here: a bare loop
 * zaps, reads, sends over TCP, waits for the ack and punches; a process at
 * the other end receives into memory and acknowledges.  No table, no clock,
 * no checksum, no guest.
 *
 * One line of JSON a variant: pages a batch, and how many batches may be
 * under way.  Heads and slots have the size that rcached's have.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define HEAD            40u
#define BATCH_MAX       512u

typedef struct Floor {
    uint64_t pages;
    int pager_cpu, provider_cpu;
    int memfd;
    char *ram;
    char *store;
    int client, server;
    unsigned batch, depth;
    char *buffer;               /* one batch: head, slots, pages */
} Floor;

static size_t frame_size(const Floor *f)
{
    return HEAD + f->batch * (sizeof(uint64_t) + MEASURE_PAGE);
}

static bool receive(int fd, void *to, size_t len)
{
    return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

/* Pages come in ascending order, so a batch is one piece of the store. */
static void provider_loop(Floor *f)
{
    char head[HEAD];
    uint64_t slot[BATCH_MAX];

    measure_pin(f->provider_cpu);
    while (receive(f->server, head, sizeof(head)) &&
           receive(f->server, slot, f->batch * sizeof(slot[0])) &&
           receive(f->server, f->store + slot[0] * MEASURE_PAGE,
                   f->batch * MEASURE_PAGE)) {
        if (send(f->server, head, sizeof(head), MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    _exit(0);
}

static void send_batch(Floor *f, uint64_t first)
{
    uint64_t *slot = (uint64_t *)(f->buffer + HEAD);
    char *bytes = f->buffer + HEAD + f->batch * sizeof(*slot);
    size_t len = f->batch * MEASURE_PAGE, done = 0;

    if (madvise(f->ram + first * MEASURE_PAGE, len, MADV_DONTNEED) < 0 ||
        pread(f->memfd, bytes, len, first * MEASURE_PAGE) != (ssize_t)len) {
        measure_die("zap and read");
    }
    for (unsigned i = 0; i < f->batch; i++) {
        slot[i] = first + i;
    }
    while (done < frame_size(f)) {
        ssize_t n = send(f->client, f->buffer + done, frame_size(f) - done,
                         MSG_NOSIGNAL);

        if (n <= 0) {
            measure_die("send");
        }
        done += n;
    }
}

static void end_batch(Floor *f, uint64_t first)
{
    char head[HEAD];

    if (!receive(f->client, head, sizeof(head)) ||
        fallocate(f->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  first * MEASURE_PAGE, f->batch * MEASURE_PAGE) < 0) {
        measure_die("ack and punch");
    }
}

static void evict_all(Floor *f)
{
    uint64_t batches = f->pages / f->batch, ended = 0;

    for (uint64_t i = 0; i < batches; i++) {
        send_batch(f, i * f->batch);
        while (i + 1 - ended >= f->depth) {
            end_batch(f, ended++ * f->batch);
        }
    }
    while (ended < batches) {
        end_batch(f, ended++ * f->batch);
    }
}

/* ---------------------------------------------------------------- set-up */

static void connect_both(Floor *f)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

    f->client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&addr, &len) < 0 ||
        connect(f->client, (struct sockaddr *)&addr, len) < 0 ||
        (f->server = accept(listener, NULL, NULL)) < 0) {
        measure_die("loopback connection");
    }
    close(listener);
    setsockopt(f->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(f->server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void stamp_all(Floor *f)
{
    for (uint64_t i = 0; i < f->pages; i++) {
        memset(f->ram + i * MEASURE_PAGE, 1 + i % 255, MEASURE_PAGE);
    }
}

/* Did all of it arrive, and is nothing left here? */
static void check_all(Floor *f)
{
    for (uint64_t i = 0; i < f->pages; i++) {
        if (f->store[i * MEASURE_PAGE + 99] != (char)(1 + i % 255)) {
            fprintf(stderr, "floor-evict: wrong bytes\n");
            exit(1);
        }
    }
    if (lseek(f->memfd, 0, SEEK_DATA) >= 0) {
        fprintf(stderr, "floor-evict: pages were left\n");
        exit(1);
    }
}

static void run_variant(Floor *f, unsigned batch, unsigned depth)
{
    uint64_t took;
    int provider;

    f->batch = batch;
    f->depth = depth;
    f->buffer = malloc(frame_size(f));
    memset(f->buffer, 0, frame_size(f));
    memset(f->store, 0, f->pages * MEASURE_PAGE);
    connect_both(f);
    stamp_all(f);
    provider = measure_fork();
    if (!provider) {
        close(f->client);
        provider_loop(f);
    }
    measure_pin(f->pager_cpu);
    took = measure_now();
    evict_all(f);
    took = measure_now() - took;
    check_all(f);
    kill(provider, SIGKILL);
    waitpid(provider, NULL, 0);
    close(f->client);
    close(f->server);
    free(f->buffer);
    printf("{\"variant\": \"batch %u, %u under way\", \"pages_per_s\": "
           "%.0f}\n", batch, depth, f->pages * 1e9 / took);
}

int main(int argc, char **argv)
{
    static const unsigned batches[] = { 16, 64, 256, 512 };
    Floor f = {
        .pages = measure_option(argc, argv, "pages", 16384) &
                 -(long)BATCH_MAX,
        .pager_cpu = measure_option(argc, argv, "pager-cpu", -1),
        .provider_cpu = measure_option(argc, argv, "provider-cpu", -1),
    };
    size_t bytes = f.pages * MEASURE_PAGE;

    f.memfd = memfd_create("floor", MFD_CLOEXEC);
    if (f.memfd < 0 || ftruncate(f.memfd, bytes) < 0) {
        measure_die("memfd");
    }
    f.ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f.memfd, 0);
    f.store = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f.ram == MAP_FAILED || f.store == MAP_FAILED) {
        measure_die("mmap");
    }
    for (unsigned i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        run_variant(&f, batches[i], 1);
        run_variant(&f, batches[i], 4);
    }
    return 0;
}
