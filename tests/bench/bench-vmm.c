/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-vmm: a VMM whose guest is one thread that touches pages and measures
 * how long that took.  The other half is the fake VMM of tests/fakes.
 *
 * Commands are lines on stdin, each answered with a line of JSON:
 *   fill            write every page that has not been written
 *   fill-to N       the same, but no page from N on
 *   touch N [US]    read N pages that are away, scattered, with a pause of so
 *                   many microseconds after each; the latencies
 *   evict BYTES     and how long that took
 *   evict-to BYTES
 *   attach PID      kill that pager and go on with the next (attach.h)
 *   pause PID US    the same under load, after so many microseconds (pause.h)
 *   access ...      visits as access.h has them
 *   stats
 *   quit
 * With --number it is another VM than the first.  --vcpus is told to the pager,
 * --proactive (an enum RcacheProactive) and --stall-target too; with --visit
 * the visits of access are of the first so many MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/bench/access.h"
#include "tests/bench/attach.h"
#include "tests/bench/measure.h"
#include "tests/bench/pause.h"
#include "tests/fakes/oracle.h"
#include "tests/fakes/vmm.h"

#define MIB             (1ull << 20)
#define PAUSE_EVERY     64u     /* as floor-fault does */
#define PAUSE_US        50u

static uint64_t *page_words(Vmm *v, uint64_t page)
{
    return (uint64_t *)(v->ram + page * RCACHE_PAGE_SIZE);
}

static void run_fill(Vmm *v, uint64_t end)
{
    uint64_t filled = 0;

    for (uint64_t page = 0; page < MIN(end, v->config.pages); page++) {
        if (!v->version[page]) {
            oracle_stamp(page_words(v, page), page, 1);
            v->version[page] = 1;
            filled++;
        }
    }
    printf("{\"pages\": %lu}\n", filled);
}

/* @pause_us: after each; 0: a little one now and then */
static void run_touch(Vmm *v, uint64_t want, uint64_t pause_us,
                      uint64_t *cursor)
{
    uint64_t *ns = g_new0(uint64_t, want + 1), n = 0, wrong = 0;

    for (uint64_t i = 0; i < v->config.pages && n < want; i++) {
        uint64_t page = measure_scatter((*cursor)++ % v->config.pages,
                                        v->config.pages);
        volatile uint64_t *at = page_words(v, page);
        uint64_t start, value;

        if (vmm_page_state(v, page) != RCACHE_REMOTE) {
            continue;
        }
        start = measure_now();
        value = *at;
        ns[n++] = measure_now() - start;
        wrong += value != page;
        if (pause_us) {
            usleep(pause_us);
        } else if (n % PAUSE_EVERY == 0) {
            usleep(PAUSE_US);
        }
    }
    measure_sort(ns, n);
    printf("{\"touched\": %lu, \"wrong\": %lu, \"p50_ns\": %lu, \"p90_ns\": "
           "%lu, \"p99_ns\": %lu}\n", n, wrong, measure_at(ns, n, 0.5),
           measure_at(ns, n, 0.9), measure_at(ns, n, 0.99));
    g_free(ns);
}

static void run_evict(Vmm *v, uint32_t what, uint64_t bytes)
{
    struct RcacheVmmEvict msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_EVICT,
                 .size = sizeof(msg), .id = 1 },
        .what = what, .bytes = bytes,
    };
    uint64_t start = measure_now();
    bool good = vmm_request(v, &msg.hdr, 120);
    uint64_t took = measure_now() - start;

    printf("{\"status\": %d, \"pages\": %lu, \"seconds\": %.6f}\n",
           good ? v->result.status : 1,
           good ? v->result.value / RCACHE_PAGE_SIZE : 0, took / 1e9);
}

static void run_stats(Vmm *v)
{
    struct RcacheVmmStats s;
    uint64_t waited;

    pthread_mutex_lock(&v->lock);
    s = v->stats;
    waited = v->delays.waited;
    pthread_mutex_unlock(&v->lock);
    printf("{\"guest\": %lu, \"resident\": %lu, \"remote\": %lu, "
           "\"local_max\": %lu, \"memfd\": %lu, \"pager_rss\": %lu, "
           "\"p50_ns\": %lu, \"p99_ns\": %lu, \"network_p50_ns\": %lu, "
           "\"attaches\": %u, \"unmanaged\": %lu, \"evicted_pages\": %lu, "
           "\"faults_remote\": %lu, \"waited_ns\": %lu}\n", s.guest,
           s.resident,
           s.remote, s.local_max, vmm_resident(v), s.pager_rss, s.fault_p50,
           s.fault_p99, s.network_p50, (unsigned)v->attaches, s.unmanaged,
           s.evicted_pages, s.faults_remote, waited);
}

