/* SPDX-License-Identifier: GPL-2.0-or-later */
/* patrol: see patrol.h. */
#include "rcached/provider/patrol.h"

void patrol_init(Patrol *p)
{
    *p = (Patrol) { 0 };
    g_queue_init(&p->all);
}

static void append(Patrol *p, PatrolMember *member)
{
    member->age = p->age;
    g_queue_push_tail_link(&p->all, &member->link);
}

void patrol_add(Patrol *p, PatrolMember *member, void *conn)
{
    *member = (PatrolMember) { .link.data = member, .conn = conn };
    append(p, member);
}

void patrol_remove(Patrol *p, PatrolMember *member)
{
    if (member->conn) {
        g_queue_unlink(&p->all, &member->link);
        member->conn = NULL;
    }
}

void patrol_begin(Patrol *p)
{
    p->age++;
}

void *patrol_next(Patrol *p)
{
    PatrolMember *member = g_queue_peek_head(&p->all);

    p->looks += member != NULL;
    if (!member || member->age == p->age) {
        return NULL;
    }
    g_queue_unlink(&p->all, &member->link);
    append(p, member);
    return member->conn;
}
