/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold-share: how much of each VM that is held (hold=on) may be here.
 *
 * Bringing memory home is no reason to have the host run out of it.  What is
 * free above the reserve is divided evenly among those VMs that are not all
 * here; what one has no need for goes to the others.  What is here stays, even
 * if the host is short: a hold sends nothing away.
 */
#ifndef AGENT_HOLD_SHARE_H
#define AGENT_HOLD_SHARE_H

#include <stdint.h>

/* A VM that is held; bytes. */
typedef struct HoldShare {
    uint64_t guest;             /* its memory */
    uint64_t resident;          /* of it, here */
    uint64_t away;              /* of it, with providers */
    uint64_t may;               /* out: may be here */
    uint64_t lacking;           /* out: of what is away, has no room */
} HoldShare;

/**
 * hold_share() - divide @room
 * @vms: in any order, and in another one afterwards
 * @nr: how many
 * @room: bytes that are free and may be used up
 *
 * Return: the bytes that lack in all
 */
uint64_t hold_share(HoldShare **vms, unsigned nr, uint64_t room);

#endif
