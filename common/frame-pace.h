/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame-pace: how many frames a peer may send, a second's worth at once.
 *
 * Who has sent more owes the time for it, FRAME_PACE_DEBT_S at most.  That is
 * the peer's and not its connection's: who hangs up and comes again owes what
 * it owed.
 *
 * Pure: time is an argument, in microseconds.
 */
#ifndef RCACHE_FRAME_PACE_H
#define RCACHE_FRAME_PACE_H

#include <glib.h>
#include <stdint.h>

#include "common/bucket.h"

#define FRAME_PACE_DEBT_S   10

/**
 * struct FramePace - all zero: any number
 * @pace: frames a second; 0: any number
 * @bucket: of frames that it may send
 */
typedef struct FramePace {
    unsigned pace;
    Bucket bucket;
} FramePace;

/** frame_pace_init() - nothing has been sent */
void frame_pace_init(FramePace *p, unsigned pace, int64_t now_us);

/** frame_pace_take() - it has sent one */
void frame_pace_take(FramePace *p);

/** frame_pace_wait() - Return: ms until it may send again; 0: it may */
unsigned frame_pace_wait(FramePace *p, int64_t now_us);

/* Those of peers that are not connected; none that has nothing to make up for.
 */
typedef struct FramePaces {
    GHashTable *by_name;        /* NULL: there has not been any */
    int64_t swept_us;
} FramePaces;

void frame_paces_clear(FramePaces *all);

/** frame_paces_keep() - @name's connection ends, which had come so far */
void frame_paces_keep(FramePaces *all, const char *name, const FramePace *p,
                      int64_t now_us);

/** frame_paces_take() - it connects: how far is it? */
void frame_paces_take(FramePaces *all, const char *name, unsigned pace,
                      int64_t now_us, FramePace *p);

#endif
