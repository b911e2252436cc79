/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seal: what leaves instead of a page.  See seal.h. */
#include "rcached/pager/seal.h"

#include <endian.h>
#include <gio/gio.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "common/crash-point.h"

#define NONCE_SIZE      12u
#define PAGE_MAX        ((UINT64_C(1) << RCACHE_PAGE_BITS) - 1)
#define VERSION_MAX     ((UINT64_C(1) << RCACHE_VERSION_BITS) - 1)

_Static_assert(RCACHE_PAGE_BITS + RCACHE_VERSION_BITS == 8 * NONCE_SIZE,
               "a page and a version are a nonce");

/* What a page is authenticated with; little-endian. */
typedef struct SealPlace {
    uint8_t vm[16];
    uint64_t incarnation;
    uint64_t page;
    uint64_t version;
} SealPlace;

_Static_assert(sizeof(SealPlace) == 40, "no holes between the fields");

/**
 * struct Seal - private
 * @encrypt: or authenticate only
 * @vm: of each SealPlace, as is @incarnation
 * @opened: the page that seal_open() gave back last
 */
struct Seal {
    gnutls_aead_cipher_hd_t cipher;
    bool encrypt;
    uint8_t vm[16];
    uint64_t incarnation;
    uint8_t opened[RCACHE_PAGE_SIZE];
};

Seal *seal_new(const uint8_t *key, bool encrypt, const uint8_t *vm,
               uint64_t incarnation, GError **errp)
{
    gnutls_datum_t datum = { (void *)key, RCACHE_KEY_SIZE };
    Seal *seal = g_new0(Seal, 1);
    int ret = gnutls_aead_cipher_init(&seal->cipher,
                                      GNUTLS_CIPHER_AES_256_GCM, &datum);

    if (ret < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "GnuTLS cannot do AES-256-GCM (%s), so that no page can be "
                    "sealed", gnutls_strerror(ret));
        g_free(seal);
        return NULL;
    }
    seal->encrypt = encrypt;
    memcpy(seal->vm, vm, sizeof(seal->vm));
    seal->incarnation = incarnation;
    return seal;
}

void seal_free(Seal *seal)
{
    if (seal) {
        gnutls_aead_cipher_deinit(seal->cipher);
        gnutls_memset(seal, 0, sizeof(*seal));
        g_free(seal);
    }
}

/* The five low bytes of the page, then the seven of the version. */
static void nonce_make(uint8_t nonce[NONCE_SIZE], uint64_t page,
                       uint64_t version)
{
    uint64_t le_page = htole64(page), le_version = htole64(version);

    memcpy(nonce, &le_page, RCACHE_PAGE_BITS / 8);
    memcpy(nonce + RCACHE_PAGE_BITS / 8, &le_version, RCACHE_VERSION_BITS / 8);
}

static SealPlace place_make(const Seal *seal, uint64_t page, uint64_t version)
{
    SealPlace place = {
        .incarnation = htole64(seal->incarnation), .page = htole64(page),
        .version = htole64(version),
    };

    memcpy(place.vm, seal->vm, sizeof(place.vm));
    return place;
}

/* The next version, stored; 0: there is none. */
static uint64_t version_raise(struct RcacheSide *side)
{
    uint64_t version = __atomic_load_n(&side->version, __ATOMIC_RELAXED);

    if (version >= VERSION_MAX) {
        return 0;
    }
    __atomic_store_n(&side->version, ++version, __ATOMIC_SEQ_CST);
    return version;
}

bool seal_page(Seal *seal, uint64_t page, struct RcacheSide *side, void *bytes,
               SealMark *mark)
{
    SealPlace place;
    giovec_t auth[] = {
        { &place, sizeof(place) }, { bytes, RCACHE_PAGE_SIZE },
    };
    uint8_t nonce[NONCE_SIZE];
    size_t tag_size = sizeof(mark->tag);
    int ret;

    mark->version = page > PAGE_MAX ? 0 : version_raise(side);
    if (!mark->version) {
        return false;
    }
    crash_point("version-stored");
    nonce_make(nonce, page, mark->version);
    place = place_make(seal, page, mark->version);
    ret = gnutls_aead_cipher_encryptv2(seal->cipher, nonce, sizeof(nonce),
                                       auth, seal->encrypt ? 1 : 2, &auth[1],
                                       seal->encrypt ? 1 : 0, mark->tag,
                                       &tag_size);
    return ret == 0 && tag_size == sizeof(mark->tag);
}

bool seal_store(struct RcacheSide *side, const SealMark *mark, uint64_t sum)
{
    if (__atomic_load_n(&side->version, __ATOMIC_RELAXED) != mark->version) {
        return false;
    }
    memcpy(side->tag, mark->tag, sizeof(side->tag));
    side->sum = sum;
    return true;
}

const void *seal_open(Seal *seal, uint64_t page, const struct RcacheSide *side,
                      const void *stored)
{
    /* Shared with the VMM: what is checked is what is used. */
    const struct RcacheSide known = *side;
    SealPlace place = place_make(seal, page, known.version);
    giovec_t auth[] = {
        { &place, sizeof(place) }, { (void *)stored, RCACHE_PAGE_SIZE },
    };
    giovec_t data = { seal->opened, RCACHE_PAGE_SIZE };
    uint8_t nonce[NONCE_SIZE];

    nonce_make(nonce, page, known.version);
    if (seal->encrypt) {
        memcpy(seal->opened, stored, RCACHE_PAGE_SIZE);
    }
    if (gnutls_aead_cipher_decryptv2(seal->cipher, nonce, sizeof(nonce), auth,
                                     seal->encrypt ? 1 : 2, &data,
                                     seal->encrypt ? 1 : 0,
                                     (void *)known.tag, sizeof(known.tag))) {
        return NULL;
    }
    return seal->encrypt ? seal->opened : stored;
}
