/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data-conn: one framed data connection to a provider, the asking end.
 *
 * Frames go out in order, those that one turn of the loop has queued in one
 * sendmsg (DATA_CONN_IOV_MAX), their page bytes straight from the caller's
 * buffer; what comes in is cut into frames and handed on where it lies.  It
 * knows heads and lengths, not what they are for.
 *
 * With data_conn_set_tls() all of that goes through TLS: connected() then comes
 * when the provider's certificate has been taken, and pages are encrypted
 * straight from the caller's buffer, TLS_OUT_MAX at a time.
 *
 * Life: data_conn_open() → connected() → frame()... → closed().  closed() is
 * called exactly once for each data_conn_open(), never from inside another
 * call, and only when no operation is in flight: from then on no buffer that
 * was given to data_conn_send() is read any more, and the connection may be
 * opened again or freed.
 */
#ifndef RCACHE_DATA_CONN_H
#define RCACHE_DATA_CONN_H

#include <glib.h>
#include <netinet/in.h>

#include "common/ring.h"
#include "common/tls-stream.h"
#include "common/wire.h"

#define DATA_CONN_IOV_MAX 64

typedef struct DataConn DataConn;

typedef struct DataConnOps {
    void (*connected)(DataConn *conn);
    /* @payload lives until the callback returns */
    void (*frame)(DataConn *conn, const WireHead *head, const void *payload);
    void (*closed)(DataConn *conn, const char *reason);
    /* The kernel has all frames that were queued; or NULL. */
    void (*sent)(DataConn *conn);
} DataConnOps;

struct DataConn {
    Ring *ring;
    const DataConnOps *ops;
    void *owner;
    int fd;
    bool reached; /* TCP is connected */
    bool up; /* connected, not closing */
    bool closing;
    bool checks; /* frames get a check; until the next data_conn_open() */
    char reason[128];
    RingOp connect;
    RingOp recv;
    RingOp send;
    RingOp end; /* delivers closed() from the loop */
    RingLater flush;    /* sends what is queued */
    struct sockaddr_storage addr;
    uint8_t *in;
    size_t in_size, in_start, in_end;
    uint64_t received; /* ns, when bytes last came */
    uint64_t came; /* ns, when the first byte at .in_start came */
    uint64_t bytes_in; /* moves while the other side is alive */
    GQueue out;        /* of OutFrame */
    struct iovec iov[DATA_CONN_IOV_MAX];
    struct msghdr msg;
    TlsCredentials *creds;              /* NULL: without TLS */
    bool plain;                         /* without TLS beyond loopback, too */
    unsigned dscp;                      /* see dscp.h; the owner's to set */
    char tls_name[RCACHE_NAME_MAX];     /* whom to connect to; "": anybody */
    TlsStream *tls;                     /* from open to closed */
};

/** data_conn_init() - @ops are called with this conn; @owner is theirs */
void data_conn_init(DataConn *conn, Ring *ring, const DataConnOps *ops,
                    void *owner);

/** data_conn_deinit() - the connection must be closed */
void data_conn_deinit(DataConn *conn);

/**
 * data_conn_set_tls() - how to connect from the next time on
 * @creds: a reference is taken; NULL: without TLS
 * @plain: without them it may leave this host all the same
 * @name: of the host that has to be there; "": whoever it is
 */
void data_conn_set_tls(DataConn *conn, TlsCredentials *creds, bool plain,
                       const char *name);

/**
 * data_conn_is() - is @name one of the peer's, by its certificate?
 * @why: @size bytes for a reason that names both
 *
 * Without TLS everybody is who he says he is.
 */
bool data_conn_is(const DataConn *conn, const char *name, char *why,
                  size_t size);

/**
 * data_conn_still_good() - would new credentials take the peer of a connection
 * that is up?  One that has none is no good where there are some.
 * @why: @size bytes for the reason
 */
bool data_conn_still_good(const DataConn *conn, TlsCredentials *creds,
                          char *why, size_t size);

/**
 * data_conn_open() - start to connect
 *
 * Return: 0, or -errno and no callback; -EPERM: nothing would be encrypted
 */
int data_conn_open(DataConn *conn, const struct sockaddr_storage *addr,
                   socklen_t len);

/** data_conn_close() - end it; closed() follows.  Closing twice is fine. */
void data_conn_close(DataConn *conn, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** data_conn_idle() - never opened, or closed() has been called */
static inline bool data_conn_idle(const DataConn *conn)
{
    return conn->fd < 0;
}

/**
 * data_conn_send() - queue a frame
 * @head: its head; length is set here
 * @slots: @head->count of them, or NULL
 * @data: bytes that follow, or NULL; stays the caller's, untouched until the
 *        frame's answer or closed()
 *
 * An answer with the tag of a frame whose bytes are still being sent ends the
 * connection instead; one with a tag of 0 does not.
 */
void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len);

/** data_conn_send_bytes() - queue whole frames made by the codec; copied */
void data_conn_send_bytes(DataConn *conn, const GByteArray *bytes);

#endif
