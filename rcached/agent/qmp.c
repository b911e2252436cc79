/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp: one monitor.  See qmp.h.
 *
 *     (pause) -> connecting -> greeting -> step by step -> statistics, pause
 *        ^            |            |             |               |
 *        +------------+------------+-------------+---------------+ failure
 *
 * One command is out at a time, and a timer runs while it is.  An answer is
 * known by its id; events are skipped.  A command that QEMU refuses is one
 * whose answer is not known, which is no failure: not every machine has a
 * balloon.
 */
#include "rcached/agent/qmp.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

#include "common/admin-call.h"
#include "common/admin.h"
#include "common/uuid.h"
#include "common/wire.h"

#define READ_MAX        16384
#define BACK_OFF_MAX    8u
#define POLL_S          2               /* what the balloon is told to do */

typedef enum Step {
    STEP_GREETING,
    STEP_CAPABILITIES,
    STEP_NAME,
    STEP_UUID,
    STEP_MEMORY,
    STEP_PERIPHERAL,            /* look for a balloon in these two */
    STEP_ANONYMOUS,
    STEP_INTERVAL,              /* does it ask the guest at all? */
    STEP_SET_INTERVAL,
    STEP_ACTUAL,                /* from here on every period */
    STEP_STATS,
} Step;

struct Qmp {
    QmpConfig config;
    char *path;
    char *error;                /* of the last try */
    unsigned failures;
    GCancellable *cancel;       /* of a connection that is being made */
    GSocketConnection *conn;
    GSource *source;
    GByteArray *in;
    guint timer;
    Step step;
    uint64_t ids;
    uint64_t id;                /* of the command that is out; 0: none */
    char *balloon;              /* its path, or NULL */
    QmpGuest guest;
    uint64_t last_update;       /* as the balloon told it */
    int64_t heard_at;           /* g_get_monotonic_time() of that */
};

static void qmp_start(Qmp *qmp);
static void qmp_step(Qmp *qmp, Step step);

void qmp_config_init(QmpConfig *config, unsigned period_ms)
{
    *config = (QmpConfig) {
        .proc = "/proc",
        .period_ms = period_ms,
        .answer_ms = 2000,
        .retry_ms = period_ms,
    };
}

/* ------------------------------------------------------------ connection */

static void qmp_close(Qmp *qmp)
{
    g_clear_handle_id(&qmp->timer, g_source_remove);
    if (qmp->source) {
        g_source_destroy(qmp->source);
        g_clear_pointer(&qmp->source, g_source_unref);
    }
    if (qmp->cancel) {
        g_cancellable_cancel(qmp->cancel);
        g_clear_object(&qmp->cancel);
    }
    g_clear_object(&qmp->conn);
    g_byte_array_set_size(qmp->in, 0);
    g_clear_pointer(&qmp->balloon, g_free);
    memset(&qmp->guest, 0, sizeof(qmp->guest));
    qmp->last_update = 0;
    qmp->id = 0;
}

static gboolean qmp_again(gpointer opaque)
{
    Qmp *qmp = opaque;

    qmp->timer = 0;
    qmp_start(qmp);
    return G_SOURCE_REMOVE;
}

static void qmp_fail(Qmp *qmp, const char *why)
{
    if (g_strcmp0(qmp->error, why)) {
        g_message("monitor %s: %s; trying again", qmp->path, why);
        g_free(qmp->error);
        qmp->error = g_strdup(why);
    }
    qmp_close(qmp);
    qmp->timer = g_timeout_add(qmp->config.retry_ms << qmp->failures,
                               qmp_again, qmp);
    if (1u << qmp->failures < BACK_OFF_MAX) {
        qmp->failures++;
    }
}

static gboolean qmp_late(gpointer opaque)
{
    Qmp *qmp = opaque;

    qmp->timer = 0;
    qmp_fail(qmp, "no answer in time");
    return G_SOURCE_REMOVE;
}

static void qmp_expect(Qmp *qmp)
{
    g_clear_handle_id(&qmp->timer, g_source_remove);
    qmp->timer = g_timeout_add(qmp->config.answer_ms, qmp_late, qmp);
}

static gboolean qmp_period(gpointer opaque)
{
    Qmp *qmp = opaque;

    qmp->timer = 0;
    qmp_step(qmp, STEP_ACTUAL);
    return G_SOURCE_REMOVE;
}

/* -------------------------------------------------------------- commands */

