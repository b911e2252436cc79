/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zap-send: what the VMM is told to zap.  See zap-send.h. */
#include "rcached/pager/zap-send.h"

#include "rcached/pager/pager.h"

/* The ranges of a zap, into @range; how many. */
static unsigned zap_ranges(const Pager *p, const Zap *z, const GuestBlock *b,
                           struct RcacheZapRange *range)
{
    unsigned spare = RCACHE_ZAP_PAGES_MAX - z->n, n = 0;

    for (unsigned i = 0; i < z->n; i++) {
        uint32_t page = z->page[i] - b->first;
        uint64_t gap = i ? z->page[i] - z->page[i - 1] - 1 : UINT64_MAX;

        if (gap <= spare && table_all_are(&p->table, z->page[i] - gap,
                                          z->page[i], RCACHE_REMOTE)) {
            range[n - 1].count += gap + 1;
            spare -= gap;
        } else {
            range[n++] = (struct RcacheZapRange) { page, 1 };
        }
    }
    return n;
}

void zap_send(Pager *p, Zap *z, const GuestBlock *b)
{
    struct {
        struct RcacheVmmZap zap;
        struct RcacheZapRange range[ZAP_PAGES];
    } msg = { 0 };
    unsigned n = zap_ranges(p, z, b, msg.range);

    z->seq = ++p->evictor.zap_seq;
    p->guest.state->zap_seq = z->seq;
    msg.zap.hdr = (struct RcacheVmmHdr) {
        .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_ZAP,
        .size = sizeof(msg.zap) + n * sizeof(msg.range[0]),
    };
    msg.zap.seq = z->seq;
    msg.zap.block = b - p->guest.block;
    msg.zap.generation = b->generation;
    msg.zap.nr_ranges = n;
    seqsock_send(&p->vmm.sock, &msg, msg.zap.hdr.size, -1);
}
