/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control-limits: see control-limits.h. */
#include "arbiter/control-limits.h"

#include <glib.h>

void control_limits_strangers(const ControlLimits *l, StrangersLimits *out)
{
    *out = (StrangersLimits) {
        .most = G_MAXUINT, .each = l->hellos_address,
        .own = { l->handshakes_address,
                 l->handshakes_address * CONTROL_HANDSHAKES_S },
        .all = { l->handshakes, l->handshakes * CONTROL_HANDSHAKES_S },
    };
}

void control_limits_names(const ControlLimits *l, unsigned conns,
                          LimitName *names)
{
    const LimitName all[] = {
        [CONTROL_LIMIT_CONNS] =
            { "connections", conns, "was refused a connection (max-hosts)" },
        [CONTROL_LIMIT_HELLOS_ADDRESS] =
            { "hellos-per-address", l->hellos_address,
              "said no HELLO and was closed" },
        [CONTROL_LIMIT_HANDSHAKES] =
            { "handshakes", l->handshakes, "was refused a TLS handshake" },
        [CONTROL_LIMIT_HANDSHAKES_ADDRESS] =
            { "handshakes-per-address", l->handshakes_address,
              "was refused a TLS handshake" },
        [CONTROL_LIMIT_FRAMES_HOST] =
            { "frames-per-host", l->frames_host, "asks too fast and waits",
              true },
    };

    for (unsigned i = 0; i < NR_CONTROL_LIMITS; i++) {
        names[i] = all[i];
    }
}

bool control_may_say(LogLimit *log, uint64_t now_ms)
{
    unsigned left_out = log_limit_tick(log, now_ms);

    if (left_out) {
        g_message("%u more lines about connections were not written", left_out);
    }
    return log_limit_take(log);
}
