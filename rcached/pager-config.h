/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager-config: what the configuration says to every pager of this host. */
#ifndef RCACHED_PAGER_CONFIG_H
#define RCACHED_PAGER_CONFIG_H

#include <stdbool.h>

typedef struct PagerConfig {
    unsigned poll_us;           /* spin so long before sleeping */
    unsigned keep_unused_ms;    /* leases that are not made use of */
    unsigned slow_window_ms;    /* answers of providers are compared over */
    unsigned moves_per_minute;  /* slabs that leave slow ones; 0: none */
    unsigned repair_kib;        /* KiB a second of copies made; 0: no limit */
    unsigned give_up_ms;        /* a provider is away: what is there is stale */
    unsigned dscp;              /* of what goes to providers, see dscp.h */
    bool keep_clean;            /* pages that come keep their slots */
    bool plain;                 /* tls=none */
} PagerConfig;

#define PAGER_CONFIG_DEFAULT (PagerConfig) { \
    .keep_unused_ms = 60 * 1000, \
    .slow_window_ms = 10 * 1000, \
    .moves_per_minute = 6, \
    .repair_kib = 64 * 1024, \
    .give_up_ms = 600 * 1000, \
}

#endif
