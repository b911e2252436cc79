/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-tls: TLS below the frames of a control connection.  See
 * control-tls.h.
 *
 * .queue has what is encrypted, and .held what waits for the end of the
 * handshake.  Bytes that come are decrypted into the poller's buffer, once the
 * stream has taken a copy of what was there.
 */
#include "common/control-tls.h"

/* What TLS has to send goes the way of all bytes. */
bool control_tls_pass(ControlConn *f)
{
    bool waits = f->queue;
    const void *bytes;
    size_t len;

    while ((bytes = tls_stream_out(f->tls, &len))) {
        control_conn_queue(f, bytes, len);
        tls_stream_sent(f->tls, len);
    }
    tls_stream_trim(f->tls);
    return waits || !f->queue || control_conn_flush(f);
}

/* An alert may be left to be sent: the peer is to know why, too. */
static void tls_failed(ControlConn *f, const char *reason)
{
    control_conn_close(f, reason);
}

bool control_tls_send(ControlConn *f, const GByteArray *bytes)
{
    struct iovec iov = { bytes->data, bytes->len };

    if (!tls_stream_up(f->tls)) {
        if (!f->held) {
            f->held = g_byte_array_new();
        }
        g_byte_array_append(f->held, bytes->data, bytes->len);
        return true;
    }
    if (tls_stream_write(f->tls, &iov, 1)) {
        tls_failed(f, tls_stream_reason(f->tls));
        return false;
    }
    return control_tls_pass(f);
}

/* Return: false if it has failed. */
static bool tls_step(ControlConn *f)
{
    g_autoptr(GByteArray) held = NULL;

    if (tls_stream_step(f->tls)) {
        tls_failed(f, tls_stream_reason(f->tls));
        return false;
    }
    if (tls_stream_up(f->tls)) {
        held = g_steal_pointer(&f->held);
    }
    return held ? control_tls_send(f, held) : control_tls_pass(f);
}

void control_tls_take(ControlConn *f, uint8_t *bytes, size_t len)
{
    ssize_t n = 0;

    tls_stream_feed(f->tls, bytes, len);
    if (!tls_stream_up(f->tls) && !tls_step(f)) {
        return;
    }
    while (f->state == CONTROL_OPEN && !f->freed && tls_stream_up(f->tls) &&
           (n = tls_stream_read(f->tls, bytes, POLLER_BUFFER)) > 0) {
        control_conn_take(f, bytes, n);
    }
    if (f->state != CONTROL_OPEN || f->freed) {
        return;
    }
    if (n == -EPIPE) {
        control_conn_fail(f, "the peer closed the connection");
    } else if (n < 0) {
        tls_failed(f, tls_stream_reason(f->tls));
    } else {
        control_tls_pass(f);
    }
}

void control_conn_start_tls(ControlConn *f, TlsCredentials *creds, TlsEnd end,
                            const TlsWanted *wanted)
{
    if (!creds || f->state != CONTROL_OPEN) {
        return;
    }
    f->tls = tls_stream_new(creds, end, wanted);
    tls_step(f);                /* who connects speaks first */
}

bool control_conn_is(const ControlConn *f, const char *name, char *why,
                     size_t size)
{
    return !f->tls || tls_stream_is(f->tls, name, why, size);
}

int64_t control_conn_expires(const ControlConn *f)
{
    const TlsIdentity *peer = f->tls ? tls_stream_peer(f->tls) : NULL;

    return peer ? peer->expires : 0;
}

void control_conn_recheck(ControlConn *f, TlsCredentials *creds)
{
    g_autofree char *reason = NULL;
    char why[320];

    if (f->state == CONTROL_OPEN && f->tls &&
        !tls_stream_still_good(f->tls, creds, why, sizeof(why))) {
        reason = g_strdup_printf("TLS: %s", why);
        control_conn_close(f, reason);
    }
}
