/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-limits: see provider-limits.h. */
#include "rcached/provider/provider-limits.h"

#include <stdlib.h>

static unsigned number(const char *text)
{
    return strtoul(text, NULL, 10);
}

static uint64_t mebibytes(const char *text)
{
    return (uint64_t)strtoul(text, NULL, 10) << 20;
}

void provider_limits_init(ProviderLimits *limits)
{
    *limits = (ProviderLimits) {
        .conns = number(PROVIDER_CONNS),
        .conns_host = number(PROVIDER_CONNS_HOST),
        .idle_host = number(PROVIDER_IDLE_HOST),
        .answers = mebibytes(PROVIDER_ANSWERS),
        .answers_host = mebibytes(PROVIDER_ANSWERS_HOST),
        .pages_host = number(PROVIDER_PAGES_HOST),
        .pings_host = number(PROVIDER_PINGS_HOST),
        .hellos = number(PROVIDER_HELLOS),
        .hellos_address = number(PROVIDER_HELLOS_ADDRESS),
        .handshakes = number(PROVIDER_HANDSHAKES),
        .handshakes_address = number(PROVIDER_HANDSHAKES_ADDRESS),
    };
}

bool provider_limits_check(const ProviderLimits *l)
{
    return l->conns && l->conns_host && l->idle_host && l->answers &&
           l->answers_host && l->pages_host && l->pings_host && l->hellos &&
           l->hellos_address && l->handshakes && l->handshakes_address;
}

void provider_limits_strangers(const ProviderLimits *l, StrangersLimits *out)
{
    *out = (StrangersLimits) {
        .most = l->hellos, .each = l->hellos_address,
        .own = { l->handshakes_address,
                 l->handshakes_address * PROVIDER_HANDSHAKES_ADDRESS_S },
        .all = { l->handshakes, l->handshakes * PROVIDER_HANDSHAKES_S },
    };
}

void provider_limits_names(const ProviderLimits *l, LimitName *names)
{
    const LimitName all[] = {
        [PEER_LIMIT_CONNS] =
            { "connections", l->conns, "has lost connections or got none" },
        [PEER_LIMIT_CONNS_HOST] =
            { "connections-per-host", l->conns_host,
              "has lost connections or got none" },
        [PEER_LIMIT_IDLE_HOST] =
            { "idle-connections-per-host", l->idle_host,
              "has lost connections without a lease" },
        [PEER_LIMIT_ANSWERS] =
            { "answers", l->answers, "is not read until it reads", true },
        [PEER_LIMIT_ANSWERS_HOST] =
            { "answers-per-host", l->answers_host,
              "is not read until it reads", true },
        [PEER_LIMIT_PAGES_HOST] =
            { "pages-per-host", l->pages_host, "asks too fast and waits",
              true },
        [PEER_LIMIT_PINGS_HOST] =
            { "pings-per-host", l->pings_host, "asks too fast and waits",
              true },
        [PEER_LIMIT_HELLOS] =
            { "hellos", l->hellos, "said no HELLO and was closed" },
        [PEER_LIMIT_HELLOS_ADDRESS] =
            { "hellos-per-address", l->hellos_address,
              "said no HELLO and was closed" },
        [PEER_LIMIT_HANDSHAKES] =
            { "handshakes", l->handshakes, "was refused a TLS handshake" },
        [PEER_LIMIT_HANDSHAKES_ADDRESS] =
            { "handshakes-per-address", l->handshakes_address,
              "was refused a TLS handshake" },
    };

    for (unsigned i = 0; i < NR_PEER_LIMITS; i++) {
        names[i] = all[i];
    }
}
