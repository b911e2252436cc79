/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lost-wait: faults on pages that are LOST.
 *
 * Nothing answers such a fault; but who looks must see that the guest waits,
 * and the VMM decides by it whether the VM is to stop (docs/vmm-protocol.rst,
 * "Loss").  So a wait that is over must not count: the VM may have been stopped
 * since, and what waited with it.  The kernel does not tell, so who waits is
 * woken again and again: who does not come back within LOST_WAIT_GONE_NS has
 * gone.
 */
#ifndef PAGER_LOST_WAIT_H
#define PAGER_LOST_WAIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

#define LOST_WAITS_MAX      64u
#define LOST_WAIT_ASK_NS    UINT64_C(250000000)
#define LOST_WAIT_GONE_NS   UINT64_C(1000000000)

/**
 * struct LostWait - a LOST page that the guest has touched
 * @page: its index
 * @since: ns, the first touch
 * @asked_at: ns, the last one
 * @woken_at: ns, who waits was woken last
 */
typedef struct LostWait {
    uint64_t page;
    uint64_t since;
    uint64_t asked_at;
    uint64_t woken_at;
} LostWait;

/**
 * struct LostWaits - the first LOST_WAITS_MAX of them
 * @more: there were some beyond, who are all woken when there is room for one
 */
typedef struct LostWaits {
    LostWait wait[LOST_WAITS_MAX];
    unsigned nr;
    bool more;
} LostWaits;

/** lost_wait_add() - a fault on @page, whose word is LOST */
void lost_wait_add(LostWaits *waits, uint64_t page, uint64_t now);

/** lost_wait_tick() - drop what is over, wake the others; ten times a second */
void lost_wait_tick(Pager *p, uint64_t now);

/** lost_wait_oldest() - the one that has waited longest; NULL: there is none */
const LostWait *lost_wait_oldest(const LostWaits *waits);

#endif
