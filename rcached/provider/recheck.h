/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recheck: which connections have still to be judged by credentials that are
 * new.
 *
 * All of them stand in the order in which they were judged last, so that the
 * next one is always the first, and is the last then: a connection costs one
 * look for each time that there are other credentials, however many there are.
 *
 * Pure: a connection is what embeds a RecheckMember.
 */
#ifndef RCACHED_PROVIDER_RECHECK_H
#define RCACHED_PROVIDER_RECHECK_H

#include <glib.h>
#include <stdint.h>

/* All zeros while it is none of them. */
typedef struct RecheckMember {
    GList link;
    void *conn;                 /* the caller's */
    unsigned age;               /* of what it was judged by last */
} RecheckMember;

typedef struct Recheck {
    GQueue all;                 /* of RecheckMember, by .age */
    unsigned age;               /* of what is to judge */
    uint64_t looks;             /* at members, since the start */
} Recheck;

void recheck_init(Recheck *r);

/** recheck_add() - it is judged by what is there, by whoever lets it in */
void recheck_add(Recheck *r, RecheckMember *member, void *conn);

/** recheck_remove() - it ends; or never was one */
void recheck_remove(Recheck *r, RecheckMember *member);

/** recheck_begin() - there is something else to judge by */
void recheck_begin(Recheck *r);

/** recheck_next() - which one is to be judged now, or NULL: all have been */
void *recheck_next(Recheck *r);

#endif
