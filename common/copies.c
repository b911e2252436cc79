/* SPDX-License-Identifier: GPL-2.0-or-later */
/* copies: see copies.h. */
#include "common/copies.h"

#include "common/json-set.h"

void copies_judge(const WireBeatGuest *guest, const char *vm,
                  Verdict *verdict)
{
    char one[32], left[32];

    if (guest->copies < 2 || !guest->one_copy) {
        return;
    }
    verdict_size(guest->one_copy, one);
    if (guest->repairing) {
        verdict_add(verdict, VERDICT_DEGRADED, "%s of vm %s have one live "
                    "copy or none; %s are still to be copied", one, vm,
                    verdict_size(guest->repairing, left));
    } else {
        verdict_add(verdict, VERDICT_DEGRADED, "%s of vm %s have one live "
                    "copy or none: a provider is away", one, vm);
    }
}

void copies_set(JsonObject *o, const WireBeatGuest *guest)
{
    json_set_int(o, "copies", MAX(guest->copies, 1u));
    json_set_int(o, "one_copy_bytes", guest->one_copy);
    json_set_int(o, "repairing_bytes", guest->repairing);
}
