/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-service: the VMM's side of the protocol, in a thread of its own that
 * never touches guest memory.
 *
 * Descriptors are given to a pager only when the last one is proved dead by its
 * pidfd; until the next one is there, vmm-alone.c answers faults.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fakes/vmm.h"

typedef struct Service {
    Vmm *vmm;
    int sock;
    int pidfd;                  /* of the pager that has our descriptors */
    unsigned blocks_sent;       /* that this pager knows */
} Service;

union Control {
    char bytes[CMSG_SPACE(RCACHE_VMM_FDS_MAX * sizeof(int))];
    struct cmsghdr align;
};

static struct RcacheVmmHdr header(uint16_t type, uint32_t size)
{
    return (struct RcacheVmmHdr) { .magic = RCACHE_VMM_MAGIC, .type = type,
                                   .size = size };
}

static bool send_message(Service *s, const void *msg, size_t len,
                         const int *fds, unsigned nr_fds)
{
    struct iovec iov = { (void *)msg, len };
    union Control control = { 0 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (nr_fds) {
        struct cmsghdr *c;

        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
    }
    return sendmsg(s->sock, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

void vmm_forget_stats(Vmm *v)
{
    pthread_mutex_lock(&v->lock);
    v->have_stats = false;
    pthread_mutex_unlock(&v->lock);
}

bool vmm_all_known(Vmm *v)
{
    bool known;

    pthread_mutex_lock(&v->lock);
    known = v->have_stats &&
            v->stats.hdr.flags & RCACHE_STATS_RECONCILED;
    pthread_mutex_unlock(&v->lock);
    return known;
}

/* ---------------------------------------------------------------- set-up */

static bool connect_rcached(Service *s)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    g_strlcpy(addr.sun_path, s->vmm->config.socket, sizeof(addr.sun_path));
    s->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(s->sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(s->sock);
        s->sock = -1;
        return false;
    }
    return true;
}

static bool send_hello(Service *s)
{
    const VmmConfig *c = &s->vmm->config;
    struct {
        struct RcacheVmmHello hello;
        char more[RCACHE_VMM_MSG_MAX];
    } msg = { .hello = {
        .hdr = header(RCACHE_VMM_HELLO, sizeof(msg.hello)),
        .version = RCACHE_VMM_VERSION + !!(c->bad & VMM_BAD_VERSION),
        .page_size = RCACHE_PAGE_SIZE,
        .incarnation = s->vmm->incarnation,
        .ram_bytes = c->pages * RCACHE_PAGE_SIZE,
        .size = c->size * RCACHE_PAGE_SIZE,
        .local_max = c->local_max * RCACHE_PAGE_SIZE,
        .copies = c->bad & VMM_BAD_COPIES ? RCACHE_LOCATIONS + 1
                                          : MAX(c->copies, 1),
        .seal = c->seal,
    } };
    size_t len = sizeof(msg.hello);

    msg.hello.features |= RCACHE_VMM_F_COMMANDS | RCACHE_VMM_F_COPIES |
                          (c->old ? 0 : RCACHE_VMM_F_DELAYS) |
                          (c->proactive ? RCACHE_VMM_F_PROACTIVE : 0);
    if (!(c->bad & VMM_BAD_KEYLESS)) {
        msg.hello.features |= RCACHE_VMM_F_SEAL;
    }
    if (c->automatic) {
        msg.hello.features |= RCACHE_VMM_F_AUTO;
    }
    memcpy(msg.hello.uuid, c->uuid, sizeof(c->uuid));
    g_strlcpy(msg.hello.name, c->name, sizeof(msg.hello.name));
    if (c->bad & VMM_BAD_LIMITS) {
        msg.hello.local_max = 0;
    }
    if (c->bad & VMM_BAD_TRUNCATED) {
        len -= 20;
    }
    if (c->bad & VMM_BAD_OVERSIZED) {
        len = msg.hello.hdr.size = RCACHE_VMM_MSG_MAX + 100;
    }
    return send_message(s, &msg, len, NULL, 0);
}

/* The pidfd of a pager that has accepted, or -1; for good: with the reason. */
static int take_hello_ack(Service *s)
{
    struct RcacheVmmHelloAck ack = { 0 };
    struct iovec iov = { &ack, sizeof(ack) };
    union Control control = { 0 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    ssize_t len = recvmsg(s->sock, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int pidfd = -1;

    if (len < (ssize_t)sizeof(ack) || ack.status || !c) {
        if (len >= (ssize_t)sizeof(ack) && ack.status == -EAGAIN &&
            s->vmm->attaches) {
            fprintf(stderr, "refused for now: %s\n", ack.text);
        } else if (len >= (ssize_t)sizeof(ack)) {
            g_strlcpy(s->vmm->refused, ack.text, sizeof(s->vmm->refused));
        } else if (s->vmm->config.bad) {
            g_strlcpy(s->vmm->refused, "the connection was ended",
                      sizeof(s->vmm->refused));
        }
        return -1;
    }
    memcpy(&pidfd, CMSG_DATA(c), sizeof(pidfd));
    return pidfd;
}

static bool send_block(Service *s, unsigned block)
{
    Vmm *v = s->vmm;
    uint64_t first = vmm_block_first(v, block);
    struct RcacheVmmBlock msg = {
        .hdr = header(RCACHE_VMM_BLOCK_ADD, sizeof(msg)),
        .block = block, .first_word = first,
        .generation = 1 + (block + 1 == v->nr_blocks ? v->unplugged : 0),
        .address = (uintptr_t)v->ram + first * RCACHE_PAGE_SIZE,
        .length = vmm_block_pages(v, block) * RCACHE_PAGE_SIZE,
    };

    g_snprintf(msg.name, sizeof(msg.name), "ram%u", block);
    return send_message(s, &msg, sizeof(msg), &v->ram_fd[block], 1);
}

/* Once the pager has got to the last block it has looked at the layout. */
static void move_tables(Service *s)
{
    struct RcacheState *state = s->vmm->state;
    int unread = 0;

    while (!ioctl(s->sock, SIOCOUTQ, &unread) && unread) {
        usleep(1000);
    }
    state->words_off = state->sides_off = 1ull << 40;
    state->leases_off = state->slabs_off = 1ull << 40;
    state->frames_off = 1ull << 40;
    state->nr_pages = 1;
}

/* Those that the pager does not know yet and that are there. */
static bool send_blocks(Service *s)
{
    const Vmm *v = s->vmm;
    unsigned there = v->nr_blocks - (v->config.plug_later && !v->plugged);
    bool good = true;

    for (; good && s->blocks_sent < there; s->blocks_sent++) {
        good = send_block(s, s->blocks_sent);
    }
    return good;
}

static bool send_memory(Service *s)
{
    Vmm *v = s->vmm;
    struct RcacheVmmState state = {
        .hdr = header(RCACHE_VMM_STATE, sizeof(state)),
    };
    struct RcacheVmmStart start = {
        .hdr = header(RCACHE_VMM_START, sizeof(start)),
    };
    struct RcacheVmmCpus cpus = {
        .hdr = header(RCACHE_VMM_CPUS, sizeof(cpus)),
        .vcpus = v->config.threads,
    };
    struct RcacheVmmWantProactive proactive = {
        .hdr = header(RCACHE_VMM_WANT_PROACTIVE, sizeof(proactive)),
        .proactive = v->config.proactive, .target = v->config.stall_target,
    };
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int fds[RCACHE_VMM_FDS_MAX] = {
        v->uffd, v->state_fd, pagemap,
        v->config.bad & VMM_BAD_KEY ? pagemap : v->key_fd,
    };
    bool good = send_message(s, &state, sizeof(state), fds,
                             RCACHE_VMM_FDS_MAX);

    s->blocks_sent = 0;
    good = good && send_blocks(s);
    if (v->config.bad & VMM_BAD_MOVED) {
        move_tables(s);
    }
    good = good && send_message(s, &start, sizeof(start), NULL, 0) &&
           (v->config.old || send_message(s, &cpus, sizeof(cpus), NULL, 0)) &&
           (!v->config.proactive ||
            send_message(s, &proactive, sizeof(proactive), NULL, 0));
    close(pagemap);
    if (v->config.rules_off & VMM_BREAK_UFFD && v->uffd >= 0) {
        close(v->uffd);
        v->uffd = -1;
    }
    return good;
}

/* -------------------------------------------------------------- messages */

static void zap_dawdle(const Vmm *v)
{
    if (v->config.zap_delay_us) {
        usleep(rand() % v->config.zap_delay_us);
    }
}

static void do_zap(Service *s, const struct RcacheVmmZap *zap)
{
    Vmm *v = s->vmm;
    struct {
        struct RcacheVmmZapDone done;
        uint32_t pinned[RCACHE_ZAP_PAGES_MAX];
    } msg = { .done = { .seq = zap->seq } };

    zap_dawdle(v);
    if (zap->block >= v->nr_blocks) {
        msg.done.status = -ENOENT;
    }
    for (uint32_t i = 0; !msg.done.status && i < zap->nr_ranges; i++) {
        uint64_t page = vmm_block_first(v, zap->block) + zap->range[i].first;

        madvise(v->ram + page * RCACHE_PAGE_SIZE,
                (size_t)zap->range[i].count * RCACHE_PAGE_SIZE,
                MADV_DONTNEED);
    }
    atomic_thread_fence(memory_order_seq_cst);
    if (!msg.done.status && !(v->config.rules_off & VMM_BREAK_PINS)) {
        msg.done.nr_pinned = vmm_find_pins(v, zap, msg.pinned);
    }
    msg.done.hdr = header(RCACHE_VMM_ZAP_DONE,
                          sizeof(msg.done) +
                              msg.done.nr_pinned * sizeof(uint32_t));
    zap_dawdle(v);
    send_message(s, &msg, msg.done.hdr.size, NULL, 0);
}

static void do_manage(Service *s, struct RcacheVmmManage msg)
{
    Vmm *v = s->vmm;

    msg.hdr.type = RCACHE_VMM_MANAGED;
    msg.status = -ENOENT;
    if (msg.block < v->nr_blocks) {
        uint64_t page = vmm_block_first(v, msg.block) + msg.first;

        msg.status = madvise(v->ram + page * RCACHE_PAGE_SIZE,
                             msg.count * RCACHE_PAGE_SIZE,
                             MADV_NOHUGEPAGE) < 0 ? -errno : 0;
    }
    send_message(s, &msg, sizeof(msg), NULL, 0);
}

/* How far the command is; perhaps it has come far enough. */
static void do_progress(Service *s, const struct RcacheVmmProgress *msg)
{
    Vmm *v = s->vmm;
    struct RcacheVmmStart cancel = {
        .hdr = header(RCACHE_VMM_CANCEL, sizeof(cancel)),
    };
    bool send = false;

    pthread_mutex_lock(&v->lock);
    if (msg->hdr.id == v->request) {
        v->progress_fell |= msg->done < v->progress.done ||
                            msg->done > msg->total;
        v->progress = *msg;
        v->progress_told++;
        send = msg->done >= v->cancel_at && !v->cancelled;
        v->cancelled |= send;
    }
    pthread_mutex_unlock(&v->lock);
    if (send) {
        cancel.hdr.id = msg->hdr.id;
        send_message(s, &cancel, sizeof(cancel), NULL, 0);
    }
}

static void kill_pager(const Service *s)
{
    if (syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0) < 0) {
        perror("pidfd_send_signal");
    }
}

/* This pager is one of those that are not to live long. */
static void do_kill(Service *s)
{
    Vmm *v = s->vmm;

    if (v->kill_delay_us) {
        usleep(rand() % v->kill_delay_us);
    }
    v->kills--;
    kill_pager(s);
}

static void do_message(Service *s, const struct RcacheVmmHdr *hdr)
{
    Vmm *v = s->vmm;
    const struct RcacheVmmEventMsg *event = (const void *)hdr;

    switch (hdr->type) {
    case RCACHE_VMM_READY:
        vmm_forget_stats(v);
        v->attaches++;
        v->attached = true;
        if (v->kills) {
            do_kill(s);
        }
        break;
    case RCACHE_VMM_ZAP:
        do_zap(s, (const void *)hdr);
        break;
    case RCACHE_VMM_MANAGE:
        do_manage(s, *(const struct RcacheVmmManage *)hdr);
        break;
    case RCACHE_VMM_STATS:
    case RCACHE_VMM_DELAYS:
    case RCACHE_VMM_PROACTIVE:
        vmm_figures_take(v, hdr);
        break;
    case RCACHE_VMM_BLOCK_DEL_ACK:
        s->blocks_sent = v->nr_blocks - 1;
        pthread_mutex_lock(&v->lock);
        v->have_result = true;
        pthread_cond_broadcast(&v->changed);
        pthread_mutex_unlock(&v->lock);
        break;
    case RCACHE_VMM_RESULT:
        pthread_mutex_lock(&v->lock);
        v->result = *(const struct RcacheVmmResult *)hdr;
        v->have_result = true;
        pthread_cond_broadcast(&v->changed);
        pthread_mutex_unlock(&v->lock);
        break;
    case RCACHE_VMM_PROGRESS:
        do_progress(s, (const void *)hdr);
        break;
    case RCACHE_VMM_EVENT:
        fprintf(stderr, "event %u: %s\n", event->event, event->text);
        v->lost_events += event->event == RCACHE_EVENT_PAGE_LOST;
        break;
    }
}

static void send_requests(Service *s)
{
    GBytes *b;
    uint64_t n;

    if (read(s->vmm->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN) {
        return;
    }
    send_blocks(s);
    pthread_mutex_lock(&s->vmm->lock);
    while ((b = g_queue_pop_head(&s->vmm->requests))) {
        gsize len;
        const void *msg = g_bytes_get_data(b, &len);

        send_message(s, msg, len, NULL, 0);
        s->vmm->asked = true;
        g_bytes_unref(b);
    }
    pthread_mutex_unlock(&s->vmm->lock);
}

/* Serve the pager until its socket ends or the run does. */
static void serve(Service *s)
{
    char buf[RCACHE_VMM_MSG_MAX] __attribute__((aligned(8)));

    while (!s->vmm->stop && !s->vmm->detached) {
        struct pollfd pfd[2] = { { .fd = s->sock, .events = POLLIN },
                                 { .fd = s->vmm->wake_fd,
                                   .events = POLLIN } };

        poll(pfd, 2, 100);
        if (pfd[1].revents) {
            send_requests(s);
        }
        if (pfd[0].revents) {
            ssize_t len = recv(s->sock, buf, sizeof(buf), 0);

            if (len < (ssize_t)sizeof(struct RcacheVmmHdr)) {
                return;
            }
            do_message(s, (const void *)buf);
        }
    }
}

/* ------------------------------------------------------- without a pager */

static void prove_dead(Service *s)
{
    struct pollfd pfd = { .fd = s->pidfd, .events = POLLIN };

    /* Who does not connect again would be waited for. */
    if (s->pidfd >= 0 && s->vmm->detached) {
        kill_pager(s);
    }
    while (s->pidfd >= 0 && !s->vmm->stop) {
        if (poll(&pfd, 1, 100) == 1) {
            close(s->pidfd);
            s->pidfd = -1;
            s->vmm->faults_seen = false;
        }
    }
}

/* Nobody will answer what this pager was asked. */
static void break_request(Vmm *v)
{
    pthread_mutex_lock(&v->lock);
    v->broken |= v->asked && !v->have_result;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

void *vmm_service(void *opaque)
{
    Vmm *v = opaque;
    Service s = { .vmm = v, .sock = -1, .pidfd = -1 };

    while (!v->stop && !v->refused[0]) {
        int pidfd;

        v->alone = v->detached;
        if (v->detached) {
            usleep(1000);
            continue;
        }
        if (!connect_rcached(&s)) {
            vmm_alone(v);
            continue;
        }
        pidfd = send_hello(&s) ? take_hello_ack(&s) : -1;
        if (pidfd >= 0) {
            s.pidfd = pidfd;
            v->filled_alone = 0;
            if (send_memory(&s)) {
                serve(&s);
            }
        }
        v->attached = false;
        if (pidfd >= 0 && v->config.bad && !v->stop) {
            g_strlcpy(v->refused, "the connection was ended",
                      sizeof(v->refused));
        }
        close(s.sock);
        break_request(v);
        prove_dead(&s);
        if (!v->stop && !v->detached && !v->config.at_once) {
            vmm_alone(v);
        }
    }
    return NULL;
}

/* With the lock held. */
static bool vmm_queue(Vmm *vmm, const void *bytes, size_t len)
{
    uint64_t one = 1;

    g_queue_push_tail(&vmm->requests, g_bytes_new(bytes, len));
    return write(vmm->wake_fd, &one, sizeof(one)) == sizeof(one);
}

void vmm_plug(Vmm *vmm)
{
    uint64_t one = 1;

    vmm->plugged = true;
    if (write(vmm->wake_fd, &one, sizeof(one)) != sizeof(one)) {
        perror("eventfd");
    }
}

void vmm_say(Vmm *vmm, const void *bytes, size_t len)
{
    pthread_mutex_lock(&vmm->lock);
    vmm_queue(vmm, bytes, len);
    pthread_mutex_unlock(&vmm->lock);
}

bool vmm_request(Vmm *vmm, struct RcacheVmmHdr *msg, unsigned seconds)
{
    struct timespec end;
    bool good;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += seconds;
    pthread_mutex_lock(&vmm->lock);
    vmm->have_result = vmm->asked = vmm->broken = false;
    vmm->cancelled = vmm->progress_fell = false;
    vmm->progress_told = 0;
    vmm->progress = (struct RcacheVmmProgress) { 0 };
    msg->id = ++vmm->request;
    good = vmm_queue(vmm, msg, msg->size);
    while (good && !vmm->have_result) {
        good = !vmm->broken &&
               !pthread_cond_timedwait(&vmm->changed, &vmm->lock, &end);
    }
    pthread_mutex_unlock(&vmm->lock);
    return good;
}

void vmm_unplug(Vmm *vmm)
{
    unsigned block = vmm->nr_blocks - 1;
    uint64_t first = vmm_block_first(vmm, block);
    uint64_t pages = vmm_block_pages(vmm, block);
    struct RcacheVmmBlockDel msg = {
        .hdr = header(RCACHE_VMM_BLOCK_DEL, sizeof(msg)),
        .block = block, .generation = 1 + vmm->unplugged,
    };

    vmm->plugged = false;       /* the next pager is not told of it */
    vmm_request(vmm, &msg.hdr, 60);
    memset(vmm->words + first, 0, pages * sizeof(*vmm->words));
    memset(vmm->version + first, 0, pages * sizeof(*vmm->version));
    if (fallocate(vmm->ram_fd[block],
                  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  pages * RCACHE_PAGE_SIZE)) {
        perror("fallocate");
    }
    vmm->unplugged++;
}
