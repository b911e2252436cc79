/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status: what is wrong, as far as heartbeats tell, for the arbiter's verdict.
 * Pure: time is an argument, in milliseconds.
 */
#ifndef ARBITER_STATUS_H
#define ARBITER_STATUS_H

#include "arbiter/hosts.h"
#include "arbiter/placement.h"
#include "arbiter/shunned.h"
#include "common/verdict.h"

/* A fault that is older than this is told as waiting. */
#define STATUS_STALL_NS         UINT64_C(1000000000)

/**
 * status_judge() - look at all hosts and their VMs
 * @config: says how much pressure is too much
 * @free: bytes that could be lent now, of all hosts
 */
void status_judge(const Hosts *hosts, const Shunned *shunned,
                  const PlacementConfig *config, uint64_t free, uint64_t now,
                  Verdict *verdict);

/** status_stretched() - is more of a VM here than its local-max allows? */
static inline bool status_stretched(uint64_t resident, uint64_t local_max,
                                    uint64_t guest)
{
    uint64_t slack = MAX(local_max / 20, UINT64_C(16) << 20);

    /* Without a limit, or before the first figures, there is none to exceed. */
    return local_max && local_max < guest && resident > local_max &&
           resident - local_max > slack;
}

#endif
