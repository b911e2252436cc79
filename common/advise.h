/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * advise: what a VM's curve comes to for its operator, in the words and fields
 * that the host's admin socket and the arbiter's have in common.  Pure.
 *
 * A curve says how many pages a second would come back with less memory here,
 * at the pace that the guest has now.  Each costs a wait, and a guest that
 * waits does less: if the pages of a second of its work take x seconds of each
 * vCPU, that work takes 1 + x seconds.  So it stalls for x / (1 + x) of its
 * time, and 1 / (1 + x) as many pages come back a second.
 */
#ifndef RCACHE_ADVISE_H
#define RCACHE_ADVISE_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

/* What may be waited for if nothing is said, in millionths of vCPUs' time. */
#define ADVISE_STALL            10000u
#define ADVISE_STALL_MAX        1000000u

/**
 * struct AdviseWaits - how long pages of several VMs take
 * @ns: waited for, in the last minute
 * @faults: that waited
 */
typedef struct AdviseWaits {
    uint64_t ns;
    uint64_t faults;
} AdviseWaits;

/**
 * struct AdviseVm - what is known of a VM
 * @name, @uuid, @host: the first and last are the caller's
 * @curve: NULL: nobody has said any
 * @delays: NULL: the same
 * @resident: bytes here
 * @remote: bytes away
 * @local_max: bytes
 * @waits: of all VMs that are known, for one that has waited for nothing
 */
typedef struct AdviseVm {
    const char *name;
    const uint8_t *uuid;
    const char *host;
    const struct RcacheVmmCurve *curve;
    const struct RcacheVmmDelays *delays;
    uint64_t resident;
    uint64_t remote;
    uint64_t local_max;
    const AdviseWaits *waits;
} AdviseVm;

/** advise_waits_add() - one more VM; @delays may be NULL */
void advise_waits_add(AdviseWaits *waits,
                      const struct RcacheVmmDelays *delays);

/**
 * advise_local_max() - the least local-max that a stall target allows
 * @stall: millionths
 * @bytes: of it; never less than what the guest has touched lately
 *
 * Return: NULL, or why there is none, in words; static
 */
const char *advise_local_max(const AdviseVm *vm, unsigned stall,
                             uint64_t *bytes);

/** advise_vm() - the answer for one VM; an object, the caller's */
JsonObject *advise_vm(const AdviseVm *vm, unsigned stall);

/**
 * advise_all_begin(), advise_all_add(), advise_all_end() - the answer for all:
 * what could be lent if each VM had what advise_local_max() says
 * @offered: bytes that hosts offer now, what they have lent included
 * @leased: bytes of them that are lent
 */
JsonObject *advise_all_begin(unsigned stall);
void advise_all_add(JsonObject *all, const AdviseVm *vm, unsigned stall);
void advise_all_end(JsonObject *all, uint64_t offered, uint64_t leased);

/** advise_stall() - the argument "stall-millionths" of the command
 *
 * Return: false with @errp set if it is too large
 */
bool advise_stall(JsonObject *args, unsigned *stall, GError **errp);

#endif
