/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-vmm: the run and the result.  What it is for: vmm.h.
 *
 * Runs until --seconds are over and, with --until-evicted=N, every page has
 * been away and verified N times (at most --most-seconds).  The result is one
 * JSON object on stdout; commands come as lines on stdin while it runs:
 *   evict BYTES | evict-to BYTES | resize SIZE LOCAL_MAX |
 *   cancel-at BYTES | stats | least | hold | stop | go | discard-all |
 *   discard-half | attach-table | kill-ready N MOST_US | evict-early BYTES |
 *   plug | unplug | scribble MS SEED | crowd N | forgive | states | quit
 * each answered with one JSON object on a line.  hold waits until the guest
 * stands still; stop does not, and a guest that waits for a page stands still
 * when it has come.  cancel-at makes the next
 * command one that is cancelled when so much is told to be done.  kill-ready
 * kills the pager and so many after it, each at its READY or at most so long
 * after it.  evict-early asks the next pager for an eviction together with its
 * START.  unplug takes away the block that plug brings, with all that is in it;
 * the guest stands still from then on, and goes on when it has been plugged in
 * again.  crowd has so many more threads of the guest begin.  forgive has the
 * guest do without the pages that are lost by now.  states looks at the words
 * themselves: how many pages are in each state, and how many are in one that
 * something is under way in, or have a slot and are not away.
 * Exit status: 0 all pages were right, 1 not, 2 usage, 3 refused by rcached.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/fakes/fake-vmm-options.h"
#include "tests/fakes/vmm.h"

typedef struct Run {
    Vmm *vmm;
    int seconds;
    int most_seconds;
    int until_evicted;
    int linger_ms;
    const char *figures;        /* a file; NULL: none */
    uint64_t began;             /* ns */
    pthread_t guest[THREADS_MAX], dma, intruder, sampler;
    _Atomic bool sampled_enough;
    bool within;                /* it has been, but for 5 % of local_max */
    uint64_t resident_max;      /* since then, of the memfds */
    uint64_t reported_max;      /* and as the pager says */
    char line[1024];
    size_t line_len;
    bool quit;
} Run;

/* One line, to be freed. */
static char *stats_text(Vmm *v)
{
    struct RcacheVmmDelays d;
    struct RcacheVmmStats s;

    pthread_mutex_lock(&v->lock);
    s = v->stats;
    d = v->delays;
    pthread_mutex_unlock(&v->lock);
    return g_strdup_printf(
           "{\"guest\": %lu, \"unmanaged\": %lu, \"untouched\": %lu, "
           "\"hot\": %lu, \"zapped\": %lu, \"cached\": %lu, "
           "\"remote\": %lu, \"zero\": %lu, "
           "\"lost\": %lu, \"resident\": %lu, \"local_max\": %lu, "
           "\"memfd\": %lu, \"faults_remote\": %lu, \"faults_zero\": %lu, "
           "\"faults_minor\": %lu, \"evicted_pages\": %lu, "
           "\"zero_evicted_pages\": %lu, \"checksum_errors\": %lu, "
           "\"intruders\": %lu, \"p50_ns\": %lu, \"p99_ns\": %lu, "
           "\"waiting_pages\": %lu, \"oldest_wait_ns\": %lu, "
           "\"waiting_for\": \"%s\", \"pager_rss\": %lu, \"visits\": %lu, "
           "\"attaches\": %u, \"attached\": %d, \"zap_seq\": %lu, "
           "\"fetched_pages\": %lu, \"reconciled\": %d, "
           "\"copies\": %u, \"one_copy\": %lu, \"copying\": %lu, "
           "\"mismatches\": %lu, \"longest_ns\": %lu, "
           "\"hopeless\": %u, \"vcpus\": %u, \"waited_ns\": %lu, "
           "\"whole_ns\": %lu}\n",
           s.guest, s.unmanaged, s.untouched, s.hot, s.zapped, s.cached,
           s.remote, s.zero, s.lost, s.resident, s.local_max, vmm_resident(v),
           s.faults_remote, s.faults_zero, s.faults_minor, s.evicted_pages,
           s.zero_evicted_pages, s.checksum_errors, s.intruders, s.fault_p50,
           s.fault_p99, s.waiting_pages, s.oldest_wait, s.waiting_for,
           s.pager_rss, (uint64_t)v->visits, (unsigned)v->attaches,
           (int)v->attached, v->state->zap_seq, s.fetched_pages,
           s.hdr.flags & RCACHE_STATS_RECONCILED, s.copies, s.one_copy,
           s.copying, (uint64_t)v->mismatches, (uint64_t)v->longest_ns,
           s.hopeless, d.vcpus, d.waited, d.whole.total);
}

