/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-fault: the least that a remote fault can cost here: a thread touches
 * a page; a bare loop in another process takes the fault, asks a third
 * process for the page over TCP, and COPYs it in.  No table, no checksum, no
 * eviction, one request at a time.
 *
 * One line of JSON a variant of the loop: how it waits for the fault and for
 * the answer.  Those called "busy" never sleep; they are no floor for a pager
 * that does.  Requests and answers have the size that rcached's have.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define PAUSE_EVERY     64u
#define PAUSE_US        50u

typedef struct Request {
    uint8_t head[40];
    uint64_t slot;
} Request;

typedef struct Reply {
    uint8_t head[40];
    char page[MEASURE_PAGE];
} __attribute__((packed)) Reply;

typedef struct Floor {
    uint64_t pages;
    int guest_cpu, pager_cpu, provider_cpu;
    char *store;                /* the provider's memory */
    char *ram;                  /* the guest's */
    int uffd;
    int client, server;         /* the two ends of the connection */
} Floor;

typedef void PagerLoop(Floor *f);

static uint64_t stamp(uint64_t page)
{
    return page * 0x9e3779b97f4a7c15ull + 1;
}

/* -------------------------------------------------------------- provider */

static void provider_loop(Floor *f)
{
    Request req;
    uint8_t head[40] = { 0 };

    measure_pin(f->provider_cpu);
    while (recv(f->server, &req, sizeof(req), MSG_WAITALL) == sizeof(req)) {
        struct iovec iov[2] = {
            { head, sizeof(head) },
            { f->store + req.slot * MEASURE_PAGE, MEASURE_PAGE },
        };
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

        if (sendmsg(f->server, &m, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    _exit(0);
}

/* ----------------------------------------------------------------- pager */

/* The page of the next fault, or UINT64_MAX if there is none. */
static uint64_t take_fault(Floor *f)
{
    struct uffd_msg msg;
    ssize_t len = read(f->uffd, &msg, sizeof(msg));

    if (len != sizeof(msg)) {
        return UINT64_MAX;
    }
    return (msg.arg.pagefault.address - (uintptr_t)f->ram) / MEASURE_PAGE;
}

static void copy_in(Floor *f, uint64_t page, const Reply *reply)
{
    struct uffdio_copy copy = {
        .dst = (uintptr_t)f->ram + page * MEASURE_PAGE,
        .src = (uintptr_t)reply->page, .len = MEASURE_PAGE,
    };

    if (ioctl(f->uffd, UFFDIO_COPY, &copy) < 0 && errno != EEXIST) {
        measure_die("UFFDIO_COPY");
    }
}

static void ask(Floor *f, uint64_t page)
{
    Request req = { .slot = page };

    if (send(f->client, &req, sizeof(req), MSG_NOSIGNAL) != sizeof(req)) {
        measure_die("send");
    }
}

static void set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static void pager_blocking(Floor *f)
{
    static Reply reply;

    set_blocking(f->uffd, true);
    for (;;) {
        uint64_t page = take_fault(f);

        ask(f, page);
        recv(f->client, &reply, sizeof(reply), MSG_WAITALL);
        copy_in(f, page, &reply);
    }
}

static void pager_poll(Floor *f)
{
    static Reply reply;

    for (;;) {
        struct pollfd pfd = { .fd = f->uffd, .events = POLLIN };
        uint64_t page;

        poll(&pfd, 1, -1);
        while ((page = take_fault(f)) != UINT64_MAX) {
            ask(f, page);
            recv(f->client, &reply, sizeof(reply), MSG_WAITALL);
            copy_in(f, page, &reply);
        }
    }
}

/* Read more of the reply; true when it is whole. */
static bool reply_read(Floor *f, Reply *reply, size_t *got)
{
    ssize_t len = recv(f->client, (char *)reply + *got,
                       sizeof(*reply) - *got, 0);

    if (len == 0) {
        _exit(0);
    }
    *got += len > 0 ? len : 0;
    if (*got < sizeof(*reply)) {
        return false;
    }
    *got = 0;
    return true;
}

static void pager_epoll(Floor *f)
{
    struct epoll_event event = { .events = EPOLLIN };
    int ep = epoll_create1(0);
    static Reply reply;
    uint64_t page = 0;
    size_t got = 0;

    event.data.fd = f->uffd;
    epoll_ctl(ep, EPOLL_CTL_ADD, f->uffd, &event);
    event.data.fd = f->client;
    epoll_ctl(ep, EPOLL_CTL_ADD, f->client, &event);
    set_blocking(f->client, false);
    for (;;) {
        epoll_wait(ep, &event, 1, -1);
        if (event.data.fd == f->client) {
            if (reply_read(f, &reply, &got)) {
                copy_in(f, page, &reply);
            }
        } else if ((page = take_fault(f)) != UINT64_MAX) {
            ask(f, page);
        }
    }
}

static void pager_busy(Floor *f)
{
    static Reply reply;
    size_t got = 0;

    set_blocking(f->client, false);
    for (;;) {
        uint64_t page = take_fault(f);

        if (page == UINT64_MAX) {
            continue;
        }
        ask(f, page);
        while (!reply_read(f, &reply, &got)) {
        }
        copy_in(f, page, &reply);
    }
}

enum { TAG_FAULT = 1, TAG_SEND, TAG_REPLY };

static void ring_poll(struct io_uring *ring, int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    io_uring_prep_poll_multishot(sqe, fd, POLLIN);
    io_uring_sqe_set_data64(sqe, TAG_FAULT);
}

static void ring_ask(Floor *f, struct io_uring *ring, Request *req,
                     Reply *reply)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    io_uring_prep_send(sqe, f->client, req, sizeof(*req), MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, TAG_SEND);
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv(sqe, f->client, reply, sizeof(*reply), MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, TAG_REPLY);
}

static void ring_loop(Floor *f, bool busy)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    };
    struct io_uring ring;
    static Request req;
    static Reply reply;

    if (io_uring_queue_init_params(16, &ring, &params) < 0) {
        measure_die("io_uring");
    }
    ring_poll(&ring, f->uffd);
    for (;;) {
        struct io_uring_cqe *cqe;
        uint64_t tag, page;
        bool more;

        if (busy) {
            io_uring_submit(&ring);
            while (io_uring_peek_cqe(&ring, &cqe) < 0) {
                io_uring_get_events(&ring);
            }
        } else {
            io_uring_submit_and_wait(&ring, 1);
            if (io_uring_peek_cqe(&ring, &cqe) < 0) {
                continue;
            }
        }
        tag = io_uring_cqe_get_data64(cqe);
        more = cqe->flags & IORING_CQE_F_MORE;
        io_uring_cqe_seen(&ring, cqe);
        if (tag == TAG_REPLY) {
            copy_in(f, req.slot, &reply);
        } else if (tag == TAG_FAULT) {
            if ((page = take_fault(f)) != UINT64_MAX) {
                req.slot = page;
                ring_ask(f, &ring, &req, &reply);
            }
            if (!more) {
                ring_poll(&ring, f->uffd);
            }
        }
    }
}

