/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer-log: lines about peers, at a bounded rate (common/log-limit.h).
 */
#ifndef RCACHED_PROVIDER_PEER_LOG_H
#define RCACHED_PROVIDER_PEER_LOG_H

#include <stdint.h>

#include "common/log-limit.h"

typedef struct PeerLog {
    LogLimit limit;             /* of all peers together */
} PeerLog;

/**
 * peer_log() - say why a connection is closed, unless too much has been said
 * @now: ms
 * @name: of the peer
 * @what: the reason
 */
void peer_log(PeerLog *log, uint64_t now, const char *name, const char *what);

/** peer_log_tick() - end the window when its time is over; @now in ms */
void peer_log_tick(PeerLog *log, uint64_t now);

#endif
