/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-cipher: what GnuTLS's AES-256-GCM costs for a page, and nothing else:
 * one that is authenticated only (seal=off), one that is sealed, and a quarter
 * of a full record of TLS, which each of its ends pays once.
 *
 * A line of JSON each: CPU time for 4 KiB, the least of some tries.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <time.h>

#include "tests/bench/measure.h"

#define RECORD          16384u
#define TRIES           9u
#define BYTES           (8u << 20)      /* of a try */

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run(gnutls_aead_cipher_hd_t cipher, const char *variant,
                size_t size, bool encrypts)
{
    static uint8_t bytes[RECORD];
    uint8_t nonce[12] = { 0 }, place[40] = { 0 }, tag[16];
    giovec_t part[] = { { place, sizeof(place) }, { bytes, size } };
    uint64_t least = UINT64_MAX;

    for (unsigned try = 0; try < TRIES; try++) {
        uint64_t start = cpu_ns(), ns;

        for (size_t done = 0; done < BYTES; done += size) {
            size_t tag_size = sizeof(tag);

            nonce[0]++;
            if (gnutls_aead_cipher_encryptv2(cipher, nonce, sizeof(nonce),
                                             part, encrypts ? 1 : 2, &part[1],
                                             encrypts, tag, &tag_size)) {
                measure_die("gnutls_aead_cipher_encryptv2");
            }
        }
        ns = cpu_ns() - start;
        least = ns < least ? ns : least;
    }
    printf("{\"variant\": \"%s\", \"ns_per_page\": %.1f}\n", variant,
           (double)least / (BYTES / MEASURE_PAGE));
}

int main(int argc, char **argv)
{
    uint8_t key[32] = { 1 };
    gnutls_datum_t datum = { key, sizeof(key) };
    gnutls_aead_cipher_hd_t cipher;

    measure_pin(measure_option(argc, argv, "pager-cpu", -1));
    if (gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM, &datum)) {
        measure_die("gnutls_aead_cipher_init");
    }
    run(cipher, "page authenticated", MEASURE_PAGE, false);
    run(cipher, "page sealed", MEASURE_PAGE, true);
    run(cipher, "page in a record", RECORD, true);
    gnutls_aead_cipher_deinit(cipher);
    return 0;
}
