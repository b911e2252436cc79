/* SPDX-License-Identifier: GPL-2.0-or-later */
/* placement-fill: slab by slab to hosts.  See placement-fill.h. */
#include "arbiter/placement-fill.h"

#include <glib.h>

#define UNITS           256u    /* a request is handed out in so many */

static uint64_t round_up(uint64_t bytes, uint64_t slab)
{
    return (bytes + slab - 1) / slab * slab;
}

/* ---------------------------------------------------------------- choosing */

/* What a domain may get, so that its slabs find partners elsewhere. */
static uint64_t most_of(const Fill *f, uint64_t key, uint64_t slab)
{
    uint64_t most = f->copies > 1 ? round_up(f->bytes, slab) : UINT64_MAX;
    uint64_t half = (f->had_sum + f->bytes * f->copies) / 2, had = 0;

    if (!f->balanced) {
        return most;
    }
    for (unsigned i = 0; i < f->nr_had; i++) {
        had = f->had[i].key == key ? f->had[i].given : had;
    }
    return MIN(most, half > had ? round_up(half - had, slab) : 0);
}

static FillDomain *domain_find(Fill *f, uint64_t key)
{
    for (unsigned i = 0; i < f->nr_domains; i++) {
        if (f->domain[i].key == key) {
            return &f->domain[i];
        }
    }
    return NULL;
}

/* What the chosen of a domain can give that is of use. */
static uint64_t domain_useful(const FillDomain *d)
{
    return MIN(d->room, d->most);
}

static void choose(Fill *f, Candidate *c, FillDomain *d, uint64_t most)
{
    if (!d) {
        d = &f->domain[f->nr_domains++];
        *d = (FillDomain) { .key = c->domain, .most = most };
    }
    c->at = d - f->domain;
    d->room = MIN(d->room + c->room, PLACEMENT_BYTES_MAX);
    d->hosts++;
}

static void swap(Candidate *a, Candidate *b)
{
    Candidate c = *a;

    *a = *b;
    *b = c;
}

/*
 * The best to the front: .spread for each copy, or more until they have room.
 * Who adds nothing, since its domain has enough already, is passed over.
 */
static unsigned choose_hosts(Fill *f, Candidate *c, unsigned n)
{
    uint64_t useful = 0, wanted = f->bytes * f->copies;
    unsigned k = 0;

    f->nr_domains = 0;
    f->left_out = 0;
    for (unsigned i = 0; i < n; i++) {
        FillDomain *d = domain_find(f, c[i].domain);
        uint64_t most = d ? d->most
                          : most_of(f, c[i].domain, c[i].slab);

        if (k >= f->spread * f->copies && useful >= wanted) {
            break;
        }
        if (!most || !c[i].room ||
            (d && d->room >= most && d->hosts >= f->spread)) {
            continue;
        }
        if (k == f->parts_max) {
            f->left_out = useful < wanted ? n - i : 0;
            break;
        }
        useful -= d ? domain_useful(d) : 0;
        choose(f, &c[i], d, most);
        useful += domain_useful(&f->domain[c[i].at]);
        swap(&c[k++], &c[i]);
    }
    return k;
}

/* ---------------------------------------------------------------- filling */

/*
 * What each of two copies can have: half of it all, and no more than what is
 * outside of the largest domain.
 */
static uint64_t bytes_of_pairs(Fill *f, uint64_t slab)
{
    uint64_t bytes = round_up(f->bytes, slab), each = f->limit / f->copies;
    uint64_t sum = 0, largest = 0;

    for (unsigned i = 0; i < f->nr_domains; i++) {
        uint64_t useful = domain_useful(&f->domain[i]);

        sum += useful;
        largest = MAX(largest, useful);
    }
    if (each < bytes) {
        bytes = each - each % slab;
        f->quota_met |= bytes < f->bytes;
    }
    sum = MIN(sum / f->copies, sum - largest);
    return MIN(bytes, sum - sum % slab);
}

/* Who has least of the VM and still has room, or NULL. */
static Candidate *least_of(Candidate *c, unsigned k)
{
    uint64_t least_have = 0;
    Candidate *least = NULL;

    for (unsigned i = 0; i < k; i++) {
        uint64_t have = MIN(c[i].have, PLACEMENT_BYTES_MAX) + c[i].given;

        if (c[i].given < c[i].room && (!least || have < least_have)) {
            least = &c[i];
            least_have = have;
        }
    }
    return least;
}

/* To whoever has least of the VM, until it is enough or nobody has room. */
static uint64_t hand_out(Fill *f, Candidate *c, unsigned k, uint64_t wanted)
{
    uint64_t total = 0;
    Candidate *least;

    while (total < wanted && (least = least_of(c, k))) {
        FillDomain *d = &f->domain[least->at];
        uint64_t slab = least->slab, left = f->limit - total;
        uint64_t give = round_up(MAX(wanted / UNITS, 1), slab);

        give = MIN(give, round_up(wanted - total, slab));
        give = MIN(give, least->room - least->given);
        give = MIN(give, d->most - d->given);
        give -= give % slab;
        f->quota_met |= give && left < slab;
        give = MIN(give, left - left % slab);
        if (!give) {
            least->room = least->given;
        }
        least->given += give;
        d->given += give;
        total += give;
    }
    return total;
}

uint64_t fill(Fill *f, Candidate *c, unsigned n, Placement *out)
{
    unsigned k = choose_hosts(f, c, n);
    uint64_t bytes = f->bytes, total;

    for (unsigned i = 0; i < n; i++) {
        c[i].given = 0;
    }
    if (f->copies > 1 && k) {
        bytes = bytes_of_pairs(f, c[0].slab);
        for (unsigned i = 0; i < f->nr_domains; i++) {
            f->domain[i].most = MIN(f->domain[i].most, bytes);
        }
    }
    total = hand_out(f, c, k, bytes * f->copies);
    out->nr_parts = 0;
    for (unsigned i = 0; i < k; i++) {
        if (c[i].given) {
            out->part[out->nr_parts++] = (PlacementPart) {
                .host = c[i].host, .bytes = c[i].given,
            };
        }
    }
    return total / f->copies;
}
