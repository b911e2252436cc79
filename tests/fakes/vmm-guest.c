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
#define DMA_PAGES               32
#define DMA_HOLD_MS             800
#define VERIFIERS               8
#define VERIFY_STEP             64
/* Of a guest with a pace: visits without a pause, and those of its beginning,
 * which are as many as two for each page. */
#define PACE_BURST              32
#define PACE_FREE_ROUNDS        2
#define PACE_FREE_MOST          262144ull
#define PACE_HOARD_NS           100000000ull
#define PACE_SLEEP_NS           100000000ull
/* Pages that a sweep passes over before it leaves the CPU to others. */
#define SWEEP_SKIPS             512
#define SWEEP_PAUSE_US          2000

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

    if (oracle_is_right(w, page, v->version[page]) ||
        v->version[page] == VMM_VERSION_LOST) {
        return;                 /* or forgiven while this thread waited */
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

/*
 * Some pages stay zero for a while.  If all have to be away that is over after
 * the first round: chance alone would leave a few for twenty.
 */
static bool page_is_written(Vmm *v, uint64_t page, uint64_t random)
{
    bool is_late = v->config.until_evicted && v->config.write_percent &&
                   v->sweep_at >= v->config.pages && !v->version[page];

    return (is_late || random % 100 < v->config.write_percent) &&
           !page_stays_zero(v, page);
}

/* A held guest may have a thousand threads: it leaves the CPU to others. */
static void hold_wait(Vmm *v)
{
    pthread_mutex_lock(&v->hold_lock);
    while (v->hold) {
        pthread_cond_wait(&v->hold_ends, &v->hold_lock);
    }
    pthread_mutex_unlock(&v->hold_lock);
}

static void page_visit(Vmm *v, uint64_t page, uint64_t random)
{
    pthread_mutex_t *lock = &v->page_lock[page % VMM_LOCKS];
    uint64_t took, longest;

    if (pthread_mutex_trylock(lock)) {
        return;                 /* another thread's, or under DMA */
    }
    if (v->hold || v->version[page] == VMM_VERSION_LOST) {
        pthread_mutex_unlock(lock);
        hold_wait(v);
        usleep(0);
        return;
    }
    page_count_return(v, page);
    took = vmm_now_ns();
    page_verify(v, page);
    if (v->version[page] == VMM_VERSION_LOST) {
        /* forgiven */
    } else if (random % 1000 < v->config.discard_permille) {
        if (vmm_discard(v, page)) {
            v->version[page] = 0;
            v->discards++;
        }
    } else if (page_is_written(v, page, random / 1000)) {
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
    return vmm_page_state(v, page) != RCACHE_REMOTE && random % 64;
}

/*
 * Page @i of a thread that goes through its own part again and again: by the
 * stride, and then by the pages between.
 */
static uint64_t scan_page(const Vmm *v, unsigned thread, uint64_t i)
{
    uint64_t part = v->config.pages / MAX(v->config.threads, 1);
    uint64_t at = i % part * v->config.scan;

    return thread * part + (at + at / part) % part;
}

/*
 * A guest that always does all it can takes a CPU or two for as long as the
 * test waits for anything at all.  One with a pace makes its visits in bursts,
 * so that its threads are as much in each other's way as they are without it,
 * and rests between them; but it fills its memory as fast as it can.  Time in
 * which a thread was held up, as by a page that does not come, is not made up
 * for.
 */
typedef struct Pace {
    uint64_t visits;
    uint64_t due;                       /* ns: of the next burst */
} Pace;

static void pace_wait(const Vmm *v, Pace *pace)
{
    uint64_t threads = MAX(v->config.threads, 1), now;
    uint64_t fast = MIN(PACE_FREE_ROUNDS * v->config.pages, PACE_FREE_MOST);

    if (!v->config.pace || ++pace->visits % PACE_BURST ||
        pace->visits * threads < fast) {
        return;
    }
    now = vmm_now_ns();
    pace->due = MAX(pace->due, now - PACE_HOARD_NS) +
                PACE_BURST * threads * 1000000000 / v->config.pace;
    while (now < pace->due && !v->guest_stop) {
        usleep(MIN(pace->due - now, PACE_SLEEP_NS) / 1000);
        now = vmm_now_ns();
    }
}

void *vmm_guest_thread(void *opaque)
{
    static _Atomic uint64_t seed = 88172645463325252ull;
    static _Atomic unsigned begun;
    Vmm *v = opaque;
    uint64_t random = atomic_fetch_add(&seed, 0x9e3779b97f4a7c15ull), at = 0;
    unsigned thread = begun++ % MAX(v->config.threads, 1), skipped = 0;
    Pace pace = { 0 };

    while (!v->guest_stop) {
        uint64_t r = next_random(&random) >> 8, page;

        if (v->config.scan) {
            page = scan_page(v, thread, at++);
        } else if (v->config.sweep) {
            page = sweep_page(v);
            if (sweep_skips(v, page, r)) {
                if (++skipped % SWEEP_SKIPS == 0) {
                    usleep(SWEEP_PAUSE_US);
                }
                continue;
            }
        } else if (v->config.hot && r % 16) {
            page = (r >> 8) % v->config.hot;
        } else {
            page = (r >> 8) % v->config.pages;
        }
        page_visit(v, page, r >> 20);
        pace_wait(v, &pace);
    }
    return NULL;
}

/* ------------------------------------------------------------------- DMA */

/*
 * A device that writes to memory which the kernel has pinned: registered
 * buffers of io_uring, filled from a file.  As address_space_map() does it,
 * the counts are up before the pins are taken, and down after the last byte.
 * The pages are held for longer than the clock takes to come round.
 */
typedef struct Dma {
    Vmm *vmm;
    int file;
    struct io_uring ring;
    unsigned n;
    uint64_t page[DMA_PAGES];
} Dma;

/* Lock some pages that nobody is visiting. */
static void dma_choose(Dma *d, uint64_t *random)
{
    Vmm *v = d->vmm;

    d->n = 0;
    for (int tries = 0; tries < 4 * DMA_PAGES && d->n < DMA_PAGES; tries++) {
        uint64_t page = (next_random(random) >> 8) % v->config.pages;

        if (!page_stays_zero(v, page) &&
            !pthread_mutex_trylock(&v->page_lock[page % VMM_LOCKS])) {
            d->page[d->n++] = page;
        }
    }
}

static bool dma_write(Dma *d, unsigned i)
{
    uint64_t bytes[ORACLE_WORDS], page = d->page[i];
    struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);
    struct io_uring_cqe *cqe;
    bool good = false;

    oracle_stamp(bytes, page, d->vmm->version[page] + 1);
    if (pwrite(d->file, bytes, sizeof(bytes), 0) != sizeof(bytes)) {
        return false;
    }
    io_uring_prep_read_fixed(sqe, d->file, page_words(d->vmm, page),
                             RCACHE_PAGE_SIZE, 0, i);
    if (io_uring_submit_and_wait(&d->ring, 1) == 1 &&
        io_uring_wait_cqe(&d->ring, &cqe) == 0) {
        good = cqe->res == RCACHE_PAGE_SIZE;
        io_uring_cqe_seen(&d->ring, cqe);
    }
    return good;
}

static void dma_once(Dma *d)
{
    struct iovec iov[DMA_PAGES];
    Vmm *v = d->vmm;

    for (unsigned i = 0; i < d->n; i++) {
        iov[i] = (struct iovec) { page_words(v, d->page[i]),
                                  RCACHE_PAGE_SIZE };
        v->pins[d->page[i]]++;
    }
    atomic_thread_fence(memory_order_seq_cst);
    if (d->n && io_uring_register_buffers(&d->ring, iov, d->n) == 0) {
        for (int i = 0; i < DMA_HOLD_MS / 10 && !v->guest_stop; i++) {
            usleep(10000);
        }
        for (unsigned i = 0; i < d->n; i++) {
            if (dma_write(d, i)) {
                v->version[d->page[i]]++;
                v->dmas++;
                page_verify(v, d->page[i]);
            }
        }
        io_uring_unregister_buffers(&d->ring);
    }
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < d->n; i++) {
        v->pins[d->page[i]]--;
        pthread_mutex_unlock(&v->page_lock[d->page[i] % VMM_LOCKS]);
    }
}

