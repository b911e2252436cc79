/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter-client: the connections to the arbiters.  See arbiter-client.h.
 *
 * One arbiter goes round: waiting (a timer), dialling, greeting (HELLO is
 * out), connected, and back.  Heartbeat numbers start at the time since boot
 * in milliseconds, so that a daemon that starts anew goes on above its last.
 *
 * A GRANT's answer finds its connection by the arbiter's index and the number
 * of the connection, since the arbiter may be another process by then.
 */
#include "rcached/agent/arbiter-client.h"

#include <inttypes.h>
#include <string.h>

#include "common/boot.h"
#include "common/control-conn.h"
#include "common/control-dial.h"
#include "common/log-event.h"
#include "common/wire-control.h"
#include "common/wire-version.h"
#include "rcached/agent/arbiter-answers.h"

#define BEAT_MIN_MS     100u
#define BEAT_MAX_MS     60000u
#define BEAT_DEFAULT_MS 1000u
/* An arbiter that is silent for so many PINGs, and so long, has gone. */
#define SILENT_BEATS    5u
#define SILENT_MIN_MS   5000u
/* A busy machine is no dead one, however short a heartbeat is. */
#define PING_MIN_MS     250u

static void arbiter_wait(Arbiter *a);

void arbiter_config_init(ArbiterConfig *config)
{
    *config = (ArbiterConfig) {
        .dial_ms = 3000,
        .retry_min_ms = 200,
        .retry_max_ms = 5000,
        .answer_ms = 3000,
    };
}

/* -------------------------------------------------------------- requests */

static bool request_ready(unsigned i, void *opaque)
{
    const ArbiterClients *clients = opaque;

    return clients->arbiter[i].greeted;
}

static const char *request_name(unsigned i, void *opaque)
{
    const ArbiterClients *clients = opaque;

    return clients->arbiter[i].address;
}

/* An arbiter that knows no copies spreads what it gives over hosts. */
static void fit_request(WireLeaseRequest *what, uint64_t features)
{
    if (!(features & RCACHE_FEATURE_AVOID)) {
        what->nr_avoid = 0;
    }
    if (!(features & RCACHE_FEATURE_OWNER)) {
        what->incarnation = 0;
    }
    if (!(features & RCACHE_FEATURE_LABELS)) {
        what->bytes *= what->copies;
        what->copies = 1;
    }
}

static uint64_t request_send(unsigned i, uint64_t tag,
                             const WireLeaseRequest *request, void *opaque)
{
    ArbiterClients *clients = opaque;
    Arbiter *a = &clients->arbiter[i];
    WireLeaseRequest what = *request;
    GByteArray *bytes = g_byte_array_new();
    WireHead ping = { .type = RCACHE_PING };

    fit_request(&what, a->features);
    wire_append_lease_request(bytes, tag, &what);
    wire_append_bare(bytes, &ping);
    /* If that fails the connection ends, which asks the next one. */
    arbiter_send_bytes(a->frames, bytes);
    return ++a->pings;
}

static unsigned request_patience(unsigned i, void *opaque)
{
    const ArbiterClients *clients = opaque;

    return MAX(clients->arbiter[i].period_ms / 2, PING_MIN_MS);
}

static bool request_lives(unsigned i, uint64_t ping, void *opaque)
{
    const ArbiterClients *clients = opaque;

    return clients->arbiter[i].pongs >= ping;
}

static void request_nobody(char *text, size_t size, void *opaque)
{
    const ArbiterClients *clients = opaque;
    const Arbiter *a = clients->arbiter;

    if (!clients->nr_arbiters) {
        wire_text_copy(text, size, "no arbiter is configured on this host");
    } else {
        g_snprintf(text, size, "no arbiter is connected (%s: %s)", a->address,
                   a->error ? a->error : "connecting");
    }
}

static const LeaseRequestsOps request_ops = {
    .ready = request_ready,
    .send = request_send,
    .patience = request_patience,
    .lives = request_lives,
    .name = request_name,
    .nobody = request_nobody,
};

void arbiter_request(ArbiterClients *clients, const WireLeaseRequest *request,
                     LeaseRequestReply *reply, void *opaque)
{
    lease_requests_add(clients->requests, request, reply, opaque);
}