static void print_stats(Vmm *v)
{
    g_autofree char *text = stats_text(v);

    printf("%s", text);
}

/*
 * What stats prints, for who does not want to wait for a command's end.  It is
 * the file's first line; a look may find a part of it only.
 */
static void run_write_figures(const Run *run)
{
    g_autofree char *text = NULL;

    if (run->figures) {
        text = stats_text(run->vmm);
        g_file_set_contents_full(run->figures, text, -1,
                                 G_FILE_SET_CONTENTS_NONE, 0600, NULL);
    }
}

/*
 * A guest may have filled all of its memory before the pager has it: what is
 * here on the way down from there is counted only if that way has no end.
 */
static void run_look(Run *run)
{
    Vmm *v = run->vmm;
    uint64_t resident = vmm_resident(v), limit;

    pthread_mutex_lock(&v->lock);
    limit = v->stats.local_max + v->stats.local_max / 20;
    if (v->stats.evicted_pages) {
        run->reported_max = MAX(run->reported_max, v->stats.resident);
        run->resident_max = MAX(run->resident_max, resident);
        if (!run->within && resident <= limit && v->stats.resident <= limit) {
            run->within = true;
            run->reported_max = v->stats.resident;
            run->resident_max = resident;
        }
    }
    pthread_mutex_unlock(&v->lock);
}

/* Every 100 ms, whatever the commands are waiting for. */
static void *run_sample(void *opaque)
{
    Run *run = opaque;

    while (!run->sampled_enough) {
        run_look(run);
        run_write_figures(run);
        usleep(100000);
    }
    return NULL;
}

/* A command, and what came of it. */
static void run_request(Vmm *v, struct RcacheVmmHdr *msg, unsigned seconds)
{
    const struct RcacheVmmResult *r = &v->result;

    if (vmm_request(v, msg, seconds)) {
        printf("{\"status\": %d, \"value\": %lu, \"size\": %lu, "
               "\"local_max\": %lu, \"auto\": %d, \"told\": %u, "
               "\"done\": %lu, \"total\": %lu, \"fell\": %d, "
               "\"text\": \"%s\"}\n",
               r->status, r->value, r->size, r->local_max,
               !!(r->flags & RCACHE_RESULT_AUTO), v->progress_told,
               v->progress.done, v->progress.total, v->progress_fell,
               r->text);
    } else {
        printf("{\"status\": 1, \"text\": \"no answer\"}\n");
    }
    v->cancel_at = UINT64_MAX;
}

static void run_evict(Vmm *v, uint32_t what, uint64_t bytes)
{
    struct RcacheVmmEvict msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_EVICT,
                 .size = sizeof(msg) },
        .what = what, .bytes = bytes,
    };

    run_request(v, &msg.hdr, 60);
}

static void run_resize(Vmm *v, uint64_t size, uint64_t local_max, int n)
{
    struct RcacheVmmResize msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_RESIZE,
                 .size = sizeof(msg) },
        .what = RCACHE_RESIZE_SIZE | (n > 1 ? RCACHE_RESIZE_LOCAL_MAX : 0),
        .size = size, .local_max = local_max,
    };

    run_request(v, &msg.hdr, 120);
}

static void run_copies(Vmm *v, uint32_t copies)
{
    struct RcacheVmmResize msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_RESIZE,
                 .size = sizeof(msg) },
        .what = RCACHE_RESIZE_COPIES, .copies = copies,
    };

    run_request(v, &msg.hdr, 120);
}

/* How many pages still have to go, by the state they are in. */
static void print_least(Run *run)
{
    unsigned count[RCACHE_NR_STATES] = { 0 };
    const Vmm *v = run->vmm;

    for (uint64_t p = 0; p < v->config.pages; p++) {
        if (v->evicted[p] < run->until_evicted && v->version[p]) {
            count[vmm_page_state(v, p)]++;
        }
    }
    printf("{\"left\": [");
    for (unsigned i = 0; i < RCACHE_NR_STATES; i++) {
        printf("%s%u", i ? ", " : "", count[i]);
    }
    printf("]}\n");
}

