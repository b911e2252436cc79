/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http: see http.h.
 *
 * libmicrohttpd has an epoll descriptor of its own; when that is readable, or
 * the time is over that it asked for, it is run once.  A connection that is to
 * end is shut down at the socket; libmicrohttpd sees that as any other end.
 */
#include "arbiter/exporter/http.h"

#include <errno.h>
#include <glib-unix.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"

#define REQUEST_MAX     (16u * 1024u)   /* bytes of a request's head */
#define IDLE_S          10u             /* of a connection */
#define TICK_MS         1000u           /* how often ages are looked at */
/* Those that have been shut down, until libmicrohttpd has seen it. */
#define SPARE           16u

struct Http {
    struct MHD_Daemon *daemon;
    HttpMetrics *metrics;
    void *opaque;
    char *address;
    guint poll, timer, tick;    /* sources of the main loop */
    GQueue conns;               /* of HttpConn, the oldest first */
    struct MHD_Response *newest;        /* of /metrics, or NULL */
    int64_t made;               /* when */
    int64_t took;               /* the daemon, to answer for it */
    unsigned texts;             /* that are kept or being sent */
};

typedef struct HttpConn {
    int fd;
    int64_t since;
    bool cut;
} HttpConn;

/* What a response of /metrics is made of. */
typedef struct HttpText {
    Http *http;
    char *text;
} HttpText;

/* ---------------------------------------------------------------- answers */

static void text_free(void *opaque)
{
    HttpText *text = opaque;

    text->http->texts--;
    g_free(text->text);
    g_free(text);
}

static struct MHD_Response *response_head(struct MHD_Response *response,
                                          const char *type)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

static struct MHD_Response *text_response(Http *http)
{
    HttpText *text = g_new(HttpText, 1);

    *text = (HttpText) { http, http->metrics(http->opaque, &http->took) };
    http->texts++;
    return response_head(
        MHD_create_response_from_buffer_with_free_callback_cls(
            strlen(text->text), text->text, text_free, text),
        "text/plain; version=0.0.4; charset=utf-8");
}

static int64_t keep_us(const Http *http)
{
    return CLAMP(HTTP_KEEP_TIMES * http->took, HTTP_KEEP_US, HTTP_KEEP_MAX_US);
}

/* The newest text, which is made if it is to be newer. */
static struct MHD_Response *metrics_response(Http *http)
{
    int64_t age = g_get_monotonic_time() - http->made;

    if (http->newest && (age < keep_us(http) ||
                         http->texts >= HTTP_TEXTS_MAX)) {
        return http->newest;
    }
    g_clear_pointer(&http->newest, MHD_destroy_response);
    http->newest = text_response(http);
    http->made = g_get_monotonic_time();
    return http->newest;
}

/* @text: a constant */
static enum MHD_Result say(struct MHD_Connection *conn, unsigned status,
                           const char *type, const char *text)
{
    struct MHD_Response *response = response_head(
        MHD_create_response_from_buffer(strlen(text), (char *)text,
                                        MHD_RESPMEM_PERSISTENT), type);
    enum MHD_Result done;

    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    done = MHD_queue_response(conn, status, response);
    MHD_destroy_response(response);
    return done;
}

static enum MHD_Result answer(void *opaque, struct MHD_Connection *conn,
                              const char *path, const char *method,
                              const char *version, const char *data,
                              size_t *len, void **context)
{
    static const char text[] = "text/plain; charset=utf-8";
    bool metrics = !strcmp(path, "/metrics");

    if (!metrics && strcmp(path, "/")) {
        return say(conn, MHD_HTTP_NOT_FOUND, text,
                   "There is nothing here but /metrics.\n");
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) &&
        strcmp(method, MHD_HTTP_METHOD_HEAD)) {
        return say(conn, MHD_HTTP_METHOD_NOT_ALLOWED, text,
                   "Figures can be read, and nothing else: GET or HEAD.\n");
    }
    if (metrics) {
        return MHD_queue_response(conn, MHD_HTTP_OK, metrics_response(opaque));
    }
    return say(conn, MHD_HTTP_OK, "text/html; charset=utf-8",
               "<!DOCTYPE html>\n<title>rcache-exporter</title>\n"
               "<p>Figures of rcached or its arbiter, for Prometheus: "
               "<a href=\"/metrics\">/metrics</a></p>\n");
}