static bool where_knows(unsigned i, void *opaque)
{
    const ArbiterClients *clients = opaque;

    return clients->arbiter[i].features & RCACHE_FEATURE_WHERE;
}

static void where_send(unsigned i, uint64_t tag, const WireWhere *what,
                       void *opaque)
{
    ArbiterClients *clients = opaque;
    GByteArray *bytes = g_byte_array_new();

    wire_append_where(bytes, RCACHE_WHERE, tag, what);
    arbiter_send_bytes(clients->arbiter[i].frames, bytes);
}

static const WhereRequestsOps where_ops = {
    .ready = request_ready,
    .knows = where_knows,
    .send = where_send,
};

void arbiter_where(ArbiterClients *clients, const WireWhere *what,
                   WhereReply *reply, void *opaque)
{
    where_requests_add(clients->wheres, what, reply, opaque);
}

/* ------------------------------------------------------------ connection */

static void arbiter_lost(Arbiter *a, const char *why)
{
    g_clear_handle_id(&a->timer, g_source_remove);
    g_clear_pointer(&a->frames, control_conn_free);
    if (!a->said || g_strcmp0(a->error, why)) {
        log_event_arbiter(G_LOG_LEVEL_MESSAGE, LOG_NO_ARBITER, a->address,
                          "arbiter %s: %s; trying again", a->address, why);
    }
    a->said = true;
    g_free(a->error);
    a->error = g_strdup(why);
    a->greeted = false;
    lease_requests_lost(a->clients->requests, a->index, why);
    where_requests_lost(a->clients->wheres, a->index);
    arbiter_wait(a);
}

static WireError arbiter_lease_reply(Arbiter *a, const WireHead *head,
                                     const uint8_t *payload)
{
    WireLeaseReply reply;
    WireError err = wire_lease_reply_decode(head, payload, head->length,
                                            &reply);

    if (!err && !lease_requests_answered(a->clients->requests, a->index,
                                         head->tag, &reply)) {
        g_message("arbiter %s: an answer with %u leases came too late: nobody "
                  "claims them, and they lapse", a->address, reply.nr_grants);
    }
    return err;
}

static gboolean arbiter_beat(gpointer opaque)
{
    Arbiter *a = opaque;
    ArbiterClients *clients = a->clients;
    GByteArray *bytes = g_byte_array_new();
    WireHead ping = { .type = RCACHE_PING };

    clients->ops->beat(bytes, a->seq++, clients->opaque);
    wire_append_bare(bytes, &ping);
    a->pings++;
    a->beats++;
    arbiter_send_bytes(a->frames, bytes);
    /* So that many hosts do not come to beat together. */
    a->timer = g_timeout_add(a->period_ms * 9 / 10 +
                             g_random_int_range(0, a->period_ms / 5 + 1),
                             arbiter_beat, a);
    return G_SOURCE_REMOVE;
}

static void arbiter_greeted(Arbiter *a, const WireHead *head,
                            const WireHelloAck *ack)
{
    g_autofree char *why = NULL;
    char name[160];

    if (head->status != RCACHE_OK) {
        why = g_strdup_printf("this host was refused: %s",
                              *ack->text ? ack->text
                                         : wire_status_name(head->status));
        a->pause_ms = a->clients->config.retry_max_ms;
        arbiter_lost(a, why);
        return;
    }
    if (!wire_version_spoken(ack->version)) {
        arbiter_lost(a, "the arbiter chose a version unknown to this host");
        return;
    }
    if (!control_conn_is(a->frames, ack->host, name, sizeof(name))) {
        arbiter_lost(a, name);
        return;
    }
    g_message("arbiter %s (%s): connected", a->address, ack->host);
    g_strlcpy(a->host, ack->host, sizeof(a->host));
    a->features = ack->features;
    a->version = ack->version;
    a->greeted = true;
    a->said = false;
    g_clear_pointer(&a->error, g_free);
    a->pause_ms = a->clients->config.retry_min_ms;
    a->period_ms = CLAMP(ack->heartbeat_ms ? ack->heartbeat_ms
                                           : BEAT_DEFAULT_MS,
                         BEAT_MIN_MS, BEAT_MAX_MS);
    control_conn_set_deadline(a->frames,
                              MAX(SILENT_BEATS * a->period_ms, SILENT_MIN_MS));
    arbiter_beat(a);
    a->clients->ops->greeted(a->clients->opaque);
}

