/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-health: what becomes of a provider that judge.c finds slow.
 *
 * New pages and new leases go elsewhere while that can be had (lease.c,
 * revoke.c), and what is there leaves one slab at a time: its lease cedes one,
 * which is then left as if the provider had asked for it, and the next follows
 * when that is done, but no more than moves_per_minute.
 *
 * One that has other bytes than were sent (location.c), or returns others, gets
 * none for a minute while others have room, and what is free there is asked for
 * elsewhere; so it is for one that refuses all that is put there.  No slab is
 * copied or moved there either.
 *
 * One that no pages get through to (passage.h), or that does not answer, gets
 * no new ones while others have room, however it answers PINGs; probe.c finds
 * out when it is well again.
 *
 * A bad provider is better than none: if an arbiter has nothing when the slow
 * ones, and those, are left out, nothing is ceded for a while, they are asked
 * too, and what is free there is made use of.
 */
#include "common/log-event.h"
#include "rcached/pager/pager.h"

#define REFUSED_NS      (60 * NS_PER_SEC)
/* Suspect, and nothing is left there to try it with. */
#define FORGIVE_NS      (60 * NS_PER_SEC)

static void health_log(const Pager *p, const Remote *r, uint64_t others)
{
    if (r->judge.slow) {
        log_event_provider(G_LOG_LEVEL_WARNING, LOG_PROVIDER_SLOW, p->name,
                           r->host, "vm %s: provider %s is slow: its answers "
                           "take %.1f ms, those of others %.1f ms; other "
                           "providers are preferred", p->name, r->host,
                           r->judge.median / 1e6, others / 1e6);
    } else {
        g_message("vm %s: provider %s is not slow any more: its answers take "
                  "%.1f ms", p->name, r->host, r->judge.median / 1e6);
    }
}

static void health_judge(Pager *p, uint64_t now)
{
    g_autoptr(GPtrArray) up = g_ptr_array_new();
    g_autofree Judge **judges = g_new0(Judge *, p->providers.remotes->len + 1);
    g_autofree bool *changed = g_new0(bool, p->providers.remotes->len + 1);

    for (guint i = 0; i < p->providers.remotes->len; i++) {
        Remote *r = p->providers.remotes->pdata[i];

        if (r->state == REMOTE_UP && !r->own) {
            judges[up->len] = &r->judge;
            g_ptr_array_add(up, r);
        }
    }
    if (!judge_turn(judges, up->len, now, changed)) {
        return;
    }
    for (guint i = 0; i < up->len; i++) {
        if (changed[i]) {
            health_log(p, up->pdata[i], judge_others(judges, up->len, i));
        }
    }
}

static bool has_lease_of(const Pager *p, const Remote *r)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote == r) {
            return true;
        }
    }
    return false;
}

/* Those that no pages get through to: they say so once. */
static void health_passages(Pager *p, uint64_t now)
{
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        Remote *r = p->providers.remotes->pdata[i];

        if (passage_turn(&r->passage, now)) {
            log_event_provider(
                G_LOG_LEVEL_WARNING, LOG_PROVIDER_NO_PAGES, p->name, r->host,
                "vm %s: provider %s answers PINGs but no pages have come "
                "through for %u s: new pages go to other providers, and a "
                "test page is tried from time to time", p->name, r->host,
                (unsigned)((now - r->passage.since) / NS_PER_SEC));
        }
        if (passage_is_suspect(&r->passage) && !has_lease_of(p, r) &&
            now > r->passage.since + FORGIVE_NS) {
            passage_forget(&r->passage);
        }
    }
}

/* Can a slab of @l be asked to leave? */
static bool lease_can_cede(const Lease *l)
{
    return l->remote->judge.slow && lease_ready(l) && l->nr_slabs &&
           l->remote->features & RCACHE_FEATURE_MOVE && !l->releasing &&
           !l->lost && !l->sweep && l->keep >= l->nr_slabs;
}

static void health_cede(Pager *p, uint64_t now)
{
    Lease *next = NULL, *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->own) {
            continue;           /* own-disk.c */
        }
        l->ceding = l->ceding && l->remote->judge.slow &&
                    l->nr_slabs > l->cede_to;
        if (l->ceding) {
            return;             /* one at a time */
        }
        if (!next && lease_can_cede(l)) {
            next = l;
        }
    }
    if (next && p->health.moves_per_minute && now >= p->health.cede_at &&
        !revoke_pending(p)) {
        next->ceding = true;
        next->cede_to = next->nr_slabs - 1;
        p->health.cede_at = now + 60 * NS_PER_SEC / p->health.moves_per_minute;
    }
}

void health_tick(Pager *p, uint64_t now)
{
    health_passages(p, now);
    probe_tick(p, now);
    if (now >= p->health.judge_at) {
        p->health.judge_at = now + p->health.window;
        health_judge(p, now);
    }
    health_cede(p, now);
}

void health_refused(Pager *p, uint64_t now)
{
    bool any = false;
    Lease *l;

    for (guint i = 0; i < p->providers.remotes->len; i++) {
        const Remote *r = p->providers.remotes->pdata[i];

        any |= r->judge.slow || health_shuns(&p->health, r, now);
    }
    if (!any) {
        return;
    }
    p->health.bad_taken_until = p->health.cede_at = now + REFUSED_NS;
    LEASES_FOREACH(l, &p->leases) {
        l->ceding &= l->remote->own;
    }
}
