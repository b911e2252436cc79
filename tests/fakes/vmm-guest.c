/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-guest: what touches the memory: guest threads, DMA, an intruder.
 *
 * Every visit verifies the whole page under the lock of that page; the lock
 * is the oracle's, the pager knows nothing of it.
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fakes/oracle.h"
#include "tests/fakes/vmm.h"

#define SHOWN_MISMATCHES        8

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static uint64_t *page_words(Vmm *v, uint64_t page)
{
    return (uint64_t *)(v->ram + page * RCACHE_PAGE_SIZE);
}

static void page_verify(Vmm *v, uint64_t page)
{
    const uint64_t *w = page_words(v, page);

    if (oracle_is_right(w, page, v->version[page])) {
        return;
    }
    if (v->mismatches++ < SHOWN_MISMATCHES) {
        fprintf(stderr, "MISMATCH page %lu version %u: found %lu/%lu, word "
                "%016lx\n", page, v->version[page], w[0], w[1],
                v->words[page]);
    }
    if (v->version[page]) {
        oracle_stamp(page_words(v, page), page, v->version[page]);
    }
}

/* Was the page away when it was asked for? Then this visit proves it. */
static void page_count_return(Vmm *v, uint64_t page)
{
    enum RcachePageState state = vmm_page_state(v, page);

    if ((state == RCACHE_REMOTE || state == RCACHE_FETCHING) &&
        v->evicted[page] < UINT8_MAX) {
        v->evicted[page]++;
    }
}

static bool page_stays_zero(const Vmm *v, uint64_t page)
{
    return page * 2654435761u % 100 < v->config.zero_percent;
}

static void page_visit(Vmm *v, uint64_t page, uint64_t random)
{
    pthread_mutex_t *lock = &v->page_lock[page % VMM_LOCKS];
    uint64_t took, longest;

    pthread_mutex_lock(lock);
    page_count_return(v, page);
    took = vmm_now_ns();
    page_verify(v, page);
    if (random % 1000 < v->config.discard_permille) {
        if (vmm_discard(v, page)) {
            v->version[page] = 0;
            v->discards++;
        }
    } else if (random / 1000 % 100 < v->config.write_percent &&
               !page_stays_zero(v, page)) {
        v->version[page]++;
        oracle_stamp(page_words(v, page), page, v->version[page]);
    }
    took = vmm_now_ns() - took;
    longest = v->longest_ns;
    while (took > longest &&
           !atomic_compare_exchange_weak(&v->longest_ns, &longest, took)) {
    }
    v->visits++;
    pthread_mutex_unlock(lock);
}

/* All pages in a scattered order, another one each round. */
static uint64_t sweep_page(Vmm *v)
{
    uint64_t n = v->config.pages, i = v->sweep_at++;
    uint64_t stride = n / 2 + n / 8 + (i / n) * 2 + 1;

    while (n % stride == 0 || stride % 2 == 0 || stride % 3 == 0) {
        stride++;
    }
    return (i % n) * (stride | 1) % n;
}

/*
 * With a number of times to be away given, leave most of those alone that have
 * done theirs, and those that have to go first: a touch keeps a page here.
 */
static bool sweep_skips(Vmm *v, uint64_t page, uint64_t random)
{
    if (!v->config.until_evicted || !v->version[page]) {
        return false;
    }
    if (v->evicted[page] >= v->config.until_evicted) {
        return random % 8;
    }
    return vmm_page_state(v, page) != RCACHE_REMOTE && random % 16;
}

void *vmm_guest_thread(void *opaque)
{
    static _Atomic uint64_t seed = 88172645463325252ull;
    Vmm *v = opaque;
    uint64_t random = seed += 0x9e3779b97f4a7c15ull;

    while (!v->guest_stop) {
        uint64_t r = next_random(&random) >> 8, page;

        if (v->config.sweep) {
            page = sweep_page(v);
            if (sweep_skips(v, page, r)) {
                continue;
            }
        } else if (v->config.hot && r % 16) {
            page = (r >> 8) % v->config.hot;
        } else {
            page = (r >> 8) % v->config.pages;
        }
        page_visit(v, page, r >> 20);
    }
    return NULL;
}

