/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * divide: how much of the host's memory each VM with local-max=auto may take.
 * Pure.
 *
 * While the budget covers all of them, a VM's limit is its own memory: there
 * is nothing to divide.  Once it does not, three steps are taken at each look:
 *
 *   fit     the limits are above the budget: what a VM does not use goes
 *           first, then each gives in proportion to what it has above its
 *           minimum.  Memory goes below no minimum, even if the budget does.
 *   give    the limits are below the budget: what is over goes to those whose
 *           pages come back from other hosts, by how fast they do, and to
 *           those that are up against their limit.
 *   move    the VM whose pages come back fastest gets a step from the one
 *           whose pages come back slowest.
 *
 * A page that was sent away and comes back is a refault: had the limit been
 * higher, it would not have gone.  The rate is smoothed; the two rates must
 * differ clearly before anything moves, a step is a small share of the budget,
 * and who has just got a step gives none for a while.  So memory does not go
 * to and fro between two that want the same, and whoever gives too much gets
 * it back as soon as it refaults more than the other.
 */
#ifndef RCACHED_AGENT_DIVIDE_H
#define RCACHED_AGENT_DIVIDE_H

#include <stdbool.h>
#include <stdint.h>

/* A VM; all zero at first but for what the caller knows of it. */
typedef struct DivideVm {
    /* The caller's, at each update.  Bytes. */
    uint64_t guest;             /* all of its memory */
    uint64_t minimum;           /* never less than that, or the guest */
    uint64_t resident;
    uint64_t refaults;          /* pages that came back, counted up */
    /* What comes of it: bytes. */
    uint64_t limit;
    /* Own. */
    bool known;
    uint64_t refaults_before;
    double rate;                /* pages a second, smoothed */
    uint64_t got_ms;            /* a step, then; 0: never */
} DivideVm;

typedef struct Divide {
    bool is_short;              /* the budget does not cover all VMs */
    bool squeezed;              /* and some VM is up against its limit */
    uint64_t at_ms;             /* the last look; 0: none */
} Divide;

/**
 * divide_update() - look at all VMs, and set their limits
 * @now_ms: any clock that does not step; looks less than a second apart are
 *          left out
 * @budget: bytes that all of them may take up together
 *
 * The limits add up to no more than @budget, or to the minima if those do not
 * fit.
 *
 * Return: false if it was too soon; nothing has changed then
 */
bool divide_update(Divide *d, uint64_t now_ms, uint64_t budget,
                   DivideVm *const *vms, unsigned nr);

#endif