static void qmp_send(Qmp *qmp, const char *command, const char *arguments)
{
    g_autofree char *line = NULL;
    gssize len;

    qmp->id = ++qmp->ids;
    line = g_strdup_printf("{\"execute\": \"%s\"%s%s, \"id\": %"
                           G_GUINT64_FORMAT "}\n", command,
                           arguments ? ", \"arguments\": " : "",
                           arguments ? arguments : "", qmp->id);
    qmp_expect(qmp);
    /* A line goes into an empty socket buffer whole, or the peer is stuck. */
    len = g_socket_send(g_socket_connection_get_socket(qmp->conn), line,
                        strlen(line), NULL, NULL);
    if (len != (gssize)strlen(line)) {
        qmp_fail(qmp, "the monitor does not read what it is sent");
    }
}

static void qmp_send_property(Qmp *qmp, const char *command,
                              const char *property, const char *more)
{
    g_autofree char *path = g_strescape(qmp->balloon, NULL);
    g_autofree char *arguments =
        g_strdup_printf("{\"path\": \"%s\", \"property\": \"%s\"%s}", path,
                        property, more);

    qmp_send(qmp, command, arguments);
}

static void qmp_pause(Qmp *qmp)
{
    qmp->id = 0;
    qmp->failures = 0;
    if (qmp->error) {
        g_message("monitor %s: vm %s", qmp->path, qmp->guest.name);
        g_clear_pointer(&qmp->error, g_free);
    }
    g_clear_handle_id(&qmp->timer, g_source_remove);
    qmp->timer = g_timeout_add(qmp->config.period_ms, qmp_period, qmp);
}

static void qmp_step(Qmp *qmp, Step step)
{
    if (step > STEP_ANONYMOUS && !qmp->balloon) {
        qmp->step = STEP_ACTUAL;
        qmp_pause(qmp);         /* there is nothing to ask for */
        return;
    }
    qmp->step = step;
    switch (step) {
    case STEP_GREETING:
        qmp_expect(qmp);
        return;
    case STEP_CAPABILITIES:
        qmp_send(qmp, "qmp_capabilities", NULL);
        return;
    case STEP_NAME:
        qmp_send(qmp, "query-name", NULL);
        return;
    case STEP_UUID:
        qmp_send(qmp, "query-uuid", NULL);
        return;
    case STEP_MEMORY:
        qmp_send(qmp, "query-memory-size-summary", NULL);
        return;
    case STEP_PERIPHERAL:
        qmp_send(qmp, "qom-list", "{\"path\": \"/machine/peripheral\"}");
        return;
    case STEP_ANONYMOUS:
        qmp_send(qmp, "qom-list",
                 "{\"path\": \"/machine/peripheral-anon\"}");
        return;
    case STEP_INTERVAL:
        qmp_send_property(qmp, "qom-get", "guest-stats-polling-interval",
                          "");
        return;
    case STEP_SET_INTERVAL:
        qmp_send_property(qmp, "qom-set", "guest-stats-polling-interval",
                          ", \"value\": " G_STRINGIFY(POLL_S));
        return;
    case STEP_ACTUAL:
        qmp_send(qmp, "query-balloon", NULL);
        return;
    case STEP_STATS:
        qmp_send_property(qmp, "qom-get", "guest-stats", "");
        return;
    }
}

/* --------------------------------------------------------------- answers */

static JsonObject *member_object(JsonObject *o, const char *name)
{
    JsonNode *node = o ? json_object_get_member(o, name) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

static const char *member_text(JsonObject *o, const char *name)
{
    JsonNode *node = o ? json_object_get_member(o, name) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node)
               ? json_node_get_string(node) : NULL;
}

/*
 * 0 if it is no number, or not a plausible one: json-glib turns 2^64 - 1, how
 * a balloon says that it does not know, into -1 or a double.
 */
static uint64_t member_number(JsonObject *o, const char *name)
{
    JsonNode *node = o ? json_object_get_member(o, name) : NULL;
    gint64 n;

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64) {
        return 0;
    }
    n = json_node_get_int(node);
    return n > 0 ? n : 0;
}

static void take_name(Qmp *qmp, JsonObject *o)
{
    const char *name = member_text(o, "name");
    g_autofree char *base = g_path_get_basename(qmp->path);

    wire_text_copy(qmp->guest.name, sizeof(qmp->guest.name),
                   name && *name ? name : base);
}

static void take_uuid(Qmp *qmp, JsonObject *o)
{
    const char *text = member_text(o, "UUID");

    if (!text || !uuid_parse(text, qmp->guest.uuid)) {
        memset(qmp->guest.uuid, 0, sizeof(qmp->guest.uuid));
    }
}

