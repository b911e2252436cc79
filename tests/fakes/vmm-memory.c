/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmm-memory: guest RAM, the state memfd, the userfaultfd, discards. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/vmm.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
/* Newer than Debian 12's headers; the values are the kernel's ABI. */
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* That the kernel notes what is written (keep-clean). */
#define FEATURES_WRITTEN    (UFFD_FEATURE_PAGEFAULT_FLAG_WP | \
                             UFFD_FEATURE_WP_HUGETLBFS_SHMEM | \
                             UFFD_FEATURE_WP_UNPOPULATED | \
                             UFFD_FEATURE_WP_ASYNC)

uint64_t vmm_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool failed(GError **error, const char *what)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what,
                g_strerror(errno));
    return false;
}

static uint64_t align(uint64_t offset)
{
    return (offset + RCACHE_PAGE_SIZE - 1) & -(uint64_t)RCACHE_PAGE_SIZE;
}

static void state_lay_out(struct RcacheState *s, uint64_t pages)
{
    uint64_t frames = (pages + RCACHE_FRAME_PAGES - 1) / RCACHE_FRAME_PAGES;

    s->magic = RCACHE_STATE_MAGIC;
    s->version = RCACHE_STATE_VERSION;
    s->header_size = RCACHE_STATE_HEADER;
    s->nr_pages = pages;
    s->nr_leases = RCACHE_NR_LEASES;
    s->nr_slabs = RCACHE_NR_SLABS;
    s->frames_off = RCACHE_STATE_HEADER;
    s->leases_off = align(s->frames_off + (frames + 64) / 64 * 8 + 64);
    s->slabs_off = align(s->leases_off +
                         RCACHE_NR_LEASES * sizeof(struct RcacheLease));
    s->words_off = align(s->slabs_off +
                         RCACHE_NR_SLABS * sizeof(struct RcacheSlab));
    s->sides_off = align(s->words_off + pages * 8);
    s->total_size = align(s->sides_off +
                          pages * sizeof(struct RcacheSide));
}

