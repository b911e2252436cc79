/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * room-queue: pages whose fault waits until there is room, first come first
 * served, each at most once.
 *
 * Pure: it knows neither the table nor the limits.  Time is in nanoseconds.
 */
#ifndef PAGER_ROOM_QUEUE_H
#define PAGER_ROOM_QUEUE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct RoomQueue - private to room-queue.c, but for @since
 * @pages: page indexes; those before @head have been taken out
 * @head: index in @pages of the first that waits
 * @queued: set of the pages in the queue
 * @since: ns, when the first page came or the last one was taken out: nobody
 *         has been served since
 */
typedef struct RoomQueue {
    GArray *pages;
    guint head;
    GHashTable *queued;
    uint64_t since;
} RoomQueue;

void room_queue_init(RoomQueue *queue);
void room_queue_deinit(RoomQueue *queue);

/** room_queue_add() - a page's fault waits; no effect if it does already */
void room_queue_add(RoomQueue *queue, uint64_t page, uint64_t now);

/** room_queue_len() - pages that wait */
static inline guint room_queue_len(const RoomQueue *queue)
{
    return queue->pages->len - queue->head;
}

/** room_queue_first() - the page that has waited longest; one must wait */
static inline uint64_t room_queue_first(const RoomQueue *queue)
{
    return g_array_index(queue->pages, uint64_t, queue->head);
}

/** room_queue_take() - take the first page out: it is answered now */
uint64_t room_queue_take(RoomQueue *queue, uint64_t now);

#endif