static void take_balloon(Qmp *qmp, const char *folder, JsonNode *answer)
{
    JsonArray *list = answer && JSON_NODE_HOLDS_ARRAY(answer)
                          ? json_node_get_array(answer) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        JsonObject *o = JSON_NODE_HOLDS_OBJECT(node)
                            ? json_node_get_object(node) : NULL;
        const char *name = member_text(o, "name");
        const char *type = member_text(o, "type");

        if (name && type && !qmp->balloon &&
            g_str_has_prefix(type, "child<virtio-balloon")) {
            qmp->balloon = g_strdup_printf("%s/%s", folder, name);
        }
    }
}

/*
 * It is told when QEMU last heard of the guest: what matters is that this
 * changes; how old it was when we first saw it is known from its clock only.
 */
static void take_stats(Qmp *qmp, JsonObject *o)
{
    JsonObject *stats = member_object(o, "stats");
    uint64_t update = member_number(o, "last-update");
    int64_t now = g_get_monotonic_time(), age;
    QmpGuest *g = &qmp->guest;

    g->balloon_free = member_number(stats, "stat-free-memory");
    g->balloon_total = member_number(stats, "stat-total-memory");
    g->balloon_available = member_number(stats, "stat-available-memory");
    if (update && update != qmp->last_update) {
        age = g_get_real_time() / G_USEC_PER_SEC - (int64_t)update;
        qmp->heard_at = now - CLAMP(age, 0, 86400) * G_USEC_PER_SEC;
        qmp->last_update = update;
    }
    g->has_balloon = qmp->last_update && g->balloon_free &&
                     g->balloon_total;
}

static void take_memory(Qmp *qmp, JsonObject *o)
{
    uint64_t base = member_number(o, "base-memory");

    qmp->guest.memory = qmp->guest.actual =
        base + member_number(o, "plugged-memory");
}

static void qmp_answer(Qmp *qmp, JsonNode *answer)
{
    JsonObject *o = answer && JSON_NODE_HOLDS_OBJECT(answer)
                        ? json_node_get_object(answer) : NULL;

    switch (qmp->step) {
    case STEP_GREETING:
    case STEP_SET_INTERVAL:
        break;
    case STEP_CAPABILITIES:
        if (!answer) {
            qmp_fail(qmp, "qmp_capabilities was refused");
            return;
        }
        break;
    case STEP_NAME:
        take_name(qmp, o);
        break;
    case STEP_UUID:
        take_uuid(qmp, o);
        break;
    case STEP_MEMORY:
        take_memory(qmp, o);
        break;
    case STEP_PERIPHERAL:
        take_balloon(qmp, "/machine/peripheral", answer);
        break;
    case STEP_ANONYMOUS:
        take_balloon(qmp, "/machine/peripheral-anon", answer);
        break;
    case STEP_INTERVAL:
        if (!answer || !JSON_NODE_HOLDS_VALUE(answer) ||
            json_node_get_int(answer) > 0) {
            qmp->step = STEP_SET_INTERVAL;      /* it does already */
        }
        break;
    case STEP_ACTUAL:
        if (member_number(o, "actual")) {
            qmp->guest.actual = member_number(o, "actual");
        }
        break;
    case STEP_STATS:
        take_stats(qmp, o);
        qmp_pause(qmp);
        return;
    }
    qmp_step(qmp, qmp->step + 1);
}

static void qmp_line(Qmp *qmp, const char *line, size_t len)
{
    g_autoptr(JsonNode) root = admin_line_parse(line, len, NULL);
    JsonObject *o = root ? json_node_get_object(root) : NULL;

    if (!o) {
        qmp_fail(qmp, "something that is not QMP came");
    } else if (qmp->step == STEP_GREETING) {
        if (!member_object(o, "QMP")) {
            qmp_fail(qmp, "the greeting is not that of a QMP monitor");
        } else {
            qmp_step(qmp, STEP_CAPABILITIES);
        }
    } else if (qmp->id && member_number(o, "id") == qmp->id &&
               (json_object_has_member(o, "return") ||
                json_object_has_member(o, "error"))) {
        qmp->id = 0;
        qmp_answer(qmp, json_object_get_member(o, "return"));
    } else if (!json_object_has_member(o, "event")) {
        qmp_fail(qmp, "an answer came to a command that was not sent");
    }
}

/* ----------------------------------------------------------------- input */

