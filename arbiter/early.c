/* SPDX-License-Identifier: GPL-2.0-or-later */
/* early: requests that came before the hosts did.  See early.h. */
#include "arbiter/early.h"

#include <string.h>

/* A host connects again within a heartbeat, and reports at once. */
#define YOUNG_BEATS_X2  3u      /* half heartbeats */
#define YOUNG_MAX_MS    2000u   /* the guests of those who ask wait */

void early_init(Early *early)
{
    *early = (Early) { .queue = G_QUEUE_INIT };
}

void early_deinit(Early *early)
{
    g_queue_clear_full(&early->queue, g_free);
}

bool early_is_young(uint64_t started_ms, uint64_t heartbeat_ms, uint64_t now)
{
    return now < started_ms + MIN(heartbeat_ms * YOUNG_BEATS_X2 / 2,
                                  YOUNG_MAX_MS);
}

bool early_add(Early *early, const char *requester, uint64_t tag,
               const WireLeaseRequest *wire, unsigned most)
{
    EarlyRequest *request;
    unsigned n = 0;

    for (GList *at = early->queue.head; at; at = at->next) {
        request = at->data;
        n += !strcmp(request->requester, requester);
    }
    if (n >= most) {
        return false;
    }
    request = g_new0(EarlyRequest, 1);
    wire_text_copy(request->requester, sizeof(request->requester), requester);
    request->tag = tag;
    request->wire = *wire;
    g_queue_push_tail(&early->queue, request);
    return true;
}

EarlyRequest *early_take(Early *early)
{
    return g_queue_pop_head(&early->queue);
}

void early_put_back(Early *early, EarlyRequest *request)
{
    g_queue_push_tail(&early->queue, request);
}

void early_forget(Early *early, const char *requester)
{
    GList *at = early->queue.head;

    while (at) {
        GList *next = at->next;
        EarlyRequest *request = at->data;

        if (!strcmp(request->requester, requester)) {
            g_queue_delete_link(&early->queue, at);
            g_free(request);
        }
        at = next;
    }
}
