/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-limits: what peers of a provider may take of it, and who has run
 * into that.
 */
#ifndef RCACHED_PROVIDER_LIMITS_H
#define RCACHED_PROVIDER_LIMITS_H

#include <stdint.h>

#include "common/limit-hits.h"
#include "common/strangers.h"

/* Each of them is counted and told apart (limit-hits.h). */
typedef enum PeerLimit {
    PEER_LIMIT_CONNS,
    PEER_LIMIT_CONNS_HOST,
    PEER_LIMIT_IDLE_HOST,
    PEER_LIMIT_ANSWERS,
    PEER_LIMIT_ANSWERS_HOST,
    PEER_LIMIT_PAGES_HOST,
    PEER_LIMIT_PINGS_HOST,
    PEER_LIMIT_HELLOS,
    PEER_LIMIT_HELLOS_ADDRESS,
    PEER_LIMIT_HANDSHAKES,
    PEER_LIMIT_HANDSHAKES_ADDRESS,
    NR_PEER_LIMITS
} PeerLimit;

_Static_assert(NR_PEER_LIMITS <= LIMIT_HITS_KINDS, "all of them are counted");

/**
 * struct ProviderLimits - the values
 * @conns: connections with HELLO; @conns_host: of one host; @idle_host: of one
 *         host and without a lease
 * @answers: bytes of memory of answers that are not sent yet; @answers_host:
 *           for one host
 * @pages_host: pages a second, to or from one host
 * @pings_host: requests a second of one host that move no page
 * @hellos: connections without HELLO; @hellos_address: of one address
 * @handshakes: of TLS, begun in a second by addresses that nobody knows;
 * @handshakes_address: by one address
 */
typedef struct ProviderLimits {
    unsigned conns, conns_host, idle_host;
    uint64_t answers, answers_host;
    unsigned pages_host, pings_host;
    unsigned hellos, hellos_address;
    unsigned handshakes, handshakes_address;
} ProviderLimits;

/* The defaults as they are written in the configuration: for a cluster of a
 * thousand hosts, of which each has 16 VMs with two connections here. */
#define PROVIDER_CONNS                  "32768"
#define PROVIDER_CONNS_HOST             "2048"
#define PROVIDER_IDLE_HOST              "512"
#define PROVIDER_ANSWERS                "512M"
#define PROVIDER_ANSWERS_HOST           "64M"
#define PROVIDER_PAGES_HOST             "500000"
#define PROVIDER_PINGS_HOST             "4000"
#define PROVIDER_HELLOS                 "1024"
#define PROVIDER_HELLOS_ADDRESS         "256"
#define PROVIDER_HANDSHAKES             "100"
#define PROVIDER_HANDSHAKES_ADDRESS     "50"

/* Handshakes may be begun for so many seconds at once: a provider that has been
 * started again is met by all its requesters. */
#define PROVIDER_HANDSHAKES_S           20u
#define PROVIDER_HANDSHAKES_ADDRESS_S   10u

/** provider_limits_init() - the defaults */
void provider_limits_init(ProviderLimits *limits);

/** provider_limits_check() - is none of them zero? */
bool provider_limits_check(const ProviderLimits *limits);

/** provider_limits_strangers() - for strangers_init() */
void provider_limits_strangers(const ProviderLimits *limits,
                               StrangersLimits *out);

/** provider_limits_names() - what they are called, NR_PEER_LIMITS of them */
void provider_limits_names(const ProviderLimits *limits, LimitName *names);

#endif