static void qmp_lines(Qmp *qmp)
{
    GByteArray *in = qmp->in;
    uint8_t *end;

    while (in->len && (end = memchr(in->data, '\n', in->len))) {
        size_t len = end - in->data;
        g_autofree char *line = g_strndup((char *)in->data, len);

        g_byte_array_remove_range(in, 0, len + 1);
        qmp_line(qmp, line, strlen(line));      /* may empty all of it */
    }
    if (in->len > ADMIN_LINE_MAX) {
        qmp_fail(qmp, "a line is too long");
    }
}

static gboolean qmp_readable(GSocket *socket, GIOCondition condition,
                             gpointer opaque)
{
    Qmp *qmp = opaque;
    guint8 bytes[READ_MAX];
    g_autoptr(GError) error = NULL;
    gssize n = g_socket_receive(socket, (char *)bytes, sizeof(bytes), NULL,
                                &error);

    if (n > 0) {
        g_byte_array_append(qmp->in, bytes, n);
        qmp_lines(qmp);
    } else if (n == 0) {
        qmp_fail(qmp, "the connection was closed");
    } else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        qmp_fail(qmp, error->message);
    }
    return G_SOURCE_CONTINUE;   /* a source destroyed does not */
}

static void qmp_connected(GObject *client, GAsyncResult *result,
                          gpointer opaque)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) conn =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result,
                                       &error);
    g_autoptr(GCredentials) peer = NULL;
    GSocket *socket;
    Qmp *qmp = opaque;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        return;                 /* qmp may be gone */
    }
    g_clear_object(&qmp->cancel);
    if (!conn) {
        qmp_fail(qmp, error->message);
        return;
    }
    qmp->conn = g_steal_pointer(&conn);
    socket = g_socket_connection_get_socket(qmp->conn);
    g_socket_set_blocking(socket, FALSE);
    peer = g_socket_get_credentials(socket, NULL);
    qmp->guest.pid = peer ? MAX(g_credentials_get_unix_pid(peer, NULL), 0)
                          : 0;
    qmp->source = g_socket_create_source(socket, G_IO_IN, NULL);
    g_source_set_callback(qmp->source, G_SOURCE_FUNC(qmp_readable), qmp,
                          NULL);
    g_source_attach(qmp->source, NULL);
    qmp_step(qmp, STEP_GREETING);
}

static void qmp_start(Qmp *qmp)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(qmp->path);

    qmp->cancel = g_cancellable_new();
    qmp_expect(qmp);
    g_socket_client_connect_async(client, G_SOCKET_CONNECTABLE(address),
                                  qmp->cancel, qmp_connected, qmp);
}

/* ------------------------------------------------------------------- all */

Qmp *qmp_new(const QmpConfig *config, const char *path)
{
    Qmp *qmp = g_new0(Qmp, 1);

    qmp->config = *config;
    qmp->path = g_strdup(path);
    qmp->error = g_strdup("connecting");
    qmp->in = g_byte_array_new();
    qmp_start(qmp);
    return qmp;
}

void qmp_free(Qmp *qmp)
{
    if (qmp) {
        qmp_close(qmp);
        g_byte_array_unref(qmp->in);
        g_free(qmp->error);
        g_free(qmp->path);
        g_free(qmp);
    }
}

/* Of the whole process; its page size is ours.  0 if that is not told. */
static uint64_t resident_of(const Qmp *qmp)
{
    g_autofree char *path = g_strdup_printf("%s/%d/statm", qmp->config.proc,
                                            (int)qmp->guest.pid);
    g_autofree char *text = NULL;
    uint64_t pages;
    char *at;

    if (!qmp->guest.pid || !g_file_get_contents(path, &text, NULL, NULL)) {
        return 0;
    }
    at = strchr(text, ' ');
    pages = at ? g_ascii_strtoull(at, NULL, 10) : 0;
    return pages > INT64_MAX / 65536 ? 0 : pages * sysconf(_SC_PAGESIZE);
}

const char *qmp_path(const Qmp *qmp)
{
    return qmp->path;
}

bool qmp_guest(Qmp *qmp, QmpGuest *out)
{
    int64_t now = g_get_monotonic_time();
    bool known = qmp->conn && qmp->step >= STEP_ACTUAL;

    *out = qmp->guest;
    out->path = qmp->path;
    out->error = qmp->error;
    out->resident = known ? resident_of(qmp) : 0;
    out->balloon_age_ms = MAX(now - qmp->heard_at, 0) / 1000;
    return known;
}
