/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-played: what a pager has around it, played, so that an input of fuzz-vmm
 * always does the same, takes no time and reaches no network.
 *
 * vmm-ring.c plays common/ring.h and the clock: time passes when the pager
 * sleeps.  vmm-provider.c is whoever the pager connects to.
 */
#ifndef TESTS_FUZZ_VMM_PLAYED_H
#define TESTS_FUZZ_VMM_PLAYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define PROVIDER_SLABS  4u      /* of each lease */
#define PROVIDER_PAGES  64u     /* of each slab */

/** enum ProviderMood - what it answers */
enum ProviderMood {
    PROVIDER_WELL,
    PROVIDER_SILENT,
    PROVIDER_BUSY,              /* to PUT and GET */
    PROVIDER_EMPTY,             /* it knows no lease */
    PROVIDER_GONE,              /* it closes connections, and takes none */
    PROVIDER_MOODS
};

extern enum ProviderMood provider_mood;

/** provider_begin() - one that stores nothing, and is well */
void provider_begin(void);
void provider_end(void);

/** provider_connected() - @fd is a new connection; false: refused */
bool provider_connected(int fd);

/** provider_take() - the pager has sent this; the number of bytes */
size_t provider_take(int fd, const struct iovec *iov, size_t n);

/** provider_give() - up to @len bytes for the pager; -1: the connection ends */
int provider_give(int fd, void *buf, size_t len);

#endif
