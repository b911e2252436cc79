/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-tls: the TLS of a connection, whose peer says anything.
 *
 * The input's first byte says which end is tried, whether with certificates or
 * with keys, how small the pieces are, and what the others are: bytes in place
 * of a handshake, changes to an honest one (an offset and a value each), or
 * bytes behind one.  Nobody comes to be up by bytes alone, and nothing is read
 * that an honest peer has not written.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "arbiter/rcachectl/pki-cert.h"
#include "common/tls-stream.h"
#include "fuzz.h"
#include "steps.h"

#define KEYS    "a:00112233445566778899aabbccddeeff\n"
#define DAY     INT64_C(86400)
/* An alert and a flight of the handshake, with its certificate. */
#define OUT_MAX (16u * 1024u)

enum { BYTES, CHANGES, BEHIND };

typedef struct Change {
    uint16_t at;
    uint8_t by;
} Change;

/* The one that is tried, the honest one, and what comes from there so far. */
typedef struct Ends {
    TlsStream *tried, *honest;
    size_t piece, at;
    Change change[8];
    unsigned changes;
} Ends;

static TlsCredentials *creds[2];        /* certificates, keys */

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields,
                               gsize n, gpointer opaque)
{
    return level & G_LOG_LEVEL_ERROR
        ? g_log_writer_default(level, fields, n, opaque) : G_LOG_WRITER_HANDLED;
}

static void set_up(void)
{
    static const char *const none[] = { NULL };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    PkiRequest request = {
        .name = "a", .roles = TLS_ROLE_HOST, .from = now - DAY,
        .until = now + DAY, .purposes = PKI_FOR_SERVER | PKI_FOR_CLIENT,
    };
    TlsMaterial m = { .host = (char *)"a", .priority = (char *)"NORMAL",
                      .arbiters = (char **)none };
    PkiPair *ca, *pair;

    if (creds[0]) {
        return;
    }
    g_log_set_writer_func(no_log, NULL, NULL);
    ca = pki_cert_make_authority("ca", now - DAY, now + DAY, NULL);
    pair = pki_cert_issue(ca, &request, NULL);
    m.ca = ca->cert;
    m.server_cert = m.client_cert = pair->cert;
    m.server_key = m.client_key = pair->key;
    creds[0] = tls_credentials_new(&m, NULL);
    m.psk = (char *)KEYS;
    creds[1] = tls_credentials_new(&m, NULL);
    g_assert(creds[0] && creds[1]);
    pki_pair_free(pair);
    pki_pair_free(ca);
}

/* What one does with bytes that have come. */
static void look(TlsStream *s, bool may_be_up)
{
    uint8_t buf[4096];

    if (!tls_stream_up(s)) {
        tls_stream_step(s);
    }
    g_assert(may_be_up || !tls_stream_up(s));
    if (tls_stream_up(s)) {
        g_assert(tls_stream_peer(s));
        g_assert(tls_stream_read(s, buf, sizeof(buf)) <= 0);
    } else {
        g_assert(!tls_stream_peer(s));
        g_assert(tls_stream_read(s, buf, sizeof(buf)) == -EPROTO);
    }
    g_assert(tls_stream_waiting(s) <= OUT_MAX);
}

/* The kernel's part; false: @s has failed. */
static bool receive(TlsStream *s, const uint8_t *bytes, size_t len,
                    bool may_be_up)
{
    size_t room;
    void *in;

    while (len && !*tls_stream_reason(s)) {
        size_t n;

        in = tls_stream_in(s, &room);
        n = MIN(len, room);
        memcpy(in, bytes, n);
        tls_stream_received(s, n);
        look(s, may_be_up);
        bytes += n;
        len -= n;
    }
    return !*tls_stream_reason(s);
}

/* What @from has to say comes to @to; changed, if that is the tried one. */
static bool carry(Ends *e, TlsStream *from, TlsStream *to)
{
    uint8_t bytes[16384];
    size_t len;
    const void *out = tls_stream_out(from, &len);

    len = MIN(MIN(len, e->piece), sizeof(bytes));
    if (!len || *tls_stream_reason(to)) {
        return false;
    }
    memcpy(bytes, out, len);
    tls_stream_sent(from, len);
    for (unsigned i = 0; to == e->tried && i < e->changes; i++) {
        size_t at = e->change[i].at - e->at;

        if (at < len) {
            bytes[at] ^= e->change[i].by;
        }
    }
    e->at += to == e->tried ? len : 0;
    return receive(to, bytes, len, true);
}

static void shake_hands(Ends *e)
{
    look(e->tried, false);
    look(e->honest, false);
    while (carry(e, e->tried, e->honest) || carry(e, e->honest, e->tried)) {
        /* until nothing moves */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = { 1, 7, 1000, 16384 };
    const TlsWanted wanted = { .role = TLS_ROLE_HOST, .name = NULL };
    Steps input = { data, size };
    uint8_t how = steps_take(&input, 1);
    unsigned what = how >> 4 & 3;
    TlsCredentials *c;
    Ends e = { .piece = pieces[how >> 2 & 3] };

    set_up();
    c = creds[how >> 1 & 1];
    e.tried = tls_stream_new(c, how & 1 ? TLS_CLIENT : TLS_SERVER, &wanted);
    e.honest = tls_stream_new(c, how & 1 ? TLS_SERVER : TLS_CLIENT, &wanted);
    while (what == CHANGES && input.left && e.changes < 8) {
        e.change[e.changes++] = (Change) { steps_take(&input, 2),
                                           steps_take(&input, 1) };
    }
    if (what != BYTES) {
        shake_hands(&e);
    } else {
        look(e.tried, false);           /* a client speaks first */
    }
    if (what >= BEHIND) {
        g_assert(tls_stream_up(e.tried) && tls_stream_up(e.honest));
    }
    while (input.left &&
           receive(e.tried, input.data, MIN(input.left, e.piece),
                   what != BYTES)) {
        size_t n = MIN(input.left, e.piece);

        input.data += n;
        input.left -= n;
    }
    tls_stream_bye(e.tried);
    tls_stream_trim(e.tried);
    tls_stream_free(e.tried);
    tls_stream_free(e.honest);
    return 0;
}
