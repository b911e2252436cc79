/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * patrol: which connections have still to be looked at, where all of them have
 * to be now and then: by new certificates, or for time that has passed.
 *
 * There may be tens of thousands, and to look at all of them at once would hold
 * up what guests wait for.  They stand in the order in which they were looked
 * at last, so that the next one is always the first, and is the last then: each
 * costs one look for each time that a round is begun, whatever else is done in
 * between.  A round that is begun before the last has ended goes on with those
 * that it has not come to.
 *
 * Pure: a connection is what embeds a PatrolMember.
 */
#ifndef RCACHED_PROVIDER_PATROL_H
#define RCACHED_PROVIDER_PATROL_H

#include <glib.h>
#include <stdint.h>

/* All zeros while it is none of them. */
typedef struct PatrolMember {
    GList link;
    void *conn;                 /* the caller's */
    unsigned age;               /* of the round it was looked at in */
} PatrolMember;

typedef struct Patrol {
    GQueue all;                 /* of PatrolMember, by .age */
    unsigned age;               /* of the round that was begun last */
    uint64_t looks;             /* at members, since the start */
} Patrol;

void patrol_init(Patrol *p);

/** patrol_add() - a connection that needs no look but in the rounds to come */
void patrol_add(Patrol *p, PatrolMember *member, void *conn);

/** patrol_remove() - it ends; or never was one */
void patrol_remove(Patrol *p, PatrolMember *member);

/** patrol_begin() - all have to be looked at once more */
void patrol_begin(Patrol *p);

/** patrol_next() - which one is to be looked at now, or NULL: all have been */
void *patrol_next(Patrol *p);

#endif
