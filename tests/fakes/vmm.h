/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-messages: a VMM without a guest: what QEMU's object does, and threads
 * that touch the memory at native speed.
 *
 *     vmm-memory.c   guest RAM, the state memfd, the userfaultfd, discards
 *     vmm-service.c  the protocol: set-up, zaps
 *     vmm-alone.c    answers while there is no pager
 *     vmm-guest.c    the threads, DMA, an intruder
 *     vmm-attach.c   a table as a killed pager may have left it
 *     vmm-scribble.c random writes to what is shared with the pager
 *     fake-vmm.c     the run, the result; fake-vmm-options.c
 *
 * The service thread never touches guest memory, as QEMU's does not.
 */
#ifndef FAKES_VMM_H
#define FAKES_VMM_H

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "rcache/vmm.h"

#define VMM_LOCKS       8192u
#define VMM_BLOCKS_MAX  8u
#define VMM_ATTACH_ROWS 27u
#define VMM_ATTACH_EACH 3u              /* pages of each */
/* Of a page that is lost on purpose: nobody touches it any more. */
#define VMM_VERSION_LOST UINT32_MAX

/* Rules that can be taken out, to see that somebody notices. */
enum VmmBreak {
    VMM_BREAK_PINS = 1 << 0,            /* 4: pins are not named */
    VMM_BREAK_DISCARD = 1 << 1,         /* 6: punched without a flip */
    VMM_BREAK_FALLBACK = 1 << 2,        /* 11: by the message, not the table */
    VMM_BREAK_UFFD = 1 << 3,            /* 1: the userfaultfd is not kept */
};

/* Ways to misbehave at set-up, each to be refused. */
enum VmmBad {
    VMM_BAD_VERSION = 1 << 0,
    VMM_BAD_LAYOUT = 1 << 1,
    VMM_BAD_UNSEALED = 1 << 2,
    VMM_BAD_TRUNCATED = 1 << 3,
    VMM_BAD_OVERSIZED = 1 << 4,
    VMM_BAD_COPIES = 1 << 5,
    VMM_BAD_LIMITS = 1 << 6,
    VMM_BAD_HUGETLB = 1 << 7,
    VMM_BAD_MOVED = 1 << 9,             /* tables that move after a look */
    VMM_BAD_WORDS = 1 << 8,             /* words in states that do not exist */
    VMM_BAD_KEYLESS = 1 << 10,          /* of a release without keys */
    VMM_BAD_KEY = 1 << 11,              /* something else in its place */
};

typedef struct VmmConfig {
    const char *socket;
    const char *name;
    uint8_t uuid[16];
    uint64_t pages;
    uint64_t words;                     /* room for; 0: for the pages */
    unsigned blocks;                    /* as many memfds; 0 is 1 */
    bool plug_later;                    /* the last of them is plugged in */
    uint64_t local_max;                 /* pages */
    bool automatic;                     /* that is the least */
    uint64_t size;                      /* pages */
    unsigned copies;
    unsigned threads;
    unsigned write_percent;
    unsigned zero_percent;              /* pages that stay zero */
    unsigned discard_permille;          /* of visits */
    bool dma;
    bool intruder;
    bool sweep;                         /* every page in turn, scattered */
    unsigned scan;                      /* each thread its own part, in order */
                                        /* and by this stride; 0: does not */
    unsigned until_evicted;             /* times; 0: does not matter */
    uint64_t hot;                       /* pages; 0: no hot set */
    unsigned pace;                      /* visits a second of all threads;
                                         * 0: as many as they can */
    unsigned zap_delay_us;              /* the zapper is slow, at random */
    bool at_once;                       /* connect at once, as QEMU does */
    bool seal;                          /* pages are encrypted */
    bool old;                           /* it says nothing of its vCPUs, and
                                         * whose faults are is not known */
    unsigned rules_off;                 /* enum VmmBreak */
    unsigned bad;                       /* enum VmmBad */
} VmmConfig;

