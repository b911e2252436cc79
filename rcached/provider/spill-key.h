/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill-key: the key under which guests' pages go to disk, and its use.
 *
 * AES-256-GCM.  The key is made at random and stands in memory only: in a
 * memfd_secret, or, where the kernel has none, in a locked memfd.  Both can be
 * handed to the next daemon, so that a restart loses nothing.
 *
 * Beside the key stands a count.  Each page that is sealed takes the next one
 * as its nonce, and the count is stored before it is used: no nonce is ever
 * used twice under one key, whenever the daemon is killed.  The nonce and the
 * tag of a page (its SpillSeal) stay in memory, so that bytes that were once
 * written cannot be put in the place of later ones; lease, slab and page are
 * authenticated with them.
 */
#ifndef RCACHED_PROVIDER_SPILL_KEY_H
#define RCACHED_PROVIDER_SPILL_KEY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/provider/slab.h"

typedef struct SpillKey SpillKey;

/* Which page it is. */
typedef struct SpillPlace {
    uint64_t lease;
    uint32_t slab;
    uint32_t page;
} SpillPlace;

/**
 * spill_key_new() - a new key
 * @guard: SLAB_GUARD_MLOCK locks all of the process's memory, since the
 *         cipher keeps a copy of the key where it likes
 *
 * Return: the key, or NULL with @errp set
 */
SpillKey *spill_key_new(SlabGuard guard, GError **errp);

/**
 * spill_key_adopt() - the key of the previous daemon
 * @fd: as spill_key_fd() said there; stays the caller's
 */
SpillKey *spill_key_adopt(int fd, SlabGuard guard, GError **errp);

void spill_key_free(SpillKey *key);

/** spill_key_fd() - where it stands; stays the key's */
int spill_key_fd(const SpillKey *key);

/**
 * spill_seal() - encrypt a page where it lies
 * @seal: set: what spill_unseal() needs
 *
 * Return: false if the cipher failed; @page is then of no use
 */
bool spill_seal(SpillKey *key, const SpillPlace *place, uint8_t *page,
                SpillSeal *seal);

/**
 * spill_unseal() - decrypt a page where it lies
 *
 * Return: false if it is not what was sealed for this place under this seal
 */
bool spill_unseal(SpillKey *key, const SpillPlace *place, uint8_t *page,
                  const SpillSeal *seal);

#endif
