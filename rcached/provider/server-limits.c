/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server-limits: see server-limits.h. */
#include "rcached/provider/server-limits.h"

#include <inttypes.h>

#include "common/log-event.h"
#include "rcached/provider/peer.h"
#include "rcached/provider/serving.h"

/* Of the time, handshakes have one part of so many. */
#define SHAKE_PART      10
#define SHAKE_MS        5u      /* until one that waits is looked at again */

void server_hit(Server *server, PeerLimit limit, const char *who)
{
    LimitName names[NR_PEER_LIMITS];
    bool news;

    server_lock(server);
    news = !limit_hits_bites(&server->hits, limit, server->now);
    limit_hits_note(&server->hits, limit, who, server->now);
    server_unlock(server);
    if (news) {
        provider_limits_names(&server->config.limits, names);
        log_event_limit(
            names[limit].pace ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING,
            LOG_LIMIT_BITES, names[limit].key,
            "provider: the limit [limits] %s = %" PRIu64 " bites: %s %s; "
            "status says who runs into it", names[limit].key,
            names[limit].value, who, names[limit].what);
    }
}

void server_park(Server *server, Peer *peer, unsigned ms)
{
    if (!peer->parked.data) {
        peer->parked.data = peer;
        g_queue_push_tail_link(&server->parked, &peer->parked);
    }
    peer->parked_ms = server->now + ms;
    if (!ring_op_busy(&server->pace)) {
        ring_timeout(server->ring, &server->pace, SERVER_PACE_NS);
    }
}

void server_unpark(Server *server, Peer *peer)
{
    if (peer->parked.data) {
        g_queue_unlink(&server->parked, &peer->parked);
        peer->parked.data = NULL;
    }
}

bool server_shakes(Server *server, Peer *peer)
{
    if (!ring_op_busy(&server->shy) ||
        !strangers_busy(&server->strangers, &peer->stranger, server->now)) {
        return true;
    }
    server_park(server, peer, SHAKE_MS);
    return false;
}

void server_shook(Server *server, const Peer *peer, int64_t began)
{
    int64_t took = g_get_monotonic_time() - began;

    if (!ring_op_busy(&server->shy) &&
        turns_compete(&server->turns, NULL, began) &&
        strangers_busy(&server->strangers, &peer->stranger, server->now)) {
        ring_timeout(server->ring, &server->shy,
                     MAX(took, 1) * (SHAKE_PART - 1) * 1000);
    }
}
