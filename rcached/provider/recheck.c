/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recheck: see recheck.h. */
#include "rcached/provider/recheck.h"

void recheck_init(Recheck *r)
{
    *r = (Recheck) { 0 };
    g_queue_init(&r->all);
}

static void append(Recheck *r, RecheckMember *member)
{
    member->age = r->age;
    g_queue_push_tail_link(&r->all, &member->link);
}

void recheck_add(Recheck *r, RecheckMember *member, void *conn)
{
    *member = (RecheckMember) { .link.data = member, .conn = conn };
    append(r, member);
}

void recheck_remove(Recheck *r, RecheckMember *member)
{
    if (member->conn) {
        g_queue_unlink(&r->all, &member->link);
        member->conn = NULL;
    }
}

void recheck_begin(Recheck *r)
{
    r->age++;
}

void *recheck_next(Recheck *r)
{
    RecheckMember *member = g_queue_peek_head(&r->all);

    r->looks += member != NULL;
    if (!member || member->age == r->age) {
        return NULL;
    }
    g_queue_unlink(&r->all, &member->link);
    append(r, member);
    return member->conn;
}
