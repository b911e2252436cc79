/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-limits: what connections may take of an arbiter, who has run into
 * that, and how much is said of them.
 *
 * Pure but for the log: time is an argument, in milliseconds.
 */
#ifndef ARBITER_CONTROL_LIMITS_H
#define ARBITER_CONTROL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limit-hits.h"
#include "common/log-limit.h"
#include "common/strangers.h"

typedef enum ControlLimit {
    CONTROL_LIMIT_CONNS,
    CONTROL_LIMIT_HELLOS_ADDRESS,
    CONTROL_LIMIT_HANDSHAKES,
    CONTROL_LIMIT_HANDSHAKES_ADDRESS,
    CONTROL_LIMIT_FRAMES_HOST,
    NR_CONTROL_LIMITS
} ControlLimit;

_Static_assert(NR_CONTROL_LIMITS <= LIMIT_HITS_KINDS, "all are counted");

/* Handshakes may be begun for so many seconds at once: all hosts come back to
 * an arbiter that has been started again, and many may be behind one address.
 */
#define CONTROL_HANDSHAKES_S    20u

/**
 * struct ControlLimits - the values
 * @hellos_address: connections of one address without HELLO
 * @handshakes: of TLS, begun in a second by addresses that nobody knows;
 * @handshakes_address: by one address
 * @frames_host: in a second, of one host
 */
typedef struct ControlLimits {
    unsigned hellos_address;
    unsigned handshakes, handshakes_address;
    unsigned frames_host;
} ControlLimits;

/* As they are written in the configuration. */
#define CONTROL_HELLOS_ADDRESS      "64"
#define CONTROL_HANDSHAKES          "100"
#define CONTROL_HANDSHAKES_ADDRESS  "50"
#define CONTROL_FRAMES_HOST         "1000"

/** control_limits_strangers() - for strangers_init() */
void control_limits_strangers(const ControlLimits *limits,
                              StrangersLimits *out);

/** control_limits_names() - what they are called, NR_CONTROL_LIMITS of them */
void control_limits_names(const ControlLimits *limits, unsigned conns,
                          LimitName *names);

/**
 * control_may_say() - may one more line be written that a host or somebody else
 * provokes as often as he likes?  What was left out is said here.
 */
bool control_may_say(LogLimit *log, uint64_t now_ms);

#endif