static void pager_uring(Floor *f)
{
    ring_loop(f, false);
}

static void pager_uring_busy(Floor *f)
{
    ring_loop(f, true);
}

static const struct {
    const char *name;
    PagerLoop *loop;
    bool busy;
} variants[] = {
    { "blocking", pager_blocking, false },
    { "poll", pager_poll, false },
    { "epoll", pager_epoll, false },
    { "uring", pager_uring, false },
    { "busy", pager_busy, true },
    { "uring-busy", pager_uring_busy, true },
};

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

static void make_ram(Floor *f)
{
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM,
    };
    struct uffdio_register reg = {
        .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
    };
    size_t bytes = f->pages * MEASURE_PAGE;
    int mem = memfd_create("floor", MFD_CLOEXEC);
    int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

    if (mem < 0 || ftruncate(mem, bytes) < 0) {
        measure_die("memfd");
    }
    f->ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
    close(mem);
    f->uffd = dev < 0 ? -1 : ioctl(dev, USERFAULTFD_IOC_NEW,
                                   O_NONBLOCK | O_CLOEXEC);
    close(dev);
    reg.range.start = (uintptr_t)f->ram;
    reg.range.len = bytes;
    if (f->ram == MAP_FAILED || f->uffd < 0 ||
        ioctl(f->uffd, UFFDIO_API, &api) < 0 ||
        ioctl(f->uffd, UFFDIO_REGISTER, &reg) < 0) {
        measure_die("userfaultfd");
    }
}

static void make_store(Floor *f)
{
    f->store = mmap(NULL, f->pages * MEASURE_PAGE, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f->store == MAP_FAILED) {
        measure_die("store");
    }
    for (uint64_t i = 0; i < f->pages; i++) {
        uint64_t value = stamp(i);

        for (unsigned w = 0; w < MEASURE_PAGE; w += sizeof(value)) {
            memcpy(f->store + i * MEASURE_PAGE + w, &value, sizeof(value));
        }
    }
}

/* ----------------------------------------------------------------- guest */

static void touch_all(Floor *f, uint64_t *ns)
{
    for (uint64_t i = 0; i < f->pages; i++) {
        uint64_t page = measure_scatter(i, f->pages);
        volatile uint64_t *at = (void *)(f->ram + page * MEASURE_PAGE);
        uint64_t start = measure_now(), value = *at;

        ns[i] = measure_now() - start;
        if (value != stamp(page)) {
            fprintf(stderr, "floor-fault: wrong bytes\n");
            exit(1);
        }
        if (i % PAUSE_EVERY == PAUSE_EVERY - 1) {
            usleep(PAUSE_US);
        }
    }
}

static void run_variant(Floor *f, unsigned variant, uint64_t *ns)
{
    int provider, pager;

    connect_both(f);
    make_ram(f);
    provider = measure_fork();
    if (!provider) {
        close(f->client);
        provider_loop(f);
    }
    pager = measure_fork();
    if (!pager) {
        close(f->server);
        measure_pin(f->pager_cpu);
        variants[variant].loop(f);
    }
    measure_pin(f->guest_cpu);
    usleep(20000);
    touch_all(f, ns);
    kill(pager, SIGKILL);
    kill(provider, SIGKILL);
    waitpid(pager, NULL, 0);
    waitpid(provider, NULL, 0);
    munmap(f->ram, f->pages * MEASURE_PAGE);
    close(f->uffd);
    close(f->client);
    close(f->server);
    measure_sort(ns, f->pages);
    printf("{\"variant\": \"%s\", \"busy\": %s, \"p50_ns\": %lu, "
           "\"p90_ns\": %lu, \"p99_ns\": %lu}\n", variants[variant].name,
           variants[variant].busy ? "true" : "false",
           measure_at(ns, f->pages, 0.5), measure_at(ns, f->pages, 0.9),
           measure_at(ns, f->pages, 0.99));
}

int main(int argc, char **argv)
{
    Floor f = {
        .pages = measure_option(argc, argv, "pages", 4096),
        .guest_cpu = measure_option(argc, argv, "guest-cpu", -1),
        .pager_cpu = measure_option(argc, argv, "pager-cpu", -1),
        .provider_cpu = measure_option(argc, argv, "provider-cpu", -1),
    };
    uint64_t *ns = calloc(f.pages, sizeof(*ns));

    make_store(&f);
    for (unsigned i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        run_variant(&f, i, ns);
    }
    return 0;
}
