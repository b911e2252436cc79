/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-limits: how many VMs may have a pager here, in all and of one user, and
 * who has run into that.
 *
 * Each pager is a process with memory of its own, and whoever may connect to
 * vmm.sock can have one started for each uuid that it makes up.  What one user
 * has keeps no place from the others as long as it is below all.
 *
 * Pure: time is an argument, in microseconds.
 */
#ifndef RCACHED_VM_LIMITS_H
#define RCACHED_VM_LIMITS_H

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_LIMITS_ALL   1024
#define VM_LIMITS_EACH  512

/* A limit, and the last who has run into it. */
typedef struct VmLimit {
    unsigned max;
    uint64_t refused;           /* so far */
    int64_t at;
    uid_t uid;
} VmLimit;

typedef struct VmLimits {
    VmLimit all, each;
} VmLimits;

/** vm_limits_init() - @all VMs in all, @each of one user */
void vm_limits_init(VmLimits *limits, unsigned all, unsigned each);

/**
 * vm_limits_judge() - may this user have one more?
 * @all: there are; @own: of them this user's
 *
 * Return: NULL, or why not, a new text
 */
char *vm_limits_judge(VmLimits *limits, unsigned all, unsigned own, uid_t uid,
                      int64_t now);

#endif
