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

/* A text that is kept or being sent, as often as there are .users of it. */
typedef struct HttpText {
    unsigned *texts;            /* of its path: how many there are */
    unsigned users;
    char *text;
    int64_t made;               /* when */
} HttpText;

/* What is made for a path. */
typedef struct HttpPath {
    HttpText *newest;           /* or NULL */
    unsigned news;              /* what .refresh() said then */
    unsigned texts;             /* that are kept or being sent */
} HttpPath;

struct Http {
    struct MHD_Daemon *daemon;
    const HttpSite *site;
    char *address;
    guint poll, timer, tick;    /* sources of the main loop */
    GQueue conns;               /* of HttpConn, the oldest first */
    HttpPath made[HTTP_MADE_MAX];
};

typedef struct HttpConn {
    int fd;
    int64_t since;
    bool cut;
} HttpConn;

/* ---------------------------------------------------------------- answers */

static void text_unref(void *opaque)
{
    HttpText *text = opaque;

    if (--text->users) {
        return;
    }
    --*text->texts;
    g_free(text->text);
    g_free(text);
}

static HttpText *text_make(HttpPath *path, const HttpSite *site,
                           const HttpMade *made)
{
    HttpText *text = g_new(HttpText, 1);

    *text = (HttpText) {
        &path->texts, 1, made->make(site->opaque), g_get_monotonic_time()
    };
    path->texts++;
    return text;
}

/* The newest text of a path, which is made if there is news. */
static HttpText *text_newest(Http *http, unsigned nr)
{
    HttpPath *path = &http->made[nr];
    unsigned news;

    if (path->newest && path->texts >= HTTP_TEXTS_MAX) {
        return path->newest;
    }
    news = http->site->refresh(http->site->opaque);
    if (!path->newest || news != path->news) {
        g_clear_pointer(&path->newest, text_unref);
        path->newest = text_make(path, http->site, &http->site->made[nr]);
        path->news = news;
    }
    return path->newest;
}

/* @response: taken */
static enum MHD_Result say(struct MHD_Connection *conn, unsigned status,
                           const char *type, struct MHD_Response *response)
{
    static const struct {
        const char *name, *value;
    } headers[] = {
        { MHD_HTTP_HEADER_CONNECTION, "close" },
        { MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
        { "Content-Security-Policy",
          "default-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'" },
        { "X-Content-Type-Options", "nosniff" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
    };
    enum MHD_Result done;

    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (unsigned i = 0; i < G_N_ELEMENTS(headers); i++) {
        MHD_add_response_header(response, headers[i].name, headers[i].value);
    }
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    done = MHD_queue_response(conn, status, response);
    MHD_destroy_response(response);
    return done;
}

/* @data: it stays */
static enum MHD_Result say_fixed(struct MHD_Connection *conn, unsigned status,
                                 const char *type, const void *data,
                                 size_t size)
{
    return say(conn, status, type,
               MHD_create_response_from_buffer(size, (void *)data,
                                               MHD_RESPMEM_PERSISTENT));
}

/* @words: a constant */
static enum MHD_Result say_words(struct MHD_Connection *conn, unsigned status,
                                 const char *words)
{
    return say_fixed(conn, status, "text/plain; charset=utf-8", words,
                     strlen(words));
}

static enum MHD_Result say_made(Http *http, struct MHD_Connection *conn,
                                unsigned nr)
{
    HttpText *text = text_newest(http, nr);
    struct MHD_Response *response;
    char age[32];

    text->users++;
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        strlen(text->text), text->text, text_unref, text);
    g_snprintf(age, sizeof(age), "%" G_GINT64_FORMAT,
               (g_get_monotonic_time() - text->made) / G_USEC_PER_SEC);
    MHD_add_response_header(response, MHD_HTTP_HEADER_AGE, age);
    return say(conn, MHD_HTTP_OK, http->site->made[nr].type, response);
}

/* Return: the number of a text that is made, of a file beyond these, or -1. */
static int path_find(const HttpSite *site, const char *path)
{
    for (unsigned i = 0; i < site->nr_made; i++) {
        if (!strcmp(site->made[i].path, path)) {
            return i;
        }
    }
    for (unsigned i = 0; i < site->nr_files; i++) {
        if (!strcmp(site->files[i].path, path)) {
            return site->nr_made + i;
        }
    }
    return -1;
}

static enum MHD_Result answer(void *opaque, struct MHD_Connection *conn,
                              const char *path, const char *method,
                              const char *version, const char *data,
                              size_t *len, void **context)
{
    Http *http = opaque;
    const HttpSite *site = http->site;
    int nr = path_find(site, path);
    const HttpFile *file;

    if (nr < 0) {
        return say_words(conn, MHD_HTTP_NOT_FOUND,
                         "There is nothing here but / and /metrics.\n");
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) &&
        strcmp(method, MHD_HTTP_METHOD_HEAD)) {
        return say_words(conn, MHD_HTTP_METHOD_NOT_ALLOWED,
                         "Figures can be read, and nothing else: GET or "
                         "HEAD.\n");
    }
    if ((unsigned)nr < site->nr_made) {
        return say_made(http, conn, nr);
    }
    file = &site->files[nr - site->nr_made];
    return say_fixed(conn, MHD_HTTP_OK, file->type, file->data, file->size);
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

Http *http_new(const char *listen, uint16_t port, const HttpSite *site,
               GError **errp)
{
    g_autoptr(Http) http = g_new0(Http, 1);
    int fd = listen_at(listen, port, errp);

    if (fd < 0) {
        return NULL;
    }
    http->site = site;
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
    for (unsigned i = 0; i < HTTP_MADE_MAX; i++) {
        g_clear_pointer(&http->made[i].newest, text_unref);
    }
    g_free(http->address);
    g_free(http);
}

const char *http_address(const Http *http)
{
    return http->address;
}
