/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement: the choice of providers.  See placement.h.
 *
 * Steps: candidates (who may be asked at all), a sample of them, order (a
 * score each), and filling (placement-fill.h): slab by slab to whoever holds
 * the least of this VM, in units that bound the work for a request of any
 * size.
 */
#include "arbiter/placement.h"

#include <string.h>

#include "arbiter/placement-fill.h"
#include "common/wire-control.h"

#define BYTES_MAX       PLACEMENT_BYTES_MAX
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
    BAR_OTHER_SLABS,
    BAR_MAX_
} Bar;

/* What is fixed for one request. */
typedef struct Job {
    const PlacementConfig *config;
    const PlacementHost *hosts;
    unsigned nr_hosts;
    const PlacementRequest *request;
    uint64_t bytes;             /* of each copy */
    uint64_t limit;             /* of all of them, by the quota */
    unsigned copies;
    unsigned parts_max;         /* of all copies */
    bool balance;
    bool quota_met;             /* no slab more of what it leaves */
    unsigned left_out;          /* with room, since no more may be named */
    unsigned hosts_with_room;
    uint64_t random;
} Job;

/* How strict a round is. */
typedef struct Round {
    bool fair;                  /* within fair shares */
    bool balanced;              /* with what the VM leases already */
    bool apart;                 /* from hosts that are avoided */
    bool by_host;               /* each host is a failure domain */
    bool alone;                 /* one copy, since there are no two */
} Round;

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
    unsigned parts = job->parts_max / job->copies;

    return MAX(job->bytes / MAX(MIN(job->config->spread, parts), 1), 1);
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

/* A host without a label, or where no label counts, is one of its own. */
static uint64_t domain_key(const Job *job, unsigned host, bool by_host)
{
    uint32_t domain = by_host ? 0 : job->hosts[host].domain;

    return domain ? domain : (1ull << 32 | host);
}

static void judge(Job *job, Candidate *c, const Round *round)
{
    const PlacementHost *h = &job->hosts[c->host];
    uint64_t share = share_of(job);

    c->domain = domain_key(job, c->host, round->by_host);
    c->room = round->apart && h->beside ? 0
              : round->fair ? fair_room(job, c) : c->free;
    c->near = job->request->domain && c->room >= share &&
              h->domain == job->request->domain;
    c->score = score_of(job, c);
}

static int compare_scores(const void *a, const void *b)
{
    const Candidate *left = a, *right = b;

    if (left->near != right->near) {
        return left->near ? -1 : 1;
    }
    return (left->score < right->score) - (left->score > right->score);
}

static int compare_rooms(const void *a, const void *b)
{
    const Candidate *left = a, *right = b;

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

/* ------------------------------------------------------------------ choice */

/* What each domain has of the VM, as far as it is there to stay. */
static uint64_t had_fill(const Job *job, bool by_host, GArray *had)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < job->nr_hosts; i++) {
        const PlacementHost *h = &job->hosts[i];
        uint64_t bytes = MIN(h->vm_bytes, BYTES_MAX);
        FillDomain new = { .key = domain_key(job, i, by_host),
                           .given = bytes };
        guint at = 0;

        if (!bytes || !h->alive || h->draining) {
            continue;
        }
        while (at < had->len &&
               g_array_index(had, FillDomain, at).key != new.key) {
            at++;
        }
        if (at < had->len) {
            new.given += g_array_index(had, FillDomain, at).given;
            new.given = MIN(new.given, BYTES_MAX);
            g_array_index(had, FillDomain, at) = new;
        } else {
            g_array_append_val(had, new);
        }
        sum = MIN(sum + bytes, BYTES_MAX);
    }
    return sum;
}

/* Fill, and keep it if it is more than there was. */
static void fill_better(Job *job, Fill *f, Candidate *c, unsigned n,
                        bool alone, Placement *out)
{
    Placement next = *out;
    uint64_t bytes = fill(f, c, n, &next);

    job->quota_met |= f->quota_met;
    job->left_out = f->left_out;
    if (bytes > (alone ? out->alone : out->bytes)) {
        *(alone ? &next.alone : &next.bytes) = bytes;
        *out = next;
    }
}

