/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proactive: the guest is shrunk below local_max.  See proactive.h. */
#include "rcached/pager/proactive.h"

#include "rcached/pager/pager.h"
#include "rcached/pager/put-choice.h"

/* More than all of the time is no target. */
#define TARGET_MOST     1000000u

_Static_assert(SENPAI_PORTION == RCACHE_BATCH_PAGES, "one PUT takes it");

void proactive_init(Proactive *proactive, const PagerConfig *config)
{
    *proactive = (Proactive) {
        .target = config->stall_target, .on = config->proactive,
        .share = config->proactive_min,
        .config = {
            .on = config->proactive, .target = config->stall_target,
            .interval = config->proactive_ms * NS_PER_MS,
            .rate = config->proactive_kib * UINT64_C(1024) / RCACHE_PAGE_SIZE,
        },
    };
}

void proactive_want(Pager *p, const struct RcacheVmmWantProactive *msg)
{
    Proactive *pro = &p->proactive;

    pro->config.on = msg->proactive == RCACHE_PROACTIVE_AS_CONFIGURED
                         ? pro->on : msg->proactive == RCACHE_PROACTIVE_YES;
    pro->config.target = msg->target ? MIN(msg->target, TARGET_MOST)
                                     : pro->target;
}

/* Pages that stay: the operator's share, and what may not be away. */
static uint64_t proactive_floor(const Pager *p)
{
    const Limits *l = &p->limits;
    uint64_t share = l->local_max / 10000 * p->proactive.share +
                     l->local_max % 10000 * p->proactive.share / 10000;

    return MAX(share, l->ram - MIN(l->size, l->ram));
}

/* Since the last look. */
static bool proactive_is_hung(Pager *p, uint64_t now)
{
    const Stalls *stalls = &p->delays.stalls;
    uint64_t before = p->proactive.nr_long;

    p->proactive.nr_long = stalls->nr_long;
    return stalls->nr_long != before ||
           stalls_oldest(stalls, now) >= STALLS_LONG_NS;
}

/* Once an interval. */
static void proactive_mark(Proactive *pro, const Clock *clock, uint64_t now)
{
    if (now - MIN(pro->marked_at, now) >= pro->config.interval) {
        pro->marked_at = now;
        pro->aged = pro->mark;
        pro->mark = clock->swept + clock->between;
    }
}

void proactive_tick(Pager *p, uint64_t now)
{
    const struct RcacheCounts *counts = p->report.counts;
    Proactive *pro = &p->proactive;
    SenpaiInput in = {
        .ready = attach_is_done(&p->attach) && p->takeover.managed &&
                 p->command.active.kind == COMMAND_NONE,
        .hung = proactive_is_hung(p, now),
        .vcpus = p->delays.vcpus,
        .resident = pager_resident(p), .local_max = p->limits.local_max,
        .waited = p->delays.stalls.ended_short,
        .touched = counts->faults_minor,
        .freed = counts->evicted + counts->zero_evicted,
        .fetched = counts->fetched,
        .moved = counts->evicted * p->locations.copies + counts->fetched,
    };

    if (!pro->config.on && pro->senpai.state == RCACHE_PROACTIVE_OFF) {
        pro->senpai.limit = in.local_max;
        return;
    }
    in.room = put_room(p, now) >= SENPAI_PORTION &&
              limit_allowance(p) >= SENPAI_PORTION;
    pro->config.floor = proactive_floor(p);
    proactive_mark(pro, &p->clock, now);
    senpai_look(&pro->senpai, &pro->config, &in, now);
}