static bool state_init(Vmm *vmm, GError **error)
{
    struct RcacheState s = { 0 };

    state_lay_out(&s, MAX(vmm->config.words, vmm->config.pages));
    if (getrandom(&vmm->incarnation, sizeof(vmm->incarnation), 0) < 0) {
        return failed(error, "getrandom");
    }
    vmm->incarnation |= 1;
    s.incarnation = vmm->incarnation;
    memcpy(s.uuid, vmm->config.uuid, sizeof(s.uuid));
    if (vmm->config.bad & VMM_BAD_LAYOUT) {
        s.version--;            /* of a VM from before an upgrade */
    }
    vmm->state_fd = memfd_create("fake-state",
                                 MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (vmm->state_fd < 0 || ftruncate(vmm->state_fd, s.total_size) < 0) {
        return failed(error, "state memfd");
    }
    if (!(vmm->config.bad & VMM_BAD_UNSEALED) &&
        fcntl(vmm->state_fd, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        return failed(error, "sealing the state memfd");
    }
    vmm->state = mmap(NULL, s.total_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      vmm->state_fd, 0);
    if (vmm->state == MAP_FAILED) {
        return failed(error, "mapping the state memfd");
    }
    *vmm->state = s;
    vmm->words = (uint64_t *)((char *)vmm->state + s.words_off);
    vmm->frames = (uint64_t *)((char *)vmm->state + s.frames_off);
    if (vmm->config.bad & VMM_BAD_WORDS) {
        vmm->words[1] = 15;
    }
    return true;
}

/* In memory that nobody sees who has not the descriptor, where there is any. */
static bool key_init(Vmm *vmm, GError **error)
{
    struct RcacheKey key = { .magic = RCACHE_KEY_MAGIC,
                             .version = RCACHE_KEY_VERSION };
    void *map;

    vmm->key_fd = syscall(SYS_memfd_secret, O_CLOEXEC);
    if (vmm->key_fd < 0) {
        vmm->key_fd = memfd_create("fake-key",
                                   MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (vmm->key_fd < 0 || ftruncate(vmm->key_fd, RCACHE_PAGE_SIZE) < 0) {
        return failed(error, "memory for the key");
    }
    fcntl(vmm->key_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    map = mmap(NULL, RCACHE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
               vmm->key_fd, 0);
    if (map == MAP_FAILED ||
        getrandom(key.key, sizeof(key.key), 0) != sizeof(key.key)) {
        return failed(error, "making the key");
    }
    memcpy(map, &key, sizeof(key));
    munmap(map, RCACHE_PAGE_SIZE);
    return true;
}

/*
 * The blocks lie side by side in one range of addresses, each with a memfd of
 * its own: nothing but its block tells a page of one from a page of the next.
 */
static bool ram_init_block(Vmm *vmm, unsigned block, GError **error)
{
    size_t bytes = vmm_block_pages(vmm, block) * RCACHE_PAGE_SIZE;
    bool huge = vmm->config.bad & VMM_BAD_HUGETLB;
    int fd = memfd_create("fake-ram", MFD_CLOEXEC | (huge ? MFD_HUGETLB : 0));

    vmm->ram_fd[block] = fd;
    if (fd < 0 || ftruncate(fd, bytes) < 0) {
        return failed(error, "ram memfd");
    }
    if (huge) {
        return true;            /* never mapped: it is to be refused */
    }
    if (mmap(vmm->ram + vmm_block_first(vmm, block) * RCACHE_PAGE_SIZE, bytes,
             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
             0) == MAP_FAILED) {
        return failed(error, "mapping ram");
    }
    return true;
}

static bool ram_init(Vmm *vmm, GError **error)
{
    vmm->nr_blocks = CLAMP(vmm->config.blocks, 1, VMM_BLOCKS_MAX);
    vmm->block_pages = vmm->config.pages / vmm->nr_blocks;
    vmm->ram = mmap(NULL, vmm->config.pages * RCACHE_PAGE_SIZE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (vmm->ram == MAP_FAILED) {
        return failed(error, "addresses for ram");
    }
    for (unsigned i = 0; i < vmm->nr_blocks; i++) {
        if (!ram_init_block(vmm, i, error)) {
            return false;
        }
    }
    return true;
}

/* As QEMU does where libvirt has given it a /dev without the device. */
static int ask_for_device(const Vmm *vmm)
{
    struct RcacheVmmHdr ask = {
        .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_DEVICE,
        .size = sizeof(ask),
    };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct RcacheVmmHelloAck ack = { .status = -EPROTO };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { &ack, sizeof(ack) };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = -1;
    struct cmsghdr *c;

    g_strlcpy(addr.sun_path, vmm->config.socket, sizeof(addr.sun_path));
    if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        send(sock, &ask, sizeof(ask), MSG_NOSIGNAL) < 0 ||
        recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != sizeof(ack)) {
        close(sock);
        return -1;
    }
    close(sock);
    c = CMSG_FIRSTHDR(&m);
    if (ack.hdr.type == RCACHE_VMM_DEVICE_ACK && !ack.status && c) {
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    }
    errno = -ack.status;
    return fd;
}

/* What the kernel can do; a userfaultfd is asked once, and no more of use. */
static uint64_t features_there(int dev)
{
    struct uffdio_api api = { .api = UFFD_API };
    int fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0) {
        if (ioctl(fd, UFFDIO_API, &api) < 0) {
            api.features = 0;
        }
        close(fd);
    }
    return api.features;
}

/* As QEMU does: what is needed, and of the rest what is there. */
static bool uffd_init(Vmm *vmm, GError **error)
{
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
                    (vmm->config.old ? 0 : UFFD_FEATURE_THREAD_ID),
    };
    int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

    if (dev < 0) {
        dev = ask_for_device(vmm);
    }
    if (dev < 0) {
        return failed(error, "/dev/userfaultfd");
    }
    if (!vmm->config.old) {
        api.features |= features_there(dev) & FEATURES_WRITTEN;
    }
    vmm->uffd = ioctl(dev, USERFAULTFD_IOC_NEW, O_NONBLOCK | O_CLOEXEC);
    close(dev);
    if (vmm->uffd < 0 || ioctl(vmm->uffd, UFFDIO_API, &api) < 0) {
        return failed(error, "userfaultfd");
    }
    return true;
}

uint32_t vmm_find_pins(const Vmm *v, const struct RcacheVmmZap *zap,
                       uint32_t *pinned)
{
    uint64_t base = vmm_block_first(v, zap->block);
    uint32_t n = 0;

    for (uint32_t i = 0; i < zap->nr_ranges; i++) {
        for (uint32_t k = 0; k < zap->range[i].count; k++) {
            uint32_t page = zap->range[i].first + k;

            if (v->pins[base + page] && n < RCACHE_ZAP_PAGES_MAX) {
                pinned[n++] = page;
            }
        }
    }
    return n;
}

bool vmm_memory_init(Vmm *vmm, GError **error)
{
    uint64_t pages = vmm->config.pages;

    if (!state_init(vmm, error) || !key_init(vmm, error) ||
        !ram_init(vmm, error) || !uffd_init(vmm, error)) {
        return false;
    }
    vmm->version = g_new0(uint32_t, pages);
    vmm->evicted = g_new0(uint8_t, pages);
    vmm->pins = (_Atomic uint8_t *)g_malloc0(pages);
    for (unsigned i = 0; i < VMM_LOCKS; i++) {
        pthread_mutex_init(&vmm->page_lock[i], NULL);
    }
    return true;
}

void vmm_memory_deinit(Vmm *vmm)
{
    g_free(vmm->version);
    g_free(vmm->evicted);
    g_free((void *)vmm->pins);
}

uint64_t vmm_resident(const Vmm *vmm)
{
    uint64_t bytes = 0;
    struct stat st;

    for (unsigned i = 0; i < vmm->nr_blocks; i++) {
        bytes += fstat(vmm->ram_fd[i], &st) ? 0
                                            : (uint64_t)st.st_blocks * 512;
    }
    return bytes;
}

/* May a page in this state be taken away now? */
static bool discard_may_begin(enum RcachePageState state)
{
    return state != RCACHE_DISCARDING && state != RCACHE_FILLING &&
           state != RCACHE_PUNCHING;
}

static void punch(Vmm *vmm, uint64_t page)
{
    unsigned block = vmm_block_of(vmm, page);
    uint64_t at = page - vmm_block_first(vmm, block);

    fallocate(vmm->ram_fd[block], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              at * RCACHE_PAGE_SIZE, RCACHE_PAGE_SIZE);
}

static void discard_note(Vmm *vmm, uint64_t page, uint64_t old)
{
    enum RcachePageState state = old & RCACHE_STATE_MASK;
    uint64_t frame = page / RCACHE_FRAME_PAGES;
    bool here = state == RCACHE_HOT || state == RCACHE_ZAPPING ||
                state == RCACHE_ZAPPED || state == RCACHE_EVICTING ||
                state == RCACHE_CACHED;
    struct uffdio_range range = {
        .start = (uintptr_t)vmm->ram + page * RCACHE_PAGE_SIZE,
        .len = RCACHE_PAGE_SIZE,
    };

    if (here) {
        __atomic_add_fetch(&vmm->state->discard_resident, 1,
                           __ATOMIC_RELAXED);
    } else if (old >> RCACHE_SLOT_SHIFT) {
        __atomic_add_fetch(&vmm->state->discard_remote, 1, __ATOMIC_RELAXED);
    }
    __atomic_or_fetch(&vmm->frames[frame / 64], 1ull << (frame % 64),
                      __ATOMIC_RELEASE);
    __atomic_add_fetch(&vmm->state->discard_seq, 1, __ATOMIC_RELEASE);
    ioctl(vmm->uffd, UFFDIO_WAKE, &range);
}

/* From DISCARDING on; @old: the word before that. */
static void discard_finish(Vmm *vmm, uint64_t page, uint64_t old)
{
    uint64_t new = old;

    punch(vmm, page);
    if ((old & RCACHE_STATE_MASK) != RCACHE_UNMANAGED) {
        new = (old & ~(RCACHE_STATE_MASK | RCACHE_CLEAN | RCACHE_GEN_MASK)) |
              RCACHE_ZERO |
              ((old + (1ull << RCACHE_GEN_SHIFT)) & RCACHE_GEN_MASK);
    }
    __atomic_store_n(&vmm->words[page], new, __ATOMIC_RELEASE);
    discard_note(vmm, page, old);
}

void vmm_discard_end(Vmm *vmm, uint64_t page)
{
    uint64_t word = __atomic_load_n(&vmm->words[page], __ATOMIC_ACQUIRE);
    bool slot = word >> RCACHE_SLOT_SHIFT;

    discard_finish(vmm, page, (word & ~RCACHE_STATE_MASK) |
                              (slot ? RCACHE_REMOTE : RCACHE_HOT));
}

bool vmm_discard(Vmm *vmm, uint64_t page)
{
    uint64_t old = __atomic_load_n(&vmm->words[page], __ATOMIC_ACQUIRE), new;

    if (vmm->config.rules_off & VMM_BREAK_DISCARD) {
        punch(vmm, page);
        return true;
    }
    do {
        if (!discard_may_begin(old & RCACHE_STATE_MASK)) {
            return false;
        }
        new = (old & ~(RCACHE_STATE_MASK | RCACHE_CLEAN)) |
              RCACHE_DISCARDING;
    } while (!__atomic_compare_exchange_n(&vmm->words[page], &old, new, false,
                                          __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    discard_finish(vmm, page, old);
    return true;
}
