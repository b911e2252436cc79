/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-stream-internal: what tls-stream.c (the buffers, the handshake),
 * tls-data.c (what goes through) and tls-peer.c (whose it is) share.
 */
#ifndef RCACHE_TLS_STREAM_INTERNAL_H
#define RCACHE_TLS_STREAM_INTERNAL_H

#include <glib.h>
#include <stdint.h>

#include "common/tls-bulk.h"
#include "common/tls-record.h"
#include "common/tls-stream.h"

#define TLS_REASON_SIZE 320u

typedef enum StreamState {
    STREAM_HANDSHAKE,
    STREAM_UP,
    STREAM_FAILED
} StreamState;

struct TlsStream {
    TlsCredentials *creds;      /* the session's */
    TlsCredentials *judges;     /* by whom the peer is: perhaps newer ones */
    gnutls_session_t session;
    TlsEnd end;
    TlsWanted wanted;
    char *name;                 /* .wanted.name */
    StreamState state;
    bool heard;                 /* a byte has come */
    size_t pulled;              /* by the handshake */
    uint8_t *in;
    size_t in_size, in_start, in_end;
    TlsRecord coming;           /* the last of what is there */
    size_t in_want;             /* twice as much whenever it was all used */
    gnutls_packet_t record;     /* a decrypted one; NULL: there is none */
    uint8_t *opened;            /* the same, if it was ours; or NULL */
    size_t opened_len;
    size_t taken;               /* of .record or .opened */
    TlsBulk reads, writes;      /* since it is up */
    bool lent;                  /* GnuTLS goes on with their records */
    bool looks;                 /* it may have something to write first */
    bool spoilt;                /* it has a record that nobody may send */
    bool said_bye, heard_bye;   /* no data may follow */
    uint64_t rekey_at;          /* records under one key */
    size_t out_max;             /* bytes of data in a record to the peer, and */
    size_t out_fits;            /* so many it has been seen to take */
    GByteArray *out, *flying;   /* NULL: empty */
    size_t sent;                /* of .flying */
    TlsIdentity *peer;          /* as soon as its certificate is judged */
    bool again;                 /* and has to be judged once more, by others */
    GBytes *leaf;               /* that one; NULL: none has come */
    char reason[TLS_REASON_SIZE];
};

/** tls_stream_fail() - it has failed, unless it has already; -EPROTO */
int tls_stream_fail(TlsStream *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#endif
