/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control-dial: connect to a daemon.  See control-dial.h. */
#include "common/control-dial.h"

#include "common/address.h"
#include "common/control-conn.h"

struct ControlDial {
    ControlDialed *done; /* NULL: called off */
    void *opaque;
    GCancellable *cancel;
    guint timer;
    unsigned timeout_ms;
    bool late;
    GError *error;              /* of an address that is none */
};

static void dial_finish(ControlDial *dial, GSocketConnection *conn,
                        const GError *error)
{
    ControlDialed *done = dial->done;
    void *opaque = dial->opaque;

    g_clear_handle_id(&dial->timer, g_source_remove);
    g_object_unref(dial->cancel);
    g_free(dial);
    if (done) {
        done(conn, error, opaque);
    }
}

static gboolean bad_address(void *opaque)
{
    ControlDial *dial = opaque;
    g_autoptr(GError) error = g_steal_pointer(&dial->error);

    dial_finish(dial, NULL, error);
    return G_SOURCE_REMOVE;
}

static gboolean too_late(void *opaque)
{
    ControlDial *dial = opaque;

    dial->timer = 0;
    dial->late = true;
    g_cancellable_cancel(dial->cancel);
    return G_SOURCE_REMOVE;
}

static void connected(GObject *client, GAsyncResult *result, void *opaque)
{
    ControlDial *dial = opaque;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) conn =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result,
                                       &error);

    if (!conn && dial->late) {
        g_clear_error(&error);
        error = g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                            "no answer within %u ms", dial->timeout_ms);
    }
    dial_finish(dial, conn, error);
}

ControlDial *control_dial(const char *address, uint16_t port,
                          unsigned timeout_ms, ControlDialed *done,
                          void *opaque)
{
    ControlDial *dial = g_new0(ControlDial, 1);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) native = NULL;
    struct sockaddr_storage addr;
    socklen_t len;

    dial->done = done;
    dial->opaque = opaque;
    dial->timeout_ms = timeout_ms;
    dial->cancel = g_cancellable_new();
    if (!address_parse(address, port, &addr, &len, &dial->error)) {
        g_idle_add(bad_address, dial);
        return dial;
    }
    native = g_socket_address_new_from_native(&addr, len);
    g_socket_client_set_enable_proxy(client, FALSE);
    dial->timer = g_timeout_add(timeout_ms, too_late, dial);
    g_socket_client_connect_async(client, G_SOCKET_CONNECTABLE(native),
                                  dial->cancel, connected, dial);
    return dial;
}

void control_dial_cancel(ControlDial *dial)
{
    dial->done = NULL;
    g_cancellable_cancel(dial->cancel);
}
