/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-data: what goes through a stream that is up, and how it ends; for
 * tls-stream.c.  What others call of it is in tls-stream.h, and
 * tls_stream_fail() in tls-stream-internal.h.
 *
 * Records of data are opened from .in and made in .out by tls-bulk.h.  Others
 * are GnuTLS's: it is lent both directions whenever it is to read or write, one
 * record at a time, so that it never keeps half of one.
 */
#ifndef RCACHE_TLS_DATA_H
#define RCACHE_TLS_DATA_H

#include "common/tls-stream-internal.h"

/* What GnuTLS has no reason of its own to send. */
#define ALERT_TOO_MANY  GNUTLS_A_ACCESS_DENIED

/** tls_data_begin() - it is up */
void tls_data_begin(TlsStream *s);

/** tls_data_end() - forget keys, and what was read and not taken */
void tls_data_end(TlsStream *s);

/** tls_data_fail() - it has failed with this error of GnuTLS's, and the peer's
 * log is to say what ours does; -EPROTO */
int tls_data_fail(TlsStream *s, int ret);

/** tls_data_alert() - the last alert of the peer's, as a text */
const char *tls_data_alert(const TlsStream *s);

/** tls_data_sees_more() - GnuTLS stopped, as it does after a message that is
 * none of ours (a new key, a ticket): has it not seen all that has come?
 * @from: .in_start before */
bool tls_data_sees_more(const TlsStream *s, size_t from);

#endif
