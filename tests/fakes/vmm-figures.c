/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmm-figures: what the pager tells of itself, kept and printed. */
#include <string.h>

#include "tests/fakes/vmm.h"

void vmm_figures_take(Vmm *v, const struct RcacheVmmHdr *hdr)
{
    pthread_mutex_lock(&v->lock);
    switch (hdr->type) {
    case RCACHE_VMM_STATS:
        v->stats = *(const struct RcacheVmmStats *)hdr;
        v->have_stats = true;
        break;
    case RCACHE_VMM_DELAYS:
        v->delays = *(const struct RcacheVmmDelays *)hdr;
        break;
    case RCACHE_VMM_PROACTIVE:
        v->proactive = *(const struct RcacheVmmProactive *)hdr;
        break;
    }
    pthread_mutex_unlock(&v->lock);
}

char *vmm_figures_text(Vmm *v)
{
    struct RcacheVmmDelays d;
    struct RcacheVmmProactive p;
    struct RcacheVmmStats s;

    pthread_mutex_lock(&v->lock);
    s = v->stats;
    d = v->delays;
    p = v->proactive;
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
           "\"whole_ns\": %lu, \"proactive\": %u, "
           "\"proactive_limit\": %lu, \"stall_target\": %u, "
           "\"proactive_why\": \"%s\"}\n",
           s.guest, s.unmanaged, s.untouched, s.hot, s.zapped, s.cached,
           s.remote, s.zero, s.lost, s.resident, s.local_max, vmm_resident(v),
           s.faults_remote, s.faults_zero, s.faults_minor, s.evicted_pages,
           s.zero_evicted_pages, s.checksum_errors, s.intruders, s.fault_p50,
           s.fault_p99, s.waiting_pages, s.oldest_wait, s.waiting_for,
           s.pager_rss, (uint64_t)v->visits, (unsigned)v->attaches,
           (int)v->attached, v->state->zap_seq, s.fetched_pages,
           s.hdr.flags & RCACHE_STATS_RECONCILED, s.copies, s.one_copy,
           s.copying, (uint64_t)v->mismatches, (uint64_t)v->longest_ns,
           s.hopeless, d.vcpus, d.waited, d.whole.total, p.state, p.limit,
           p.target, p.text);
}
