/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-keep: slabs that are kept for the next daemon. */
#ifndef RCACHED_PROVIDER_KEEP_H
#define RCACHED_PROVIDER_KEEP_H

#include <stdint.h>

#include "rcached/provider/provider-internal.h"

/** provider_keep_slab() - have a new slab kept */
void provider_keep_slab(Provider *provider, const Slab *slab);

/** provider_let_go() - have slab @number kept no longer; with the lock held */
void provider_let_go(Provider *provider, uint32_t number);

/** provider_bound() - see how many slabs can be kept; with the lock held, or
 * before it serves */
void provider_bound(Provider *provider);

#endif
