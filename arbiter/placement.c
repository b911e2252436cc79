/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement: the choice of providers.  See placement.h.
 *
 * Steps: candidates (who may be asked at all), a sample of them, domains (a
 * copy for each, if there are several), order (a score each), and filling:
 * slab by slab to whoever holds the least of this VM, in units that bound the
 * work for a request of any size.
 */
#include "arbiter/placement.h"

#include <string.h>

#include "common/wire-control.h"

#define UNITS           256u    /* a request is handed out in so many */
#define BYTES_MAX       (1ull << 60)
#define STAY            4.0     /* how much better a host in use scores */
#define LOAD_HALF       64.0    /* leases that halve a host's score */

/* Why a host is not asked. */
typedef enum Bar {
    BAR_NONE,
    BAR_SELF,
    BAR_NOT_ALIVE,
    BAR_NOT_CONNECTED,
    BAR_LENDS_NOT,
    BAR_DRAINING,
    BAR_PRESSURE,
    BAR_FULL,
    BAR_AVOIDED,
    BAR_SAID_NO,
    BAR_MAX_
} Bar;

typedef struct Candidate {
    unsigned host;
    unsigned copy;              /* what its domain is used for */
    bool near;                  /* the requester's rack, with room enough */
    double score;
    uint64_t free;              /* whole slabs */
    uint64_t room;              /* of them, in this round */
    uint64_t given;
} Candidate;

/* What is fixed for one request. */
typedef struct Job {
    const PlacementConfig *config;
    const PlacementHost *hosts;
    const PlacementRequest *request;
    uint64_t bytes;             /* of each copy */
    uint64_t limit;             /* what the quota leaves, of each copy */
    unsigned copies;
    unsigned parts_max;         /* of each copy */
    unsigned domains;           /* with room; counted for several copies */
    bool quota_met;             /* no slab more of what it leaves */
    unsigned left_out;          /* with room, since no more may be named */
    uint64_t random;
} Job;

/* splitmix64: small, and any seed will do. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint64_t room_of(const PlacementHost *h)
{
    uint64_t free = MIN(h->free, BYTES_MAX);

    return h->slab ? free - free % h->slab : 0;
}

static Bar bar_of(const Job *job, unsigned i)
{
    const PlacementHost *h = &job->hosts[i];

    if (i == job->request->requester) {
        return BAR_SELF;
    }
    if (!h->alive) {
        return BAR_NOT_ALIVE;
    }
    if (!h->connected) {
        return BAR_NOT_CONNECTED;
    }
    if (!h->lends) {
        return BAR_LENDS_NOT;
    }
    if (h->draining) {
        return BAR_DRAINING;
    }
    if (h->psi_some > job->config->psi_some_max ||
        h->psi_full > job->config->psi_full_max) {
        return BAR_PRESSURE;
    }
    if (!room_of(h)) {
        return BAR_FULL;
    }
    if (h->avoided) {
        return BAR_AVOIDED;
    }
    return h->said_no ? BAR_SAID_NO : BAR_NONE;
}

/* ------------------------------------------------------------------ order */

/*
 * The room that fair shares leave, but one slab in any case: a VM's first
 * slab is no unfair one.
 */
static uint64_t fair_room(const Job *job, const Candidate *c)
{
    const PlacementHost *h = &job->hosts[c->host];
    uint64_t offered = MIN(h->offered, BYTES_MAX);
    uint64_t share = job->config->share;
    uint64_t fair = offered / 100 * share + offered % 100 * share / 100;
    uint64_t room = fair > h->vm_bytes ? fair - h->vm_bytes : 0;

    room = MIN(room - room % h->slab, c->free);
    return room || h->vm_bytes ? room : h->slab;
}

/* What each of its providers gets, of as many as there may be. */
static uint64_t share_of(const Job *job)
{
    return MAX(job->bytes / MAX(MIN(job->config->spread, job->parts_max), 1),
               1);
}

/*
 * What is left there after its share of the request, as a part of what it
 * offers; where nothing would be, how much of the share it has; less where
 * memory is tight or many are served; more where the VM is already.  A little
 * chance keeps equals from being taken in the order of the table.
 */