static WireError arbiter_where_ack(Arbiter *a, const WireHead *head,
                                   const uint8_t *payload)
{
    WireWhere where;
    WireError err = wire_where_decode(head, payload, head->length, &where);

    if (!err) {
        where_requests_answered(a->clients->wheres, a->index, head->tag,
                                &where);
    }
    return err;
}

static WireError arbiter_frame(Arbiter *a, const WireHead *head,
                               const uint8_t *payload)
{
    const ArbiterOps *ops = a->clients->ops;
    WireHelloAck ack;
    WireGrant grant;
    WireEvict evict;
    uint64_t lease;
    bool draining;
    WireError err;

    if (head->type == RCACHE_PONG) {
        a->pongs++;
        return WIRE_OK;
    }
    if ((head->type == RCACHE_HELLO_ACK) == a->greeted) {
        return WIRE_E_TYPE;             /* at the wrong time */
    }
    switch (head->type) {
    case RCACHE_HELLO_ACK:
        err = wire_hello_ack_decode(payload, head->length, &ack);
        if (!err) {
            arbiter_greeted(a, head, &ack);
        }
        return err;
    case RCACHE_LEASE_REPLY:
        return arbiter_lease_reply(a, head, payload);
    case RCACHE_WHERE_ACK:
        return arbiter_where_ack(a, head, payload);
    case RCACHE_GRANT:
        err = wire_grant_decode(payload, head->length, &grant);
        if (!err) {
            ops->grant(arbiter_asked_new(a, head->tag), &grant,
                       a->clients->opaque);
        }
        return err;
    case RCACHE_EVICT:
        err = wire_evict_decode(payload, head->length, &evict);
        if (!err) {
            ops->evict(arbiter_asked_new(a, head->tag), &evict,
                       a->clients->opaque);
        }
        return err;
    case RCACHE_UPGRADE:
        ops->upgrade(arbiter_asked_new(a, head->tag), a->clients->opaque);
        return WIRE_OK;
    case RCACHE_DRAIN:
        err = wire_drain_decode(payload, head->length, &draining);
        if (!err) {
            ops->drain(draining, a->clients->opaque);
        }
        return err;
    case RCACHE_WITHDRAW:
        err = wire_withdraw_decode(payload, head->length, &lease);
        if (!err) {
            ops->withdraw(lease, a->clients->opaque);
        }
        return err;
    default:
        return WIRE_E_TYPE;
    }
}

static void arbiter_on_frame(ControlConn *frames, const WireHead *head,
                             const uint8_t *payload, void *opaque)
{
    Arbiter *a = opaque;
    WireError err = arbiter_frame(a, head, payload);

    if (err) {
        g_autofree char *why = g_strdup_printf("%s: %s",
                                               wire_type_name(head->type),
                                               wire_reason(err));

        arbiter_lost(a, why);
    }
}

static void arbiter_on_closed(ControlConn *frames, const char *reason,
                              void *opaque)
{
    arbiter_lost(opaque, reason);
}

static const ControlConnOps arbiter_frames_ops = {
    .on_frame = arbiter_on_frame,
    .on_closed = arbiter_on_closed,
};

