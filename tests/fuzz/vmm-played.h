/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-played: what a pager has around it, played, so that an input of fuzz-vmm
 * or fuzz-pages always does the same, takes no time and reaches no network.
 *
 * vmm-ring.c     common/ring.h and the clock: time passes when the pager sleeps
 * vmm-memory.c   the guest's memory, and the kernel's userfaultfd
 * vmm-guest.c    the VMM: what it sends and shares, and how it answers
 *
 * Who the pager connects to is another file, which has the functions
 * provider_...(): vmm-provider.c for fuzz-vmm, pages-provider.c for fuzz-pages.
 */
#ifndef TESTS_FUZZ_VMM_PLAYED_H
#define TESTS_FUZZ_VMM_PLAYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

#define PLAYED_ADDRESS  (UINT64_C(1) << 40)     /* of the one block */
#define PLAYED_MARKS    4096u   /* pages of which the kernel notes writes */

/**
 * struct Played - the VMM and its kernel
 * @sock: the VMM's end of the conversation
 * @uffd: what stands for the userfaultfd, and is never readable
 * @state: the state memfd, mapped
 * @layout: its head as it was made
 * @pages: of the one block, and words
 * @local_max: in bytes, of HELLO and RESIZE; so @size
 * @copies: of HELLO
 * @fault: addresses of faults that have not been read
 * @marked: pages that are mapped write-protected, and were not written since
 * @refusal: what the next ioctls of the userfaultfd end with, or 0
 */
typedef struct Played {
    Pager *p;
    int sock, ram_fd, state_fd, key_fd, uffd;
    struct RcacheState *state;
    struct RcacheState layout;
    uint64_t pages, local_max, size;
    unsigned copies;
    uint64_t fault[UFFD_READ_MAX];
    unsigned nr_faults;
    uint8_t marked[PLAYED_MARKS];
    int refusal;
} Played;

extern Played played;

/**
 * played_begin() - a VMM, its memory, and a pager that has heard nothing yet
 *
 * What the pager logs is thrown away, but for what ends the process, and unless
 * FUZZ_LOG stands in the environment.
 */
void played_begin(uint64_t pages, uint64_t local_max, unsigned copies);

/** played_end() - the pager ends, then all else; no descriptor is left */
void played_end(void);

/** played_pager_begin() - a pager, on a connection of its own */
void played_pager_begin(void);

/** played_pager_end() - it goes, and leaves all as it is */
void played_pager_end(void);

/** played_set_up() - the conversation as QEMU begins it, up to READY */
void played_set_up(void);

/** played_turns() - turns of the pager's loop; @served: the VMM answers */
void played_turns(unsigned n, bool served);

/** played_words() - the words, as the VMM sees them */
uint64_t *played_words(void);

/** played_sides() - the side records */
struct RcacheSide *played_sides(void);

/** played_has_data() - is that page in the memfd? */
bool played_has_data(uint64_t page);

/** played_written() - the guest has written to a page that is mapped */
void played_written(uint64_t page);

/** played_fault() - the guest touches a page; false: there are too many */
bool played_fault(uint64_t page);

/**
 * played_send() - @len bytes, and @nr_fds of the descriptors of which @which
 *                 names one after the other
 */
void played_send(const void *msg, size_t len, unsigned nr_fds,
                 unsigned which);

/** played_head_set() - the head of a message */
void played_head_set(struct RcacheVmmHdr *h, uint16_t type, uint32_t size);

/**
 * played_message() - a message that the pager takes, as QEMU would send it
 * @to: of at least 512 bytes, zero
 *
 * Return: its length
 */
size_t played_message(uint16_t type, void *to);

/** played_send_message() - send that */
void played_send_message(uint16_t type, unsigned nr_fds, unsigned which);

/* -------------------------------------------------------------- the ring */

/** ring_played_begin() - the clock begins anew */
void ring_played_begin(void);

/** ring_played_pass() - time passes */
void ring_played_pass(uint64_t ns);

/* -------------------------------------------------------------- providers */

#define PROVIDER_SLABS  4u      /* of each lease */
#define PROVIDER_PAGES  64u     /* of each slab */

/** enum ProviderMood - what vmm-provider.c answers */
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

/** provider_connected() - @fd is new, and to this port; false: refused */
bool provider_connected(int fd, uint16_t port);

/** provider_take() - the pager has sent this; the number of bytes */
size_t provider_take(int fd, const struct iovec *iov, size_t n);

/**
 * provider_give() - up to @len bytes for the pager
 *
 * Return: 0: there are none now; -1: the connection has ended
 */
int provider_give(int fd, void *buf, size_t len);

#endif
