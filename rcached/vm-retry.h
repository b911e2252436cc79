/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-retry: when the next pager of a VM may be started.  Pure.
 *
 * A pager that ends before it has served its VM is a failure.  One that says
 * itself why it cannot start would say the same at once, so there is a pause
 * after the first; of others a few may have been unlucky.  Pauses double, up
 * to half a minute, until one serves.
 */
#ifndef RCACHED_VM_RETRY_H
#define RCACHED_VM_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing has failed.  Read by everybody, written here only. */
typedef struct VmRetry {
    unsigned failures;          /* in a row */
    char *problem;              /* what the last one was, or NULL */
    int64_t at;                 /* none before; 0: at any time */
} VmRetry;

/**
 * vm_retry_failed() - a pager has ended without having served
 * @how: why, copied
 * @said: by the pager itself
 * @now: us of any clock that does not step
 */
void vm_retry_failed(VmRetry *retry, const char *how, bool said, int64_t now);

/** vm_retry_reset() - one serves, or it is another start of the VM */
void vm_retry_reset(VmRetry *retry);

/** vm_retry_left() - us until the next attempt; 0: now */
int64_t vm_retry_left(const VmRetry *retry, int64_t now);

#endif
