/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement: the choice of providers.  See placement.h.
 *
 * Three steps: candidates (who may be asked at all), order (a score each),
 * and filling (slab by slab to whoever holds the least of this VM, in units
 * that bound the work for a request of any size).
 */
#include "arbiter/placement.h"

#include <string.h>

#define UNITS           256u    /* a request is handed out in so many */
#define BYTES_MAX       (1ull << 60)
#define STAY            4.0     /* how much better a host in use scores */

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
    BAR_MAX_
} Bar;

typedef struct Candidate {
    unsigned host;
    double score;
    uint64_t room;              /* whole slabs */
    uint64_t given;
} Candidate;

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

static Bar bar_of(const PlacementConfig *config, const PlacementHost *h,
                  const PlacementRequest *request)
{
    if (!strcmp(h->name, request->requester)) {
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
    if (h->psi_some > config->psi_some_max ||
        h->psi_full > config->psi_full_max) {
        return BAR_PRESSURE;
    }
    return room_of(h) ? BAR_NONE : BAR_FULL;
}

/*
 * What is left there after its share of the request, as a part of what it
 * offers; where nothing would be, how much of the share it has; less where
 * memory is tight; more where the VM is already.  A little chance keeps
 * equals from being taken in the order of the table.
 */
static double score_of(const PlacementConfig *config, const PlacementHost *h,
                       uint64_t bytes, uint64_t *random)
{
    uint64_t room = room_of(h), share = MAX(bytes / config->spread, 1);
    double left = room > share ? (double)(room - share) : 0;
    double score = 0.05 * MIN(room, share) / share +
                   left / MAX(h->offered, room);
    double chance = next_random(random) % 1024 / 1024.0;

    score /= 1 + h->psi_some / 500.0 + h->psi_full / 100.0;
    score *= 0.95 + 0.1 * chance;
    return h->vm_bytes ? score * STAY : score;
}

static int compare_scores(const void *a, const void *b)
{
    const Candidate *left = a, *right = b;

    return (left->score < right->score) - (left->score > right->score);
}

/* @n of the candidates to the front, at random; those in use come as well. */
static unsigned take_sample(Candidate *all, unsigned nr_all, unsigned n,
                            const PlacementHost *hosts, uint64_t *random)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned j = i + next_random(random) % (nr_all - i);
        Candidate c = all[i];

        all[i] = all[j];
        all[j] = c;
    }
    for (unsigned i = n; i < nr_all; i++) {
        if (hosts[all[i].host].vm_bytes) {
            Candidate c = all[n];

            all[n++] = all[i];
            all[i] = c;
        }
    }
    return n;
}

/* How many of the best to use: .spread, or more until they have room. */
static unsigned providers_needed(const PlacementConfig *config,
                                 const Candidate *c, unsigned n,
                                 uint64_t bytes)
{
    uint64_t room = 0;
    unsigned k = 0;

    while (k < MIN(n, WIRE_GRANTS_MAX) &&
           (k < config->spread || room < bytes)) {
        room += c[k++].room;
    }
    return k;
}

static uint64_t round_up(uint64_t bytes, uint64_t slab)
{
    return (bytes + slab - 1) / slab * slab;
}

/* To whoever has least of the VM, until it is enough or nobody has room. */
static uint64_t fill(Candidate *c, unsigned k, const PlacementHost *hosts,
                     uint64_t bytes)
{
    uint64_t total = 0;

    while (total < bytes) {
        Candidate *least = NULL;
        uint64_t have, least_have = 0, slab, give;

        for (unsigned i = 0; i < k; i++) {
            have = MIN(hosts[c[i].host].vm_bytes, BYTES_MAX) + c[i].given;
            if (c[i].given < c[i].room && (!least || have < least_have)) {
                least = &c[i];
                least_have = have;
            }
        }
        if (!least) {
            break;
        }
        slab = hosts[least->host].slab;
        give = round_up(MAX(bytes / UNITS, 1), slab);
        give = MIN(give, round_up(bytes - total, slab));
        give = MIN(give, least->room - least->given);
        least->given += give;
        total += give;
    }
    return total;
}

/* Choose among the first @n candidates. */
static void choose(const PlacementConfig *config, const PlacementHost *hosts,
                   Candidate *c, unsigned n, uint64_t bytes,
                   uint64_t *random, Placement *out)
{
    unsigned k;

    for (unsigned i = 0; i < n; i++) {
        c[i].score = score_of(config, &hosts[c[i].host], bytes, random);
        c[i].given = 0;
    }
    qsort(c, n, sizeof(*c), compare_scores);
    k = providers_needed(config, c, n, bytes);
    out->bytes = fill(c, k, hosts, bytes);
    out->nr_parts = 0;
    for (unsigned i = 0; i < k; i++) {
        if (c[i].given) {
            out->part[out->nr_parts++] = (PlacementPart) {
                .host = c[i].host, .bytes = c[i].given,
            };
        }
    }
}

/* Of the hosts that were not asked for all of it, how many and why. */
static void explain(const unsigned bars[BAR_MAX_], uint64_t asked,
                    Placement *out)
{
    static const char *const words[] = {
        [BAR_SELF] = "the requester itself",
        [BAR_NOT_ALIVE] = "not alive",
        [BAR_NOT_CONNECTED] = "not connected",
        [BAR_LENDS_NOT] = "not lending",
        [BAR_DRAINING] = "draining",
        [BAR_PRESSURE] = "under memory pressure",
        [BAR_FULL] = "full",
    };
    g_autoptr(GString) text = g_string_new(NULL);
    const char *comma = ": of the others ";

    G_STATIC_ASSERT(G_N_ELEMENTS(words) == BAR_MAX_);
    if (out->bytes) {
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " of %"
                               G_GUINT64_FORMAT " MiB is all there is",
                               out->bytes >> 20, asked >> 20);
    } else {
        g_string_append(text, "no host has room");
        comma = ": ";
    }
    for (unsigned i = BAR_NONE + 1; i < BAR_MAX_; i++) {
        if (bars[i]) {
            g_string_append_printf(text, "%s%u %s", comma, bars[i], words[i]);
            comma = ", ";
        }
    }
    wire_text_copy(out->text, sizeof(out->text), text->str);
}

void placement_choose(const PlacementConfig *config,
                      const PlacementHost *hosts, unsigned n,
                      const PlacementRequest *request, uint64_t seed,
                      Placement *out)
{
    g_autofree Candidate *c = g_new(Candidate, n + 1);
    uint64_t bytes = MIN(request->bytes, BYTES_MAX);
    unsigned bars[BAR_MAX_] = { 0 };
    unsigned nr = 0, sample;

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < n; i++) {
        Bar bar = bar_of(config, &hosts[i], request);

        bars[bar]++;
        if (bar == BAR_NONE) {
            c[nr++] = (Candidate) { .host = i, .room = room_of(&hosts[i]) };
        }
    }
    sample = nr > config->sample
                 ? take_sample(c, nr, config->sample, hosts, &seed) : nr;
    choose(config, hosts, c, sample, bytes, &seed, out);
    if (out->bytes < bytes && sample < nr) {
        choose(config, hosts, c, nr, bytes, &seed, out);
    }
    if (out->bytes < request->bytes) {
        explain(bars, request->bytes, out);
    }
}