typedef struct Vmm {
    VmmConfig config;
    /* memory */
    char *ram;
    int ram_fd[VMM_BLOCKS_MAX];
    unsigned nr_blocks;
    uint64_t block_pages;               /* the last block has the rest too */
    int state_fd;
    int key_fd;
    int uffd;
    struct RcacheState *state;
    uint64_t *words;
    uint64_t *frames;
    uint64_t incarnation;
    _Atomic uint8_t *pins;              /* write DMA in flight, by page */

    /* service */
    pthread_t service;
    int wake_fd;                        /* eventfd: look at the requests */
    _Atomic bool stop;                  /* the service ends */
    _Atomic bool guest_stop;            /* the guest does, before it */
    _Atomic bool hold;                  /* the guest stands still */
    pthread_mutex_t hold_lock;
    pthread_cond_t hold_ends;           /* its threads wait for that */
    _Atomic bool detached;              /* go without a pager ... */
    _Atomic bool alone;                 /* ... and there is none any more */
    uint64_t filled_alone;              /* bytes, since the last pager died */
    uint64_t filled_alone_max;
    _Atomic unsigned kills;             /* pagers to be killed at READY ... */
    unsigned kill_delay_us;             /* ... or at most so much later */
    _Atomic bool attached;
    bool faults_seen;                   /* woken since the pager died */
    _Atomic bool plugged;               /* the last block is to be known */
    _Atomic unsigned unplugged;         /* times */
    _Atomic unsigned attaches;
    _Atomic unsigned lost_events;
    char refused[256];
    pthread_mutex_t lock;               /* stats, request, result */
    pthread_cond_t changed;
    struct RcacheVmmStats stats;
    struct RcacheVmmDelays delays;
    bool have_stats;
    struct RcacheVmmResult result;
    bool have_result;
    bool asked;                         /* the pager has been told of it ... */
    bool broken;                        /* ... and ended before its RESULT */
    uint64_t request;                   /* id of the last command */
    uint64_t cancel_at;                 /* bytes done to cancel it at */
    bool cancelled;                     /* CANCEL has been sent */
    struct RcacheVmmProgress progress;  /* what was told of it last */
    unsigned progress_told;             /* times */
    bool progress_fell;                 /* ever, or was above the total */
    GQueue requests;                    /* of GBytes: messages to send */

    /* guest */
    pthread_mutex_t page_lock[VMM_LOCKS];
    uint32_t *version;                  /* 0: zeros */
    uint8_t *evicted;                   /* times verified after being away */
    _Atomic uint64_t visits;
    _Atomic uint64_t mismatches;
    _Atomic uint64_t discards;
    _Atomic uint64_t dmas;
    _Atomic uint64_t intrusions;
    _Atomic uint64_t longest_ns;
    _Atomic uint64_t sweep_at;

    /* pages of vmm_attach_prepare(), plus one; 0: none */
    uint64_t attach_page[VMM_ATTACH_ROWS * VMM_ATTACH_EACH];
} Vmm;

uint64_t vmm_now_ns(void);

/* ---- vmm-memory.c ---- */
bool vmm_memory_init(Vmm *vmm, GError **error);

/**
 * vmm_find_pins() - the pages of a zap with write DMA in flight
 * @pinned: pages of the block, RCACHE_ZAP_PAGES_MAX at most; returns how many
 */
uint32_t vmm_find_pins(const Vmm *vmm, const struct RcacheVmmZap *zap,
                       uint32_t *pinned);

/** vmm_memory_deinit() - the oracle's; guest RAM goes with the process */
void vmm_memory_deinit(Vmm *vmm);

static inline unsigned vmm_block_of(const Vmm *vmm, uint64_t page)
{
    uint64_t block = page / vmm->block_pages;

    return block < vmm->nr_blocks ? block : vmm->nr_blocks - 1;
}

static inline uint64_t vmm_block_first(const Vmm *vmm, unsigned block)
{
    return block * vmm->block_pages;
}

