/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMM, played: what it sends and shares.  See vmm-played.h. */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/vmm-played.h"

Played played;
static int lowest_fd;           /* that was free at the beginning */

uint64_t *played_words(void)
{
    return (uint64_t *)((char *)played.state + played.layout.words_off);
}

struct RcacheSide *played_sides(void)
{
    return (void *)((char *)played.state + played.layout.sides_off);
}

static void state_make(void)
{
    struct RcacheState s = {
        .magic = RCACHE_STATE_MAGIC, .version = RCACHE_STATE_VERSION,
        .header_size = RCACHE_STATE_HEADER, .uuid = { 1 }, .incarnation = 1,
        .nr_pages = played.pages, .nr_leases = RCACHE_NR_LEASES,
        .nr_slabs = RCACHE_NR_SLABS, .frames_off = RCACHE_STATE_HEADER,
    };

    s.leases_off = s.frames_off + 4096;
    s.slabs_off = s.leases_off +
                  RCACHE_NR_LEASES * sizeof(struct RcacheLease);
    s.words_off = s.slabs_off + RCACHE_NR_SLABS * sizeof(struct RcacheSlab);
    s.sides_off = s.words_off + played.pages * 8;
    s.total_size = s.sides_off + played.pages * sizeof(struct RcacheSide);
    played.state_fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert(!ftruncate(played.state_fd, s.total_size));
    fcntl(played.state_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    played.state = mmap(NULL, s.total_size, PROT_READ | PROT_WRITE,
                        MAP_SHARED, played.state_fd, 0);
    g_assert(played.state != MAP_FAILED);
    *played.state = played.layout = s;
}

/* The same for every pager and in every run. */
static void key_make(void)
{
    struct RcacheKey key = { .magic = RCACHE_KEY_MAGIC,
                             .version = RCACHE_KEY_VERSION, .key = { 1 } };

    played.key_fd = memfd_create("key", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert(!ftruncate(played.key_fd, RCACHE_PAGE_SIZE));
    g_assert(pwrite(played.key_fd, &key, sizeof(key), 0) == sizeof(key));
    fcntl(played.key_fd, F_ADD_SEALS, F_SEAL_SHRINK);
}

void played_send(const void *msg, size_t len, unsigned n, unsigned which)
{
    const int all[] = { played.ram_fd, played.state_fd, played.uffd,
                        played.key_fd };
    union {
        char bytes[CMSG_SPACE(6 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { (void *)msg, len };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[6];

    n = MIN(n, G_N_ELEMENTS(fds));
    if (n) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        for (unsigned i = 0; i < n; i++, which /= 4) {
            fds[i] = all[which % 4 % G_N_ELEMENTS(all)];
        }
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    if (sendmsg(played.sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* The pager has had enough of it. */
    }
}

void played_head_set(struct RcacheVmmHdr *h, uint16_t type, uint32_t size)
{
    h->magic = RCACHE_VMM_MAGIC;
    h->type = type;
    h->size = size;
}

static uint64_t block_size(void)
{
    return played.pages * RCACHE_PAGE_SIZE;
}

size_t played_message(uint16_t type, void *to)
{
    struct RcacheVmmHello *hello = to;
    struct RcacheVmmBlock *block = to;
    struct RcacheVmmResize *resize = to;
    struct RcacheVmmEvict *evict = to;
    size_t len;

    switch (type) {
    case RCACHE_VMM_HELLO:
        len = sizeof(*hello);
        *hello = (struct RcacheVmmHello) {
            .version = RCACHE_VMM_VERSION, .page_size = RCACHE_PAGE_SIZE,
            .features = RCACHE_VMM_F_COMMANDS | RCACHE_VMM_F_COPIES |
                        RCACHE_VMM_F_SEAL,
            .seal = 1,
            .uuid = { 1 }, .incarnation = 1, .ram_bytes = block_size(),
            .size = played.size, .local_max = played.local_max,
            .copies = played.copies, .name = "fuzz",
        };
        break;
    case RCACHE_VMM_BLOCK_ADD:
        len = sizeof(*block);
        *block = (struct RcacheVmmBlock) { .address = PLAYED_ADDRESS,
                                           .length = block_size() };
        break;
    case RCACHE_VMM_BLOCK_DEL:
        len = sizeof(struct RcacheVmmBlockDel);
        break;
    case RCACHE_VMM_MANAGED:
        len = sizeof(struct RcacheVmmManage);
        break;
    case RCACHE_VMM_ZAP_DONE:
        len = sizeof(struct RcacheVmmZapDone);
        break;
    case RCACHE_VMM_RESIZE:
        len = sizeof(*resize);
        *resize = (struct RcacheVmmResize) {
            .what = RCACHE_RESIZE_SIZE | RCACHE_RESIZE_LOCAL_MAX,
            .size = played.size, .local_max = played.local_max,
        };
        break;
    case RCACHE_VMM_EVICT:
        len = sizeof(*evict);
        *evict = (struct RcacheVmmEvict) { .what = RCACHE_EVICT_TARGET };
        break;
    case RCACHE_VMM_BALLOON:
        len = sizeof(struct RcacheVmmBalloon);
        break;
    default:
        len = sizeof(struct RcacheVmmStart);
        break;
    }
    played_head_set(to, type, len);
    return len;
}

void played_send_message(uint16_t type, unsigned nr_fds, unsigned which)
{
    uint64_t msg[64] = { 0 };
    size_t len = played_message(type, msg);

    played_send(msg, len, nr_fds, which);
}

static void zap_done(const struct RcacheVmmZap *zap)
{
    struct RcacheVmmZapDone done = { .seq = zap->seq };

    played_head_set(&done.hdr, RCACHE_VMM_ZAP_DONE, sizeof(done));
    played_send(&done, sizeof(done), 0, 0);
}

/* The VMM reads what the pager says, and answers as it should. */
static void serve(void)
{
    uint64_t buf[SEQSOCK_MSG_MAX / 8];
    const struct RcacheVmmHdr *hdr = (const void *)buf;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { buf, sizeof(buf) };

    for (;;) {
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control) };
        struct cmsghdr *c;
        int fd;

        if (recvmsg(played.sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) {
            return;
        }
        c = CMSG_FIRSTHDR(&m);
        if (c) {
            memcpy(&fd, CMSG_DATA(c), sizeof(fd));
            close(fd);
        }
        if (hdr->type == RCACHE_VMM_MANAGE) {
            struct RcacheVmmManage answer = *(struct RcacheVmmManage *)buf;

            answer.hdr.type = RCACHE_VMM_MANAGED;
            played_send(&answer, sizeof(answer), 0, 0);
        } else if (hdr->type == RCACHE_VMM_ZAP) {
            zap_done((const void *)buf);
        }
    }
}

void played_turns(unsigned n, bool served)
{
    for (unsigned i = 0; i < n && !played.p->done; i++) {
        pager_turn(played.p);
        if (served) {
            serve();
        }
    }
}

void played_set_up(void)
{
    played_send_message(RCACHE_VMM_HELLO, 0, 0);
    played_send_message(RCACHE_VMM_STATE, 4, 2 + 1 * 4 + 3 * 64);
    played_send_message(RCACHE_VMM_BLOCK_ADD, 1, 0);
    played_send_message(RCACHE_VMM_START, 0, 0);
    played_turns(2, true);
}

/* ------------------------------------------------------------------ life */

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields,
                               gsize n, gpointer opaque)
{
    return level & G_LOG_LEVEL_ERROR
        ? g_log_writer_default(level, fields, n, opaque) : G_LOG_WRITER_HANDLED;
}

/* The lowest that is free: as high as there are some that were kept. */
static int free_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

void played_pager_begin(void)
{
    int pair[2];
    char *why = NULL;

    g_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    played.sock = pair[0];
    played.p = pager_new(pair[1], "/nonexistent/link", "here", 0, &why);
    g_assert(played.p);
    played.p->self.plain = true;        /* its providers are elsewhere */
    demand_init(&played.p->want.demand, NS_PER_SEC);
    played.p->health.window = NS_PER_SEC;
}

void played_pager_end(void)
{
    pager_quit(played.p, "the input is at its end");
    pager_quiesce(played.p);
    pager_free(played.p);
    close(played.sock);
}

void played_begin(uint64_t pages, uint64_t local_max, unsigned copies)
{
    static bool quiet;

    if (!quiet && !g_getenv("FUZZ_LOG")) {
        g_log_set_writer_func(no_log, NULL, NULL);
        quiet = true;
    }
    lowest_fd = free_fd();
    played = (Played) { .pages = pages, .local_max = local_max,
                        .size = pages * RCACHE_PAGE_SIZE, .copies = copies };
    played.uffd = eventfd(0, EFD_CLOEXEC);
    played.ram_fd = memfd_create("ram", MFD_CLOEXEC);
    g_assert(!ftruncate(played.ram_fd, block_size()));
    state_make();
    key_make();
    played_pager_begin();
}

void played_end(void)
{
    played_pager_end();
    munmap(played.state, played.layout.total_size);
    close(played.uffd);
    close(played.ram_fd);
    close(played.state_fd);
    close(played.key_fd);
    g_assert(free_fd() == lowest_fd);
}
