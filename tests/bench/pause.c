/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pause: how long a guest at work stands still.  See pause.h. */
#include "tests/bench/pause.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define WORKERS         2u
#define LOOK_US         500u
#define GIVE_UP_NS      (300 * 1000000000ull)

typedef struct Work {
    Vmm *vmm;
    _Atomic uint64_t killed;            /* ns; 0: not yet */
    _Atomic bool stop;
    _Atomic unsigned next;              /* number of the next worker */
} Work;

typedef struct Worker {
    Work *work;
    uint64_t longest;                   /* ns, of waits after the kill */
    uint64_t touched, wrong;
} Worker;

/* One page; what was waited before the kill does not count. */
static void worker_touch(Worker *w, uint64_t page)
{
    const Vmm *v = w->work->vmm;
    volatile uint64_t *at =
        (uint64_t *)(v->ram + page * RCACHE_PAGE_SIZE);
    uint64_t start = measure_now(), end, killed;

    w->wrong += *at != page;
    *at = page;
    end = measure_now();
    killed = w->work->killed;
    if (killed && end > killed) {
        w->longest = MAX(w->longest, end - MAX(start, killed));
        w->touched++;
    }
}

static void *worker_run(void *opaque)
{
    Worker *w = opaque;
    uint64_t pages = w->work->vmm->config.pages;
    uint64_t at = pages / WORKERS * w->work->next++ + w->work->vmm->attaches;

    while (!w->work->stop) {
        worker_touch(w, measure_scatter(at++ % pages, pages));
    }
    return NULL;
}

void pause_measure(Vmm *v, pid_t pager, unsigned after_us)
{
    unsigned attaches = v->attaches;
    Work work = { .vmm = v };
    Worker worker[WORKERS] = { 0 };
    pthread_t thread[WORKERS];
    uint64_t longest = 0, touched = 0, wrong = 0, at;
    bool known = false;

    for (unsigned i = 0; i < WORKERS; i++) {
        worker[i].work = &work;
        pthread_create(&thread[i], NULL, worker_run, &worker[i]);
    }
    usleep(after_us);
    work.killed = at = measure_now();
    if (kill(pager, SIGKILL) == 0) {
        while (!known && measure_now() - at < GIVE_UP_NS) {
            usleep(LOOK_US);
            known = v->attaches > attaches && vmm_all_known(v);
        }
    }
    work.stop = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], NULL);
        longest = MAX(longest, worker[i].longest);
        touched += worker[i].touched;
        wrong += worker[i].wrong;
    }
    printf("{\"pause_ns\": %lu, \"touched\": %lu, \"wrong\": %lu}\n",
           known ? longest : 0, touched, wrong);
}
