/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control: the connections of hosts.  See control.h. */
#include "arbiter/control.h"

#include <string.h>

#include "common/control-conn.h"
#include "common/listener.h"
#include "common/log-event.h"
#include "common/strangers.h"
#include "common/wire-control.h"
#include "common/wire-version.h"

#define HELLO_MS        5000u
#define HELLO_MAX       1024u   /* of payload, before it has come */

struct Control {
    ControlConfig config;
    const ControlOps *ops;
    void *opaque;
    Listener *listener;
    Poller *poller;
    GQueue conns;               /* of HostConn, with HELLO */
    GQueue strangers;           /* and without, the oldest first; */
    Strangers by_address;       /* the same */
    LogLimit ended;             /* what is said of those that end */
    LogLimit others;            /* and of hosts that do */
    FramePaces paces;           /* of hosts that are not connected */
    LimitHits hits;
};

struct HostConn {
    Control *control;
    ControlConn *frames;
    GList link;                 /* in .conns or .strangers */
    Stranger stranger;          /* while it is one of these */
    StrangersVerdict handshake; /* whose limit of these it has run into */
    void *data;                 /* NULL until HELLO has been taken */
    char host[RCACHE_NAME_MAX]; /* for the log */
};

static uint64_t control_now(void)
{
    return g_get_monotonic_time() / 1000;
}

/* Somebody has run into a limit: told once, until it has not bitten for a
 * while; status has the rest. */
static void control_hit(Control *control, ControlLimit limit, const char *who)
{
    LimitName names[NR_CONTROL_LIMITS];
    uint64_t now = control_now();
    bool news = !limit_hits_bites(&control->hits, limit, now);

    limit_hits_note(&control->hits, limit, who, now);
    if (news) {
        control_limits_names(&control->config.limits,
                             control->config.conns_max, names);
        log_event_limit(
            names[limit].pace ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING,
            LOG_LIMIT_BITES, names[limit].key,
            "the limit [limits] %s = %" G_GUINT64_FORMAT " bites: %s %s; "
            "status says who runs into it", names[limit].key,
            names[limit].value, who, names[limit].what);
    }
}

static GQueue *queue_of(HostConn *conn)
{
    return conn->data ? &conn->control->conns : &conn->control->strangers;
}

static void conn_free(HostConn *conn)
{
    if (conn->data) {
        frame_paces_keep(&conn->control->paces, conn->host,
                         control_conn_paced(conn->frames),
                         g_get_monotonic_time());
    }
    strangers_remove(&conn->control->by_address, &conn->stranger);
    g_queue_unlink(queue_of(conn), &conn->link);
    control_conn_free(conn->frames);
    g_free(conn);
}

/* ------------------------------------------------------------------ HELLO */

static void answer_hello(HostConn *conn, uint64_t tag, uint16_t version,
                         uint16_t status, const char *text)
{
    const ControlConfig *config = &conn->control->config;
    WireHelloAck ack = { .version = version };
    g_autoptr(GByteArray) out = g_byte_array_new();

    if (!status) {
        ack.features = RCACHE_FEATURE_AVOID | RCACHE_FEATURE_LABELS |
                       RCACHE_FEATURE_OWNER | RCACHE_FEATURE_WHERE;
        ack.heartbeat_ms = config->heartbeat_ms;
    }
    memcpy(ack.boot_id, config->boot_id, RCACHE_UUID_LEN);
    wire_text_copy(ack.host, sizeof(ack.host), config->host);
    wire_text_copy(ack.text, sizeof(ack.text), text);
    wire_append_hello_ack(out, tag, status, &ack);
    control_conn_send(conn->frames, out);
}

static void refuse_hello(HostConn *conn, uint64_t tag, uint16_t status,
                         const char *text)
{
    answer_hello(conn, tag, wire_version_highest(), status, text);
    control_conn_close(conn->frames, text);
}

