/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter-load: hosts for one real arbiter, over loopback, as many as there
 * are descriptors for.
 *
 * Each host has its turn in every period and sends its heartbeat then,
 * whatever has become of the last one; requests come at a fixed rate, from
 * hosts at random, and each counts from when it was due, so that an arbiter
 * which is slow for a while does not hide what it made others wait.  Lines on
 * its standard input command it and each is answered by a line of JSON:
 *
 *     join          when all hosts are connected
 *     run SECONDS   what happened in so many
 *     state         how many hosts are connected
 *     quit
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/load.h"
#include "tests/bench/measure.h"

#define EVENTS          256
#define RETRY_SCAN_NS   5000000u
#define CONNECTS        64u     /* at once, between looking at sockets */

typedef struct Clock {
    uint64_t started_ns;
    uint64_t beats;             /* turns given since then */
    uint64_t next_ask_ns;       /* 0: none are made */
    uint64_t next_scan_ns;
    unsigned scanned;           /* hosts of the scan in hand */
} Clock;

/* --------------------------------------------------------------- the loop */

/* The beats that are due, a few at a time: answers must not wait for them. */
static void give_beats(Load *load, Clock *clock, uint64_t now)
{
    uint64_t due = (now - clock->started_ns) * load->hosts / load->period_ns;

    for (unsigned n = 0; clock->beats < due && n < 4; n++) {
        uint64_t at = clock->beats * load->period_ns / load->hosts;
        uint64_t late = now - clock->started_ns - at;
        LoadHost *h = &load->host[measure_scatter(clock->beats % load->hosts,
                                                  load->hosts)];

        clock->beats++;
        if (h->state == LOAD_UP) {
            load->late_ns = MAX(load->late_ns, late);
            load_host_beat(load, h);
        }
    }
}

static void make_asks(Load *load, Clock *clock, uint64_t now)
{
    while (clock->next_ask_ns && now >= clock->next_ask_ns) {
        LoadHost *h = &load->host[g_random_int_range(0, load->hosts)];

        if (h->state == LOAD_UP) {
            load_host_ask(load, h, clock->next_ask_ns);
        }
        clock->next_ask_ns += load->ask_ns;
    }
}

static void connect_again(Load *load, Clock *clock, uint64_t now)
{
    unsigned n = 0;

    if (!load->down || now < clock->next_scan_ns) {
        return;
    }
    while (clock->scanned < load->hosts && n < CONNECTS) {
        LoadHost *h = &load->host[clock->scanned++];

        if (h->state == LOAD_DOWN && now >= h->due_ns) {
            load_host_connect(load, h);
            n++;
        }
    }
    if (clock->scanned == load->hosts) {
        clock->scanned = 0;
        clock->next_scan_ns = now + RETRY_SCAN_NS;
    }
}

/* Until the next beat or request is due; no longer than a millisecond. */
static struct timespec until_next(const Load *load, const Clock *clock,
                                  uint64_t now)
{
    uint64_t next = clock->started_ns +
                    (clock->beats + 1) * load->period_ns / load->hosts;
    struct timespec left = { 0 };

    next = MIN(next, now + 1000000);
    if (clock->next_ask_ns) {
        next = MIN(next, clock->next_ask_ns);
    }
    if (!clock->scanned && next > now) {
        left.tv_nsec = next - now;
    }
    return left;
}

static void turn(Load *load, Clock *clock)
{
    struct epoll_event event[EVENTS];
    uint64_t now = measure_now();
    struct timespec left = until_next(load, clock, now);
    int n = epoll_pwait2(load->epoll, event, EVENTS, &left, NULL);

    for (int i = 0; i < n; i++) {
        if (event[i].data.ptr) {
            load_host_event(load, event[i].data.ptr, event[i].events);
        }
    }
    now = measure_now();
    make_asks(load, clock, now);
    give_beats(load, clock, now);
    connect_again(load, clock, now);
}

/* --------------------------------------------------------------- commands */

static void forget_figures(Load *load)
{
    load->beats = load->blocked = load->asked = load->answered = 0;
    load->refused = load->partial = load->grants = load->late_ns = 0;
    load->tags += load->sent_ns->len;
    g_array_set_size(load->took_ns, 0);
    g_array_set_size(load->sent_ns, 0);
}

