/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A provider with a spill file, and a requester of SLABS slabs that does not
 * notice.  The file has no name; it is reached through the descriptors of
 * this process, which the provider is part of.
 */
#ifndef TESTS_SPILL_FIXTURE_H
#define TESTS_SPILL_FIXTURE_H

#include "provider-fixture.h"

#define NOW     1u              /* a deadline that is over at once */
#define LATER   3600000u
#define ALL     UINT64_MAX
#define SLABS   3u
#define AREAS   16u             /* slabs that the file has room for */

extern Client c;                /* has claimed lease 1 */
extern GHashTable *kept;        /* name -> fd: for the next provider */
extern pthread_mutex_t kept_lock;       /* the provider's thread changes it */

void spill_set_up(void);
void spill_tear_down(void);

/** spill_restart() - a daemon in the place of the last, with what is kept */
void spill_restart(void);

/** spill_fd() - the provider's descriptor of the file */
int spill_fd(void);

/** spill_open() - another, that takes bytes at any address */
int spill_open(void);

/** spill_slab_blocks() - memory of all slabs, in 512 bytes */
uint64_t spill_slab_blocks(void);

/** spill_put() - PUT @n pages of the lease from page @first on */
void spill_put(uint32_t first, uint32_t n, uint64_t value);

/** spill_check() - GET them: they must be of that value */
void spill_check(uint32_t first, uint32_t n, uint64_t value);

/** spill_empty() - is nothing stored in that page? */
bool spill_empty(uint32_t page);

/** spill_go_out(), spill_come_back() - all of it, and wait */
void spill_go_out(void);
void spill_come_back(void);

#endif