static inline uint64_t vmm_block_pages(const Vmm *vmm, unsigned block)
{
    return block + 1 < vmm->nr_blocks
               ? vmm->block_pages
               : vmm->config.pages - vmm_block_first(vmm, block);
}

/** vmm_resident() - bytes the guest's memfds take up */
uint64_t vmm_resident(const Vmm *vmm);

/**
 * vmm_discard() - what a balloon does to one page
 *
 * Return: true if it reads zeros now, false if it was skipped
 */
bool vmm_discard(Vmm *vmm, uint64_t page);

/** vmm_discard_end() - the rest of a discard that stands at DISCARDING */
void vmm_discard_end(Vmm *vmm, uint64_t page);

static inline enum RcachePageState vmm_page_state(const Vmm *vmm,
                                                  uint64_t page)
{
    return __atomic_load_n(&vmm->words[page], __ATOMIC_ACQUIRE) &
           RCACHE_STATE_MASK;
}

/* ---- vmm-service.c ---- */
void *vmm_service(void *vmm);

/** vmm_plug() - tell the pager of the block that is plugged in later */
void vmm_plug(Vmm *vmm);

/**
 * vmm_unplug() - take that block away, and all that is in it
 *
 * The guest has to stand still (vmm_guest_hold()) until the block is plugged in
 * again; then it is zeros.
 */
void vmm_unplug(Vmm *vmm);

/** vmm_forget_stats() - what a pager before this one has said */
void vmm_forget_stats(Vmm *vmm);

/**
 * vmm_all_known() - has the pager said that it knows where every page is?
 */
bool vmm_all_known(Vmm *vmm);

/** vmm_say() - send @len bytes as they are, which nobody may understand */
void vmm_say(Vmm *vmm, const void *bytes, size_t len);

/**
 * vmm_request() - send a RESIZE or EVICT and wait for its RESULT
 * @msg: its id is set here
 *
 * Return: false: none has come, or the pager ended before.
 *
 * It is cancelled once vmm->cancel_at bytes are told to be done, if that is
 * not UINT64_MAX.
 */
bool vmm_request(Vmm *vmm, struct RcacheVmmHdr *msg, unsigned seconds);

/* ---- vmm-alone.c ---- */

/** vmm_alone() - the old pager is dead, or there was none: a turn of our own */
void vmm_alone(Vmm *vmm);

/* ---- vmm-attach.c: while the guest stands still ---- */

/** vmm_attach_prepare() - while no pager is there; returns how many pages */
unsigned vmm_attach_prepare(Vmm *vmm);

/** vmm_attach_check() - once a new one is; returns how many are wrong */
unsigned vmm_attach_check(Vmm *vmm);

/* ---- vmm-scribble.c ---- */

/** vmm_scribble() - write at random to what is shared with the pager */
void vmm_scribble(Vmm *vmm, unsigned ms, uint64_t seed);

/* ---- vmm-guest.c ---- */
void *vmm_guest_thread(void *vmm);
void *vmm_dma_thread(void *vmm);
void *vmm_intruder_thread(void *vmm);

/** vmm_verify_all() - every page once; how many are wrong */
uint64_t vmm_verify_all(Vmm *vmm);

/** vmm_guest_hold() - no thread touches a page from here on till hold falls */
void vmm_guest_hold(Vmm *vmm);

/** vmm_guest_go() - hold falls */
void vmm_guest_go(Vmm *vmm);

/**
 * vmm_guest_forgive() - do without the pages that are lost by now
 *
 * They are discarded, so that threads that wait for one go on, and nobody
 * touches them any more.  Not with DMA.
 *
 * Return: how many pages
 */
uint64_t vmm_guest_forgive(Vmm *vmm);

/**
 * vmm_discard_each() - as a balloon that takes one page of @step; 1: everything
 *
 * Return: how many pages
 */
uint64_t vmm_discard_each(Vmm *vmm, unsigned step);

#endif
