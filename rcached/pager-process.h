/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager-process: a pager's process as the daemon sees it: started here, or
 * found alive after a restart of the daemon; watched by its pidfd, which is
 * also the only way it is ever killed.
 *
 * A pager has a session of its own and outlives the daemon.
 */
#ifndef RCACHED_PAGER_PROCESS_H
#define RCACHED_PAGER_PROCESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcached/pager-config.h"

typedef struct PagerProcess PagerProcess;

/**
 * struct PagerEnd - how a pager has ended
 * @how: in words: what it said of it itself, or "exit status 1", "signal 9
 *       (Killed)"
 * @failed: otherwise than with status 0; not known of one that was adopted
 * @said: @how is its own words: it could not start
 * @served: it had said READY to its VM; not known of one that was adopted
 */
typedef struct PagerEnd {
    const char *how;
    bool failed;
    bool said;
    bool served;
} PagerEnd;

/** PagerEnded - the process is dead; the callee frees @proc */
typedef void PagerEnded(PagerProcess *proc, const PagerEnd *end,
                        void *opaque);

/* A VM that has ended, see farewells.h. */
typedef struct PagerFarewell {
    const uint8_t *uuid;
    uint64_t incarnation;
    const char *name;
    int state_fd;               /* its state memfd; the caller's */
} PagerFarewell;

typedef struct PagerSpawn {
    const char *exe;            /* the program to be */
    const char *host;
    const PagerConfig *config;
    const PagerFarewell *farewell;      /* only that; or NULL, and then: */
    const char *link;           /* path of the link's socket */
    int vmm_fd;                 /* both stay the caller's; else -1 */
    int lock_fd;                /* held open by the pager, see rundir.h */
    int tls_fd;                 /* see link.h; the caller's; -1: none */
    bool held;                  /* the VM is (holds.h), and so many bytes */
    uint64_t held_bytes;        /* of it may be here */
} PagerSpawn;

/**
 * pager_process_spawn() - start a pager
 *
 * Return: the process, or NULL with @errp set
 */
PagerProcess *pager_process_spawn(const PagerSpawn *spawn, PagerEnded *ended,
                                  void *opaque, GError **errp);

/**
 * pager_process_adopt() - watch a pager that an earlier daemon started
 *
 * Return: the process, or NULL with @errp set: also when there is none of
 * that pid.  Whether the pid is still the pager's is for the caller to see
 * afterwards (by its lock or its connection).
 */
PagerProcess *pager_process_adopt(pid_t pid, PagerEnded *ended, void *opaque,
                                  GError **errp);

/** pager_process_free() - watch it no more; the process is left alone */
void pager_process_free(PagerProcess *proc);

/** pager_process_pid() - also after its end, until it is freed */
pid_t pager_process_pid(const PagerProcess *proc);

/** pager_process_adopted() - was it found rather than started? */
bool pager_process_adopted(const PagerProcess *proc);

/** pager_process_kill() - SIGKILL; ended() follows when it is dead */
void pager_process_kill(PagerProcess *proc);

#endif
