/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab-away: which pages of a slab are in the spill file.
 *
 *   (in memory) --begin--> OUT <--back--> BACK --end--> (in memory)
 *
 * Each page that is stored is in the file or in memory, and its bit says
 * which.  It is set when the file has the page and cleared when memory has it,
 * so that at every moment the bit names a whole page; it stands, with the
 * seals of the pages, in the slab's memfd, and outlives the process as the
 * slab does.  The memory of a chunk of pages is given back once all that is
 * stored in it is in the file and no transfer touches the slab's memory.
 *
 * While it is OUT a page that is PUT goes to the file; on the way BACK it goes
 * to memory if its chunk has its memory again.
 */
#ifndef RCACHED_PROVIDER_SLAB_AWAY_H
#define RCACHED_PROVIDER_SLAB_AWAY_H

#include "rcached/provider/slab.h"

/**
 * slab_away_begin() - the slab begins to go to the file
 * @area: of the file
 *
 * Return: 0, or -errno with nothing changed
 */
int slab_away_begin(Slab *slab, uint32_t area);

/** slab_away_end() - all of it is in memory again */
void slab_away_end(Slab *slab);

/** slab_in_file() - is this page's place the file? */
static inline bool slab_in_file(const Slab *slab, uint32_t page)
{
    return slab->away && slab->away->bits[page / 64] >> (page % 64) & 1;
}

/** slab_set_in_file() - it is, or is not; of a slab that is away */
void slab_set_in_file(Slab *slab, uint32_t page, bool in_file);

/** slab_is_punched() - is the memory of @page's chunk given back? */
static inline bool slab_is_punched(const Slab *slab, uint32_t page)
{
    uint32_t chunk = page / SLAB_CHUNK;

    return slab->away &&
           slab->away->punched[chunk / 64] >> (chunk % 64) & 1;
}

/** slab_puts_to_file() - where does a page go that is PUT now? */
static inline bool slab_puts_to_file(const Slab *slab, uint32_t page)
{
    return slab->away && (!slab->away->back || slab_is_punched(slab, page));
}

/** slab_chunks() - how many it has; the last one may be short */
static inline uint32_t slab_chunks(const Slab *slab)
{
    return (slab->pages + SLAB_CHUNK - 1) / SLAB_CHUNK;
}

/** slab_chunk_memory() - stored pages of a chunk that are in memory: bits */
uint64_t slab_chunk_memory(const Slab *slab, uint32_t chunk);

/** slab_chunk_file() - stored pages of a chunk that are in the file: bits */
uint64_t slab_chunk_file(const Slab *slab, uint32_t chunk);

/**
 * slab_chunk_punch() - give the memory of a chunk back, if it can be
 *
 * Return: whether it is given back now
 */
bool slab_chunk_punch(Slab *slab, uint32_t chunk);

/**
 * slab_chunk_restore() - take memory for a chunk again
 *
 * Return: 0, or -errno: there is none
 */
int slab_chunk_restore(Slab *slab, uint32_t chunk);

/** slab_write() - store a page in a slab of which the memory may be given
 * back; 0 or -errno */
int slab_write(Slab *slab, uint32_t page, const uint8_t *bytes);

/** slab_given_back() - pages of memory that are given back */
uint32_t slab_given_back(const Slab *slab);

/** slab_pages_in_file() - stored pages that are in the file */
uint32_t slab_pages_in_file(const Slab *slab);

#endif
