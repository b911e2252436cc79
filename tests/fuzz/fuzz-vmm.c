/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-vmm: a pager whose VMM says and writes what it likes.
 *
 * The input is a list of steps: a byte says what the VMM does, those behind it
 * how.  It sends messages, good ones and any bytes, with any of its
 * descriptors; it writes words, tables and the head of the state memfd before
 * the attach and after; it discards, touches pages, and its kernel refuses what
 * the pager asks of it.  The pager's own loop runs in between.  Its provider
 * can be well, silent, busy, without the leases, or gone (vmm-played.h).
 *
 * What becomes of the guest is the VMM's affair: no byte is looked at here. The
 * pager must not crash, read or write where it should not, run for ever, or
 * keep a descriptor or memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"
#include "vmm-played.h"

#define PAGES       1024u       /* of the one block, and words */
#define BLOCK_SIZE  (PAGES * (uint64_t)RCACHE_PAGE_SIZE)
#define ADDRESS     (UINT64_C(1) << 40)
#define STEPS_MAX   400u
#define LOCAL_MAX   (256u * RCACHE_PAGE_SIZE)

/**
 * struct Fuzz - the VMM, and the input that is left
 * @sock: its end of the conversation
 * @uffd: what stands for the userfaultfd, and is never readable
 * @fault: pages whose faults have not been read
 * @refusal: what the next ioctls of the userfaultfd end with, or 0
 */
typedef struct Fuzz {
    const uint8_t *data;
    size_t size;
    Pager *p;
    int sock, ram_fd, state_fd, uffd;
    struct RcacheState *state;
    struct RcacheState layout;
    uint64_t fault[UFFD_READ_MAX];
    unsigned nr_faults;
    int refusal;
} Fuzz;

static Fuzz *fuzz;

/* ---------------------------------------------------------------- input */

static uint64_t take(unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && fuzz->size; i++) {
        value |= (uint64_t)*fuzz->data++ << 8 * i;
        fuzz->size--;
    }
    return value;
}

static void take_into(void *to, size_t len)
{
    size_t n = MIN(len, fuzz->size);

    memcpy(to, fuzz->data, n);
    fuzz->data += n;
    fuzz->size -= n;
}

/* --------------------------------------------------- the kernel's part */

static bool has_data(off_t at)
{
    return lseek(fuzz->ram_fd, at, SEEK_DATA) == at;
}

/* Where an address is in the memfd, or -1. */
static off_t offset_of(uint64_t addr)
{
    return addr - ADDRESS < BLOCK_SIZE ? (off_t)(addr - ADDRESS) : -1;
}

static int fill(uint64_t addr, const void *bytes)
{
    off_t at = offset_of(addr);

    if (fuzz->refusal || at < 0) {
        return at < 0 ? -ENOENT : fuzz->refusal;
    }
    if (has_data(at)) {
        return -EEXIST;
    }
    g_assert(pwrite(fuzz->ram_fd, bytes, RCACHE_PAGE_SIZE, at) ==
             RCACHE_PAGE_SIZE);
    return 0;
}

int uffd_read(int fd, uint64_t *out)
{
    unsigned n = fuzz->nr_faults;

    memcpy(out, fuzz->fault, n * sizeof(*out));
    fuzz->nr_faults = 0;
    return n;
}

int uffd_register(int fd, uint64_t start, uint64_t len)
{
    return fuzz->refusal;
}

int uffd_copy(int fd, uint64_t addr, const void *src)
{
    return fill(addr, src);
}

int uffd_zeropage(int fd, uint64_t addr)
{
    static const uint8_t zeros[RCACHE_PAGE_SIZE];

    return fill(addr, zeros);
}

int uffd_continue(int fd, uint64_t addr)
{
    off_t at = offset_of(addr);

    return fuzz->refusal ? fuzz->refusal
                         : at >= 0 && has_data(at) ? 0 : -EFAULT;
}

int uffd_wake(int fd, uint64_t start, uint64_t len)
{
    return 0;
}

/* -------------------------------------------------------------- the VMM */

static uint64_t *words(void)
{
    return (uint64_t *)((char *)fuzz->state + fuzz->layout.words_off);
}

static void state_make(void)
{
    struct RcacheState s = {
        .magic = RCACHE_STATE_MAGIC, .version = RCACHE_STATE_VERSION,
        .header_size = RCACHE_STATE_HEADER, .uuid = { 1 }, .incarnation = 1,
        .nr_pages = PAGES, .nr_leases = RCACHE_NR_LEASES,
        .nr_slabs = RCACHE_NR_SLABS, .frames_off = RCACHE_STATE_HEADER,
    };

    s.leases_off = s.frames_off + 4096;
    s.slabs_off = s.leases_off +
                  RCACHE_NR_LEASES * sizeof(struct RcacheLease);
    s.words_off = s.slabs_off + RCACHE_NR_SLABS * sizeof(struct RcacheSlab);
    s.sides_off = s.words_off + PAGES * 8;
    s.total_size = s.sides_off + PAGES * sizeof(struct RcacheSide);
    fuzz->state_fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert(!ftruncate(fuzz->state_fd, s.total_size));
    fcntl(fuzz->state_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    fuzz->state = mmap(NULL, s.total_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                       fuzz->state_fd, 0);
    g_assert(fuzz->state != MAP_FAILED);
    *fuzz->state = fuzz->layout = s;
}

/* @len bytes, @n of the descriptors that @which names in turn. */
static void send_bytes(const void *msg, size_t len, unsigned n, unsigned which)
{
    const int all[] = { fuzz->ram_fd, fuzz->state_fd, fuzz->uffd };
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
    if (sendmsg(fuzz->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* The pager has had enough of it. */
    }
}

static void head_set(struct RcacheVmmHdr *h, uint16_t type, uint32_t size)
{
    h->magic = RCACHE_VMM_MAGIC;
    h->type = type;
    h->size = size;
}

/* A message that the pager takes, as QEMU would send it. */
static size_t good_message(uint16_t type, void *to)
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
            .features = RCACHE_VMM_F_COMMANDS, .uuid = { 1 },
            .incarnation = 1, .ram_bytes = BLOCK_SIZE, .size = BLOCK_SIZE,
            .local_max = LOCAL_MAX, .copies = 1, .name = "fuzz",
        };
        break;
    case RCACHE_VMM_BLOCK_ADD:
        len = sizeof(*block);
        *block = (struct RcacheVmmBlock) { .address = ADDRESS,
                                           .length = BLOCK_SIZE };
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
            .size = BLOCK_SIZE, .local_max = LOCAL_MAX,
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
    head_set(to, type, len);
    return len;
}

static void send_good(uint16_t type, unsigned nr_fds, unsigned which)
{
    uint64_t msg[64] = { 0 };
    size_t len = good_message(type, msg);

    send_bytes(msg, len, nr_fds, which);
}

static void zap_done(const struct RcacheVmmZap *zap)
{
    struct RcacheVmmZapDone done = { .seq = zap->seq };

    head_set(&done.hdr, RCACHE_VMM_ZAP_DONE, sizeof(done));
    send_bytes(&done, sizeof(done), 0, 0);
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

        if (recvmsg(fuzz->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) {
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
            send_bytes(&answer, sizeof(answer), 0, 0);
        } else if (hdr->type == RCACHE_VMM_ZAP) {
            zap_done((const void *)buf);
        }
    }
}

static void turns(unsigned n, bool served)
{
    for (unsigned i = 0; i < n && !fuzz->p->done; i++) {
        pager_turn(fuzz->p);
        if (served) {
            serve();
        }
    }
}

static void grant(uint64_t lease)
{
    struct RcacheLeaseGrant g = {
        .lease = lease, .epoch = 1, .host = "p0", .address = "192.0.2.1:1",
        .bytes = (uint64_t)PROVIDER_SLABS * PROVIDER_PAGES * RCACHE_PAGE_SIZE,
    };

    if (fuzz->p->attached) {
        lease_granted(fuzz->p, &g, "rack1");
    }
}

/* As far as a guest half of which is away. */
static void set_up(void)
{
    static const uint8_t bytes[RCACHE_PAGE_SIZE] = { 5 };

    for (unsigned i = 0; i < PAGES; i += 2) {
        g_assert(pwrite(fuzz->ram_fd, bytes, sizeof(bytes),
                        (off_t)i * RCACHE_PAGE_SIZE) == sizeof(bytes));
    }
    send_good(RCACHE_VMM_HELLO, 0, 0);
    send_good(RCACHE_VMM_STATE, 3, 2 + 1 * 4);
    send_good(RCACHE_VMM_BLOCK_ADD, 1, 0);
    send_good(RCACHE_VMM_START, 0, 0);
    turns(2, true);
    grant(1);
    grant(2);
    turns(80, true);
}

/* ---------------------------------------------------------------- steps */

static void step_raw(void)
{
    uint64_t msg[64] = { 0 };
    unsigned fds = take(1);
    size_t len = take(2) % sizeof(msg);

    take_into(msg, len);
    if (fds & 128) {            /* with a head that is right */
        head_set((void *)msg, ((struct RcacheVmmHdr *)msg)->type, len);
    }
    send_bytes(msg, len, fds % 8, take(1));
}

/* A good one, of which some bytes are others. */
static void step_changed(void)
{
    uint64_t msg[64] = { 0 };
    size_t len = good_message(take(1) % RCACHE_VMM_NR_TYPES, msg);
    unsigned fds = take(1);

    for (unsigned n = take(1) % 4; n; n--) {
        size_t at = take(1) % (len / 4) * 4;
        uint32_t value = take(4);

        memcpy((char *)msg + at, &value, sizeof(value));
    }
    send_bytes(msg, len, fds % 8, take(1));
}

static void step_word(void)
{
    uint64_t page = take(2) % PAGES;
    uint8_t how = take(1);
    uint64_t word = __atomic_load_n(&words()[page], __ATOMIC_ACQUIRE);

    if (how < 128) {
        word = (word & ~RCACHE_STATE_MASK) | how % 16;
    } else if (how < 192) {     /* another's slot */
        word = (word & ~RCACHE_SLOT_MASK) |
               (words()[take(2) % PAGES] & RCACHE_SLOT_MASK);
    } else {
        word = take(8);
    }
    __atomic_store_n(&words()[page], word, __ATOMIC_RELEASE);
}

/* Anywhere in the state memfd, or where something is. */
static void step_state(void)
{
    uint64_t base[] = { 0, fuzz->layout.frames_off, fuzz->layout.leases_off,
                        fuzz->layout.slabs_off, fuzz->layout.sides_off };
    uint64_t at = base[take(1) % G_N_ELEMENTS(base)] + take(2) % 512 * 4;
    uint32_t value = take(4);

    memcpy((char *)fuzz->state + at, &value, sizeof(value));
}

static void step_discard(void)
{
    uint64_t page = take(2) % PAGES;
    uint64_t *word = &words()[page];

    __atomic_store_n(word, (*word & ~RCACHE_STATE_MASK) | RCACHE_ZERO,
                     __ATOMIC_RELEASE);
    fallocate(fuzz->ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)page * RCACHE_PAGE_SIZE, RCACHE_PAGE_SIZE);
    ((uint8_t *)fuzz->state)[fuzz->layout.frames_off] |= 3;
    __atomic_add_fetch(&fuzz->state->discard_seq, 1, __ATOMIC_RELEASE);
}

static void step_fault(void)
{
    for (unsigned n = take(1) % 16; n; n--) {
        fuzz->fault[fuzz->nr_faults++ % UFFD_READ_MAX] =
            ADDRESS + (take(2) % (PAGES + 8)) * RCACHE_PAGE_SIZE;
    }
    fuzz->nr_faults = MIN(fuzz->nr_faults, UFFD_READ_MAX);
    fault_poll(fuzz->p);
}

static void step_kernel(void)
{
    static const int refusals[] = { 0, -EAGAIN, -ENOMEM, -EEXIST, -EFAULT,
                                    -ENOENT, -ESRCH, -EIO };

    fuzz->refusal = refusals[take(1) % G_N_ELEMENTS(refusals)];
}

static void step(void)
{
    switch (take(1) % 12) {
    case 0:
        step_raw();
        break;
    case 1:
        step_changed();
        break;
    case 2:
        step_word();
        break;
    case 3:
        step_state();
        break;
    case 4:
        step_discard();
        break;
    case 5:
        if (fuzz->p->attached) {
            step_fault();
        }
        break;
    case 6:
        step_kernel();
        break;
    case 7:
        provider_mood = take(1) % PROVIDER_MOODS;
        break;
    case 8:
        grant(take(1));
        break;
    case 9:
        send_good(take(1) % RCACHE_VMM_NR_TYPES, take(1) % 4, take(1));
        break;
    case 10:
        turns(take(1) % 64, false);
        break;
    case 11:
        turns(take(1) % 64, true);
        break;
    }
}

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

static void begin(void)
{
    int pair[2];
    char *why = NULL;

    g_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    fuzz->sock = pair[0];
    fuzz->uffd = eventfd(0, EFD_CLOEXEC);
    fuzz->ram_fd = memfd_create("ram", MFD_CLOEXEC);
    g_assert(!ftruncate(fuzz->ram_fd, BLOCK_SIZE));
    state_make();
    provider_begin();
    fuzz->p = pager_new(pair[1], "/nonexistent/link", "here", 0, &why);
    g_assert(fuzz->p);
    demand_init(&fuzz->p->want.demand, NS_PER_SEC);
    fuzz->p->health.window = NS_PER_SEC;
}

static void end(void)
{
    pager_quit(fuzz->p, "the input is at its end");
    pager_quiesce(fuzz->p);
    pager_free(fuzz->p);
    provider_end();
    munmap(fuzz->state, fuzz->layout.total_size);
    close(fuzz->sock);
    close(fuzz->uffd);
    close(fuzz->ram_fd);
    close(fuzz->state_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    Fuzz f = { .data = data, .size = size };
    int fd;

    if (!quiet) {
        g_log_set_writer_func(no_log, NULL, NULL);
        quiet = true;
    }
    fd = free_fd();
    fuzz = &f;
    begin();
    if (take(1) & 1) {
        set_up();
    }
    for (unsigned i = 0; f.size && i < STEPS_MAX && !f.p->done; i++) {
        step();
    }
    turns(20, true);
    end();
    g_assert(free_fd() == fd);
    return 0;
}
