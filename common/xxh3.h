/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xxh3: XXH3 with the widest vectors that this CPU has.
 *
 * The library is built for the oldest x86-64; the functions in it that look at
 * the CPU first are four times as fast on a page, and give the same sums.  A
 * build of the library need not have them, and other architectures do not.
 */
#ifndef RCACHE_XXH3_H
#define RCACHE_XXH3_H

#ifdef HAVE_XXH_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif
