/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: a page comes back: GET, checksum, COPY.
 */
#ifndef PAGER_FETCH_H
#define PAGER_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/remote.h"

typedef struct Pager Pager;
typedef struct Lease Lease;

#define FETCH_MAX       512u    /* pages on their way back */

/**
 * struct Fetch - a page on its way back; fetch.c writes it, report.c reads it
 * @used: this entry is taken
 * @out: a GET has been sent and not been answered
 * @demand: a guest waits for the page
 * @free_slot: nobody needs the page's slot once the GET is in
 * @tries: answers with wrong bytes
 * @serial: tells this use of the entry from the last
 * @page: index of the page
 * @word: FETCHING, as the page's word was stepped to
 * @started: ns, the fault was read
 * @sent: ns, the GET was sent
 * @retry_at: ns, send the GET again; 0: it is not held back
 * @bytes: checked bytes that COPY had no memory for; owned; or NULL
 * @remote: where the GET is out
 */
typedef struct Fetch {
    bool used;
    bool out;
    bool demand;
    bool free_slot;
    uint8_t tries;
    uint32_t serial;
    uint64_t page;
    uint64_t word;
    uint64_t started;
    uint64_t sent;
    uint64_t retry_at;
    void *bytes;
    Remote *remote;
} Fetch;

/**
 * struct Fetches - all pages on their way back
 * @nr: entries that are used
 * @hint: where to look for a free one
 */
typedef struct Fetches {
    Fetch entry[FETCH_MAX];
    unsigned nr;
    unsigned hint;
} Fetches;

void fetches_deinit(Fetches *fetches);

/**
 * fetch_start() - bring a REMOTE page back
 * @word: its word
 * @demand: a guest waits for it
 *
 * Return: 0; -EAGAIN: the word has changed; -EBUSY: too many are under way
 */
int fetch_start(Pager *p, uint64_t page, uint64_t word, bool demand,
                uint64_t now);

/** fetch_answer() - to a GET; false: none that is out at @remote */
bool fetch_answer(Pager *p, const Remote *remote, const WireHead *head,
                  const void *payload);

/** fetch_wanted() - a guest has come to wait for a page being fetched */
void fetch_wanted(Pager *p, uint64_t page, uint64_t now);

/** fetch_lease_ready() - send what waited for this lease */
void fetch_lease_ready(Pager *p, Lease *lease);

/** fetch_remote_down() - what is out at @remote is not out any more */
void fetch_remote_down(Pager *p, Remote *remote);

/** fetch_retry() - COPYs that had no memory, answers that were wrong */
void fetch_retry(Pager *p, uint64_t now);

/** fetch_is_out() - is a GET out to @remote on a slot of slab @slab? */
bool fetch_is_out(const Pager *p, const Remote *remote, uint32_t slab);

/** fetch_holds_slot() - is a GET on the slot out? it then frees it */
bool fetch_holds_slot(Pager *p, uint64_t slot);

#endif
