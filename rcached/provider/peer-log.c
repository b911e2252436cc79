/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-log: lines about peers, at a bounded rate.  See peer-log.h. */
#include "rcached/provider/peer-log.h"

#include <glib.h>

void peer_log_tick(PeerLog *log, uint64_t now)
{
    unsigned left_out = log_limit_tick(&log->limit, now);

    if (left_out) {
        g_message("provider: %u more lines about peers were not written",
                  left_out);
    }
}

void peer_log(PeerLog *log, uint64_t now, const char *name, const char *what)
{
    peer_log_tick(log, now);
    if (log_limit_take(&log->limit)) {
        g_message("provider: closing %s: %s", name, what);
    }
}
