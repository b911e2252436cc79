/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takeover: RAM comes under management, and what the VMM discards.
 */
#ifndef PAGER_TAKEOVER_H
#define PAGER_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

typedef struct Pager Pager;

/**
 * struct Takeover - how far the guest's memory is under management
 * @managing: RAM is coming, or has come, under management; attach.c and
 *            command.c set it
 * @managed: all of it has; vmm-messages.c clears it for a new block
 * @discard_seq: the VMM's number of the last discard that was looked at
 * @block_bytes: what the memfds took up when last asked
 * @arrived: pages that have come in since: arrival.c counts them
 * @look_at: ns, ask again
 */
typedef struct Takeover {
    bool managing;
    bool managed;
    uint64_t discard_seq;
    uint64_t block_bytes;
    uint64_t arrived;
    uint64_t look_at;
} Takeover;

/** takeover_tick() - begin when resident memory nears local_max */
void takeover_tick(Pager *p, uint64_t now);

/** takeover_work() - the next piece; true: there is more */
bool takeover_work(Pager *p);

/** takeover_answer() - the VMM's answer to MANAGE */
void takeover_answer(Pager *p, const struct RcacheVmmManage *msg);

/** takeover_page() - an UNMANAGED page inside a managed range */
void takeover_page(Pager *p, uint64_t page);

/** takeover_discards() - look at the frames where the VMM has discarded */
void takeover_discards(Pager *p);

#endif
