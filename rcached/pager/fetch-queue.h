/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch-queue: pages whose fault waits until its provider may be asked for one
 * more page: first come first served at each provider, each page once.
 *
 * There is a lane for each provider, so that the pages of one that does not
 * answer are not in the way of another's.  What names a lane is compared only:
 * the provider may be gone while its lane is there.
 *
 * Pure: it knows neither providers nor the table.  Time is in nanoseconds.
 */
#ifndef PAGER_FETCH_QUEUE_H
#define PAGER_FETCH_QUEUE_H

#include <glib.h>
#include <stdint.h>

#include "rcached/pager/room-queue.h"

/**
 * struct FetchQueue - private to fetch-queue.c
 * @lanes: of FetchLane, owned; those without pages have been taken out
 * @len: pages in all lanes
 */
typedef struct FetchQueue {
    GPtrArray *lanes;
    guint len;
} FetchQueue;

void fetch_queue_init(FetchQueue *queue);
void fetch_queue_deinit(FetchQueue *queue);

/** fetch_queue_add() - a page waits; no effect if it does in this lane */
void fetch_queue_add(FetchQueue *queue, const void *lane, uint64_t page,
                     uint64_t now);

/** fetch_queue_waits() - does any page wait in a lane? */
bool fetch_queue_waits(const FetchQueue *queue, const void *lane);

/**
 * fetch_queue_oldest() - the first page of the lane that has waited longest
 * @since: ns, no page of it has been answered since
 *
 * Return: false: no page waits
 */
bool fetch_queue_oldest(const FetchQueue *queue, uint64_t *page,
                        uint64_t *since);

/**
 * fetch_queue_serve() - take out of each lane what can be answered now
 * @can: may the first page of a lane be answered?
 * @answer: it has been taken out; it may be added again, to any lane
 *
 * It ends: no lane is asked more often than it has pages when its turn comes.
 */
void fetch_queue_serve(FetchQueue *queue, uint64_t now,
                       bool (*can)(void *owner, uint64_t page),
                       void (*answer)(void *owner, uint64_t page,
                                      uint64_t now),
                       void *owner);

#endif