static void take_hello(HostConn *conn, uint64_t tag, const WireHello *hello)
{
    Control *control = conn->control;
    uint16_t version = wire_version_choose(hello);
    FramePace pace;
    char text[128] = "";
    void *data;

    wire_text_copy(conn->host, sizeof(conn->host), hello->host);
    if (!version) {
        wire_version_refuse(hello, "the arbiter", text, sizeof(text));
        refuse_hello(conn, tag, RCACHE_E_VERSION, text);
        return;
    }
    if (hello->role != RCACHE_ROLE_HOST) {
        refuse_hello(conn, tag, RCACHE_E_REFUSED, "this is an arbiter, which "
                     "only hosts connect to");
        return;
    }
    if (!control_conn_is(conn->frames, hello->host, text, sizeof(text))) {
        refuse_hello(conn, tag, RCACHE_E_REFUSED, text);
        return;
    }
    data = control->ops->on_hello(conn, hello, text, control->opaque);
    if (!data) {
        refuse_hello(conn, tag, RCACHE_E_REFUSED, text);
        return;
    }
    strangers_known(&control->by_address, &conn->stranger, control_now());
    strangers_remove(&control->by_address, &conn->stranger);
    g_queue_unlink(&control->strangers, &conn->link);
    conn->data = data;
    g_queue_push_tail_link(&control->conns, &conn->link);
    answer_hello(conn, tag, version, RCACHE_OK, "");
    control_conn_limit(conn->frames, 0);
    frame_paces_take(&control->paces, conn->host,
                     control->config.limits.frames_host,
                     g_get_monotonic_time(), &pace);
    control_conn_pace(conn->frames, &pace);
    control_conn_set_deadline(conn->frames, control->config.silence_ms);
}

/* ----------------------------------------------------------------- frames */

static WireError take_lease_request(HostConn *conn, const WireHead *head,
                                    const uint8_t *payload)
{
    Control *control = conn->control;
    WireLeaseRequest request;
    WireError err = wire_lease_request_decode(payload, head->length,
                                              &request);

    if (err == WIRE_OK) {
        control->ops->on_request(conn, head->tag, &request, control->opaque);
    }
    return err;
}

static WireError take_grant_ack(HostConn *conn, const WireHead *head,
                                const uint8_t *payload)
{
    Control *control = conn->control;
    WireGrantAck ack;
    WireError err = wire_grant_ack_decode(head, payload, head->length, &ack);

    if (err == WIRE_OK) {
        control->ops->on_grant_ack(conn, &ack, control->opaque);
    }
    return err;
}

static WireError take_where(HostConn *conn, const WireHead *head,
                            const uint8_t *payload)
{
    Control *control = conn->control;
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireWhere where;
    WireError err = wire_where_decode(head, payload, head->length, &where);

    if (err == WIRE_OK) {
        if (!control->ops->on_where(&where, control->opaque)) {
            where.status = RCACHE_E_REFUSED;
        }
        wire_append_where(out, RCACHE_WHERE_ACK, head->tag, &where);
        control_conn_send(conn->frames, out);
    }
    return err;
}

static WireError take_evict_ack(HostConn *conn, const WireHead *head,
                                const uint8_t *payload)
{
    Control *control = conn->control;
    WireEvictAck ack;
    WireError err = wire_evict_ack_decode(head, payload, head->length, &ack);

    if (err == WIRE_OK) {
        control->ops->on_evict_ack(conn, head->tag, &ack, control->opaque);
    }
    return err;
}

static WireError take_upgrade_ack(HostConn *conn, const WireHead *head,
                                  const uint8_t *payload)
{
    Control *control = conn->control;
    WireUpgradeAck ack;
    WireError err = wire_upgrade_ack_decode(head, payload, head->length, &ack);

    if (err == WIRE_OK) {
        control->ops->on_upgrade_ack(conn, head->tag, &ack, control->opaque);
    }
    return err;
}

/* Return: why the connection has to end, or NULL. */
static const char *take_frame(HostConn *conn, const WireHead *head,
                              const uint8_t *payload)
{
    Control *control = conn->control;
    const char *why = NULL;
    WireHello hello;
    WireError err = WIRE_OK;

    if (!conn->data) {
        if (head->type != RCACHE_HELLO) {
            return "the first frame is not HELLO";
        }
        err = wire_hello_decode(payload, head->length, &hello);
        if (err == WIRE_OK) {
            take_hello(conn, head->tag, &hello);
        }
        return err == WIRE_OK ? NULL : wire_reason(err);
    }
    switch (head->type) {
    case RCACHE_HEARTBEAT:
        control->ops->on_beat(conn, payload, head->length, &why,
                              control->opaque);
        return why;
    case RCACHE_LEASE_REQUEST:
        err = take_lease_request(conn, head, payload);
        break;
    case RCACHE_GRANT_ACK:
        err = take_grant_ack(conn, head, payload);
        break;
    case RCACHE_WHERE:
        err = take_where(conn, head, payload);
        break;
    case RCACHE_EVICT_ACK:
        err = take_evict_ack(conn, head, payload);
        break;
    case RCACHE_UPGRADE_ACK:
        err = take_upgrade_ack(conn, head, payload);
        break;
    default:
        return "a second HELLO";
    }
    return err == WIRE_OK ? NULL : wire_reason(err);
}