/* Is nothing under way in this state? */
static bool state_rests(enum RcachePageState state)
{
    return state != RCACHE_ZAPPING && state != RCACHE_EVICTING &&
           state != RCACHE_PUNCHING && state != RCACHE_FETCHING &&
           state != RCACHE_FILLING && state != RCACHE_DISCARDING;
}

static void print_states(const Vmm *v)
{
    uint64_t count[RCACHE_STATE_MASK + 1] = { 0 }, under_way = 0;

    for (uint64_t p = 0; p < v->config.pages; p++) {
        uint64_t word = __atomic_load_n(&v->words[p], __ATOMIC_ACQUIRE);
        enum RcachePageState state = word & RCACHE_STATE_MASK;

        count[state]++;
        /* A page that is clean keeps its slot (keep-clean). */
        under_way += !state_rests(state) ||
                     (state != RCACHE_REMOTE && !(word & RCACHE_CLEAN) &&
                      word >> RCACHE_SLOT_SHIFT);
    }
    printf("{\"under_way\": %lu, \"states\": [", under_way);
    for (unsigned i = 0; i <= RCACHE_STATE_MASK; i++) {
        printf("%s%lu", i ? ", " : "", count[i]);
    }
    printf("]}\n");
}

/* End the pager, leave a table as a killed one may have, take the next. */
static void run_attach_table(Vmm *v)
{
    unsigned made, attaches = v->attaches;

    v->detached = true;
    while (!v->alone) {
        usleep(1000);
    }
    made = vmm_attach_prepare(v);
    v->detached = false;
    while (v->attaches == attaches || !vmm_all_known(v)) {
        usleep(1000);
    }
    printf("{\"pages\": %u, \"wrong\": %u}\n", made, vmm_attach_check(v));
}

/* The pager that is there first, so that others come. */
static void run_kill_ready(Vmm *v, unsigned n, unsigned most_us)
{
    unsigned last = v->attaches + n;

    v->kill_delay_us = most_us;
    v->kills = n;
    v->detached = true;
    while (!v->alone) {
        usleep(1000);
    }
    v->detached = false;
    while (v->attaches <= last || !vmm_all_known(v)) {
        usleep(1000);
    }
    print_stats(v);
}

static void run_evict_early(Vmm *v, uint64_t bytes)
{
    v->detached = true;
    while (!v->alone) {
        usleep(1000);
    }
    v->detached = false;
    run_evict(v, RCACHE_EVICT_BYTES, bytes);
}

/* @hex: two digits a byte. */
static void run_say(Vmm *v, const char *hex)
{
    uint8_t bytes[sizeof(((Run *)0)->line) / 2];
    size_t n = 0;

    for (; n < sizeof(bytes) && sscanf(hex + 2 * n, "%2hhx", &bytes[n]) == 1;
         n++) {
    }
    vmm_say(v, bytes, n);
    print_stats(v);
}

static void run_crowd(Run *run, unsigned long more)
{
    VmmConfig *config = &run->vmm->config;

    while (more-- && config->threads < THREADS_MAX) {
        pthread_create(&run->guest[config->threads++], NULL, vmm_guest_thread,
                       run->vmm);
    }
    print_stats(run->vmm);
}

/* What the guest is to do; false: it is something else. */
static bool run_guest(Vmm *v, const char *line)
{
    if (!strcmp(line, "hold")) {
        vmm_guest_hold(v);
        print_stats(v);
    } else if (!strcmp(line, "stop")) {
        v->hold = true;
        print_stats(v);
    } else if (!strcmp(line, "go")) {
        vmm_guest_go(v);
        print_stats(v);
    } else if (!strcmp(line, "discard-all")) {
        printf("{\"pages\": %lu}\n", vmm_discard_each(v, 1));
    } else if (!strcmp(line, "discard-half")) {
        printf("{\"pages\": %lu}\n", vmm_discard_each(v, 2));
    } else {
        return false;
    }
    return true;
}

