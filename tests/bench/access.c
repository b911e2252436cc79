/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access: see access.h.
 *
 * Zipf is drawn as Gray and others have it ("Quickly generating billion-record
 * synthetic databases", 1994): no table that would stand in a cache beside the
 * guest's pages.  Which page has which rank is scattered over the memory.
 */
#include "tests/bench/access.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/measure.h"
#include "tests/fakes/oracle.h"

#define THETA           0.99
#define LATE_S          60u
#define SUB_BITS        4u
#define STACK           (256u << 10)
#define PACE_NS         100000u         /* not worth a sleep */

typedef struct Worker {
    const AccessPlan *plan;
    const AccessMemory *memory;
    _Atomic uint64_t *position;
    unsigned number;
    uint64_t begin, counts_from, end;   /* ns */
    AccessResult result;
    uint32_t bucket[ACCESS_BUCKETS];
} Worker;

/* -------------------------------------------------------------- the order */

static const char *const names[] = {
    [ACCESS_UNIFORM] = "uniform", [ACCESS_ZIPF] = "zipf",
    [ACCESS_SEQUENTIAL] = "sequential", [ACCESS_STRIDED] = "strided",
    [ACCESS_INTERLEAVED] = "interleaved",
};

bool access_parse(AccessPlan *plan, const char *line)
{
    char name[32];

    plan->pace = 0;
    if (sscanf(line, "access %31s %u %u %u %u %lu %u", name, &plan->threads,
               &plan->write_percent, &plan->warm_ms, &plan->ms,
               &plan->seed, &plan->pace) < 6) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(name, names[i])) {
            plan->pattern = i;
            return plan->threads && plan->threads <= ACCESS_THREADS_MAX &&
                   plan->write_percent <= 100 &&
                   (plan->threads == 1 || (!plan->write_percent &&
                                           !access_is_known(plan)));
        }
    }
    return false;
}

static uint64_t order_random(AccessOrder *o)
{
    o->random ^= o->random << 13;
    o->random ^= o->random >> 7;
    o->random ^= o->random << 17;
    return o->random;
}

void access_order_init(AccessOrder *o, const AccessPlan *plan,
                       unsigned thread)
{
    double n = plan->pages, zeta_2 = 1 + pow(0.5, THETA);

    *o = (AccessOrder) {
        .plan = plan,
        .random = (plan->seed + 1) * 0x9e3779b97f4a7c15ull + thread * 2 + 1,
        .alpha = 1 / (1 - THETA), .half = zeta_2,
    };
    if (plan->pattern == ACCESS_ZIPF) {
        for (uint64_t i = plan->pages; i; i--) {
            o->zeta_n += pow(1.0 / i, THETA);
        }
        o->eta = (1 - pow(2 / n, 1 - THETA)) / (1 - zeta_2 / o->zeta_n);
    }
    for (unsigned i = 0; i < 16; i++) {
        order_random(o);        /* seeds that are alike are far apart now */
    }
}

static uint64_t order_zipf(AccessOrder *o)
{
    double u = (order_random(o) >> 11) * 0x1p-53, uz = u * o->zeta_n;
    uint64_t rank;

    if (uz < 1) {
        rank = 0;
    } else if (uz < o->half) {
        rank = 1;
    } else {
        rank = o->plan->pages * pow(o->eta * u - o->eta + 1, o->alpha);
    }
    rank = rank < o->plan->pages ? rank : o->plan->pages - 1;
    return measure_scatter(rank, o->plan->pages);
}

uint64_t access_ranked(const AccessPlan *plan, uint64_t rank)
{
    return measure_scatter(rank, plan->pages);
}

uint64_t access_at(const AccessPlan *plan, uint64_t position)
{
    uint64_t n = plan->pages, part = n / ACCESS_CURSORS, turn;

    switch (plan->pattern) {
    case ACCESS_STRIDED:
        turn = position / (n / ACCESS_STRIDE);
        return position % (n / ACCESS_STRIDE) * ACCESS_STRIDE +
               turn % ACCESS_STRIDE;
    case ACCESS_INTERLEAVED:
        return position % ACCESS_CURSORS * part +
               position / ACCESS_CURSORS % part;
    default:
        return position % n;
    }
}

uint64_t access_next(AccessOrder *o, bool *write)
{
    uint64_t position = o->position++, percent = o->plan->write_percent;

    *write = percent && (percent >= 100 || order_random(o) % 100 < percent);
    switch (o->plan->pattern) {
    case ACCESS_UNIFORM:
        return order_random(o) % o->plan->pages;
    case ACCESS_ZIPF:
        return order_zipf(o);
    default:
        return access_at(o->plan, position);
    }
}

/* ------------------------------------------------------------- the visits */

static uint64_t *page_words(const AccessMemory *m, uint64_t page)
{
    return (uint64_t *)(m->ram + page * MEASURE_PAGE);
}

static void page_dirty(const AccessMemory *m, uint64_t page)
{
    if (m->dirty) {
        m->dirty[page] = 1;
    }
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    ns = ns < 1ull << SUB_BITS ? 1ull << SUB_BITS : ns;
    shift = 63 - __builtin_clzll(ns) - SUB_BITS;
    return shift << SUB_BITS | (ns >> shift & ((1u << SUB_BITS) - 1));
}

