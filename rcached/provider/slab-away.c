/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab-away: which pages of a slab are in the spill file.  See slab-away.h. */
#include "rcached/provider/slab-away.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcached/provider/slab-internal.h"

/* Map what is behind the tail; the slab is away from now on. */
static int away_map(Slab *slab, uint32_t area)
{
    size_t words = (slab->pages + 63) / 64;
    size_t bytes = slab_away_bytes(slab->pages);
    SlabAway *away;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      slab->fd, slab_file_bytes(slab->pages));

    if (base == MAP_FAILED) {
        return -errno;
    }
    away = g_malloc0(sizeof(*away) + (slab_chunks(slab) + 63) / 64 * 8);
    away->area = area;
    away->lease = slab->tail->lease;
    away->bits = base;
    away->seals = (SpillSeal *)((uint64_t *)base + words);
    slab->away = away;
    return 0;
}

void slab_away_unmap(Slab *slab)
{
    if (slab->away) {
        munmap(slab->away->bits, slab_away_bytes(slab->pages));
        g_clear_pointer(&slab->away, g_free);
    }
}

int slab_away_begin(Slab *slab, uint32_t area)
{
    off_t at = slab_file_bytes(slab->pages);
    size_t bytes = slab_away_bytes(slab->pages);
    int ret;

    /* From zeros: no page is in the file. */
    if (fallocate(slab->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                  bytes) ||
        fallocate(slab->fd, 0, at, bytes)) {
        return -errno;
    }
    ret = away_map(slab, area);
    if (!ret) {
        slab->tail->version = SLAB_VERSION_AWAY;
        __atomic_store_n(&slab->tail->away, area + UINT64_C(1),
                         __ATOMIC_SEQ_CST);
    }
    return ret;
}

void slab_away_end(Slab *slab)
{
    __atomic_store_n(&slab->tail->away, 0, __ATOMIC_SEQ_CST);
    slab->tail->version = SLAB_VERSION;
    slab_away_unmap(slab);
    (void)fallocate(slab->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    slab_file_bytes(slab->pages),
                    slab_away_bytes(slab->pages));
}

/* A daemon may have been killed before it gave the memory back. */
int slab_away_adopt(Slab *slab)
{
    uint64_t area = slab->tail->away - 1;
    int ret = area >= UINT32_MAX ? -EINVAL : away_map(slab, area);

    for (uint32_t i = 0; !ret && i < slab_chunks(slab); i++) {
        slab_chunk_punch(slab, i);
    }
    return ret;
}

void slab_set_in_file(Slab *slab, uint32_t page, bool in_file)
{
    uint64_t bit = UINT64_C(1) << (page % 64);
    uint64_t *word = &slab->away->bits[page / 64];

    /* After the seal and the bytes: a kill may come between any two. */
    __atomic_store_n(word, in_file ? *word | bit : *word & ~bit,
                     __ATOMIC_SEQ_CST);
}

uint64_t slab_chunk_memory(const Slab *slab, uint32_t chunk)
{
    return slab->tail->bitmap[chunk] & ~slab->away->bits[chunk];
}

uint64_t slab_chunk_file(const Slab *slab, uint32_t chunk)
{
    return slab->tail->bitmap[chunk] & slab->away->bits[chunk];
}

/* A chunk's place in the memfd. */
static off_t chunk_at(uint32_t chunk)
{
    return (off_t)chunk * SLAB_CHUNK * WIRE_PAGE_SIZE;
}

static size_t chunk_bytes(const Slab *slab)
{
    return slab_bytes(MIN(slab->pages, SLAB_CHUNK));
}

bool slab_chunk_punch(Slab *slab, uint32_t chunk)
{
    uint64_t *word = &slab->away->punched[chunk / 64];
    uint64_t bit = UINT64_C(1) << (chunk % 64);

    if (!(*word & bit) && slab->users == slab->filing &&
        !slab_chunk_memory(slab, chunk) &&
        !fallocate(slab->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   chunk_at(chunk), chunk_bytes(slab))) {
        *word |= bit;
    }
    return *word & bit;
}

int slab_chunk_restore(Slab *slab, uint32_t chunk)
{
    if (!slab_is_punched(slab, chunk * SLAB_CHUNK)) {
        return 0;
    }
    if (fallocate(slab->fd, 0, chunk_at(chunk), chunk_bytes(slab)) ||
        (madvise(slab->base + chunk_at(chunk), chunk_bytes(slab),
                 MADV_POPULATE_WRITE) && errno != EINVAL)) {
        return -errno;
    }
    slab->away->punched[chunk / 64] &= ~(UINT64_C(1) << (chunk % 64));
    return 0;
}

int slab_write(Slab *slab, uint32_t page, const uint8_t *bytes)
{
    ssize_t n = pwrite(slab->fd, bytes, WIRE_PAGE_SIZE, slab_bytes(page));

    return n == WIRE_PAGE_SIZE ? 0 : n < 0 ? -errno : -ENOMEM;
}

uint32_t slab_given_back(const Slab *slab)
{
    uint32_t chunks = 0;

    for (uint32_t i = 0; slab->away && i < (slab_chunks(slab) + 63) / 64;
         i++) {
        chunks += __builtin_popcountll(slab->away->punched[i]);
    }
    return MIN(chunks * SLAB_CHUNK, slab->pages);
}

uint32_t slab_pages_in_file(const Slab *slab)
{
    uint32_t pages = 0;

    for (uint32_t i = 0; slab->away && i < slab_chunks(slab); i++) {
        pages += __builtin_popcountll(slab_chunk_file(slab, i));
    }
    return pages;
}
