/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle: is a page what it must be?  The same everywhere in the tests.
 *
 * A page holds its number, its version, a checksum of both, a marker that is in
 * every page, and words that follow from them; version 0 is a page of zeros.
 * Versions are kept outside guest memory, so that an old copy, or another
 * page's, is seen as surely as a flipped bit.
 */
#ifndef FAKES_ORACLE_H
#define FAKES_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_WORDS    512u
#define ORACLE_MARKER   0x2167507473337547ull   /* "Gu3stPg!" */

/** oracle_stamp() - write the page that number @page has in @version */
void oracle_stamp(uint64_t *words, uint64_t page, uint32_t version);

/** oracle_is_right() - is it exactly that? */
bool oracle_is_right(const uint64_t *words, uint64_t page, uint32_t version);

#endif