void *vmm_dma_thread(void *opaque)
{
    Dma d = { .vmm = opaque, .file = memfd_create("fake-disk", MFD_CLOEXEC) };
    uint64_t random = 0x123456789abcdefull;

    if (d.file < 0 || ftruncate(d.file, RCACHE_PAGE_SIZE) < 0 ||
        io_uring_queue_init(4, &d.ring, 0) < 0) {
        fprintf(stderr, "no DMA: io_uring or memfd\n");
        exit(1);
    }
    while (!d.vmm->guest_stop) {
        dma_choose(&d, &random);
        dma_once(&d);
    }
    io_uring_queue_exit(&d.ring);
    close(d.file);
    return NULL;
}

/* -------------------------------------------------------------- intruder */

/*
 * Another mapping of the first block's memfd touches holes, which fills them
 * with zeros.
 */
void *vmm_intruder_thread(void *opaque)
{
    Vmm *v = opaque;
    uint64_t pages = vmm_block_pages(v, 0);
    size_t bytes = pages * RCACHE_PAGE_SIZE;
    volatile char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                              v->ram_fd[0], 0);
    uint64_t random = 0xfeedfacecafebeefull;

    while (map != MAP_FAILED && !v->guest_stop) {
        uint64_t page = (next_random(&random) >> 8) % pages;
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

/* ---------------------------------------------------------- verification */

/* Some pages at a time for each thread; the next ones. */
typedef struct Verify {
    Vmm *vmm;
    _Atomic uint64_t next;
} Verify;

static void *verify_thread(void *opaque)
{
    Verify *verify = opaque;
    Vmm *v = verify->vmm;
    uint64_t page, end;

    while ((page = atomic_fetch_add(&verify->next, VERIFY_STEP)) <
           v->config.pages) {
        end = MIN(page + VERIFY_STEP, v->config.pages);
        for (; page < end; page++) {
            if (v->version[page] != VMM_VERSION_LOST) {
                page_count_return(v, page);
                page_verify(v, page);
            }
        }
    }
    return NULL;
}

/* By several threads: one would wait for each page that is away in turn. */
uint64_t vmm_verify_all(Vmm *v)
{
    uint64_t before = v->mismatches;
    Verify verify = { .vmm = v };
    pthread_t thread[VERIFIERS];

    for (unsigned i = 0; i < VERIFIERS; i++) {
        pthread_create(&thread[i], NULL, verify_thread, &verify);
    }
    for (unsigned i = 0; i < VERIFIERS; i++) {
        pthread_join(thread[i], NULL);
    }
    return v->mismatches - before;
}

void vmm_guest_hold(Vmm *v)
{
    v->hold = true;
    for (unsigned i = 0; i < VMM_LOCKS; i++) {
        pthread_mutex_lock(&v->page_lock[i]);
        pthread_mutex_unlock(&v->page_lock[i]);
    }
}

void vmm_guest_go(Vmm *v)
{
    pthread_mutex_lock(&v->hold_lock);
    v->hold = false;
    pthread_cond_broadcast(&v->hold_ends);
    pthread_mutex_unlock(&v->hold_lock);
}

uint64_t vmm_guest_forgive(Vmm *v)
{
    uint64_t forgiven = 0;

    for (uint64_t page = 0; page < v->config.pages; page++) {
        if (vmm_page_state(v, page) == RCACHE_LOST) {
            /* Before it is, since whoever waits for it holds its lock. */
            v->version[page] = VMM_VERSION_LOST;
            atomic_thread_fence(memory_order_seq_cst);
            forgiven += vmm_discard(v, page);
        }
    }
    return forgiven;
}

uint64_t vmm_discard_each(Vmm *v, unsigned step)
{
    uint64_t discarded = 0;

    for (uint64_t page = 0; page < v->config.pages; page += step) {
        pthread_mutex_t *lock = &v->page_lock[page % VMM_LOCKS];

        pthread_mutex_lock(lock);
        if (vmm_discard(v, page)) {
            v->version[page] = 0;
            discarded++;
        }
        pthread_mutex_unlock(lock);
    }
    v->discards += discarded;
    return discarded;
}
