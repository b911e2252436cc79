/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-data: what goes through a stream that is up.  See tls-data.h. */
#include "common/tls-data.h"

#include <errno.h>
#include <string.h>

/* AES-GCM under one key is good for 2^24.5 full records; RFC 8446, 5.5. */
#define RECORDS_A_KEY   (UINT64_C(1) << 24)
/* Data that no peer may ask to have less of in a record; RFC 8449, 4. */
#define RECORD_LEAST    63u

int tls_stream_fail(TlsStream *s, const char *fmt, ...)
{
    va_list ap;

    if (s->state != STREAM_FAILED) {
        va_start(ap, fmt);
        g_vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
        va_end(ap);
    }
    s->state = STREAM_FAILED;
    return -EPROTO;
}

/* GnuTLS knows no name of some. */
const char *tls_data_alert(const TlsStream *s)
{
    gnutls_alert_description_t alert = gnutls_alert_get(s->session);
    const char *name = gnutls_alert_get_name(alert);

    return alert == ALERT_TOO_MANY ? "too many of them from this address"
           : name ? name : "an unknown alert";
}

void tls_data_begin(TlsStream *s)
{
    tls_bulk_load(&s->reads, s->session, true);
    tls_bulk_load(&s->writes, s->session, false);
    s->rekey_at = RECORDS_A_KEY;
    s->out_max = TLS_BULK_DATA;
    s->out_fits = RECORD_LEAST;
}

/*
 * GnuTLS is to read or write: it goes on where we are, and we where it has
 * come to, perhaps with other keys.  If it cannot, nothing more is written.
 */
static bool lend(TlsStream *s)
{
    s->lent = !s->spoilt && tls_bulk_lend(&s->reads, s->session, true) &&
              tls_bulk_lend(&s->writes, s->session, false);
    return s->lent;
}

static void take_back(TlsStream *s)
{
    /* What has been GnuTLS's stays so: it may have half a record. */
    if (s->reads.cipher) {
        tls_bulk_load(&s->reads, s->session, true);
    }
    if (s->writes.cipher) {
        tls_bulk_load(&s->writes, s->session, false);
    }
    s->lent = false;
}

int tls_data_fail(TlsStream *s, int ret)
{
    if (lend(s)) {
        gnutls_alert_send_appropriate(s->session, ret);
    }
    return -EPROTO;             /* it has failed: nobody takes it back */
}

/* GnuTLS frees the memory as it is, with a peer's pages in it. */
static void record_forget(TlsStream *s)
{
    gnutls_datum_t bytes;

    if (s->opened) {
        explicit_bzero(s->opened, s->opened_len);
        g_clear_pointer(&s->opened, g_free);
    }
    if (s->record) {
        gnutls_packet_get(s->record, &bytes, NULL);
        gnutls_memset(bytes.data, 0, bytes.size);
        gnutls_packet_deinit(s->record);
        s->record = NULL;
    }
}

void tls_data_end(TlsStream *s)
{
    record_forget(s);
    tls_bulk_clear(&s->reads);
    tls_bulk_clear(&s->writes);
}

bool tls_data_sees_more(const TlsStream *s, size_t from)
{
    return s->in_start > from && s->in_end > s->in_start;
}

/* --------------------------------------------------------------------- in */

/* Up to @size bytes of the record. */
static ssize_t record_take(TlsStream *s, void *buf, size_t size)
{
    gnutls_datum_t bytes = { s->opened, s->opened_len };

    if (s->record) {
        gnutls_packet_get(s->record, &bytes, NULL);
    }
    size = MIN(size, bytes.size - s->taken);
    memcpy(buf, bytes.data + s->taken, size);
    s->taken += size;
    if (s->taken == bytes.size) {
        record_forget(s);
    }
    return size;
}

/* As gnutls_record_recv(); the record is .record's. */
static ssize_t record_receive(TlsStream *s, void *buf, size_t size)
{
    ssize_t n = gnutls_record_recv_packet(s->session, &s->record);

    if (n <= 0) {
        return n;
    }
    s->taken = 0;
    return record_take(s, buf, size);
}