static void on_frame(ControlConn *frames, const WireHead *head,
                     const uint8_t *payload, void *opaque)
{
    HostConn *conn = opaque;
    g_autofree char *text = NULL;
    const char *why;

    why = take_frame(conn, head, payload);
    if (why) {
        text = g_strdup_printf("a bad %s: %s", wire_type_name(head->type),
                               why);
        control_conn_close(frames, text);
    }
}

/* Anybody can connect, and end it, as often as he likes. */
static void say_stranger(HostConn *conn, const char *reason)
{
    Control *control = conn->control;

    if (conn->handshake != STRANGERS_MAY) {
        control_hit(control, conn->handshake == STRANGERS_ALL
                    ? CONTROL_LIMIT_HANDSHAKES
                    : CONTROL_LIMIT_HANDSHAKES_ADDRESS,
                    control_conn_peer_host(conn->frames));
    } else if (control_may_say(&control->ended, control_now())) {
        g_warning("%s: %s", control_conn_peer(conn->frames), reason);
    }
}

static void on_paced(ControlConn *frames, void *opaque)
{
    HostConn *conn = opaque;

    control_hit(conn->control, CONTROL_LIMIT_FRAMES_HOST, conn->host);
}

static void on_closed(ControlConn *frames, const char *reason, void *opaque)
{
    HostConn *conn = opaque;
    Control *control = conn->control;

    if (conn->data) {
        if (control_may_say(&control->others, control_now())) {
            g_message("host %s (%s): %s", conn->host,
                      control_conn_peer(frames), reason);
        }
        control->ops->on_gone(conn, reason, control->opaque);
    } else {
        say_stranger(conn, reason);
    }
    conn_free(conn);
}

static const ControlConnOps control_conn_ops = {
    .on_frame = on_frame,
    .on_closed = on_closed,
    .on_paced = on_paced,
};

/* ----------------------------------------------------------------- set-up */

/*
 * Who connects and says nothing must not keep hosts out: where there are too
 * many the one that has been silent for the longest goes.
 */
static bool make_room(Control *control)
{
    HostConn *oldest;

    if (control->conns.length + control->strangers.length <
        control->config.conns_max) {
        return true;
    }
    if (!control->strangers.length) {
        return false;
    }
    oldest = control->strangers.head->data;
    g_debug("%s: no HELLO yet, and other connections need its place",
            control_conn_peer(oldest->frames));
    conn_free(oldest);
    return true;
}

/* It counts among those of its address: one of these may have to go. */
static void add_stranger(Control *control, HostConn *conn,
                         GSocketConnection *connection)
{
    g_autoptr(GSocketAddress) address =
        g_socket_connection_get_remote_address(connection, NULL);
    struct sockaddr_storage from = { 0 };
    HostConn *other;

    if (address) {
        g_socket_address_to_native(address, &from, sizeof(from), NULL);
    }
    g_queue_push_tail_link(&control->strangers, &conn->link);
    other = strangers_add(&control->by_address, &conn->stranger, conn, &from);
    if (other) {
        control_hit(control, CONTROL_LIMIT_HELLOS_ADDRESS,
                    control_conn_peer_host(other->frames));
        conn_free(other);
    }
}

static bool may_begin(void *opaque)
{
    HostConn *conn = opaque;

    conn->handshake = strangers_may_begin(&conn->control->by_address,
                                          &conn->stranger, control_now());
    return conn->handshake == STRANGERS_MAY;
}

static void control_refused(Control *control, GSocketConnection *connection)
{
    g_autoptr(GSocketAddress) from =
        g_socket_connection_get_remote_address(connection, NULL);
    g_autofree char *text = from && G_IS_INET_SOCKET_ADDRESS(from)
        ? g_inet_address_to_string(g_inet_socket_address_get_address(
              G_INET_SOCKET_ADDRESS(from))) : g_strdup("");

    control_hit(control, CONTROL_LIMIT_CONNS, text);
}