static bool page_is_away(void *opaque, uint64_t page)
{
    enum RcachePageState state = vmm_page_state(opaque, page);

    return state == RCACHE_REMOTE || state == RCACHE_FETCHING;
}

static void run_access(Vmm *v, const AccessPlan *plan)
{
    AccessMemory memory = { .ram = v->ram, .version = v->version,
                            .away = page_is_away, .opaque = v };
    AccessResult result;

    access_run(plan, &memory, NULL, &result);
    access_report(&result, "");
}

/* False when it is over. */
static bool run_command(Vmm *v, const char *line, uint64_t *cursor)
{
    AccessPlan plan = { .pages = v->config.hot };
    unsigned long n = 0, us = 0;

    if (!strcmp(line, "fill\n")) {
        run_fill(v, UINT64_MAX);
    } else if (sscanf(line, "fill-to %lu", &n) == 1) {
        run_fill(v, n);
    } else if (sscanf(line, "touch %lu %lu", &n, &us) >= 1) {
        run_touch(v, n, us, cursor);
    } else if (sscanf(line, "evict-to %lu", &n) == 1) {
        run_evict(v, RCACHE_EVICT_TARGET, n);
    } else if (sscanf(line, "evict %lu", &n) == 1) {
        run_evict(v, RCACHE_EVICT_BYTES, n);
    } else if (sscanf(line, "attach %lu", &n) == 1) {
        attach_measure(v, n);
    } else if (sscanf(line, "pause %lu %lu", &n, &us) == 2) {
        pause_measure(v, n, us);
    } else if (access_parse(&plan, line)) {
        run_access(v, &plan);
    } else if (!strcmp(line, "stats\n")) {
        run_stats(v);
    } else {
        return false;
    }
    fflush(stdout);
    return true;
}

static bool wait_attached(Vmm *v)
{
    for (int i = 0; i < 200 && !v->attached && !v->refused[0]; i++) {
        usleep(50000);
    }
    if (!v->attached) {
        fprintf(stderr, "bench-vmm: %s\n",
                v->refused[0] ? v->refused : "no pager");
    }
    return v->attached;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    uint64_t mem = measure_option(argc, argv, "mem", 512);
    uint64_t local_max = measure_option(argc, argv, "local-max", 256);
    uint64_t maxmem = measure_option(argc, argv, "maxmem", 0);
    uint64_t copies = measure_option(argc, argv, "copies", 1);
    Vmm *v = g_new0(Vmm, 1);
    uint64_t cursor = 0;
    char line[128];

    if (argc < 2 || argv[1][0] == '-' || local_max > mem) {
        fprintf(stderr, "usage: bench-vmm SOCKET [--mem=MIB] "
                "[--local-max=MIB] [--maxmem=MIB] [--copies=1|2] [--seal=1] "
                "[--guest-cpu=N] [--number=N] [--visit=MIB] [--vcpus=N] "
                "[--proactive=0|1|2] [--stall-target=MILLIONTHS]\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    v->config = (VmmConfig) {
        .socket = argv[1], .name = "bench",
        .uuid = { 0xbe, 0x9c, measure_option(argc, argv, "number", 1) },
        .pages = mem * MIB / RCACHE_PAGE_SIZE,
        .words = maxmem * MIB / RCACHE_PAGE_SIZE,
        .local_max = local_max * MIB / RCACHE_PAGE_SIZE,
        /* All of it: the quiet measurements are far below local_max. */
        .size = mem * MIB / RCACHE_PAGE_SIZE,
        .copies = copies,
        .at_once = true,
        .seal = measure_option(argc, argv, "seal", 0),
        .hot = measure_option(argc, argv, "visit", mem) * MIB /
               RCACHE_PAGE_SIZE,
        .threads = measure_option(argc, argv, "vcpus", 0),
        .proactive = measure_option(argc, argv, "proactive", 0),
        .stall_target = measure_option(argc, argv, "stall-target", 0),
    };
    v->cancel_at = UINT64_MAX;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->changed, NULL);
    g_queue_init(&v->requests);
    v->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!vmm_memory_init(v, &error)) {
        fprintf(stderr, "bench-vmm: %s\n", error->message);
        return 1;
    }
    /* Before the thread that zaps begins: it is the guest's host's too. */
    measure_pin(measure_option(argc, argv, "guest-cpu", -1));
    pthread_create(&v->service, NULL, vmm_service, v);
    if (!wait_attached(v)) {
        return 3;
    }
    printf("{\"pid\": %d}\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) &&
           run_command(v, line, &cursor)) {
    }
    return 0;
}