static uint64_t bucket_ns(unsigned bucket)
{
    uint64_t sub = (bucket & ((1u << SUB_BITS) - 1)) | 1u << SUB_BITS;

    /* Its middle. */
    return (2 * sub + 1) << (bucket >> SUB_BITS) >> 1;
}

/* One visit; returns when it was over. */
static uint64_t worker_visit(Worker *w, AccessOrder *order)
{
    const AccessMemory *m = w->memory;
    bool write, away;
    uint64_t page = access_next(order, &write), start, came, end;
    uint64_t *words = page_words(m, page);
    bool right;

    away = m->away && m->away(m->opaque, page);
    start = measure_now();
    (void)*(volatile uint64_t *)words;
    came = measure_now();
    right = oracle_is_right(words, page, m->version[page]);
    if (write) {
        page_dirty(m, page);
        oracle_stamp(words, page, ++m->version[page]);
        page_dirty(m, page);
    }
    end = measure_now();
    w->result.wrong += !right;
    if (end < w->counts_from) {
        w->result.warm_visits++;
    } else if (end < w->end) {
        w->result.visits++;
        w->result.away += away;
        w->result.writes += write;
        w->bucket[bucket_of(came - start)]++;
        if (came - start > w->result.max_ns) {
            w->result.max_ns = came - start;
        }
    }
    return end;
}

/* Sleep until visit @position is due; who is late makes up for it. */
static void worker_pace(const Worker *w, uint64_t position, uint64_t now)
{
    uint64_t due = w->begin + position * 1000000000ull / w->plan->pace;

    if (due > now + PACE_NS) {
        usleep((due - now) / 1000);
    }
}

static void *worker_run(void *opaque)
{
    Worker *w = opaque;
    bool counts = w->number || !w->memory->counts;
    AccessOrder order;
    uint64_t now;

    access_order_init(&order, w->plan, w->number);
    while ((now = worker_visit(w, &order)) < w->end) {
        if (!counts && now >= w->counts_from) {
            counts = true;
            w->memory->counts(w->memory->opaque);
        }
        if (w->plan->pace) {
            worker_pace(w, order.position, now);
        }
        if (w->position) {
            atomic_store_explicit(w->position, order.position,
                                  memory_order_relaxed);
        }
    }
    return NULL;
}

static uint64_t quantile(const Worker *workers, unsigned n, double q)
{
    uint64_t total = 0, below = 0;

    for (unsigned i = 0; i < n; i++) {
        total += workers[i].result.visits;
    }
    for (unsigned b = 0; total && b < ACCESS_BUCKETS; b++) {
        for (unsigned i = 0; i < n; i++) {
            below += workers[i].bucket[b];
        }
        if (below > (total - 1) * q) {
            return bucket_ns(b);
        }
    }
    return 0;
}

static void result_add(AccessResult *sum, const AccessResult *one)
{
    sum->warm_visits += one->warm_visits;
    sum->visits += one->visits;
    sum->wrong += one->wrong;
    sum->away += one->away;
    sum->writes += one->writes;
    sum->max_ns = sum->max_ns > one->max_ns ? sum->max_ns : one->max_ns;
}

void access_run(const AccessPlan *plan, const AccessMemory *memory,
                _Atomic uint64_t *position, AccessResult *result)
{
    Worker *workers = calloc(plan->threads, sizeof(*workers));
    uint64_t begin = measure_now();
    pthread_t thread[ACCESS_THREADS_MAX];
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    alarm((plan->warm_ms + plan->ms) / 1000 + LATE_S);
    for (unsigned i = 0; i < plan->threads; i++) {
        workers[i] = (Worker) {
            .plan = plan, .memory = memory, .number = i,
            .position = i ? NULL : position, .begin = begin,
            .counts_from = begin + plan->warm_ms * 1000000ull,
            .end = begin + (plan->warm_ms + plan->ms) * 1000000ull,
        };
        if (pthread_create(&thread[i], &attr, worker_run, &workers[i])) {
            measure_die("pthread_create");
        }
    }
    *result = (AccessResult) { 0 };
    for (unsigned i = 0; i < plan->threads; i++) {
        pthread_join(thread[i], NULL);
        result_add(result, &workers[i].result);
    }
    alarm(0);
    result->p50_ns = quantile(workers, plan->threads, 0.5);
    result->p99_ns = quantile(workers, plan->threads, 0.99);
    pthread_attr_destroy(&attr);
    free(workers);
}

void access_fill(const AccessMemory *memory, uint64_t pages)
{
    for (uint64_t page = 0; page < pages; page++) {
        oracle_stamp(page_words(memory, page), page, 1);
        memory->version[page] = 1;
    }
}

void access_report(const AccessResult *r, const char *more)
{
    printf("{\"warm_visits\": %lu, \"visits\": %lu, \"wrong\": %lu, "
           "\"away\": %lu, \"writes\": %lu, \"p50_ns\": %lu, "
           "\"p99_ns\": %lu, \"max_ns\": %lu%s}\n", r->warm_visits,
           r->visits, r->wrong, r->away, r->writes, r->p50_ns, r->p99_ns,
           r->max_ns, more);
    fflush(stdout);
}
