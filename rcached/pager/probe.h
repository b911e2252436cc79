/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: a page of no guest goes to a suspect provider and comes back.
 *
 * A provider to which no pages get through (passage.h) gets none of a guest
 * while others have room, so nothing would ever prove it well again.  Instead
 * a page is PUT into a free slot there, fetched, and its slot freed.
 */
#ifndef PAGER_PROBE_H
#define PAGER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"
#include "rcache/vmm.h"
#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/**
 * struct Probe - the one that is out; private to probe.c
 * @lease: that its slot is in; NULL: none is out
 * @slot: where the page goes
 * @serial: of its tag
 * @at: ns, no other before
 * @page: its bytes
 */
typedef struct Probe {
    const Lease *lease;
    uint64_t slot;
    uint32_t serial;
    uint64_t at;
    uint64_t page[RCACHE_PAGE_SIZE / sizeof(uint64_t)];
} Probe;

/** probe_tick() - send one, if a provider needs it */
void probe_tick(Pager *p, uint64_t now);

/** probe_answer() - to its PUT or GET; false: that is not out at @remote */
bool probe_answer(Pager *p, const Remote *remote, const WireHead *head,
                  const void *payload);

/** probe_is_out() - may it still change slab @slab? */
bool probe_is_out(const Pager *p, uint32_t slab);

/** probe_remote_down() - what was out at @remote is not answered any more */
void probe_remote_down(Pager *p, const Remote *remote);

/** probe_lease_gone() - its slot is no more */
void probe_lease_gone(Pager *p, const Lease *l);

#endif
