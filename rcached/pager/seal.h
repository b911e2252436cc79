/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seal: what leaves instead of a page, and whether what comes back is that.
 *
 * AES-256-GCM, as docs/vmm-protocol.rst ("Sealing") has it: encrypted and
 * authenticated, or authenticated only (seal=off).  Pure: it works on memory
 * that it is given, among it the page's side record.
 *
 *   seal_page()  raises the version in the record, then seals under it
 *   seal_store() writes the tag into the record, before the page's word says
 *                that it is away
 *   seal_open()  gives back the bytes that the record is of, and no others
 *
 * Invariant (rule 17): a version is stored before it is used, and never falls,
 * so that no nonce is used twice under the key, whenever the pager is killed.
 * seal_page() is the only way to seal, so nobody can use one that is not
 * stored.  A seal that comes to nothing has used its version.
 */
#ifndef PAGER_SEAL_H
#define PAGER_SEAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

typedef struct Seal Seal;

/**
 * struct SealMark - what is known of a page that was sealed, until it is stored
 * @version: that it was sealed under
 * @tag: of what came of it
 */
typedef struct SealMark {
    uint64_t version;
    uint8_t tag[RCACHE_TAG_SIZE];
} SealMark;

/**
 * seal_new() - begin with a VM's key
 * @key: RCACHE_KEY_SIZE bytes; copied: the caller wipes its own
 * @encrypt: false: pages are authenticated only
 * @vm: the VM's uuid, 16 bytes
 *
 * Return: to be given to seal_free(), or NULL with @errp set
 */
Seal *seal_new(const uint8_t *key, bool encrypt, const uint8_t *vm,
               uint64_t incarnation, GError **errp);

/** seal_free() - forget the key; NULL is allowed */
void seal_free(Seal *seal);

/**
 * seal_page() - make what is stored of a page, in place
 * @page: its index
 * @side: its record, shared memory
 * @bytes: RCACHE_PAGE_SIZE
 * @mark: set for seal_store()
 *
 * Return: false: this page cannot be sealed (any more), and has to stay; what
 * @bytes are then must not leave
 */
bool seal_page(Seal *seal, uint64_t page, struct RcacheSide *side, void *bytes,
               SealMark *mark);

/**
 * seal_store() - the record is of what @mark is of from now on
 * @sum: wire_page_sum() of what is stored
 *
 * Return: false: the page has been sealed again since, nothing was changed
 */
bool seal_store(struct RcacheSide *side, const SealMark *mark, uint64_t sum);

/**
 * seal_open() - the page that is in what has come back
 * @side: its record
 * @stored: RCACHE_PAGE_SIZE, at any alignment; not changed
 *
 * Return: its bytes, which stand until the next call (or are @stored); NULL:
 * this is not what was stored
 */
const void *seal_open(Seal *seal, uint64_t page, const struct RcacheSide *side,
                      const void *stored);

#endif