static void run_command(Run *run, const char *line)
{
    unsigned long a = 0, b = 0;
    int n;

    if (g_str_has_prefix(line, "say ")) {
        run_say(run->vmm, line + strlen("say "));
    } else if (sscanf(line, "evict %lu", &a) == 1) {
        run_evict(run->vmm, RCACHE_EVICT_BYTES, a);
    } else if (sscanf(line, "evict-to %lu", &a) == 1) {
        run_evict(run->vmm, RCACHE_EVICT_TARGET, a);
    } else if ((n = sscanf(line, "resize %lu %lu", &a, &b)) >= 1) {
        run_resize(run->vmm, a, b, n);
    } else if (sscanf(line, "copies %lu", &a) == 1) {
        run_copies(run->vmm, a);
    } else if (sscanf(line, "scribble %lu %lu", &a, &b) == 2) {
        vmm_scribble(run->vmm, a, b);
        print_stats(run->vmm);
    } else if (sscanf(line, "crowd %lu", &a) == 1) {
        run_crowd(run, a);
    } else if (sscanf(line, "kill-ready %lu %lu", &a, &b) == 2) {
        run_kill_ready(run->vmm, a, b);
    } else if (sscanf(line, "evict-early %lu", &a) == 1) {
        run_evict_early(run->vmm, a);
    } else if (!strcmp(line, "unplug")) {
        vmm_guest_hold(run->vmm);
        vmm_unplug(run->vmm);
        print_stats(run->vmm);
    } else if (!strcmp(line, "plug")) {
        vmm_plug(run->vmm);
        print_stats(run->vmm);
    } else if (sscanf(line, "cancel-at %lu", &a) == 1) {
        run->vmm->cancel_at = a;
        printf("{\"status\": 0}\n");
    } else if (!strcmp(line, "forgive")) {
        printf("{\"pages\": %lu}\n", vmm_guest_forgive(run->vmm));
    } else if (!strcmp(line, "least")) {
        print_least(run);
    } else if (!strcmp(line, "stats")) {
        print_stats(run->vmm);
    } else if (!strcmp(line, "states")) {
        print_states(run->vmm);
    } else if (!strcmp(line, "attach-table")) {
        run_attach_table(run->vmm);
    } else if (!strcmp(line, "quit")) {
        run->quit = true;
    } else if (!run_guest(run->vmm, line)) {
        printf("{\"status\": 1, \"text\": \"unknown command\"}\n");
    }
    fflush(stdout);
}

static void run_read_commands(Run *run, int wait_ms)
{
    struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
    ssize_t len;
    char *end;

    if (poll(&pfd, 1, wait_ms) != 1) {
        return;
    }
    len = read(STDIN_FILENO, run->line + run->line_len,
               sizeof(run->line) - 1 - run->line_len);
    if (len <= 0) {
        usleep(wait_ms * 1000);
        return;
    }
    run->line_len += len;
    run->line[run->line_len] = '\0';
    while ((end = strchr(run->line, '\n'))) {
        *end = '\0';
        run_command(run, run->line);
        run->line_len -= end + 1 - run->line;
        memmove(run->line, end + 1, run->line_len + 1);
    }
}

static bool run_is_over(Run *run, uint64_t began)
{
    uint64_t seconds = (vmm_now_ns() - began) / 1000000000;
    const Vmm *v = run->vmm;

    if (run->quit || v->refused[0] ||
        seconds >= (uint64_t)run->most_seconds) {
        return true;
    }
    if (seconds < (uint64_t)run->seconds) {
        return false;
    }
    /* Pages that are still untouched too: they would be touched meanwhile. */
    for (uint64_t p = 0; run->until_evicted && p < v->config.pages; p++) {
        if (v->evicted[p] < run->until_evicted) {
            return false;
        }
    }
    return true;
}

static unsigned least_evicted(const Vmm *v)
{
    unsigned least = UINT8_MAX;

    for (uint64_t p = 0; p < v->config.pages; p++) {
        if (v->version[p]) {
            least = MIN(least, v->evicted[p]);
        }
    }
    return least;
}

static void run_start_guest(Run *run)
{
    Vmm *v = run->vmm;

    for (unsigned i = 0; i < v->config.threads; i++) {
        pthread_create(&run->guest[i], NULL, vmm_guest_thread, v);
    }
    if (v->config.dma) {
        pthread_create(&run->dma, NULL, vmm_dma_thread, v);
    }
    if (v->config.intruder) {
        pthread_create(&run->intruder, NULL, vmm_intruder_thread, v);
    }
    pthread_create(&run->sampler, NULL, run_sample, run);
}

