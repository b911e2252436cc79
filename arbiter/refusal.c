/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refusal: what was refused is refused again.  See refusal.h. */
#include "arbiter/refusal.h"

#include <string.h>

#include "common/wire-control.h"

#define SECOND_MS       1000u
#define COUNT_MAX       20u     /* refusals that are looked into, a second */
#define QUIET_MS        10000u
#define QUIET_MAX       20u     /* lines, in that time */

static uint64_t since(uint64_t then, uint64_t now)
{
    return now - MIN(then, now);
}

/*
 * And of how many copies.  The order counts: who asks again asks in the same
 * one.
 */
static guint avoid_hash(const WireLeaseRequest *request)
{
    guint hash = request->nr_avoid * 31 + request->copies;

    for (unsigned i = 0; i < request->nr_avoid; i++) {
        hash = hash * 31 + g_str_hash(request->avoid[i]);
    }
    return hash;
}

void refusal_note(Refusal *refusal, const WireLeaseRequest *request,
                  uint16_t status, const char *text, bool asked,
                  uint64_t changes, uint64_t now)
{
    if (!refusal->valid || since(refusal->second_ms, now) >= SECOND_MS) {
        refusal->second_ms = now;
        refusal->count = 0;
    }
    refusal->count++;
    refusal->valid = true;
    refusal->exact = !asked;
    refusal->at_ms = now;
    refusal->changes = changes;
    refusal->avoid = avoid_hash(request);
    refusal->status = status;
    memcpy(refusal->vm, request->vm, RCACHE_UUID_LEN);
    wire_text_copy(refusal->text, sizeof(refusal->text), text);
}

bool refusal_holds(const Refusal *refusal, const WireLeaseRequest *request,
                   uint64_t changes, uint64_t now)
{
    if (!refusal->valid) {
        return false;
    }
    if (refusal->count >= COUNT_MAX &&
        since(refusal->second_ms, now) < SECOND_MS) {
        return true;
    }
    return refusal->exact && refusal->changes == changes &&
           since(refusal->at_ms, now) < SECOND_MS &&
           refusal->avoid == avoid_hash(request) &&
           !memcmp(refusal->vm, request->vm, RCACHE_UUID_LEN);
}

bool quiet_say(Quiet *quiet, uint64_t now, unsigned *swallowed)
{
    if (!quiet->said || since(quiet->since_ms, now) >= QUIET_MS) {
        quiet->since_ms = now;
        quiet->said = 0;
    }
    if (quiet->said >= QUIET_MAX) {
        quiet->swallowed++;
        return false;
    }
    quiet->said++;
    *swallowed = quiet->swallowed;
    quiet->swallowed = 0;
    return true;
}