/* ------------------------------------------------------------ connections */

static void conn_cut(HttpConn *conn)
{
    conn->cut = true;
    shutdown(conn->fd, SHUT_RDWR);
}

/* The oldest that is still to go; NULL: there are fewer than the most. */
static HttpConn *one_too_many(const Http *http)
{
    HttpConn *oldest = NULL;
    unsigned n = 0;

    for (GList *at = http->conns.head; at; at = at->next) {
        HttpConn *conn = at->data;

        if (!conn->cut) {
            n++;
            oldest = oldest ? oldest : conn;
        }
    }
    return n >= HTTP_CONNS_MAX ? oldest : NULL;
}

static void conn_notify(void *opaque, struct MHD_Connection *mhd,
                        void **context,
                        enum MHD_ConnectionNotificationCode code)
{
    Http *http = opaque;
    HttpConn *conn = *context, *oldest;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        g_queue_remove(&http->conns, conn);
        g_free(conn);
        return;
    }
    oldest = one_too_many(http);
    if (oldest) {
        conn_cut(oldest);
    }
    conn = g_new(HttpConn, 1);
    *conn = (HttpConn) {
        .fd = MHD_get_connection_info(
            mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
        .since = g_get_monotonic_time(),
    };
    g_queue_push_tail(&http->conns, conn);
    *context = conn;
}

static gboolean tick(void *opaque)
{
    Http *http = opaque;
    int64_t now = g_get_monotonic_time();

    for (GList *at = http->conns.head; at; at = at->next) {
        HttpConn *conn = at->data;

        if (!conn->cut && now - conn->since > HTTP_LIFE_US) {
            conn_cut(conn);
        }
    }
    return G_SOURCE_CONTINUE;
}

/* -------------------------------------------------------------- main loop */

static gboolean timer(void *opaque);

static void run(Http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;

    MHD_run(http->daemon);
    g_clear_handle_id(&http->timer, g_source_remove);
    if (MHD_get_timeout(http->daemon, &ms) == MHD_YES) {
        http->timer = g_timeout_add(MIN(ms, TICK_MS), timer, http);
    }
}

static gboolean timer(void *opaque)
{
    Http *http = opaque;

    http->timer = 0;
    run(http);
    return G_SOURCE_REMOVE;
}

static gboolean readable(gint fd, GIOCondition condition, void *opaque)
{
    run(opaque);
    return G_SOURCE_CONTINUE;
}

/* Return: a socket that listens, or -1 with @errp set. */
static int listen_at(const char *address, uint16_t port, GError **errp)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int on = 1, off = 0, fd;

    if (!address_parse(address, port, &addr, &len, errp)) {
        return -1;
    }
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
        listen(fd, HTTP_CONNS_MAX) < 0) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot listen on %s: %s", address, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static char *address_of(int fd)
{
    struct sockaddr_storage addr = { 0 };
    socklen_t len = sizeof(addr);

    getsockname(fd, (struct sockaddr *)&addr, &len);
    return address_format(&addr);
}

Http *http_new(const char *listen, uint16_t port, HttpMetrics *metrics,
               void *opaque, GError **errp)
{
    g_autoptr(Http) http = g_new0(Http, 1);
    int fd = listen_at(listen, port, errp);

    if (fd < 0) {
        return NULL;
    }
    http->metrics = metrics;
    http->opaque = opaque;
    http->address = address_of(fd);
    g_queue_init(&http->conns);
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, answer, http,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNS_MAX + SPARE,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, http,
        MHD_OPTION_END);
    if (!http->daemon) {
        close(fd);
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "libmicrohttpd does not start");
        return NULL;
    }
    http->poll = g_unix_fd_add(
        MHD_get_daemon_info(http->daemon,
                            MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
        G_IO_IN, readable, http);
    http->tick = g_timeout_add(TICK_MS, tick, http);
    return g_steal_pointer(&http);
}

void http_free(Http *http)
{
    g_clear_handle_id(&http->poll, g_source_remove);
    g_clear_handle_id(&http->timer, g_source_remove);
    g_clear_handle_id(&http->tick, g_source_remove);
    g_clear_pointer(&http->daemon, MHD_stop_daemon);
    g_clear_pointer(&http->newest, MHD_destroy_response);
    g_free(http->address);
    g_free(http);
}

const char *http_address(const Http *http)
{
    return http->address;
}
