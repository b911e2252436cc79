/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe: the pages of a guest that is observed are sampled (observe=on).
 *
 * RAM is registered for minor faults only: what the guest touches for the first
 * time the kernel fills, as if there were no pager, and a page that is here
 * costs nothing until it is sampled.  A sample is a page chosen at random from
 * all that are here, at a random time, which is zapped; its next touch is a
 * minor fault, and ends the sample (watch.h).  One that nobody has touched
 * since an earlier sample need not be zapped again.
 *
 * The words of pages that were sampled are HOT, ZAPPING and ZAPPED as ever, and
 * all others UNMANAGED.
 */
#ifndef PAGER_OBSERVE_H
#define PAGER_OBSERVE_H

#include <stdint.h>

typedef struct Pager Pager;

/**
 * struct Observe - private to observe.c
 * @random: to choose pages by
 * @at: ns, the last look
 * @due: samples that are due, in parts
 * @tell_at: ns, tell the VMM
 */
typedef struct Observe {
    uint64_t random;
    uint64_t at;
    uint64_t due;
    uint64_t tell_at;
} Observe;

/** observe_tick() - sample, and tell the VMM; ten times a second */
void observe_tick(Pager *p, uint64_t now);

#endif
