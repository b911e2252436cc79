/* SPDX-License-Identifier: GPL-2.0-or-later */
/* where-requests: see where-requests.h. */
#include "rcached/agent/where-requests.h"

#include <string.h>

#define ANSWER_MS       2000u   /* they look it up in a table */
#define KNOWN_MAX       16384u  /* hosts, as arbiters take by default */

struct WhereRequests {
    const WhereRequestsOps *ops;
    void *opaque;
    unsigned nr_arbiters;
    uint64_t tags;
    GList *all;                 /* of Question */
    GHashTable *known;          /* host -> address, as an arbiter said last */
};

typedef struct Question {
    WhereRequests *requests;
    uint64_t tag;
    bool *waiting;              /* for arbiter @i */
    unsigned nr_waiting;
    WireWhere what;
    WireWhere answer;           /* when nobody is waited for any more */
    guint timer;
    WhereReply *reply;
    void *opaque;
} Question;

static void remember(WhereRequests *requests, const WireWhere *found)
{
    if (!*found->host || !*found->address) {
        return;
    }
    if (g_hash_table_size(requests->known) >= KNOWN_MAX) {
        g_hash_table_remove_all(requests->known);
    }
    g_hash_table_replace(requests->known, g_strdup(found->host),
                         g_strdup(found->address));
}

/* Nobody says anything now: what was the answer when somebody did? */
static void recall(WhereRequests *requests, const WireWhere *what,
                   WireWhere *found)
{
    GHashTableIter iter;
    gpointer host, address;

    g_hash_table_iter_init(&iter, requests->known);
    while (g_hash_table_iter_next(&iter, &host, &address)) {
        if (*what->host ? !strcmp(host, what->host)
                        : !strcmp(address, what->address)) {
            found->status = RCACHE_OK;
            wire_text_copy(found->host, sizeof(found->host), host);
            wire_text_copy(found->address, sizeof(found->address), address);
            return;
        }
    }
}

static void question_answer(Question *q, const WireWhere *found)
{
    WireWhere copy = *found;
    WhereReply *reply = q->reply;
    void *opaque = q->opaque;

    if (found->status == RCACHE_OK) {
        remember(q->requests, found);
    } else if (found->status == RCACHE_E_BUSY) {
        recall(q->requests, &q->what, &copy);
    }
    g_clear_handle_id(&q->timer, g_source_remove);
    q->requests->all = g_list_remove(q->requests->all, q);
    g_free(q->waiting);
    g_free(q);
    reply(&copy, opaque);
}

/* In time nobody has, or there was nobody to be asked. */
static gboolean question_over(gpointer opaque)
{
    Question *q = opaque;

    q->timer = 0;
    question_answer(q, &q->answer);
    return G_SOURCE_REMOVE;
}

/* @i has said no, or never will say anything. */
static void question_without(Question *q, unsigned i, bool no)
{
    if (!q->waiting[i]) {
        return;
    }
    q->waiting[i] = false;
    q->nr_waiting--;
    if (no) {
        q->answer.status = RCACHE_E_REFUSED;
    }
    if (!q->nr_waiting) {
        question_answer(q, &q->answer);
    }
}

WhereRequests *where_requests_new(unsigned n, const WhereRequestsOps *ops,
                                  void *opaque)
{
    WhereRequests *requests = g_new0(WhereRequests, 1);

    requests->nr_arbiters = n;
    requests->ops = ops;
    requests->opaque = opaque;
    requests->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            g_free);
    return requests;
}

void where_requests_free(WhereRequests *requests)
{
    g_hash_table_remove_all(requests->known);
    while (requests->all) {
        Question *q = requests->all->data;

        q->answer.status = RCACHE_E_BUSY;
        question_answer(q, &q->answer);
    }
    g_hash_table_unref(requests->known);
    g_free(requests);
}

void where_requests_add(WhereRequests *requests, const WireWhere *what,
                        WhereReply *reply, void *opaque)
{
    Question *q = g_new0(Question, 1);
    bool older = false;

    q->requests = requests;
    q->tag = ++requests->tags;
    q->waiting = g_new0(bool, requests->nr_arbiters);
    q->what = q->answer = *what;
    q->reply = reply;
    q->opaque = opaque;
    requests->all = g_list_prepend(requests->all, q);
    for (unsigned i = 0; i < requests->nr_arbiters; i++) {
        if (!requests->ops->ready(i, requests->opaque)) {
            continue;
        }
        if (!requests->ops->knows(i, requests->opaque)) {
            older = true;
            continue;
        }
        q->waiting[i] = true;
        q->nr_waiting++;
        requests->ops->send(i, q->tag, what, requests->opaque);
    }
    q->answer.status = older && !q->nr_waiting ? RCACHE_OK : RCACHE_E_BUSY;
    q->timer = q->nr_waiting ? g_timeout_add(ANSWER_MS, question_over, q)
                             : g_idle_add(question_over, q);
}

void where_requests_answered(WhereRequests *requests, unsigned i,
                             uint64_t tag, const WireWhere *found)
{
    GList *at = requests->all;

    while (at && ((Question *)at->data)->tag != tag) {
        at = at->next;
    }
    if (!at || !((Question *)at->data)->waiting[i]) {
        return;                 /* another one has answered already */
    }
    if (found->status == RCACHE_OK) {
        question_answer(at->data, found);
    } else {
        question_without(at->data, i, true);
    }
}

void where_requests_lost(WhereRequests *requests, unsigned i)
{
    GList *at = requests->all;

    while (at) {
        Question *q = at->data;

        at = at->next;
        question_without(q, i, false);
    }
}