/* The service goes on: the threads may be waiting for pages. */
static void run_stop_guest(Run *run)
{
    Vmm *v = run->vmm;

    v->guest_stop = true;
    vmm_guest_go(v);
    for (unsigned i = 0; i < v->config.threads; i++) {
        pthread_join(run->guest[i], NULL);
    }
    if (v->config.dma) {
        pthread_join(run->dma, NULL);
    }
    if (v->config.intruder) {
        pthread_join(run->intruder, NULL);
    }
}

static void print_result(Run *run, uint64_t wrong)
{
    Vmm *v = run->vmm;

    printf("{\"mismatches\": %lu, \"wrong_at_end\": %lu, \"visits\": %lu, "
           "\"least_evicted\": %u, \"discards\": %lu, \"dmas\": %lu, "
           "\"intrusions\": %lu, \"attaches\": %u, \"lost_events\": %u, "
           "\"resident_max\": %lu, \"reported_max\": %lu, "
           "\"filled_alone_max\": %lu, "
           "\"longest_ms\": %.1f, \"seconds\": %.1f}\n",
           (uint64_t)v->mismatches, wrong, (uint64_t)v->visits,
           least_evicted(v), (uint64_t)v->discards, (uint64_t)v->dmas,
           (uint64_t)v->intrusions, (unsigned)v->attaches,
           (unsigned)v->lost_events, run->resident_max, run->reported_max,
           v->filled_alone_max,
           v->longest_ns / 1e6, (vmm_now_ns() - run->began) / 1e9);
}

static int run_all(Run *run)
{
    Vmm *v = run->vmm;
    uint64_t wrong;

    v->cancel_at = UINT64_MAX;
    pthread_create(&v->service, NULL, vmm_service, v);
    for (int i = 0; i < 200 && !v->attached && !v->refused[0]; i++) {
        usleep(50000);
    }
    if (v->refused[0]) {
        pthread_join(v->service, NULL);
        printf("{\"refused\": \"%s\"}\n", v->refused);
        return 3;
    }
    run_start_guest(run);
    run->began = vmm_now_ns();
    while (!run_is_over(run, run->began)) {
        run_read_commands(run, 100);
    }
    run_stop_guest(run);
    wrong = vmm_verify_all(v);
    run->sampled_enough = true;
    pthread_join(run->sampler, NULL);
    v->stop = true;
    pthread_join(v->service, NULL);
    usleep(run->linger_ms * 1000);
    print_result(run, wrong);
    return v->mismatches != 0;
}

static int run_vmm(Vmm *vmm, Run *run)
{
    g_autoptr(GError) error = NULL;
    int ret = 1;

    pthread_mutex_init(&vmm->lock, NULL);
    pthread_cond_init(&vmm->changed, NULL);
    pthread_mutex_init(&vmm->hold_lock, NULL);
    pthread_cond_init(&vmm->hold_ends, NULL);
    g_queue_init(&vmm->requests);
    vmm->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (vmm_memory_init(vmm, &error)) {
        ret = run_all(run);
    } else {
        fprintf(stderr, "fake-vmm: %s\n", error->message);
    }
    g_queue_clear_full(&vmm->requests, (GDestroyNotify)g_bytes_unref);
    vmm_memory_deinit(vmm);
    return ret;
}

int main(int argc, char **argv)
{
    CommandLine line = { .threads = 4, .seconds = 10, .write_percent = 50,
                         .most_seconds = 3600, .vm = 1 };
    g_autofree Vmm *vmm = g_new0(Vmm, 1);
    Run run = { .vmm = vmm };
    int ret = 2;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (command_line_parse(&line, argc, argv) &&
        config_fill(&vmm->config, &line)) {
        run.seconds = line.seconds;
        run.most_seconds = line.most_seconds;
        run.until_evicted = line.until;
        run.figures = line.figures;
        run.linger_ms = line.linger_ms;
        ret = run_vmm(vmm, &run);
    } else {
        fprintf(stderr, "fake-vmm: see --help\n");
    }
    command_line_clear(&line);
    return ret;
}
