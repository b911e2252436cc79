/* SPDX-License-Identifier: GPL-2.0-or-later */
/* farewell: how a pager ends.  See farewell.h. */
#include "rcached/pager/farewell.h"

#include "common/wire-control.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

/* ---------------------------------------------------------------- states */

static void enter(Farewell *f, FarewellState state, uint64_t now)
{
    if (f->state != state) {
        f->state = state;
        f->since = now;
    }
}

void farewell_begin(Farewell *f, uint64_t now)
{
    f->began = now;
    enter(f, FAREWELL_DOUBT, now);
}

static bool is_wanted(const Farewell *f)
{
    return f->wanted_at && f->wanted_at + FAREWELL_WANTED_NS >= f->began;
}

static FarewellState after_doubt(Farewell *f, const FarewellSeen *seen,
                                 uint64_t now)
{
    if (!seen->alone && !seen->waits) {
        f->alone_since = 0;
    } else if (!f->alone_since) {
        f->alone_since = now;
    }
    if (seen->dead || seen->bye) {
        return FAREWELL_RELEASING;
    }
    if (is_wanted(f) ||
        (seen->home && now - f->since >= FAREWELL_HOME_NS) ||
        (f->alone_since && now - f->alone_since >= FAREWELL_ALONE_NS)) {
        return FAREWELL_OVER;
    }
    return FAREWELL_DOUBT;
}

static FarewellState after_releasing(const Farewell *f,
                                     const FarewellSeen *seen, uint64_t now)
{
    uint64_t most = seen->dead ? FAREWELL_RELEASING_NS
                    : seen->reached ? FAREWELL_BYE_NS : FAREWELL_LAST_NS;

    if (!seen->held || now - f->since >= most ||
        (is_wanted(f) &&
         now >= MAX(f->wanted_at, f->since) + FAREWELL_LAST_NS)) {
        return FAREWELL_OVER;
    }
    return FAREWELL_RELEASING;
}

FarewellState farewell_look(Farewell *f, const FarewellSeen *seen,
                            uint64_t now)
{
    f->dead = seen->dead;
    switch (f->state) {
    case FAREWELL_DOUBT:
        enter(f, after_doubt(f, seen, now), now);
        break;
    case FAREWELL_RELEASING:
        enter(f, after_releasing(f, seen, now), now);
        break;
    case FAREWELL_NOT_YET:
    case FAREWELL_OVER:
        break;
    }
    return f->state;
}

bool farewell_leaves(const Farewell *f)
{
    return f->state == FAREWELL_RELEASING && f->dead;
}

/* ---------------------------------------------------------------- leases */

/* Only a connection that has claimed a lease may release it. */
static void ask(Pager *p, Lease *l)
{
    if (l->claimed[1]) {
        lease_release(p, l);
    } else {
        lease_claim(p, l);
    }
}

void farewell_release(Pager *p, uint64_t now)
{
    Lease *l;

    /* Answers that came while there was a doubt have not been heard. */
    LEASES_FOREACH(l, &p->leases) {
        l->releasing = false;
        l->retry_at = 0;
    }
    farewell_tick(p, now);
}

void farewell_tick(Pager *p, uint64_t now)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->state == REMOTE_UP && !l->releasing &&
            (l->claimed[1] || now >= l->retry_at)) {
            ask(p, l);
        }
    }
}

void farewell_remote_up(Pager *p, const Remote *remote)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote == remote && p->farewell.state == FAREWELL_RELEASING) {
            ask(p, l);
        }
    }
}

static void claim_answered(Pager *p, Lease *l, uint16_t status)
{
    if (!status && !l->claimed[1]) {
        l->claimed[1] = true;
        lease_release(p, l);
    } else if (lease_refusal_is_loss(l, status)) {
        lease_drop(p, l);
    }
}

/*
 * A provider that refuses a RELEASE may do so because this session has not
 * claimed the lease, or because there is none: a CLAIM finds out.
 */
static void release_answered(Pager *p, Lease *l, uint16_t status)
{
    if (!status) {
        lease_drop(p, l);
        return;
    }
    l->releasing = l->claimed[0] = l->claimed[1] = false;
    l->retry_at = 0;            /* with the next tick: not in a circle */
}

void farewell_answer(Pager *p, Remote *remote, bool bulk,
                     const WireHead *head)
{
    Lease *l = leases_at(&p->leases, tag_decode(head->tag).index);

    if (p->farewell.state != FAREWELL_RELEASING || !l || !bulk ||
        l->remote != remote || l->known.id != head->lease) {
        return;
    }
    if (head->type == RCACHE_CLAIM_ACK && !l->releasing) {
        claim_answered(p, l, head->status);
    } else if (head->type == RCACHE_RELEASE_ACK && l->releasing) {
        release_answered(p, l, head->status);
    }
}

/* Why a provider has not said that its leases are gone. */
static const char *what_is_wrong(const Remote *r)
{
    return r->state == REMOTE_UP ? "it has not answered"
           : *r->why ? r->why : "it could not be reached";
}

/* Of leases that are left. */
static const char *what_becomes(const Pager *p)
{
    return !p->vmm.gone ? "that is done when its process has ended, if it has "
                          "no other remote-cache object until then"
           : is_wanted(&p->farewell) ? "another process goes on with that"
           : "the memory stays lent there until the provider's orphan time "
             "ends (orphan-time)";
}

void farewell_tell(const Pager *p)
{
    bool lost = p->vmm.gone && !is_wanted(&p->farewell);

    for (guint i = 0; i < p->providers.remotes->len; i++) {
        const Remote *r = p->providers.remotes->pdata[i];
        unsigned n = 0;
        const Lease *l;

        LEASES_FOREACH(l, &p->leases) {
            n += l->remote == r;
        }
        if (n) {
            g_log(G_LOG_DOMAIN, lost ? G_LOG_LEVEL_WARNING
                                     : G_LOG_LEVEL_MESSAGE,
                  "vm %s: %u lease%s at provider %s could not be given back "
                  "(%s): %s", p->name, n, n == 1 ? "" : "s", r->host,
                  what_is_wrong(r), what_becomes(p));
        }
    }
}
