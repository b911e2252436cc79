/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seal-key: the key that a VMM hands over, as its descriptor has it.
 *
 * The VMM keeps it in a memfd_secret, which the kernel maps for nobody but who
 * has the descriptor, or in a locked memfd.  Here it is read once.
 */
#ifndef PAGER_SEAL_KEY_H
#define PAGER_SEAL_KEY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

/**
 * seal_key_read() - the key in a descriptor
 * @fd: stays the caller's, who needs it no more
 * @key: for the caller to wipe
 *
 * Return: false with @errp set: this is no key, and nothing was read
 */
bool seal_key_read(int fd, uint8_t key[RCACHE_KEY_SIZE], GError **errp);

#endif
