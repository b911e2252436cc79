/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager-upgrade: pagers of another build are replaced by this daemon's own,
 * one by one.
 *
 * A daemon that is started anew finds pagers that run the program that was
 * installed before.  Each is killed, which its guest feels as a pause, and
 * its VM gets one of this build.  The next one follows when that one has
 * served for a moment; if it does not come to serve, the others stay as they
 * are: one VM in trouble is enough.  A pager that shares another layout of
 * memory with its QEMU than this build knows is left alone: nobody but its own
 * release can serve that VM.
 */
#ifndef RCACHED_PAGER_UPGRADE_H
#define RCACHED_PAGER_UPGRADE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/verdict.h"
#include "rcached/vms.h"

/* All zero at the start. */
typedef struct PagerUpgrade {
    char uuid[37];              /* of the VM whose pager is replaced, or "" */
    pid_t was;                  /* that pager */
    int64_t at;                 /* when it was killed, or the last one done */
    bool held_up;               /* it does not come to serve, and this is
                                 * told */
} PagerUpgrade;

/**
 * pager_upgrade_next() - whose pager is to be killed now
 * @vms: of const Vm *, in a steady order
 * @now: us of any clock
 *
 * Return: that VM, or NULL; it is taken for granted that it is killed
 */
const Vm *pager_upgrade_next(PagerUpgrade *upgrade, const GPtrArray *vms,
                             int64_t now);

/** pager_upgrade_left() - pagers that are still to be replaced */
unsigned pager_upgrade_left(const GPtrArray *vms);

/** pager_upgrade_judge() - is its pager of another build? */
void pager_upgrade_judge(const Vm *vm, Verdict *verdict);

#endif
