/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch-fixture: fetch.c alone; where the bytes come from and what takes them
 * into the guest are played.
 */
#ifndef FETCH_FIXTURE_H
#define FETCH_FIXTURE_H

#include "rcached/pager/pager.h"

#define PAGES   1024u
#define PAGE    5u

extern Pager *p;
extern uint64_t words[PAGES];
extern struct RcacheSide sides[PAGES];
extern struct RcacheCounts counts;
extern Remote remote;
/* The page, what is stored of it, and what is not. */
extern uint8_t plain[RCACHE_PAGE_SIZE];
extern uint8_t right[RCACHE_PAGE_SIZE], wrong[RCACHE_PAGE_SIZE];
extern uint64_t now;
extern unsigned nr_asked, nr_installed, nr_events, nr_forgotten;
extern unsigned asked;                  /* its number */
extern unsigned busy;       /* a number that is */
extern int install_error;
extern bool known, may_get;
extern unsigned pool;                   /* that was asked about */
extern unsigned nr_many, nr_get_wanted;
extern unsigned many[RCACHE_BATCH_PAGES];   /* numbers, in one frame */
extern bool ready;                      /* a place can be asked */
extern bool is_out;                     /* what was asked for */
extern bool tracked, may_keep;          /* what comes, its slot */
extern uint64_t kept_slot;              /* that the last page kept; 0: none */
extern bool was_protected;              /* the last page that was installed */
extern bool other_failed, stored_anew;  /* a place has not had it right */

void set_up(void);
void tear_down(void);

/** start() - a guest waits for PAGE, which is asked for */
void start(void);

#endif