/* The record that .in begins with; 0: not all of it is there. */
static ssize_t record_length(const TlsStream *s)
{
    size_t there = s->in_end - s->in_start;
    size_t len = there < TLS_RECORD_HEAD
        ? 0 : tls_bulk_length(s->in + s->in_start);

    if (len > TLS_BULK_MAX) {
        return GNUTLS_E_RECORD_OVERFLOW;
    }
    return there < len ? 0 : len;
}

/*
 * Open the record of @len bytes; to where it is wanted, if all of it fits.
 * Return: as tls_bulk_open().
 */
static size_t record_open(TlsStream *s, size_t len, void *buf, size_t size)
{
    const uint8_t *at = s->in + s->in_start;
    size_t room = tls_bulk_size(at, len), n;

    if (room <= size) {
        n = tls_bulk_open(&s->reads, at, len, buf);
    } else {
        s->opened = g_malloc(room);
        n = tls_bulk_open(&s->reads, at, len, s->opened);
        s->opened_len = n;
        s->taken = 0;
        if (!n) {
            g_clear_pointer(&s->opened, g_free);
        }
    }
    if (n) {
        s->in_start += len;
    }
    return n && s->opened ? (size_t)record_take(s, buf, size) : n;
}

/* GnuTLS is to read what is there, up to @end. */
static ssize_t others_read(TlsStream *s, size_t end, void *buf, size_t size)
{
    size_t from, all = s->in_end;
    ssize_t n;

    if (!lend(s)) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    s->in_end = end;
    do {
        from = s->in_start;
        n = record_receive(s, buf, size);
    } while (n == GNUTLS_E_INTERRUPTED ||
             n == GNUTLS_E_WARNING_ALERT_RECEIVED ||
             (n == GNUTLS_E_AGAIN && tls_data_sees_more(s, from)));
    s->in_end = all;
    s->looks = true;
    take_back(s);
    return n;
}

/* As gnutls_record_recv(). */
static ssize_t stream_receive(TlsStream *s, void *buf, size_t size)
{
    ssize_t n = GNUTLS_E_AGAIN;

    if (s->record || s->opened) {
        return record_take(s, buf, size);
    }
    while (n == GNUTLS_E_AGAIN) {
        ssize_t len;

        if (!s->reads.cipher) {
            return others_read(s, s->in_end, buf, size);
        }
        len = record_length(s);
        if (len <= 0) {
            return len ? len : GNUTLS_E_AGAIN;
        }
        n = record_open(s, len, buf, size);
        if (!n) {
            n = others_read(s, s->in_start + len, buf, size);
        }
    }
    return n;
}

ssize_t tls_stream_read(TlsStream *s, void *buf, size_t size)
{
    ssize_t n;

    if (s->state != STREAM_UP) {
        return -EPROTO;
    }
    if (s->heard_bye) {
        return -EPIPE;
    }
    n = size ? stream_receive(s, buf, size) : GNUTLS_E_AGAIN;
    if (n > 0) {
        return n;
    }
    switch (n) {
    case 0:
        s->heard_bye = true;
        return -EPIPE;
    case GNUTLS_E_AGAIN:
        return 0;
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return tls_stream_fail(s, "the peer has ended TLS: %s",
                               tls_data_alert(s));
    default:
        tls_stream_fail(s, "TLS: %s", gnutls_strerror(n));
        return tls_data_fail(s, n);
    }
}

/* -------------------------------------------------------------------- out */

/*
 * A peer may have asked for smaller records (RFC 8449, RFC 6066), and GnuTLS
 * does not say: gnutls_record_get_max_size() is of those that we receive.  But
 * it makes one record of what it is given, with as much in it as that may have.
 */
static void note_size(TlsStream *s, size_t len, size_t n)
{
    if (n < len) {
        s->out_max = n;
    }
    s->out_fits = MAX(s->out_fits, n);
}

