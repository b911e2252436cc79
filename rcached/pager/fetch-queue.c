/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fetch-queue: pages whose provider is asked for enough.  See fetch-queue.h. */
#include "rcached/pager/fetch-queue.h"

typedef struct FetchLane {
    const void *name;
    RoomQueue pages;
} FetchLane;

static void lane_free(void *data)
{
    FetchLane *lane = data;

    room_queue_deinit(&lane->pages);
    g_free(lane);
}

static FetchLane *lane_find(const FetchQueue *queue, const void *name)
{
    for (guint i = 0; i < queue->lanes->len; i++) {
        FetchLane *lane = queue->lanes->pdata[i];

        if (lane->name == name) {
            return lane;
        }
    }
    return NULL;
}

void fetch_queue_init(FetchQueue *queue)
{
    *queue = (FetchQueue) {
        .lanes = g_ptr_array_new_with_free_func(lane_free),
    };
}

void fetch_queue_deinit(FetchQueue *queue)
{
    g_ptr_array_free(queue->lanes, TRUE);
}

void fetch_queue_add(FetchQueue *queue, const void *lane, uint64_t page,
                     uint64_t now)
{
    FetchLane *l = lane_find(queue, lane);
    guint before;

    if (!l) {
        l = g_new0(FetchLane, 1);
        l->name = lane;
        room_queue_init(&l->pages);
        g_ptr_array_add(queue->lanes, l);
    }
    before = room_queue_len(&l->pages);
    room_queue_add(&l->pages, page, now);
    queue->len += room_queue_len(&l->pages) - before;
}

bool fetch_queue_waits(const FetchQueue *queue, const void *lane)
{
    const FetchLane *l = lane_find(queue, lane);

    return l && room_queue_len(&l->pages);
}

bool fetch_queue_oldest(const FetchQueue *queue, uint64_t *page,
                        uint64_t *since)
{
    const RoomQueue *oldest = NULL;

    for (guint i = 0; i < queue->lanes->len; i++) {
        const RoomQueue *pages = &((FetchLane *)queue->lanes->pdata[i])->pages;

        if (room_queue_len(pages) &&
            (!oldest || pages->since < oldest->since)) {
            oldest = pages;
        }
    }
    if (!oldest) {
        return false;
    }
    *page = room_queue_first(oldest);
    *since = oldest->since;
    return true;
}

void fetch_queue_serve(FetchQueue *queue, uint64_t now,
                       bool (*can)(void *owner, uint64_t page),
                       void (*answer)(void *owner, uint64_t page,
                                      uint64_t now),
                       void *owner)
{
    /* From the back: lanes that are added meanwhile have just been looked at */
    for (guint i = queue->lanes->len; i-- > 0;) {
        FetchLane *lane = queue->lanes->pdata[i];

        for (guint n = room_queue_len(&lane->pages);
             n && can(owner, room_queue_first(&lane->pages)); n--) {
            queue->len--;
            answer(owner, room_queue_take(&lane->pages, now), now);
        }
        if (!room_queue_len(&lane->pages)) {
            g_ptr_array_remove_index(queue->lanes, i);
        }
    }
}
