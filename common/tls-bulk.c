/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-bulk: records of application data.  See tls-bulk.h; RFC 8446, 5.2. */
#include "common/tls-bulk.h"

#include <endian.h>
#include <string.h>

#define TYPE_DATA       23u     /* of a record, outside and inside */

static bool cipher_is_ours(gnutls_cipher_algorithm_t cipher)
{
    return cipher == GNUTLS_CIPHER_AES_128_GCM ||
           cipher == GNUTLS_CIPHER_AES_256_GCM;
}

void tls_bulk_clear(TlsBulk *bulk)
{
    if (bulk->cipher) {
        gnutls_aead_cipher_deinit(bulk->cipher);
    }
    gnutls_memset(bulk, 0, sizeof(*bulk));
}

/* Making a cipher costs as much as a record; most often the key is the same. */
static bool bulk_set_key(TlsBulk *bulk, gnutls_cipher_algorithm_t algorithm,
                         const gnutls_datum_t *key)
{
    if (bulk->cipher && bulk->key_size == key->size &&
        !memcmp(bulk->key, key->data, key->size)) {
        return true;
    }
    tls_bulk_clear(bulk);
    if (key->size > sizeof(bulk->key) ||
        gnutls_aead_cipher_init(&bulk->cipher, algorithm, key) < 0) {
        bulk->cipher = NULL;
        return false;
    }
    memcpy(bulk->key, key->data, key->size);
    bulk->key_size = key->size;
    return true;
}

void tls_bulk_load(TlsBulk *bulk, gnutls_session_t session, bool reads)
{
    gnutls_cipher_algorithm_t algorithm = gnutls_cipher_get(session);
    gnutls_datum_t mac, iv, key;
    uint64_t number;

    if (!cipher_is_ours(algorithm) ||
        gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 ||
        gnutls_record_get_state(session, reads, &mac, &iv, &key,
                                (unsigned char *)&number) < 0 ||
        iv.size != sizeof(bulk->iv) ||
        !bulk_set_key(bulk, algorithm, &key)) {
        tls_bulk_clear(bulk);
        return;
    }
    memcpy(bulk->iv, iv.data, sizeof(bulk->iv));
    bulk->number = be64toh(number);
}

bool tls_bulk_lend(const TlsBulk *bulk, gnutls_session_t session, bool reads)
{
    uint64_t number = htobe64(bulk->number);

    return !bulk->cipher ||
           !gnutls_record_set_state(session, reads, (unsigned char *)&number);
}

/* RFC 8446, 5.3. */
static void nonce_make(const TlsBulk *bulk, uint8_t nonce[sizeof(bulk->iv)])
{
    uint64_t low;

    memcpy(nonce, bulk->iv, sizeof(bulk->iv));
    memcpy(&low, nonce + 4, sizeof(low));
    low ^= htobe64(bulk->number);
    memcpy(nonce + 4, &low, sizeof(low));
}

bool tls_bulk_seal(TlsBulk *bulk, const struct iovec *iov, unsigned n,
                   size_t len, uint8_t *out)
{
    size_t rest = len + 1 + TLS_BULK_TAG, sealed = rest;
    giovec_t part[TLS_BULK_IOVS + 1], head = { out, TLS_RECORD_HEAD };
    uint8_t nonce[sizeof(bulk->iv)], type = TYPE_DATA;

    out[0] = TYPE_DATA;
    out[1] = 3;                 /* "TLS 1.2", as all records say */
    out[2] = 3;
    out[3] = rest >> 8;
    out[4] = rest;
    memcpy(part, iov, n * sizeof(*iov));
    part[n] = (giovec_t) { &type, 1 };
    nonce_make(bulk, nonce);
    if (gnutls_aead_cipher_encryptv(bulk->cipher, nonce, sizeof(nonce), &head,
                                    1, TLS_BULK_TAG, part, n + 1,
                                    out + TLS_RECORD_HEAD, &sealed) < 0 ||
        sealed != rest) {
        return false;
    }
    bulk->number++;
    return true;
}

size_t tls_bulk_length(const uint8_t *head)
{
    return TLS_RECORD_HEAD + (head[3] << 8 | head[4]);
}

size_t tls_bulk_size(const uint8_t *record, size_t len)
{
    return len > TLS_RECORD_HEAD + TLS_BULK_TAG && len <= TLS_BULK_MAX &&
           record[0] == TYPE_DATA && tls_bulk_length(record) == len
        ? len - TLS_RECORD_HEAD - TLS_BULK_TAG : 0;
}

size_t tls_bulk_open(TlsBulk *bulk, const uint8_t *record, size_t len,
                     uint8_t *out)
{
    size_t room = tls_bulk_size(record, len), n = room;
    uint8_t nonce[sizeof(bulk->iv)];
    int ret;

    if (!room) {
        return 0;
    }
    nonce_make(bulk, nonce);
    ret = gnutls_aead_cipher_decrypt(bulk->cipher, nonce, sizeof(nonce),
                                     record, TLS_RECORD_HEAD, TLS_BULK_TAG,
                                     record + TLS_RECORD_HEAD,
                                     len - TLS_RECORD_HEAD, out, &n);
    while (!ret && n && !out[n - 1]) {
        n--;                    /* padding */
    }
    if (ret || n < 2 || n - 1 > TLS_BULK_DATA || out[n - 1] != TYPE_DATA) {
        gnutls_memset(out, 0, room);
        return 0;
    }
    bulk->number++;
    return n - 1;
}
