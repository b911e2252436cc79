/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-log: lines about peers, at a bounded rate.  See peer-log.h. */
#include "rcached/provider/peer-log.h"

#include <glib.h>

#define LOG_WINDOW_MS   10000u
#define LOG_LINES       10u     /* in a window */

void peer_log_tick(PeerLog *log, uint64_t now)
{
    if (now < log->until) {
        return;
    }
    if (log->dropped) {
        g_message("provider: %u more lines about peers were not written",
                  log->dropped);
    }
    log->until = now + LOG_WINDOW_MS;
    log->lines = log->dropped = 0;
}

void peer_log(PeerLog *log, uint64_t now, const char *name, const char *what)
{
    peer_log_tick(log, now);
    if (log->lines == LOG_LINES) {
        log->dropped++;
        return;
    }
    log->lines++;
    g_message("provider: closing %s: %s", name, what);
}