static double score_of(Job *job, const Candidate *c)
{
    const PlacementHost *h = &job->hosts[c->host];
    uint64_t share = share_of(job);
    double left = c->room >= share ? (double)(c->free - share) : 0;
    double score = 0.05 * MIN(c->room, share) / share +
                   left / MAX(h->offered, c->free);
    double chance = next_random(&job->random) % 1024 / 1024.0;

    score /= 1 + h->psi_some / 500.0 + h->psi_full / 100.0;
    score /= 1 + h->leases / LOAD_HALF;
    score *= 0.95 + 0.1 * chance;
    return h->vm_bytes ? score * STAY : score;
}

static void judge(Job *job, Candidate *c, bool fair)
{
    uint64_t share = share_of(job);

    c->given = 0;
    c->room = fair ? fair_room(job, c) : c->free;
    c->near = job->request->domain && c->room >= share &&
              job->hosts[c->host].domain == job->request->domain;
    c->score = score_of(job, c);
}

static int compare_scores(const void *a, const void *b)
{
    const Candidate *left = a, *right = b;

    if (left->copy != right->copy) {
        return left->copy < right->copy ? -1 : 1;
    }
    if (left->near != right->near) {
        return left->near ? -1 : 1;
    }
    return (left->score < right->score) - (left->score > right->score);
}

static int compare_rooms(const void *a, const void *b)
{
    const Candidate *left = a, *right = b;

    if (left->copy != right->copy) {
        return left->copy < right->copy ? -1 : 1;
    }
    return (left->room < right->room) - (left->room > right->room);
}

static void swap(Candidate *a, Candidate *b)
{
    Candidate c = *a;

    *a = *b;
    *b = c;
}

/*
 * So many of the candidates to the front, at random; those in use come as
 * well, and as many of the requester's rack.
 */
static unsigned take_sample(Job *job, Candidate *all, unsigned nr_all)
{
    unsigned n = job->config->sample, near = n;

    for (unsigned i = 0; i < n; i++) {
        swap(&all[i], &all[i + next_random(&job->random) % (nr_all - i)]);
    }
    for (unsigned i = n; i < nr_all; i++) {
        const PlacementHost *h = &job->hosts[all[i].host];
        bool is_near = h->domain && h->domain == job->request->domain;

        if (h->vm_bytes || (is_near && near)) {
            near -= !h->vm_bytes;
            swap(&all[n++], &all[i]);
        }
    }
    return n;
}

/* ---------------------------------------------------------------- domains */

typedef struct Domain {
    uint32_t number;            /* or 0, and then only one host's */
    uint64_t room;
    unsigned copy;
    unsigned first, n;          /* candidates */
} Domain;

static int compare_domains(const void *a, const void *b)
{
    const Domain *left = a, *right = b;

    return (left->room < right->room) - (left->room > right->room);
}

static int compare_numbers(const void *a, const void *b, void *hosts)
{
    const PlacementHost *h = hosts;
    uint32_t left = h[((const Candidate *)a)->host].domain;
    uint32_t right = h[((const Candidate *)b)->host].domain;

    return (left > right) - (left < right);
}

/*
 * Each domain is used for one copy: the largest first, to the copy that has
 * the least room so far.
 */
static void assign_domains(Job *job, Candidate *c, unsigned n)
{
    g_autofree Domain *domain = g_new0(Domain, n + 1);
    uint64_t room[PLACEMENT_COPIES_MAX] = { 0 };
    unsigned nr = 0;

    g_qsort_with_data(c, n, sizeof(*c), compare_numbers,
                      (void *)job->hosts);
    for (unsigned i = 0; i < n; i++) {
        uint32_t number = job->hosts[c[i].host].domain;

        if (!nr || !number || domain[nr - 1].number != number) {
            domain[nr++] = (Domain) { .number = number, .first = i };
        }
        domain[nr - 1].n++;
        domain[nr - 1].room = MIN(domain[nr - 1].room + c[i].room,
                                  BYTES_MAX);
    }
    qsort(domain, nr, sizeof(*domain), compare_domains);
    for (unsigned i = 0; i < nr; i++) {
        unsigned least = 0;

        for (unsigned j = 1; j < job->copies; j++) {
            least = room[j] < room[least] ? j : least;
        }
        room[least] = MIN(room[least] + domain[i].room, BYTES_MAX);
        for (unsigned j = 0; j < domain[i].n; j++) {
            c[domain[i].first + j].copy = least;
        }
    }
    job->domains = nr;
}

/* ---------------------------------------------------------------- filling */