/* Choose among the first @n candidates. */
static void choose(Job *job, Candidate *c, unsigned n, Round round,
                   Placement *out)
{
    g_autoptr(GArray) had = g_array_new(FALSE, FALSE, sizeof(FillDomain));
    Fill f = {
        .copies = round.alone ? 1 : job->copies,
        .spread = job->config->spread, .parts_max = job->parts_max,
        .bytes = job->bytes, .limit = job->limit,
        .balanced = round.balanced,
    };

    if (round.balanced) {
        f.had_sum = had_fill(job, round.by_host, had);
        f.had = (const FillDomain *)(const void *)had->data;
        f.nr_had = had->len;
    }
    for (unsigned i = 0; i < n; i++) {
        judge(job, &c[i], &round);
    }
    qsort(c, n, sizeof(*c), compare_scores);
    fill_better(job, &f, c, n, round.alone, out);
    if (job->left_out && !job->quota_met) {
        /* The best have too little, and no more may be named: the largest. */
        qsort(c, n, sizeof(*c), compare_rooms);
        fill_better(job, &f, c, n, round.alone, out);
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
        [BAR_OTHER_SLABS] = "lending slabs of another size",
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
    } else if (job->copies > 1 && job->hosts_with_room == 1) {
        g_string_append_printf(text, "%u copies need as many hosts, and 1 "
                               "with room is there%s", job->copies,
                               out->alone ? ", which lends room for one copy"
                                          : "");
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
                     const PlacementHost *hosts, unsigned n,
                     const PlacementRequest *request, uint64_t seed)
{
    unsigned copies = CLAMP(request->copies, 1, PLACEMENT_COPIES_MAX);
    unsigned parts = request->parts_max ? MIN(request->parts_max,
                                              WIRE_GRANTS_MAX)
                                        : WIRE_GRANTS_MAX;
    uint64_t left = config->quota > request->owner_bytes
                        ? config->quota - request->owner_bytes : 0;

    *job = (Job) {
        .config = config, .hosts = hosts, .nr_hosts = n, .request = request,
        .copies = copies, .parts_max = parts,
        .limit = config->quota ? left : UINT64_MAX,
        .balance = copies > 1 || request->balance != PLACEMENT_NO_BALANCE,
        .random = seed,
    };
    job->bytes = MIN(MIN(request->bytes, BYTES_MAX), job->limit / copies);
}

/*
 * Partners have to be of one size: that of what the VM has, or the one that
 * most room comes in.
 */
static uint64_t slab_of_pairs(const Candidate *c, unsigned n)
{
    uint64_t slab = 0, lead = 0;

    for (unsigned i = 0; i < n; i++) {
        if (c[i].have) {
            return c[i].slab;
        }
        if (c[i].slab == slab) {
            lead = MIN(lead + c[i].free, BYTES_MAX);
        } else if (c[i].free > lead) {
            slab = c[i].slab;
            lead = c[i].free - lead;
        } else {
            lead -= c[i].free;
        }
    }
    return slab;
}

/* Return: how many are left. */
static unsigned keep_pairs(Candidate *c, unsigned n, unsigned *dropped)
{
    uint64_t slab = slab_of_pairs(c, n);
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (c[i].slab == slab) {
            c[kept++] = c[i];
        }
    }
    *dropped = n - kept;
    return kept;
}

static unsigned find_candidates(const Job *job, Candidate *c,
                                unsigned bars[BAR_MAX_])
{
    unsigned nr = 0;

    for (unsigned i = 0; i < job->nr_hosts; i++) {
        const PlacementHost *h = &job->hosts[i];
        Bar bar = bar_of(job, i);

        bars[bar]++;
        if (bar == BAR_NONE) {
            c[nr++] = (Candidate) {
                .host = i, .slab = h->slab, .have = h->vm_bytes,
                .free = room_of(h),
            };
        }
    }
    return job->copies > 1 ? keep_pairs(c, nr, &bars[BAR_OTHER_SLABS]) : nr;
}

/*
 * What may be lent for one copy.  A VM that wants two does not count what it
 * leases at one host beyond what all others lend to it, and asks for it again
 * and again; but that can hold one copy, of all that may be away at most.
 */
static uint64_t bytes_alone(const Job *job)
{
    g_autoptr(GArray) had = g_array_new(FALSE, FALSE, sizeof(FillDomain));
    uint64_t sum = had_fill(job, true, had), most = 0, alone, size;

    for (guint i = 0; i < had->len; i++) {
        most = MAX(most, g_array_index(had, FillDomain, i).given);
    }
    alone = most > sum - most ? most - (sum - most) : 0;
    size = job->request->size ? job->request->size : job->bytes;
    return size > alone ? MIN(job->bytes, size - alone) : 0;
}

/* From the strictest round to the least strict, until it is enough. */
static void choose_of_all(Job *job, Candidate *c, unsigned n, Placement *out)
{
    bool only = job->request->balance == PLACEMENT_ONLY_BALANCE;
    Round round = { .balanced = job->balance, .apart = true };

    round.fair = true;
    choose(job, c, n, round, out);
    round.fair = false;
    if (out->bytes < job->bytes) {
        choose(job, c, n, round, out);
    }
    if (job->balance && !only && out->bytes < job->bytes) {
        round.balanced = false;
        choose(job, c, n, round, out);
    }
    if (job->balance && !only && out->bytes < job->bytes) {
        round.apart = false;
        choose(job, c, n, round, out);
    }
    if (job->copies > 1 && !out->bytes) {
        round.by_host = true;
        choose(job, c, n, round, out);
    }
    if (job->copies > 1 && !out->bytes && !job->quota_met) {
        round.alone = true;
        job->bytes = bytes_alone(job);
        choose(job, c, n, round, out);
    }
}

void placement_choose(const PlacementConfig *config,
                      const PlacementHost *hosts, unsigned n,
                      const PlacementRequest *request, uint64_t seed,
                      Placement *out)
{
    g_autofree Candidate *c = g_new(Candidate, n + 1);
    unsigned bars[BAR_MAX_] = { 0 };
    unsigned nr;
    Round strict;
    Job job;

    memset(out, 0, sizeof(*out));
    job_init(&job, config, hosts, n, request, seed);
    strict = (Round) { .fair = true, .apart = true,
                       .balanced = job.balance };
    nr = job.hosts_with_room = find_candidates(&job, c, bars);
    if (nr > config->sample) {
        choose(&job, c, take_sample(&job, c, nr), strict, out);
    }
    if (request->few) {
        if (nr <= config->sample || out->bytes < job.bytes) {
            choose(&job, c, nr, strict, out);
        }
        if (out->bytes < request->bytes) {
            memset(out, 0, sizeof(*out));
        }
        return;
    }
    if (nr <= config->sample || out->bytes < job.bytes) {
        choose_of_all(&job, c, nr, out);
    }
    if (out->bytes < request->bytes) {
        explain(&job, bars, out);
    }
}