static void accepted(GSocketConnection *connection, void *opaque)
{
    TlsWanted any_host = { .role = TLS_ROLE_HOST, .may_begin = may_begin };
    Control *control = opaque;
    HostConn *conn;

    if (!make_room(control)) {
        control_refused(control, connection);
        return;
    }
    conn = g_new0(HostConn, 1);
    conn->control = control;
    conn->link.data = conn;
    any_host.opaque = conn;
    conn->frames = control_conn_new_in(control->poller, connection,
                                       WIRE_ARBITER, &control_conn_ops, conn);
    control_conn_start_tls(conn->frames, control->config.tls, TLS_SERVER,
                           &any_host);
    control_conn_limit(conn->frames, HELLO_MAX);
    control_conn_set_deadline(conn->frames, HELLO_MS);
    add_stranger(control, conn, connection);
}

Control *control_new(const ControlConfig *config, const ControlOps *ops,
                     void *opaque, GError **errp)
{
    StrangersLimits limits;
    Control *control = g_new0(Control, 1);

    control->config = *config;
    control->config.listen = NULL;      /* of the caller's, for now only */
    tls_credentials_ref(control->config.tls);
    control->ops = ops;
    control->opaque = opaque;
    control->listener = listener_new_tcp(config->listen, RCACHE_ARBITER_PORT,
                                         accepted, control, errp);
    if (!control->listener) {
        tls_credentials_unref(control->config.tls);
        g_free(control);
        return NULL;
    }
    control_limits_strangers(&config->limits, &limits);
    strangers_init(&control->by_address, &limits);
    control->poller = poller_new();
    return control;
}

void control_free(Control *control)
{
    if (!control) {
        return;
    }
    listener_free(control->listener);
    while (control->conns.head) {
        conn_free(control->conns.head->data);
    }
    while (control->strangers.head) {
        conn_free(control->strangers.head->data);
    }
    strangers_deinit(&control->by_address);
    frame_paces_clear(&control->paces);
    poller_unref(control->poller);
    tls_credentials_unref(control->config.tls);
    g_free(control);
}

static void recheck(GQueue *conns, TlsCredentials *creds)
{
    for (GList *link = conns->head; link; link = link->next) {
        const HostConn *conn = link->data;

        control_conn_recheck(conn->frames, creds);
    }
}

void control_set_tls(Control *control, TlsCredentials *creds)
{
    tls_credentials_ref(creds);
    tls_credentials_unref(control->config.tls);
    control->config.tls = creds;
    recheck(&control->conns, creds);
    recheck(&control->strangers, creds);
}

int64_t control_expires(const HostConn *conn)
{
    return control_conn_expires(conn->frames);
}

void control_limits_add(const Control *control, JsonArray *list,
                        Verdict *verdict)
{
    LimitName names[NR_CONTROL_LIMITS];

    control_limits_names(&control->config.limits, control->config.conns_max,
                         names);
    limit_hits_add(&control->hits, names, NR_CONTROL_LIMITS, control_now(),
                   list, verdict);
}

const char *control_address(const Control *control)
{
    return listener_address(control->listener);
}

void *control_data(const HostConn *conn)
{
    return conn->data;
}

const char *control_peer(const HostConn *conn)
{
    return control_conn_peer(conn->frames);
}

const char *control_peer_host(const HostConn *conn)
{
    return control_conn_peer_host(conn->frames);
}

bool control_send_grant(HostConn *conn, const WireGrant *grant, bool owner)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireGrant wire = *grant;

    wire.incarnation = owner ? wire.incarnation : 0;
    wire_append_grant(out, wire.lease, &wire);
    return control_conn_send(conn->frames, out);
}

bool control_send_drain(HostConn *conn, bool drain)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_drain(out, drain);
    return control_conn_send(conn->frames, out);
}

bool control_send_withdraw(HostConn *conn, uint64_t lease)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_withdraw(out, lease);
    return control_conn_send(conn->frames, out);
}

bool control_send_evict(HostConn *conn, uint64_t tag, const WireEvict *evict)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_evict(out, tag, evict);
    return control_conn_send(conn->frames, out);
}

bool control_send_upgrade(HostConn *conn, uint64_t tag)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHead head = { .type = RCACHE_UPGRADE, .tag = tag };

    wire_append_bare(out, &head);
    return control_conn_send(conn->frames, out);
}

bool control_send_reply(HostConn *conn, uint64_t tag,
                        const WireLeaseReply *reply)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_lease_reply(out, tag, reply);
    return control_conn_send(conn->frames, out);
}

void control_drop(HostConn *conn, const char *reason)
{
    if (control_may_say(&conn->control->others, control_now())) {
        g_message("host %s (%s): %s", conn->host, control_peer(conn), reason);
    }
    conn_free(conn);
}
