/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refusal: the last refusal of a host's requests, and how much of it is said.
 *
 * To find that there is nothing to give all hosts have to be looked at.  A
 * host that asks for the same again is told the same again, as long as
 * nothing has changed and for a second at most; one that has been refused too
 * often within a second is told the same whatever it asks for.  And so many
 * lines of the log within ten seconds are about one host, no more.
 *
 * Pure: time is an argument, in milliseconds.
 */
#ifndef ARBITER_REFUSAL_H
#define ARBITER_REFUSAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"
#include "common/wire.h"

typedef struct Refusal {
    bool valid;
    bool exact;                 /* nobody was asked: it depends on the hosts */
    uint64_t at_ms;
    uint64_t changes;           /* of the hosts, by then */
    uint8_t vm[RCACHE_UUID_LEN];
    guint avoid;                /* a hash of who was to be avoided */
    uint16_t status;
    char text[sizeof(((WireLeaseReply *)0)->text)];
    uint64_t second_ms;         /* since then */
    unsigned count;             /* so many */
} Refusal;

/* What may be logged. */
typedef struct Quiet {
    uint64_t since_ms;
    unsigned said, swallowed;
} Quiet;

/**
 * refusal_note() - a request has been refused
 * @asked: a provider was asked for it
 * @changes: a count of what has changed with the hosts
 */
void refusal_note(Refusal *refusal, const WireLeaseRequest *request,
                  uint16_t status, const char *text, bool asked,
                  uint64_t changes, uint64_t now);

/** refusal_holds() - is this request to be refused for the same reason? */
bool refusal_holds(const Refusal *refusal, const WireLeaseRequest *request,
                   uint64_t changes, uint64_t now);

/**
 * quiet_say() - may one more line be logged?
 * @swallowed: how many have not been, since the last that was
 */
bool quiet_say(Quiet *quiet, uint64_t now, unsigned *swallowed);

#endif
