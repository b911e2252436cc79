/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-bulk: records of application data, each in one pass over its bytes.
 *
 * GnuTLS copies what it is given into buffers of its own, three times on the
 * way in and once on the way out, and a page costs half as much again for it.
 * So once a handshake is over, whole records of data are opened and made here,
 * with the keys and the cipher that GnuTLS has for them; everything else is
 * GnuTLS's: handshake, alerts, new keys, ciphers other than AES-GCM, a record
 * larger than those before, and whatever is not as it should be.
 *
 * GnuTLS is told how far the numbers of records have come before it reads or
 * writes anything (tls_bulk_lend()), and asked afterwards (tls_bulk_load()):
 * a number that two records had would lay open both.  One direction each.
 */
#ifndef RCACHE_TLS_BULK_H
#define RCACHE_TLS_BULK_H

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/tls-record.h"

#define TLS_BULK_DATA   16384u          /* of a record, at most */
#define TLS_BULK_TAG    16u
/* What a record is longer than its data: its head, its type, and its tag. */
#define TLS_BULK_MORE   (TLS_RECORD_HEAD + 1u + TLS_BULK_TAG)
/* With the padding that a peer may add to it; RFC 8446, 5.2. */
#define TLS_BULK_MAX    (TLS_RECORD_HEAD + TLS_BULK_DATA + 256u)
#define TLS_BULK_IOVS   64u

/**
 * struct TlsBulk - one direction of a connection
 * @cipher: NULL: records are GnuTLS's work
 * @key: that .cipher is for
 * @number: of the next record
 */
typedef struct TlsBulk {
    gnutls_aead_cipher_hd_t cipher;
    uint8_t key[32];
    size_t key_size;
    uint8_t iv[12];
    uint64_t number;
} TlsBulk;

/**
 * tls_bulk_load() - take over where GnuTLS is
 * @reads: the direction
 *
 * What it cannot take over stays GnuTLS's: .cipher is NULL then.
 */
void tls_bulk_load(TlsBulk *bulk, gnutls_session_t session, bool reads);

/** tls_bulk_lend() - GnuTLS is to go on from here; false: it cannot */
bool tls_bulk_lend(const TlsBulk *bulk, gnutls_session_t session, bool reads);

/** tls_bulk_clear() - forget the key */
void tls_bulk_clear(TlsBulk *bulk);

/**
 * tls_bulk_seal() - make a record
 * @iov: its data, @n pieces, TLS_BULK_IOVS at most
 * @len: of all of them, TLS_BULK_DATA at most, and more than 0
 * @out: @len + TLS_BULK_MORE bytes
 */
bool tls_bulk_seal(TlsBulk *bulk, const struct iovec *iov, unsigned n,
                   size_t len, uint8_t *out);

/** tls_bulk_length() - of the record that begins with this head, with it */
size_t tls_bulk_length(const uint8_t *head);

/** tls_bulk_size() - how much room tls_bulk_open() needs for a record of @len
 * bytes; 0: it is not one of data */
size_t tls_bulk_size(const uint8_t *record, size_t len);

/**
 * tls_bulk_open() - open a record
 * @record: all of it, @len bytes; they stay as they are
 * @out: tls_bulk_size() bytes, which what follows the data is written to, too
 *
 * Return: bytes of data; 0: GnuTLS is to look at it, since it is not one of
 * data, or not what the peer has sent.  Then @out has nothing of it.
 */
size_t tls_bulk_open(TlsBulk *bulk, const uint8_t *record, size_t len,
                     uint8_t *out);

#endif
