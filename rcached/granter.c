/* SPDX-License-Identifier: GPL-2.0-or-later */
/* granter: GRANTs on a thread of their own.  See granter.h. */
#include "rcached/granter.h"

#include "common/saturate.h"
#include "common/wire-control.h"
#include "rcached/provider/provider-own.h"

#define WAITING_MAX     256u

struct Granter {
    Provider *provider;
    const Options *options;
    MemorySource *memory;       /* the thread's */
    GThread *thread;
    GAsyncQueue *in;            /* of Job, to the thread */
    GAsyncQueue *out;           /* of Job, back */
    int stop;                   /* atomic */
    unsigned pending;           /* the main thread's */
    guint idle;                 /* under lock */
    GMutex lock;
};

typedef struct Job {
    bool last;                  /* no grant: the thread ends */
    bool own;                   /* provider_grant_own() */
    WireGrant grant;
    WireGrantAck ack;
    GranterDone *done;
    void *opaque;
} Job;

static gboolean granter_drain(gpointer opaque)
{
    Granter *granter = opaque;
    Job *job;

    g_mutex_lock(&granter->lock);
    granter->idle = 0;
    g_mutex_unlock(&granter->lock);
    while ((job = g_async_queue_try_pop(granter->out))) {
        granter->pending--;
        job->done(&job->ack, job->opaque);
        g_free(job);
    }
    return G_SOURCE_REMOVE;
}

static void job_refuse(Job *job, enum RcacheStatus status, const char *text)
{
    job->ack = (WireGrantAck) {
        .status = status, .lease = job->grant.lease,
    };
    wire_text_copy(job->ack.text, sizeof(job->ack.text), text);
}

static void granter_return(Granter *granter, Job *job)
{
    g_async_queue_push(granter->out, job);
    g_mutex_lock(&granter->lock);
    if (!granter->idle) {
        granter->idle = g_idle_add(granter_drain, granter);
    }
    g_mutex_unlock(&granter->lock);
}

/* Bytes beyond what always stays free; none if that cannot be read. */
static uint64_t granter_room(Granter *granter)
{
    MemorySample now;

    return memory_source_read(granter->memory, &now, NULL)
               ? saturating_sub(now.available,
                                options_reserve(granter->options, now.total))
               : 0;
}

/* As much of it as there is room for. */
static void job_do(Granter *granter, Job *job)
{
    uint64_t room = granter_room(granter);

    room -= room % granter->options->slab_size;
    if (!room) {
        job_refuse(job, RCACHE_E_NO_ROOM, "memory has become short");
        return;
    }
    job->grant.bytes = MIN(job->grant.bytes, room);
    provider_grant(granter->provider, &job->grant, &job->ack);
}

static gpointer granter_thread(gpointer opaque)
{
    Granter *granter = opaque;
    Job *job;

    while (!(job = g_async_queue_pop(granter->in))->last) {
        if (g_atomic_int_get(&granter->stop)) {
            job_refuse(job, RCACHE_E_BUSY, "this daemon is stopping");
        } else if (job->own) {
            provider_grant_own(granter->provider, &job->grant, &job->ack);
        } else {
            job_do(granter, job);
        }
        granter_return(granter, job);
    }
    g_free(job);
    return NULL;
}

Granter *granter_new(Provider *provider, const Options *options,
                     MemorySource *memory)
{
    Granter *granter = g_new0(Granter, 1);

    granter->provider = provider;
    granter->options = options;
    granter->memory = memory;
    granter->in = g_async_queue_new();
    granter->out = g_async_queue_new();
    g_mutex_init(&granter->lock);
    granter->thread = g_thread_new("granter", granter_thread, granter);
    return granter;
}

void granter_free(Granter *granter)
{
    Job *last;

    if (!granter) {
        return;
    }
    g_atomic_int_set(&granter->stop, 1);
    last = g_new0(Job, 1);
    last->last = true;
    g_async_queue_push(granter->in, last);
    g_thread_join(granter->thread);
    g_clear_handle_id(&granter->idle, g_source_remove);
    granter_drain(granter);
    memory_source_free(granter->memory);
    g_async_queue_unref(granter->in);
    g_async_queue_unref(granter->out);
    g_mutex_clear(&granter->lock);
    g_free(granter);
}

static void add(Granter *granter, const WireGrant *grant, bool own,
                GranterDone *done, void *opaque)
{
    Job *job = g_new0(Job, 1);

    job->own = own;
    job->grant = *grant;
    job->done = done;
    job->opaque = opaque;
    granter->pending++;
    if (granter->pending > WAITING_MAX) {
        job_refuse(job, RCACHE_E_BUSY, "too many grants at once");
        granter_return(granter, job);
    } else {
        g_async_queue_push(granter->in, job);
    }
}

void granter_add(Granter *granter, const WireGrant *grant, GranterDone *done,
                 void *opaque)
{
    add(granter, grant, false, done, opaque);
}

void granter_add_own(Granter *granter, const WireGrant *grant,
                     GranterDone *done, void *opaque)
{
    add(granter, grant, true, done, opaque);
}

bool granter_busy(const Granter *granter)
{
    return granter->pending > 0;
}
