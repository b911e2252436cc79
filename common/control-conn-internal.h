/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control-conn-internal: what control-conn.c and control-tls.c share. */
#ifndef RCACHE_CONTROL_CONN_INTERNAL_H
#define RCACHE_CONTROL_CONN_INTERNAL_H

#include "common/control-conn.h"

typedef enum ControlState {
    CONTROL_OPEN,
    CONTROL_CLOSING,
    CONTROL_ENDED
} ControlState;

struct ControlConn {
    int refs;
    ControlState state;
    bool freed;
    bool shut;                  /* our half has been shut down */
    GSocketConnection *conn;
    GSocket *socket;
    WireSide side;
    const ControlConnOps *ops;
    void *opaque;
    Poller *poller;
    PollerFd fd;
    GSource *end;
    GByteArray *input;          /* not yet a whole frame; NULL: nothing */
    GByteArray *queue;          /* to be sent, from .sent on; NULL: nothing */
    TlsStream *tls;             /* NULL: without */
    GByteArray *held;           /* to be sent once .tls is up; or NULL */
    size_t sent;
    size_t queue_max;
    uint32_t length_max;        /* 0: what the codec takes */
    unsigned deadline_ms;
    gint64 heard_us;
    FramePace pace;
    guint resume;               /* not read until then; 0: it is */
    char *reason;
    char *peer, *peer_host;
};

/** control_conn_fail() - end it, at once */
void control_conn_fail(ControlConn *f, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/** control_conn_flush() - send what the socket takes; false: it has ended */
bool control_conn_flush(ControlConn *f);

/** control_conn_queue() - bytes to be sent, as they go over the network */
void control_conn_queue(ControlConn *f, const void *bytes, size_t len);

/** control_conn_take() - bytes of frames have come */
void control_conn_take(ControlConn *f, const uint8_t *bytes, size_t len);

#endif
