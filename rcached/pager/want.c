/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * want: how much memory of other hosts is asked for, and what is given back
 * because nobody needs it.
 */
#include "rcached/pager/pager.h"

/* Asked for at a time: a provider makes the slabs before it answers. */
#define WANT_STEP_PAGES 65536u          /* 256 MiB; but a VM has room for no */
#define WANT_STEPS      32u             /* more leases than RCACHE_NR_LEASES */
#define WANT_ANSWER_NS  (15 * NS_PER_SEC)

static uint64_t leased_pages(const Pager *p)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        const Lease *l = p->leases[i];

        pages += l && !l->releasing && !l->lost ? leave_keeps(p, l) : 0;
    }
    return pages;
}

/* What is needed: size, and room for slots whose FREE is on its way. */
static uint64_t wanted_pages(const Pager *p)
{
    return p->size ? p->size + p->size / 64 + 1024 : 0;
}

static bool claims_pending(const Pager *p)
{
    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        const Lease *l = p->leases[i];

        if (l && !l->shared->slab_pages) {
            return true;
        }
    }
    return false;
}

bool lease_is_coming(const Pager *p)
{
    bool coming = p->want_tag || claims_pending(p);

    for (unsigned i = 0; i < RCACHE_NR_LEASES && !coming; i++) {
        const Lease *l = p->leases[i];

        coming = l && !lease_ready(l) && !l->lost && !l->releasing;
    }
    return coming;
}

static void lease_want(Pager *p, uint64_t now)
{
    uint64_t have = leased_pages(p), want = wanted_pages(p);
    uint64_t lacking = leave_lacking(p);

    if (!lacking) {
        lacking = want > have ? want - have : 0;
    }
    if (!p->managing || now < p->want_at || !lacking || claims_pending(p)) {
        return;
    }
    lacking = MIN(lacking, MAX(WANT_STEP_PAGES, want / WANT_STEPS));
    p->want_at = now + WANT_ANSWER_NS;
    uplink_want(p, lacking * RCACHE_PAGE_SIZE);
}

/* A lease nobody needs: empty, and the rest is enough without it. */
static void lease_release_spare(Pager *p)
{
    uint64_t have = leased_pages(p), want = wanted_pages(p);

    for (unsigned i = 0; i < RCACHE_NR_LEASES && have > want &&
         !leave_pending(p); i++) {
        Lease *l = p->leases[i];
        uint64_t pages;

        if (!l || l->releasing || l->sweep || !lease_ready(l) ||
            l->to_free->len || slots_used_in(&p->slots, i)) {
            continue;
        }
        pages = leave_keeps(p, l);
        if (have - pages >= want) {
            WireHead head = { .type = RCACHE_RELEASE,
                              .tag = TAG_RELEASE | l->index,
                              .lease = l->shared->id,
                              .epoch = l->shared->epoch };

            l->releasing = true;
            conn_send(&l->remote->bulk, &head, NULL, NULL, 0);
            have -= pages;
        }
    }
}

void want_tick(Pager *p, uint64_t now)
{
    lease_want(p, now);
    lease_release_spare(p);
}
