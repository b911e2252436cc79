/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach: what a guest sees of it when its pager is killed.  See attach.h. */
#include "tests/bench/attach.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define PAUSE_US        1000u           /* between two touches */
#define LOOK_US         500u
#define GIVE_UP_NS      (300 * 1000000000ull)

typedef struct Toucher {
    Vmm *vmm;
    enum RcachePageState state;         /* of the pages that it touches */
    uint64_t cursor;
    _Atomic uint64_t *killed;           /* ns; 0: not yet */
    _Atomic bool *stop;
    uint64_t first, longest;            /* ns */
    uint64_t touched, wrong;
} Toucher;

/* The next page in that state, or .pages if there is none. */
static uint64_t toucher_page(Toucher *t)
{
    uint64_t pages = t->vmm->config.pages;

    for (uint64_t i = 0; i < pages; i++) {
        uint64_t page = measure_scatter(t->cursor++ % pages, pages);

        if (vmm_page_state(t->vmm, page) == t->state) {
            return page;
        }
    }
    return pages;
}

static void *toucher_run(void *opaque)
{
    Toucher *t = opaque;
    uint64_t page = toucher_page(t), pages = t->vmm->config.pages;

    while (!*t->killed) {
        usleep(100);
    }
    for (; page < pages && !*t->stop; page = toucher_page(t)) {
        char *at = t->vmm->ram + page * RCACHE_PAGE_SIZE;
        uint64_t start;

        if (t->state == RCACHE_HOT) {
            madvise(at, RCACHE_PAGE_SIZE, MADV_DONTNEED);
        }
        start = measure_now();
        t->wrong += *(volatile uint64_t *)at != page;
        if (t->touched++) {
            t->longest = MAX(t->longest, measure_now() - start);
        } else {
            t->first = measure_now() - *t->killed;
        }
        usleep(PAUSE_US);
    }
    return NULL;
}

/* Every word, and every page of the memfds by a mapping never touched. */
static uint64_t sweep(const Vmm *v)
{
    uint64_t start = measure_now(), sum = 0;
    unsigned char has[RCACHE_FRAME_PAGES];

    for (unsigned b = 0; b < v->nr_blocks; b++) {
        uint64_t first = vmm_block_first(v, b), n = vmm_block_pages(v, b);
        char *map = mmap(NULL, n * RCACHE_PAGE_SIZE, PROT_READ, MAP_SHARED,
                         v->ram_fd[b], 0);

        if (map == MAP_FAILED) {
            measure_die("mapping a memfd");
        }
        for (uint64_t i = 0; i < n; i += RCACHE_FRAME_PAGES) {
            uint64_t some = MIN(n - i, RCACHE_FRAME_PAGES);

            if (mincore(map + i * RCACHE_PAGE_SIZE, some * RCACHE_PAGE_SIZE,
                        has) < 0) {
                measure_die("mincore");
            }
            for (uint64_t k = 0; k < some; k++) {
                sum += has[k] + vmm_page_state(v, first + i + k);
            }
        }
        munmap(map, n * RCACHE_PAGE_SIZE);
    }
    return sum ? measure_now() - start : 0;
}

/* Kill it, and wait until it is gone; when the kill was, or 0. */
static uint64_t kill_pager(pid_t pager)
{
    struct pollfd pfd = { .fd = syscall(SYS_pidfd_open, pager, 0),
                          .events = POLLIN };
    uint64_t at = measure_now();

    if (pfd.fd < 0 || kill(pager, SIGKILL) < 0 ||
        poll(&pfd, 1, 60 * 1000) != 1) {
        at = 0;
    }
    if (pfd.fd >= 0) {
        close(pfd.fd);
    }
    return at;
}

void attach_measure(Vmm *v, pid_t pager)
{
    unsigned attaches = v->attaches;
    _Atomic uint64_t killed = 0;
    _Atomic bool stop = false;
    Toucher away = { .vmm = v, .state = RCACHE_REMOTE, .killed = &killed,
                     .stop = &stop, .cursor = attaches * 1009 },
            here = { .vmm = v, .state = RCACHE_HOT, .killed = &killed,
                     .stop = &stop, .cursor = attaches * 1009 };
    uint64_t swept = sweep(v), at, dead, now, ready = 0, known = 0;
    pthread_t thread[2];

    pthread_create(&thread[0], NULL, toucher_run, &away);
    pthread_create(&thread[1], NULL, toucher_run, &here);
    at = kill_pager(pager);
    dead = measure_now();
    killed = at ? at : dead;
    for (now = dead; at && !known && now - at < GIVE_UP_NS;
         now = measure_now()) {
        if (v->attaches > attaches) {
            ready = ready ? ready : now;
            known = vmm_all_known(v) ? now : 0;
        }
        usleep(LOOK_US);
    }
    stop = true;
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    printf("{\"first_away_ns\": %lu, \"first_here_ns\": %lu, "
           "\"longest_away_ns\": %lu, \"longest_here_ns\": %lu, "
           "\"dead_ns\": %lu, \"ready_ns\": %lu, \"known_ns\": %lu, "
           "\"sweep_ns\": %lu, \"away\": %lu, \"here\": %lu, "
           "\"wrong\": %lu}\n", away.first, here.first, away.longest,
           here.longest, dead - at, ready ? ready - at : 0,
           known ? known - at : 0, swept, away.touched, here.touched,
           away.wrong + here.wrong);
}
