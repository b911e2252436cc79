/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listener: listening stream sockets.  See listener.h. */
#include "common/listener.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address.h"

#define BACKLOG         4096    /* every host at once, after a restart */
#define ACCEPTS         512     /* at a time: others wait as well */
#define PAUSE_MS        200

struct Listener {
    GSocket *socket;
    GSource *source;            /* a connection waits */
    guint pause;                /* or the timer until we look again */
    ListenerAccept *accept;
    void *opaque;
    char *address;
    bool is_file;
    dev_t dev;                  /* of the file that we made */
    ino_t ino;
};

static void watch(Listener *listener);

static gboolean resume(void *opaque)
{
    Listener *listener = opaque;

    listener->pause = 0;
    watch(listener);
    return G_SOURCE_REMOVE;
}

/* Return: false if there is none more, or @errp is set. */
static bool take_one(Listener *listener, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) accepted = g_socket_accept(listener->socket, NULL,
                                                  &error);
    g_autoptr(GSocketConnection) conn = NULL;

    if (accepted) {
        conn = g_socket_connection_factory_create_connection(accepted);
        listener->accept(conn, listener->opaque);
        return true;
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED)) {
        return true;
    }
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        g_propagate_error(errp, g_steal_pointer(&error));
    }
    return false;
}

/*
 * What arrives faster than it is taken off is dropped, and comes again only
 * after a second: so several at once.
 */
static gboolean readable(GSocket *socket, GIOCondition condition,
                         void *opaque)
{
    Listener *listener = opaque;
    g_autoptr(GError) error = NULL;
    unsigned n = 0;

    while (n < ACCEPTS && take_one(listener, &error)) {
        n++;
    }
    if (!error) {
        return G_SOURCE_CONTINUE;
    }
    /* No descriptors, most likely: it stays readable, so look away. */
    g_warning("%s: cannot accept: %s", listener->address, error->message);
    g_clear_pointer(&listener->source, g_source_unref);
    listener->pause = g_timeout_add(PAUSE_MS, resume, listener);
    return G_SOURCE_REMOVE;
}

static void watch(Listener *listener)
{
    listener->source = g_socket_create_source(listener->socket, G_IO_IN,
                                              NULL);
    g_source_set_callback(listener->source, G_SOURCE_FUNC(readable), listener,
                          NULL);
    g_source_attach(listener->source, NULL);
}

static Listener *listener_new(GSocket *socket, ListenerAccept *accept,
                              void *opaque)
{
    Listener *listener = g_new0(Listener, 1);

    g_socket_set_blocking(socket, FALSE);
    listener->socket = g_object_ref(socket);
    listener->accept = accept;
    listener->opaque = opaque;
    watch(listener);
    return listener;
}

static char *bound_address(GSocket *socket)
{
    g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket,
                                                                 NULL);
    struct sockaddr_storage addr = { 0 };

    if (!bound || !g_socket_address_to_native(bound, &addr, sizeof(addr),
                                              NULL)) {
        return g_strdup("?");
    }
    return address_format(&addr);
}

Listener *listener_new_tcp(const char *address, uint16_t port,
                           ListenerAccept *accept, void *opaque,
                           GError **errp)
{
    struct sockaddr_storage addr;
    g_autoptr(GSocketAddress) native = NULL;
    g_autoptr(GSocket) socket = NULL;
    Listener *listener;
    socklen_t len;

    if (!address_parse(address, port, &addr, &len, errp)) {
        return NULL;
    }
    native = g_socket_address_new_from_native(&addr, len);
    socket = g_socket_new(g_socket_address_get_family(native),
                          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, errp);
    if (!socket || !g_socket_bind(socket, native, TRUE, errp)) {
        goto fail;
    }
    g_socket_set_listen_backlog(socket, BACKLOG);
    if (!g_socket_listen(socket, errp)) {
        goto fail;
    }
    listener = listener_new(socket, accept, opaque);
    listener->address = bound_address(socket);
    return listener;

fail:
    g_prefix_error(errp, "cannot listen on %s: ", address);
    return NULL;
}

/* Remove what a dead daemon left; false if somebody is alive there. */
static bool remove_stale(const char *path, GSocketAddress *address,
                         GError **errp)
{
    g_autoptr(GSocket) probe = NULL;
    g_autoptr(GError) error = NULL;
    struct stat st;

    if (lstat(path, &st) < 0) {
        return true;            /* bind() says what is wrong, if anything */
    }
    if (!S_ISSOCK(st.st_mode)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "a file of that name exists and is not a socket");
        return false;
    }
    probe = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                         G_SOCKET_PROTOCOL_DEFAULT, errp);
    if (!probe) {
        return false;
    }
    g_socket_set_blocking(probe, FALSE);
    g_socket_connect(probe, address, NULL, &error);
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                    "another daemon is listening on it");
        return false;
    }
    return unlink(path) == 0 || errno == ENOENT ||
           (g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                        "cannot remove the stale socket: %s",
                        g_strerror(errno)), false);
}

/* Mode and group before listen(): until then a connect is refused. */
static bool prepare_file(const char *path, mode_t mode, gid_t gid,
                         struct stat *st, GError **errp)
{
    if (chmod(path, mode) == 0 &&
        (gid == (gid_t)-1 || chown(path, (uid_t)-1, gid) == 0) &&
        stat(path, st) == 0) {
        return true;
    }
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno), "%s",
                g_strerror(errno));
    unlink(path);
    return false;
}

Listener *listener_new_unix(const char *path, mode_t mode, gid_t gid,
                            ListenerAccept *accept, void *opaque,
                            GError **errp)
{
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GSocket) socket = NULL;
    Listener *listener;
    struct stat st;

    /* GIO would cut the path and listen elsewhere. */
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "the path is too long for a socket");
        goto fail;
    }
    address = g_unix_socket_address_new(path);
    socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                          G_SOCKET_PROTOCOL_DEFAULT, errp);
    if (!socket || !remove_stale(path, address, errp) ||
        !g_socket_bind(socket, address, FALSE, errp) ||
        !prepare_file(path, mode, gid, &st, errp)) {
        goto fail;
    }
    g_socket_set_listen_backlog(socket, BACKLOG);
    if (!g_socket_listen(socket, errp)) {
        unlink(path);
        goto fail;
    }
    listener = listener_new(socket, accept, opaque);
    listener->address = g_strdup(path);
    listener->is_file = true;
    listener->dev = st.st_dev;
    listener->ino = st.st_ino;
    return listener;

fail:
    g_prefix_error(errp, "cannot listen on %s: ", path);
    return NULL;
}

void listener_free(Listener *listener)
{
    struct stat st;

    if (!listener) {
        return;
    }
    if (listener->source) {
        g_source_destroy(listener->source);
        g_source_unref(listener->source);
    }
    g_clear_handle_id(&listener->pause, g_source_remove);
    if (listener->is_file && lstat(listener->address, &st) == 0 &&
        st.st_dev == listener->dev && st.st_ino == listener->ino) {
        unlink(listener->address);
    }
    g_socket_close(listener->socket, NULL);
    g_object_unref(listener->socket);
    g_free(listener->address);
    g_free(listener);
}

const char *listener_address(const Listener *listener)
{
    return listener->address;
}
