/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-record: does a stream of TLS records stand in the middle of one?
 *
 * Half a record is half a frame or less: who sends no more of it is stuck, and
 * looks idle above TLS.  GnuTLS does not tell.  RFC 8446, 5.1: a type, two
 * bytes of version, two of length, and so many bytes.  Pure.
 */
#ifndef RCACHE_TLS_RECORD_H
#define RCACHE_TLS_RECORD_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_RECORD_HEAD 5u

/**
 * struct TlsRecord - how far it is
 * @head: bytes of the head that have passed
 * @left: bytes of the record that are still to come, once all of that has
 */
typedef struct TlsRecord {
    unsigned head;
    size_t left;
} TlsRecord;

/** tls_record_pass() - these bytes have come */
static inline void tls_record_pass(TlsRecord *r, const uint8_t *bytes,
                                   size_t n)
{
    while (n) {
        size_t step = 1;

        if (r->head < TLS_RECORD_HEAD) {
            r->head++;
            r->left = r->head > 3 ? r->left << 8 | *bytes : 0;
        } else {
            step = MIN(n, r->left);
            r->left -= step;
        }
        if (r->head == TLS_RECORD_HEAD && !r->left) {
            r->head = 0;
        }
        bytes += step;
        n -= step;
    }
}

/** tls_record_is_cut() - is there more to come of one that has begun? */
static inline bool tls_record_is_cut(const TlsRecord *r)
{
    return r->head;
}

#endif