/* ------------------------------------------------------------------- DMA */

/*
 * A device that writes to memory which the kernel has pinned: a registered
 * buffer of io_uring, filled from a file.  The count is up before the pin, as
 * address_space_map() does it, and down after the last byte.
 */
static bool dma_once(Vmm *v, struct io_uring *ring, int file, uint64_t page,
                     unsigned hold_us)
{
    struct iovec iov = { page_words(v, page), RCACHE_PAGE_SIZE };
    uint64_t bytes[ORACLE_WORDS];
    struct io_uring_sqe *sqe;
    struct io_uring_cqe *cqe;
    bool good = false;

    oracle_stamp(bytes, page, v->version[page] + 1);
    if (pwrite(file, bytes, sizeof(bytes), 0) != sizeof(bytes)) {
        return false;
    }
    v->pins[page]++;
    atomic_thread_fence(memory_order_seq_cst);
    if (io_uring_register_buffers(ring, &iov, 1) == 0) {
        usleep(hold_us);
        sqe = io_uring_get_sqe(ring);
        io_uring_prep_read_fixed(sqe, file, iov.iov_base, iov.iov_len, 0, 0);
        if (io_uring_submit_and_wait(ring, 1) == 1 &&
            io_uring_wait_cqe(ring, &cqe) == 0) {
            good = cqe->res == RCACHE_PAGE_SIZE;
            io_uring_cqe_seen(ring, cqe);
        }
        io_uring_unregister_buffers(ring);
    }
    atomic_thread_fence(memory_order_seq_cst);
    v->pins[page]--;
    return good;
}

void *vmm_dma_thread(void *opaque)
{
    Vmm *v = opaque;
    uint64_t random = 0x123456789abcdefull;
    int file = memfd_create("fake-disk", MFD_CLOEXEC);
    struct io_uring ring;

    if (file < 0 || ftruncate(file, RCACHE_PAGE_SIZE) < 0 ||
        io_uring_queue_init(4, &ring, 0) < 0) {
        fprintf(stderr, "no DMA: io_uring or memfd\n");
        exit(1);
    }
    while (!v->guest_stop) {
        uint64_t r = next_random(&random) >> 8;
        uint64_t page = r % v->config.pages;
        pthread_mutex_t *lock = &v->page_lock[page % VMM_LOCKS];

        pthread_mutex_lock(lock);
        if (!page_stays_zero(v, page) &&
            dma_once(v, &ring, file, page, (r >> 40) % 20000)) {
            v->version[page]++;
            v->dmas++;
            page_verify(v, page);
        }
        pthread_mutex_unlock(lock);
    }
    io_uring_queue_exit(&ring);
    close(file);
    return NULL;
}

/* -------------------------------------------------------------- intruder */

/* Another mapping of the memfd touches holes, which fills them with zeros. */
void *vmm_intruder_thread(void *opaque)
{
    Vmm *v = opaque;
    size_t bytes = v->config.pages * RCACHE_PAGE_SIZE;
    volatile char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                              v->ram_fd, 0);
    uint64_t random = 0xfeedfacecafebeefull;

    while (map != MAP_FAILED && !v->guest_stop) {
        uint64_t page = (next_random(&random) >> 8) % v->config.pages;
        enum RcachePageState state = vmm_page_state(v, page);

        if (state == RCACHE_REMOTE || state == RCACHE_FETCHING) {
            (void)map[page * RCACHE_PAGE_SIZE];
            v->intrusions++;
        }
        usleep(20);
    }
    if (map != MAP_FAILED) {
        munmap((void *)map, bytes);
    }
    return NULL;
}

uint64_t vmm_verify_all(Vmm *v)
{
    uint64_t before = v->mismatches;

    for (uint64_t page = 0; page < v->config.pages; page++) {
        page_count_return(v, page);
        page_verify(v, page);
    }
    return v->mismatches - before;
}