static int others_write(TlsStream *s, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t n = gnutls_record_send(s->session, bytes, len);

        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
            continue;           /* the push function takes everything */
        }
        if (n < 0) {
            return tls_stream_fail(s, "TLS: %s", gnutls_strerror(n));
        }
        note_size(s, len, n);
        bytes += n;
        len -= n;
    }
    return 0;
}

/* A record of these, by GnuTLS. */
static int record_gather(TlsStream *s, const struct iovec *iov, unsigned n)
{
    uint8_t record[TLS_BULK_DATA];
    size_t have = 0;
    int ret;

    for (unsigned i = 0; i < n; i++) {
        memcpy(record + have, iov[i].iov_base, iov[i].iov_len);
        have += iov[i].iov_len;
    }
    ret = lend(s) ? others_write(s, record, have)
                  : tls_stream_fail(s, "TLS: GnuTLS cannot go on");
    explicit_bzero(record, have);       /* pages of guests */
    take_back(s);
    s->looks = false;
    return ret;
}

/* A record of these; @len: of all of them.  One that is larger than any before
 * is GnuTLS's, which knows whether it is too large. */
static int record_write(TlsStream *s, const struct iovec *iov, unsigned n,
                        size_t len)
{
    size_t at = s->out ? s->out->len : 0;

    if (!s->writes.cipher || s->looks || len > s->out_fits) {
        return record_gather(s, iov, n);
    }
    if (!s->out) {
        s->out = g_byte_array_new();
    }
    g_byte_array_set_size(s->out, at + len + TLS_BULK_MORE);
    if (!tls_bulk_seal(&s->writes, iov, n, len, s->out->data + at)) {
        g_byte_array_set_size(s->out, at);
        return tls_stream_fail(s, "TLS: a record cannot be encrypted");
    }
    return 0;
}

/* A new key, when the old one has been good for enough. */
static int stream_rekey(TlsStream *s)
{
    int ret = -1;

    if (!s->writes.cipher || s->writes.number < s->rekey_at) {
        return 0;
    }
    if (lend(s)) {
        ret = gnutls_session_key_update(s->session, 0);
    }
    take_back(s);
    return ret < 0 ? tls_stream_fail(s, "TLS: there is no new key") : 0;
}

/* What is to be written: a piece, and how much of it is in records. */
typedef struct Pieces {
    const struct iovec *iov;
    unsigned n;
    size_t done;                /* of the first one */
} Pieces;

/* The next record's, of @max bytes at most.  Return: how many they are. */
static size_t pieces_take(Pieces *p, size_t max, struct iovec *part,
                          unsigned *parts)
{
    size_t len = 0;

    *parts = 0;
    while (p->n && len < max && *parts < TLS_BULK_IOVS) {
        size_t size = MIN(p->iov->iov_len - p->done, max - len);

        if (size) {
            part[(*parts)++] = (struct iovec) {
                (char *)p->iov->iov_base + p->done, size,
            };
        }
        len += size;
        p->done += size;
        if (p->done == p->iov->iov_len) {
            p->iov++;
            p->n--;
            p->done = 0;
        }
    }
    return len;
}

int tls_stream_write(TlsStream *s, const struct iovec *iov, unsigned n)
{
    struct iovec part[TLS_BULK_IOVS];
    Pieces pieces = { iov, n, 0 };
    unsigned parts;
    size_t len;
    int ret = 0;

    if (s->state != STREAM_UP || s->said_bye) {
        return -EPROTO;
    }
    while (!ret && (len = pieces_take(&pieces, s->out_max, part, &parts))) {
        ret = stream_rekey(s);
        if (!ret) {
            ret = record_write(s, part, parts, len);
        }
    }
    return ret;
}

void tls_stream_bye(TlsStream *s)
{
    if (s->state == STREAM_UP && !s->said_bye && lend(s)) {
        s->said_bye = true;
        gnutls_bye(s->session, GNUTLS_SHUT_WR);
        take_back(s);
    }
}
