/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-retry: when the next pager of a VM may be started.  Pure.
 *
 * A pager that ends before it was READY is a failure.  One that says itself
 * why it cannot start would say the same at once, so there is a pause after
 * the first; of others a few may have been unlucky.  Pauses double, up to half
 * a minute, until one serves.
 *
 * One that was READY has served its guest, which waits for the next: that one
 * is started at once.  Only when many die one soon after the other is there a
 * pause, so that one comes each second and no more: a guest is better off with
 * pagers that live for a moment than with none.
 */
#ifndef RCACHED_VM_RETRY_H
#define RCACHED_VM_RETRY_H

#include <stdint.h>

#include "rcached/pager-process.h"

/* All zero: nothing has failed.  Read by everybody, written here only. */
typedef struct VmRetry {
    unsigned failures;          /* in a row, none of them READY */
    char *problem;              /* how the last one ended, or NULL */
    int64_t at;                 /* none before; 0: at any time */
    int64_t deaths_over;        /* those that were READY count for a second
                                 * each, one after the other: until then */
} VmRetry;

/**
 * vm_retry_ended() - a pager has ended
 * @now: us of any clock that does not step
 */
void vm_retry_ended(VmRetry *retry, const PagerEnd *end, int64_t now);

/** vm_retry_reset() - it is another start of the VM */
void vm_retry_reset(VmRetry *retry);

/** vm_retry_left() - us until the next attempt; 0: now */
int64_t vm_retry_left(const VmRetry *retry, int64_t now);

#endif
