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
#define FETCH_HOME_MAX  64u     /* when no more start that nobody waits for */

/**
 * struct Fetch - a page on its way back; fetch.c writes it, report.c reads it
 * @used: this entry is taken
 * @demand: a guest waits for the page
 * @wrong: bytes that came were wrong, since it was last asked for
 * @tries: times it was asked for again for that
 * @wrong_since: ns, nobody had right bytes, though somebody had any; or 0
 * @page: index of the page
 * @word: FETCHING, as the page's word was stepped to
 * @started: ns, the fault was read
 * @retry_at: ns, ask again; 0: it is not held back
 * @bytes: checked bytes that COPY had no memory for; owned; or NULL
 */
typedef struct Fetch {
    bool used;
    bool demand;
    bool wrong;
    uint8_t tries;
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
 * @hint: where to look for a free one
 */
typedef struct Fetches {
    Fetch entry[FETCH_MAX];
    GHashTable *by_page;
    unsigned nr;
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

/** fetch_got() - bytes for a location_get(); see LocationOps */
bool fetch_got(Pager *p, unsigned i, Remote *from, const void *bytes);

/** fetch_missing() - nobody had right bytes for it; see LocationOps */
void fetch_missing(Pager *p, unsigned i);

/** fetch_wanted() - a guest has come to wait for a page being fetched */
void fetch_wanted(Pager *p, uint64_t page, uint64_t now);

/** fetch_retry() - COPYs that had no memory, answers that were wrong */
void fetch_retry(Pager *p, uint64_t now);

#endif