static void do_join(Load *load, Clock *clock)
{
    uint64_t start = measure_now();

    while (load->up < load->hosts) {
        turn(load, clock);
    }
    printf("{\"hosts\": %u, \"seconds\": %.3f}\n", load->up,
           (measure_now() - start) / 1e9);
}

static void print_run(const Load *load, double seconds)
{
    uint64_t *took = (uint64_t *)(void *)load->took_ns->data;
    size_t n = load->took_ns->len;

    measure_sort(took, n);
    printf("{\"seconds\": %.3f, \"beats\": %" G_GUINT64_FORMAT
           ", \"blocked\": %" G_GUINT64_FORMAT ", \"late_ms\": %.3f"
           ", \"asked\": %" G_GUINT64_FORMAT ", \"answered\": %"
           G_GUINT64_FORMAT ", \"refused\": %" G_GUINT64_FORMAT
           ", \"partial\": %" G_GUINT64_FORMAT ", \"grants\": %"
           G_GUINT64_FORMAT ", \"p50_ns\": %" G_GUINT64_FORMAT
           ", \"p99_ns\": %" G_GUINT64_FORMAT ", \"max_ns\": %"
           G_GUINT64_FORMAT "}\n", seconds, load->beats, load->blocked,
           load->late_ns / 1e6, load->asked, load->answered, load->refused,
           load->partial, load->grants, measure_at(took, n, 0.5),
           measure_at(took, n, 0.99), measure_at(took, n, 1));
}

/* And a moment more, for answers that are on their way. */
static void do_run(Load *load, Clock *clock, double seconds)
{
    uint64_t start = measure_now(), now;
    uint64_t end = start + (uint64_t)(seconds * 1e9);

    forget_figures(load);
    clock->next_ask_ns = load->ask_ns ? start + load->ask_ns : 0;
    while ((now = measure_now()) < end) {
        turn(load, clock);
    }
    clock->next_ask_ns = 0;
    seconds = (now - start) / 1e9;
    while (load->answered < load->asked && measure_now() < end + 5000000000) {
        turn(load, clock);
    }
    print_run(load, seconds);
}

/* Return: false if it was the last one. */
static bool command(Load *load, Clock *clock)
{
    char line[64];
    double seconds;

    if (!fgets(line, sizeof(line), stdin)) {
        return false;
    }
    g_strchomp(line);
    if (!strcmp(line, "join")) {
        do_join(load, clock);
    } else if (sscanf(line, "run %lf", &seconds) == 1) {
        do_run(load, clock, seconds);
    } else if (!strcmp(line, "state")) {
        printf("{\"hosts\": %u}\n", load->up);
    } else {
        return false;
    }
    fflush(stdout);
    return true;
}

/* ------------------------------------------------------------------ start */

static void options(Load *load, int argc, char **argv)
{
    long period_ms = measure_option(argc, argv, "period-ms", 1000);
    long asks = measure_option(argc, argv, "asks", 0);

    *load = (Load) {
        .port = measure_option(argc, argv, "port", 9471),
        .hosts = measure_option(argc, argv, "hosts", 10000),
        .guests = measure_option(argc, argv, "guests", 20),
        .leases = measure_option(argc, argv, "leases", 20),
        .bare = measure_option(argc, argv, "bare", 0),
        .period_ns = (uint64_t)period_ms * 1000000,
        .ask_ns = asks ? 1000000000u / asks : 0,
    };
    if (!load->hosts || !load->guests || !load->leases || period_ms <= 0) {
        errno = EINVAL;
        measure_die("arbiter-load");
    }
}

int main(int argc, char **argv)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    struct rlimit limit;
    Clock clock = { 0 };
    Load load;

    options(&load, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    setvbuf(stdin, NULL, _IONBF, 0);
    measure_pin(measure_option(argc, argv, "cpu", -1));
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.took_ns = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    load.sent_ns = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    load.host = g_new0(LoadHost, load.hosts);
    for (unsigned i = 0; i < load.hosts; i++) {
        load_host_init(&load, &load.host[i], i);
    }
    clock.started_ns = measure_now();
    printf("{\"pid\": %d}\n", getpid());
    fflush(stdout);
    do {
        turn(&load, &clock);
    } while (poll(&in, 1, 0) <= 0 || command(&load, &clock));
    return 0;
}
