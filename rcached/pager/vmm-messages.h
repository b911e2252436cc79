/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-messages: what the VMM says, checked, and handed to who deals with it.
 */
#ifndef PAGER_VMM_MESSAGES_H
#define PAGER_VMM_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/seqsock.h"

/**
 * struct Vmm - the VMM's side of the pager
 * @sock: its connection; whoever has something to tell the VMM sends there
 * @pidfd: its process, or -1
 * @features: RCACHE_VMM_F_*, that both sides have
 * @sealed: pages are to be encrypted
 * @refused: it has been told why there will be no pager; START ends it
 * @gone: its memory has been torn down
 * @bye: it has said that it needs no remote memory any more, and none is away
 */
typedef struct Vmm {
    SeqSock sock;
    int pidfd;
    uint64_t features;
    bool sealed;
    bool refused;
    bool gone;
    bool bye;
} Vmm;

/* What its connection tells its owner, the Pager. */
extern const SeqSockOps vmm_ops;

#endif
