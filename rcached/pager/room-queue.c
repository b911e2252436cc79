/* SPDX-License-Identifier: GPL-2.0-or-later */
/* room-queue: pages whose fault waits for room.  See room-queue.h. */
#include "rcached/pager/room-queue.h"

/* What has been taken out is given back to the allocator in such pieces. */
#define TRIM    4096u

void room_queue_init(RoomQueue *queue)
{
    *queue = (RoomQueue) {
        .pages = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
    };
}

void room_queue_deinit(RoomQueue *queue)
{
    g_array_free(queue->pages, TRUE);
    g_free(queue->queued);
}

void room_queue_size(RoomQueue *queue, uint64_t nr_pages)
{
    queue->queued = g_malloc0(nr_pages / 8 + 1);
}

void room_queue_add(RoomQueue *queue, uint64_t page, uint64_t now)
{
    if (queue->queued[page / 8] >> (page % 8) & 1) {
        return;
    }
    queue->queued[page / 8] |= 1u << (page % 8);
    if (!room_queue_len(queue)) {
        queue->since = now;
    }
    g_array_append_val(queue->pages, page);
}

uint64_t room_queue_take(RoomQueue *queue, uint64_t now)
{
    uint64_t page = room_queue_first(queue);

    queue->queued[page / 8] &= ~(1u << (page % 8));
    queue->since = now;
    if (++queue->head == queue->pages->len) {
        g_array_set_size(queue->pages, 0);
        queue->head = 0;
    } else if (queue->head > TRIM) {
        g_array_remove_range(queue->pages, 0, queue->head);
        queue->head = 0;
    }
    return page;
}
