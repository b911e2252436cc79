/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: a page comes back: GET, unseal, COPY.
 */
#ifndef PAGER_FETCH_H
#define PAGER_FETCH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/location.h"

typedef struct Pager Pager;

#define FETCH_MAX       LOCATION_GETS   /* pages on their way back */
#define FETCH_HOME_MAX  64u     /* when no more start to come home */
#define FETCH_AHEAD_MAX 256u    /* when no more are read ahead */
#define FETCH_KEPT_MAX  64u     /* markers */

/**
 * struct Fetch - a page on its way back; fetch.c writes it, report.c reads it
 * @used: this entry is taken
 * @demand: a guest waits for the page
 * @ahead: it is read ahead and nobody has come to wait for it: it is asked for
 *         once
 * @kept: a marker: @bytes are here, and not in the guest
 * @plain: it keeps no slot, and is installed without write protection: a place
 *         had it wrong or not at all, so that it is to be stored anew, or the
 *         kernel has not mapped it write-protected when it was to
 * @wrong: bytes that came were wrong, since it was last asked for
 * @tries: times it was asked for again for that
 * @window: pages that were read ahead with it, if it is to be their marker; 0
 * @wrong_since: ns, nobody had right bytes, though somebody had any; or 0
 * @page: index of the page
 * @word: FETCHING, as the page's word was stepped to
 * @started: ns, the fault was read, or the bytes are kept since
 * @retry_at: ns, ask again; 0: it is not held back
 * @bytes: checked bytes that are kept, or that COPY had no memory for; owned;
 *         or NULL
 */
typedef struct Fetch {
    bool used;
    bool demand;
    bool ahead;
    bool kept;
    bool plain;
    bool wrong;
    uint8_t tries;
    uint8_t window;
    uint64_t page;
    uint64_t word;
    uint64_t started;
    uint64_t wrong_since;
    uint64_t retry_at;
    void *bytes;
} Fetch;

/**
 * struct Fetches - all pages on their way back
 * @by_page: of Fetch, by page: the one that its word is of, if there are more
 * @nr: entries that are used
 * @nr_ahead: of these, those that are .ahead
 * @nr_kept: of those, markers that are kept
 * @hint: where to look for a free one
 */
typedef struct Fetches {
    Fetch entry[FETCH_MAX];
    GHashTable *by_page;
    unsigned nr;
    unsigned nr_ahead;
    unsigned nr_kept;
    unsigned hint;
} Fetches;

void fetches_init(Fetches *fetches);
void fetches_deinit(Fetches *fetches);

/**
 * fetch_start() - bring a REMOTE page back
 * @word: its word
 * @demand: a guest waits for it
 *
 * Return: 0; -EAGAIN: the word has changed; -EBUSY: its provider is asked for
 *         enough; pages that no guest waits for have a smaller share
 */
int fetch_start(Pager *p, uint64_t page, uint64_t word, bool demand,
                uint64_t now);

/**
 * fetch_ahead() - bring back REMOTE pages that nobody waits for
 * @page: their indices; those that are not REMOTE are passed by, and the first
 *        of the others is their marker
 * @n: at most RCACHE_BATCH_PAGES
 *
 * Return: how many of @page have been dealt with: no more may be asked for
 */
unsigned fetch_ahead(Pager *p, const uint64_t *page, unsigned n, uint64_t now);

/** fetch_got() - bytes for a location_get(); see LocationOps */
bool fetch_got(Pager *p, unsigned i, Remote *from, const void *bytes);

/** fetch_missing() - nobody had right bytes for it; see LocationOps */
void fetch_missing(Pager *p, unsigned i);

/** fetch_wanted() - a guest has come to wait for a page being fetched */
void fetch_wanted(Pager *p, uint64_t page, uint64_t now);

/**
 * fetch_rescue() - the bytes of a page are not to be had any more
 *
 * Return: true: they were here, and are in the guest now
 */
bool fetch_rescue(Pager *p, uint64_t page);

/**
 * fetch_block_gone() - pages @first..@end are no more
 *
 * Their words start anew (evict_block_gone()): bytes that are kept for one of
 * them would fit a later page.
 */
void fetch_block_gone(Pager *p, uint64_t first, uint64_t end);

/** fetch_retry() - COPYs that had no memory, answers that were wrong, markers
 * that nobody came to */
void fetch_retry(Pager *p, uint64_t now);

#endif
