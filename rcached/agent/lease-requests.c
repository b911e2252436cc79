/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease-requests: see lease-requests.h.
 *
 * Every attempt has a tag of its own, so that an answer that comes after its
 * time is told from the answer of another attempt.
 */
#include "rcached/agent/lease-requests.h"

#include <limits.h>

#include "common/wire.h"

/* Providers allocate what is asked for before they answer: 256 MiB/s. */
#define ALLOCATED_PER_MS (256u << 10)

#define NOBODY  UINT_MAX

struct LeaseRequests {
    const LeaseRequestsOps *ops;
    void *opaque;
    unsigned nr_arbiters;
    unsigned answer_ms;
    unsigned favourite;         /* whom to ask first */
    uint64_t tags;
    GList *all;                 /* of Request */
};

typedef struct Request {
    LeaseRequests *requests;
    uint64_t tag;               /* of the attempt that is out */
    WireLeaseRequest what;
    unsigned asked;             /* who has it; NOBODY between two attempts */
    GArray *tried;              /* of unsigned */
    guint timer;
    uint64_t ping;              /* that went with it */
    guint probe;                /* source: has that been answered? */
    WireLeaseReply last;        /* what to say when nobody is left */
    LeaseRequestReply *reply;
    void *opaque;
} Request;

static void request_next(Request *r);

static void request_free(Request *r)
{
    g_clear_handle_id(&r->timer, g_source_remove);
    g_clear_handle_id(&r->probe, g_source_remove);
    r->requests->all = g_list_remove(r->requests->all, r);
    g_array_unref(r->tried);
    g_free(r);
}

static void request_answer(Request *r, const WireLeaseReply *reply)
{
    WireLeaseReply copy = *reply;
    LeaseRequestReply *cb = r->reply;
    void *opaque = r->opaque;

    request_free(r);
    cb(&copy, opaque);
}

static bool request_tried(const Request *r, unsigned index)
{
    for (unsigned i = 0; i < r->tried->len; i++) {
        if (g_array_index(r->tried, unsigned, i) == index) {
            return true;
        }
    }
    return false;
}

static unsigned request_pick(const Request *r)
{
    const LeaseRequests *all = r->requests;

    for (unsigned i = 0; i < all->nr_arbiters; i++) {
        unsigned index = (all->favourite + i) % all->nr_arbiters;

        if (all->ops->ready(index, all->opaque) && !request_tried(r, index)) {
            return index;
        }
    }
    return NOBODY;
}

static gboolean request_late(gpointer opaque)
{
    Request *r = opaque;
    const char *name = r->requests->ops->name(r->asked, r->requests->opaque);

    r->timer = 0;
    g_message("arbiter %s does not answer a lease request", name);
    g_snprintf(r->last.text, sizeof(r->last.text),
               "arbiter %s did not answer in time", name);
    r->last.status = RCACHE_E_BUSY;
    request_next(r);
    return G_SOURCE_REMOVE;
}

/* If there is nobody else it is waited for all the same. */
static gboolean request_probe(gpointer opaque)
{
    Request *r = opaque;
    const LeaseRequests *all = r->requests;
    const char *name = all->ops->name(r->asked, all->opaque);

    r->probe = 0;
    if (all->ops->lives(r->asked, r->ping, all->opaque) ||
        request_pick(r) == NOBODY) {
        return G_SOURCE_REMOVE;
    }
    g_message("arbiter %s does not answer: another one is asked for leases",
              name);
    g_snprintf(r->last.text, sizeof(r->last.text),
               "arbiter %s does not answer", name);
    r->last.status = RCACHE_E_BUSY;
    request_next(r);
    return G_SOURCE_REMOVE;
}

/* Nobody is left, or there was nobody: say so from the main loop. */
static gboolean request_nobody(gpointer opaque)
{
    Request *r = opaque;
    LeaseRequests *all = r->requests;

    r->timer = 0;
    if (!r->tried->len) {
        all->ops->nobody(r->last.text, sizeof(r->last.text), all->opaque);
    }
    request_answer(r, &r->last);
    return G_SOURCE_REMOVE;
}

static void request_next(Request *r)
{
    LeaseRequests *all = r->requests;

    g_clear_handle_id(&r->timer, g_source_remove);
    g_clear_handle_id(&r->probe, g_source_remove);
    r->asked = request_pick(r);
    if (r->asked == NOBODY) {
        r->timer = g_idle_add(request_nobody, r);
        return;
    }
    g_array_append_val(r->tried, r->asked);
    r->tag = ++all->tags;
    r->timer = g_timeout_add(all->answer_ms + r->what.bytes / ALLOCATED_PER_MS,
                             request_late, r);
    r->probe = g_timeout_add(all->ops->patience(r->asked, all->opaque),
                             request_probe, r);
    r->ping = all->ops->send(r->asked, r->tag, &r->what, all->opaque);
}

/* @tag: of the attempt, or 0 for any. */
static Request *request_find(const LeaseRequests *all, unsigned asked,
                             uint64_t tag)
{
    for (GList *at = all->all; at; at = at->next) {
        Request *r = at->data;

        if (r->asked == asked && (!tag || r->tag == tag)) {
            return r;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------- all */

LeaseRequests *lease_requests_new(unsigned n, unsigned answer_ms,
                                  const LeaseRequestsOps *ops, void *opaque)
{
    LeaseRequests *all = g_new0(LeaseRequests, 1);

    all->nr_arbiters = n;
    all->answer_ms = answer_ms;
    all->ops = ops;
    all->opaque = opaque;
    return all;
}

void lease_requests_free(LeaseRequests *all)
{
    while (all->all) {
        Request *r = all->all->data;

        wire_text_copy(r->last.text, sizeof(r->last.text),
                       "this daemon is stopping");
        r->last.status = RCACHE_E_BUSY;
        request_answer(r, &r->last);
    }
    g_free(all);
}

void lease_requests_add(LeaseRequests *all, const WireLeaseRequest *request,
                        LeaseRequestReply *reply, void *opaque)
{
    Request *r = g_new0(Request, 1);

    r->requests = all;
    r->what = *request;
    r->tried = g_array_new(FALSE, FALSE, sizeof(unsigned));
    r->last.status = RCACHE_E_BUSY;
    r->reply = reply;
    r->opaque = opaque;
    all->all = g_list_prepend(all->all, r);
    request_next(r);
}

bool lease_requests_answered(LeaseRequests *all, unsigned i, uint64_t tag,
                             const WireLeaseReply *reply)
{
    Request *r = request_find(all, i, tag);

    if (!r) {
        return false;
    }
    if (reply->status != RCACHE_OK) {
        /* Another one may know more: this one may have just started. */
        r->last = *reply;
        r->last.nr_grants = 0;
        request_next(r);
    } else {
        all->favourite = i;
        request_answer(r, reply);
    }
    return true;
}

void lease_requests_lost(LeaseRequests *all, unsigned i, const char *why)
{
    Request *r;

    while ((r = request_find(all, i, 0))) {
        g_snprintf(r->last.text, sizeof(r->last.text), "arbiter %s: %s",
                   all->ops->name(i, all->opaque), why);
        r->last.status = RCACHE_E_BUSY;
        request_next(r);
    }
}