/* How many of the best to use: .spread, or more until they have room. */
static unsigned providers_needed(const Job *job, const Candidate *c,
                                 unsigned n, uint64_t bytes)
{
    uint64_t room = 0;
    unsigned k = 0;

    while (k < MIN(n, job->parts_max) &&
           (k < job->config->spread || room < bytes)) {
        room += c[k++].room;
    }
    return k;
}

static uint64_t round_up(uint64_t bytes, uint64_t slab)
{
    return (bytes + slab - 1) / slab * slab;
}

/* Who has least of the VM and still has room, or NULL. */
static Candidate *least_of(const Job *job, Candidate *c, unsigned k)
{
    uint64_t least_have = 0;
    Candidate *least = NULL;

    for (unsigned i = 0; i < k; i++) {
        uint64_t have = MIN(job->hosts[c[i].host].vm_bytes, BYTES_MAX) +
                        c[i].given;

        if (c[i].given < c[i].room && (!least || have < least_have)) {
            least = &c[i];
            least_have = have;
        }
    }
    return least;
}

/* To whoever has least of the VM, until it is enough or nobody has room. */
static uint64_t fill(Job *job, Candidate *c, unsigned k,
                     uint64_t bytes)
{
    uint64_t total = 0;
    Candidate *least;

    while (total < bytes && (least = least_of(job, c, k))) {
        uint64_t slab = job->hosts[least->host].slab;
        uint64_t left = job->limit - total;
        uint64_t give = round_up(MAX(bytes / UNITS, 1), slab);

        give = MIN(give, round_up(bytes - total, slab));
        give = MIN(give, least->room - least->given);
        give = MIN(give, left - left % slab);
        if (!give) {
            least->room = least->given;
            job->quota_met = true;
        }
        least->given += give;
        total += give;
    }
    return total;
}

/* One copy, of the @n candidates for it, sorted. */
static uint64_t fill_copy(Job *job, Candidate *c, unsigned n,
                          uint64_t bytes, Placement *out)
{
    unsigned k = providers_needed(job, c, n, bytes);
    uint64_t total;

    for (unsigned i = 0; i < n; i++) {
        c[i].given = 0;
    }
    total = fill(job, c, k, bytes);
    job->left_out = MAX(job->left_out, total < bytes ? n - k : 0);
    for (unsigned i = 0; i < k; i++) {
        if (c[i].given) {
            out->part[out->nr_parts++] = (PlacementPart) {
                .host = c[i].host, .copy = c[i].copy, .bytes = c[i].given,
            };
        }
    }
    return total;
}

/* All copies, of so many bytes each; returns the smallest. */
static uint64_t fill_copies(Job *job, Candidate *c, unsigned n,
                            uint64_t bytes, Placement *out)
{
    uint64_t least = UINT64_MAX;
    unsigned first = 0;

    out->nr_parts = 0;
    job->left_out = 0;
    for (unsigned copy = 0; copy < job->copies; copy++) {
        unsigned end = first;
        uint64_t total;

        while (end < n && c[end].copy == copy) {
            end++;
        }
        total = fill_copy(job, c + first, end - first, bytes, out);
        least = MIN(least, total);
        first = end;
    }
    return least;
}

/* Choose among the first @n candidates. */
static void choose(Job *job, Candidate *c, unsigned n, bool fair,
                   Placement *out)
{
    for (unsigned i = 0; i < n; i++) {
        judge(job, &c[i], fair);
    }
    if (job->copies > 1) {
        assign_domains(job, c, n);
    }
    qsort(c, n, sizeof(*c), compare_scores);
    out->bytes = fill_copies(job, c, n, job->bytes, out);
    if (job->left_out && !job->quota_met) {
        /* The best have too little, and no more may be named: the largest. */
        qsort(c, n, sizeof(*c), compare_rooms);
        out->bytes = fill_copies(job, c, n, job->bytes, out);
    }
    if (job->copies > 1 && out->bytes < job->bytes) {
        /* A copy that the others lack is of no use. */
        out->bytes = fill_copies(job, c, n, out->bytes, out);
    }
}

/* ---------------------------------------------------------------- reasons */

