/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shunned: providers that requesters cannot make use of, by what requesters
 * say in their heartbeats.  Pure: time is an argument, in milliseconds.
 *
 * An entry is a requester's word about a provider: it cannot be reached, does
 * not answer, lets no pages through, or returned wrong bytes.  It holds while
 * it is repeated and for SHUNNED_MS after that, so that the grant that would
 * have to show whether all is well again comes once a minute and not with
 * each request.  That provider is then no choice for that requester.
 *
 * Where several requesters, and more than half of those that lease from the
 * provider, say so, it is no choice for anybody: the fault is on the
 * provider's side then.  Where fewer do, it may as well be on theirs, and two
 * hosts behind a broken switch must not keep all others from all memory.
 *
 * That is for a choice.  Where there is none, a guest that needs room is worse
 * off without it than with a provider that was away a moment ago: what its
 * requester does not say any more is forgiven after as long as it was said, or
 * one that comes and goes would be taken each time that it comes.  Wrong bytes
 * are not forgiven, even where the requester has complained of something else
 * since.  But pages with one copy are worse off than with a second one where a
 * bit was flipped on the way: for second copies wrong bytes are forgiven, too.
 */
#ifndef ARBITER_SHUNNED_H
#define ARBITER_SHUNNED_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "arbiter/hosts.h"

#define SHUNNED_MS      60000u
#define SHUNNED_FRESH_MS 5000u  /* still said, if no heartbeat came since */
#define SHUNNED_MANY    2u      /* requesters, at the least, for everybody */

/* Which words count. */
typedef enum ShunnedWhat {
    SHUNNED_ALL,                /* all that hold */
    SHUNNED_PRESENT,            /* what is still said, and wrong bytes */
    SHUNNED_BUT_WRONG           /* what is still said, but not wrong bytes */
} ShunnedWhat;

typedef struct Shunned {
    GHashTable *providers;      /* name -> its GArray of words, owned */
    GHashTable *beats;          /* requester -> ms of its last heartbeat */
} Shunned;

void shunned_init(Shunned *shunned);
void shunned_deinit(Shunned *shunned);

/**
 * shunned_beat() - a heartbeat of @requester has come
 * @hosts: a provider that is not among them is passed over
 */
void shunned_beat(Shunned *shunned, const Hosts *hosts,
                  const Host *requester, uint64_t now);

/** shunned_forget() - the provider has booted again: it begins anew */
void shunned_forget(Shunned *shunned, const char *provider);

/** shunned_expire() - drop words that do not hold any more */
void shunned_expire(Shunned *shunned, uint64_t now);

/**
 * shunned_from() - is @provider no choice for this requester?
 * @what: by which words
 */
bool shunned_from(const Shunned *shunned, const Host *provider,
                  const char *requester, ShunnedWhat what, uint64_t now);

/**
 * shunned_for_all() - is @provider no choice for anybody, by all that holds?
 *
 * While it is no choice for single hosts only, all others use it.
 */
bool shunned_for_all(const Shunned *shunned, const Host *provider,
                     uint64_t now);

/**
 * shunned_text() - who cannot make use of a provider, why, and since when
 *
 * Return: a new text, "cannot be reached by a, b for 12 s: ...", or NULL if
 * nobody says so
 */
char *shunned_text(const Shunned *shunned, const Host *provider,
                   uint64_t now);

#endif
