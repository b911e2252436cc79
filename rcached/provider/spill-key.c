/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spill-key: the key under which pages go to disk.  See spill-key.h. */
#include "rcached/provider/spill-key.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

#define KEY_MAGIC       0x6c697073u     /* "spil" */
#define KEY_VERSION     1u
#define KEY_BYTES       32u
#define NONCE_BYTES     12u
#define PLACE_BYTES     16u

/* What the descriptor holds; host order. */
typedef struct KeyPage {
    uint32_t magic;
    uint32_t version;
    uint64_t next;              /* count of the next page to be sealed */
    uint8_t key[KEY_BYTES];
} KeyPage;

struct SpillKey {
    int fd;
    KeyPage *page;
    gnutls_aead_cipher_hd_t cipher;
};

static void set_errno(GError **errp, const char *what)
{
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                "spill file: %s: %s", what, g_strerror(errno));
}

static void set_gnutls(GError **errp, const char *what, int ret)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "spill file: %s: %s",
                what, gnutls_strerror(ret));
}

/* Map the key's page, out of reach of swap, dumps and children. */
static KeyPage *key_map(int fd, SlabGuard guard)
{
    KeyPage *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE,
                         MAP_SHARED, fd, 0);

    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, WIRE_PAGE_SIZE, MADV_DONTDUMP) ||
        madvise(page, WIRE_PAGE_SIZE, MADV_DONTFORK) ||
        (guard == SLAB_GUARD_MLOCK &&
         mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))) {
        munmap(page, WIRE_PAGE_SIZE);
        return NULL;
    }
    return page;
}

/* A memfd_secret is never swapped; it is missing on some kernels. */
static int key_memory(void)
{
    autofd fd = syscall(SYS_memfd_secret, O_CLOEXEC);

    if (fd < 0) {
        fd = memfd_create("rcached-spill-key", MFD_CLOEXEC);
    }
    if (fd < 0 || ftruncate(fd, WIRE_PAGE_SIZE)) {
        return -errno;
    }
    return fd_steal(&fd);
}

/* @fd is taken over in any case. */
static SpillKey *key_open(int fd, SlabGuard guard, bool fresh, GError **errp)
{
    SpillKey *key = g_new0(SpillKey, 1);
    gnutls_datum_t datum;
    int ret;

    key->fd = fd;
    key->page = key_map(fd, guard);
    if (!key->page) {
        set_errno(errp, "cannot keep its key out of swap");
        goto fail;
    }
    if (fresh) {
        ret = gnutls_rnd(GNUTLS_RND_KEY, key->page->key, KEY_BYTES);
        if (ret < 0) {
            set_gnutls(errp, "cannot make its key", ret);
            goto fail;
        }
        key->page->magic = KEY_MAGIC;
        key->page->version = KEY_VERSION;
    } else if (key->page->magic != KEY_MAGIC ||
               key->page->version != KEY_VERSION) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "spill file: its key was made by another release");
        goto fail;
    }
    datum = (gnutls_datum_t) { key->page->key, KEY_BYTES };
    ret = gnutls_aead_cipher_init(&key->cipher, GNUTLS_CIPHER_AES_256_GCM,
                                  &datum);
    if (ret < 0) {
        set_gnutls(errp, "cannot use AES-256-GCM", ret);
        key->cipher = NULL;
        goto fail;
    }
    return key;
fail:
    spill_key_free(key);
    return NULL;
}

SpillKey *spill_key_new(SlabGuard guard, GError **errp)
{
    int fd = key_memory();

    if (fd < 0) {
        errno = -fd;
        set_errno(errp, "no memory for its key");
        return NULL;
    }
    return key_open(fd, guard, true, errp);
}

SpillKey *spill_key_adopt(int fd, SlabGuard guard, GError **errp)
{
    struct stat st;
    int own;

    if (fstat(fd, &st) || st.st_size != WIRE_PAGE_SIZE) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "spill file: its key was made by another release");
        return NULL;
    }
    own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        set_errno(errp, "cannot take over its key");
        return NULL;
    }
    return key_open(own, guard, false, errp);
}

void spill_key_free(SpillKey *key)
{
    if (!key) {
        return;
    }
    if (key->cipher) {
        gnutls_aead_cipher_deinit(key->cipher);
    }
    if (key->page) {
        munmap(key->page, WIRE_PAGE_SIZE);
    }
    close(key->fd);
    g_free(key);
}

int spill_key_fd(const SpillKey *key)
{
    return key->fd;
}

/* The byte order does not matter: nothing of it leaves the host. */
static void place_bytes(const SpillPlace *place, uint8_t out[PLACE_BYTES])
{
    memcpy(out, &place->lease, 8);
    memcpy(out + 8, &place->slab, 4);
    memcpy(out + 12, &place->page, 4);
}

bool spill_seal(SpillKey *key, const SpillPlace *place, uint8_t *page,
                SpillSeal *seal)
{
    uint8_t nonce[NONCE_BYTES] = { 0 }, where[PLACE_BYTES];
    giovec_t auth = { where, sizeof(where) };
    giovec_t data = { page, WIRE_PAGE_SIZE };
    size_t tag_len = sizeof(seal->tag);

    place_bytes(place, where);
    seal->count = __atomic_fetch_add(&key->page->next, 1, __ATOMIC_SEQ_CST);
    memcpy(nonce, &seal->count, sizeof(seal->count));
    return gnutls_aead_cipher_encryptv2(key->cipher, nonce, sizeof(nonce),
                                        &auth, 1, &data, 1, seal->tag,
                                        &tag_len) == 0 &&
           tag_len == sizeof(seal->tag);
}

bool spill_unseal(SpillKey *key, const SpillPlace *place, uint8_t *page,
                  const SpillSeal *seal)
{
    uint8_t nonce[NONCE_BYTES] = { 0 }, where[PLACE_BYTES];
    giovec_t auth = { where, sizeof(where) };
    giovec_t data = { page, WIRE_PAGE_SIZE };

    place_bytes(place, where);
    memcpy(nonce, &seal->count, sizeof(seal->count));
    return gnutls_aead_cipher_decryptv2(key->cipher, nonce, sizeof(nonce),
                                        &auth, 1, &data, 1,
                                        (void *)seal->tag,
                                        sizeof(seal->tag)) == 0;
}
