/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hold: see hold.h. */
#include "common/hold.h"

#include "common/json-set.h"

const char *hold_text(const WireBeatGuest *guest)
{
    if (!(guest->flags & RCACHE_GUEST_HELD)) {
        return NULL;
    }
    if (!(guest->flags & RCACHE_GUEST_OBEYS)) {
        return "asked";
    }
    if (!guest->remote) {
        return "home";
    }
    return guest->flags & RCACHE_GUEST_NO_ROOM ? "no room" : "coming home";
}

void hold_judge(const WireBeatGuest *guest, const char *vm, const char *host,
                Verdict *verdict)
{
    const char *text = hold_text(guest);
    char away[32];

    if (!text) {
        return;
    }
    verdict_size(guest->remote, away);
    if (guest->remote && guest->flags & RCACHE_GUEST_NO_ROOM) {
        verdict_add(verdict, VERDICT_DEGRADED, "vm %s is held, and host %s "
                    "has no room for all of the %s that are away", vm, host,
                    away);
    } else {
        verdict_add(verdict, VERDICT_NOTE, "vm %s is held (%s): nothing more "
                    "of it goes, and %s are away", vm, text, away);
    }
}

void hold_set(JsonObject *o, const WireBeatGuest *guest)
{
    json_object_set_boolean_member(o, "held",
                                   guest->flags & RCACHE_GUEST_HELD);
    json_set_text(o, "hold", hold_text(guest));
}
