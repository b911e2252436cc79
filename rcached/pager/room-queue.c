/* SPDX-License-Identifier: GPL-2.0-or-later */
/* room-queue: pages whose fault waits for room.  See room-queue.h. */
#include "rcached/pager/room-queue.h"

/* What has been taken out is given back to the allocator in such pieces. */
#define TRIM    4096u

void room_queue_init(RoomQueue *queue)
{
    *queue = (RoomQueue) {
        .pages = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
        .queued = g_hash_table_new(NULL, NULL),
    };
}

void room_queue_deinit(RoomQueue *queue)
{
    g_array_free(queue->pages, TRUE);
    g_hash_table_destroy(queue->queued);
}

void room_queue_add(RoomQueue *queue, uint64_t page, uint64_t now)
{
    if (!g_hash_table_add(queue->queued, GSIZE_TO_POINTER(page))) {
        return;
    }
    if (!room_queue_len(queue)) {
        queue->since = now;
    }
    g_array_append_val(queue->pages, page);
}

uint64_t room_queue_take(RoomQueue *queue, uint64_t now)
{
    uint64_t page = room_queue_first(queue);

    g_hash_table_remove(queue->queued, GSIZE_TO_POINTER(page));
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
