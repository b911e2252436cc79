/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * holds: the VMs of this host that an operator holds (hold=on): nothing of
 * them goes to providers, and what is away comes home, as far as this host has
 * room for it.  docs/contract.md says what that means for the VM.
 *
 * It is the pager that does it.  Which VMs are held is a Vm's own (vm.h) and
 * outlives this daemon; here is said how much of each may be here, and each
 * pager is told until its figures say that it obeys.
 */
#ifndef RCACHED_HOLDS_H
#define RCACHED_HOLDS_H

#include <stdint.h>

#include "rcached/vms.h"

/**
 * holds_run() - divide what this host has room for, and tell the pagers
 * @room: bytes that are free above the reserve
 *
 * Return: the bytes away, of VMs that are held, for which there is no room
 */
uint64_t holds_run(Vms *vms, uint64_t room);

/** holds_tell() - the pager of @vm, now, whether it is held */
void holds_tell(const Vm *vm);

/** holds_flags() - for heartbeats: RCACHE_GUEST_HELD and so on, or 0 */
uint32_t holds_flags(const Vm *vm);

#endif