/* Of the hosts that were not asked for all of it, how many and why. */
static void explain_hosts(const unsigned bars[BAR_MAX_], GString *text,
                          const char *comma)
{
    static const char *const words[] = {
        [BAR_SELF] = "the requester itself",
        [BAR_NOT_ALIVE] = "not alive",
        [BAR_NOT_CONNECTED] = "not connected",
        [BAR_LENDS_NOT] = "not lending",
        [BAR_DRAINING] = "draining",
        [BAR_PRESSURE] = "under memory pressure",
        [BAR_FULL] = "full",
        [BAR_AVOIDED] = "slow or out of reach",
        [BAR_SAID_NO] = "refused",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(words) == BAR_MAX_);
    for (unsigned i = BAR_NONE + 1; i < BAR_MAX_; i++) {
        if (bars[i]) {
            g_string_append_printf(text, "%s%u %s", comma, bars[i], words[i]);
            comma = ", ";
        }
    }
}

static void explain(const Job *job, const unsigned bars[BAR_MAX_],
                    Placement *out)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t asked = job->request->bytes;

    if (job->config->quota &&
        (out->bytes >= job->bytes || job->quota_met)) {
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " of %"
                               G_GUINT64_FORMAT " MiB is what the quota "
                               "leaves: its owner has %" G_GUINT64_FORMAT
                               " of %" G_GUINT64_FORMAT " MiB already",
                               out->bytes >> 20, asked >> 20,
                               job->request->owner_bytes >> 20,
                               job->config->quota >> 20);
    } else if (job->copies > 1 && job->domains < job->copies) {
        g_string_append_printf(text, "%u copies need as many failure domains, "
                               "but only %u with room %s there",
                               job->copies, job->domains,
                               job->domains == 1 ? "is" : "are");
        explain_hosts(bars, text, ": of the others ");
    } else if (out->bytes && job->left_out) {
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " of %"
                               G_GUINT64_FORMAT " MiB is what %u hosts have, "
                               "and no more are named at a time: %u others "
                               "have room, ask again", out->bytes >> 20,
                               asked >> 20, out->nr_parts, job->left_out);
    } else if (out->bytes) {
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " of %"
                               G_GUINT64_FORMAT " MiB is all that providers "
                               "have",
                               out->bytes >> 20, asked >> 20);
        explain_hosts(bars, text, ": of the others ");
    } else {
        g_string_append(text, "no host has room");
        explain_hosts(bars, text, ": ");
    }
    wire_text_copy(out->text, sizeof(out->text), text->str);
}

/* ------------------------------------------------------------------ rounds */

static void job_init(Job *job, const PlacementConfig *config,
                     const PlacementHost *hosts,
                     const PlacementRequest *request, uint64_t seed)
{
    unsigned copies = CLAMP(request->copies, 1, PLACEMENT_COPIES_MAX);
    unsigned parts = request->parts_max ? MIN(request->parts_max,
                                              WIRE_GRANTS_MAX)
                                        : WIRE_GRANTS_MAX;
    uint64_t left = config->quota > request->owner_bytes
                        ? config->quota - request->owner_bytes : 0;

    *job = (Job) {
        .config = config, .hosts = hosts, .request = request,
        .copies = copies, .parts_max = parts / copies,
        .limit = config->quota ? left / copies : UINT64_MAX,
        .random = seed,
    };
    job->bytes = MIN(MIN(request->bytes, BYTES_MAX), job->limit);
}

void placement_choose(const PlacementConfig *config,
                      const PlacementHost *hosts, unsigned n,
                      const PlacementRequest *request, uint64_t seed,
                      Placement *out)
{
    g_autofree Candidate *c = g_new(Candidate, n + 1);
    unsigned bars[BAR_MAX_] = { 0 };
    unsigned nr = 0, sample;
    Job job;

    memset(out, 0, sizeof(*out));
    job_init(&job, config, hosts, request, seed);
    for (unsigned i = 0; i < n; i++) {
        Bar bar = bar_of(&job, i);

        bars[bar]++;
        if (bar == BAR_NONE) {
            c[nr++] = (Candidate) { .host = i, .free = room_of(&hosts[i]) };
        }
    }
    sample = nr > config->sample ? take_sample(&job, c, nr) : nr;
    choose(&job, c, sample, true, out);
    if (out->bytes < job.bytes && sample < nr) {
        choose(&job, c, nr, true, out);
    }
    if (request->few && out->bytes < request->bytes) {
        memset(out, 0, sizeof(*out));
        return;
    }
    if (out->bytes < job.bytes) {
        choose(&job, c, nr, false, out);
    }
    if (out->bytes < request->bytes) {
        explain(&job, bars, out);
    }
}