static void arbiter_dialed(GSocketConnection *conn, const GError *error,
                           void *opaque)
{
    Arbiter *a = opaque;
    ArbiterClients *clients = a->clients;
    static const TlsWanted arbiter = { .role = TLS_ROLE_ARBITER };
    GByteArray *bytes;
    WireHello hello = {
        .role = RCACHE_ROLE_HOST,
        .features = RCACHE_FEATURE_DRAIN | RCACHE_FEATURE_EVICT |
                    RCACHE_FEATURE_WITHDRAW | RCACHE_FEATURE_LABELS |
                    RCACHE_FEATURE_UPGRADE | RCACHE_FEATURE_OWNER,
    };

    a->dial = NULL;
    if (!conn) {
        arbiter_lost(a, error->message);
        return;
    }
    wire_version_offer(&hello);
    memcpy(hello.boot_id, clients->config.boot_id, sizeof(hello.boot_id));
    wire_text_copy(hello.host, sizeof(hello.host), clients->host);
    wire_text_copy(hello.address, sizeof(hello.address), clients->provider);
    a->connection = ++clients->connections;
    a->pings = a->pongs = 0;
    a->frames = control_conn_new(conn, WIRE_HOST, &arbiter_frames_ops, a);
    control_conn_set_deadline(a->frames, SILENT_MIN_MS);
    control_conn_start_tls(a->frames, clients->config.tls, TLS_CLIENT,
                           &arbiter);
    bytes = g_byte_array_new();
    wire_append_hello(bytes, 0, &hello);
    arbiter_send_bytes(a->frames, bytes);
}

static gboolean arbiter_dial(gpointer opaque)
{
    Arbiter *a = opaque;

    a->timer = 0;
    a->dial = control_dial(a->address, RCACHE_ARBITER_PORT,
                           a->clients->config.dial_ms, arbiter_dialed, a);
    return G_SOURCE_REMOVE;
}

/*
 * Pause, between half and all of what it has grown to, then dial again.  An
 * arbiter that is back is so found within a heartbeat.
 */
static void arbiter_wait(Arbiter *a)
{
    const ArbiterConfig *config = &a->clients->config;
    unsigned beat = a->period_ms ? a->period_ms : BEAT_DEFAULT_MS;
    unsigned max = MIN(config->retry_max_ms, MAX(beat, config->retry_min_ms));

    a->timer = g_timeout_add(a->pause_ms / 2 +
                             g_random_int_range(0, a->pause_ms / 2 + 1),
                             arbiter_dial, a);
    a->pause_ms = MIN(a->pause_ms * 2, max);
}

/* ------------------------------------------------------------------- all */

ArbiterClients *arbiter_clients_new(const ArbiterConfig *config,
                                    const ArbiterOps *ops, void *opaque)
{
    ArbiterClients *clients = g_new0(ArbiterClients, 1);
    unsigned n = g_strv_length((char **)config->addresses);

    clients->refs = 1;
    clients->alive = true;
    clients->config = *config;
    clients->host = g_strdup(config->host);
    clients->provider = g_strdup(config->provider);
    tls_credentials_ref(clients->config.tls);
    clients->ops = ops;
    clients->opaque = opaque;
    clients->arbiter = g_new0(Arbiter, n);
    clients->nr_arbiters = n;
    clients->requests = lease_requests_new(n, config->answer_ms, &request_ops,
                                           clients);
    clients->wheres = where_requests_new(n, &where_ops, clients);
    for (unsigned i = 0; i < n; i++) {
        Arbiter *a = &clients->arbiter[i];

        a->clients = clients;
        a->index = i;
        a->address = g_strdup(config->addresses[i]);
        a->pause_ms = config->retry_min_ms;
        a->seq = boottime_ms();
        a->timer = g_idle_add(arbiter_dial, a);
    }
    return clients;
}

void arbiter_clients_set_tls(ArbiterClients *clients, TlsCredentials *creds)
{
    tls_credentials_ref(creds);
    tls_credentials_unref(clients->config.tls);
    clients->config.tls = creds;
    for (unsigned i = 0; i < clients->nr_arbiters; i++) {
        if (clients->arbiter[i].frames) {
            control_conn_recheck(clients->arbiter[i].frames, creds);
        }
    }
}

void arbiter_clients_free(ArbiterClients *clients)
{
    if (!clients) {
        return;
    }
    clients->alive = false;
    g_clear_pointer(&clients->requests, lease_requests_free);
    g_clear_pointer(&clients->wheres, where_requests_free);
    for (unsigned i = 0; i < clients->nr_arbiters; i++) {
        Arbiter *a = &clients->arbiter[i];

        g_clear_handle_id(&a->timer, g_source_remove);
        g_clear_pointer(&a->dial, control_dial_cancel);
        g_clear_pointer(&a->frames, control_conn_free);
        g_free(a->address);
        g_free(a->error);
    }
    arbiter_clients_unref(clients);
}
