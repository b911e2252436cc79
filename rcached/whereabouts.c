/* SPDX-License-Identifier: GPL-2.0-or-later */
/* whereabouts: see whereabouts.h. */
#include "rcached/whereabouts.h"

struct Whereabouts {
    GAsyncQueue *asked;         /* of Ask */
    GMutex lock;                /* of the next */
    guint idle;
    bool started;
    ArbiterClients *arbiters;
    Provider *provider;
};

typedef struct Ask {
    Whereabouts *w;
    uint64_t ticket;
    WireWhere what;
} Ask;

static void found(const WireWhere *where, void *opaque)
{
    g_autofree Ask *ask = opaque;

    provider_found(ask->w->provider, ask->ticket, where);
}

static gboolean pass_on(gpointer opaque)
{
    Whereabouts *w = opaque;
    Ask *ask;

    g_mutex_lock(&w->lock);
    w->idle = 0;
    g_mutex_unlock(&w->lock);
    while ((ask = g_async_queue_try_pop(w->asked))) {
        arbiter_where(w->arbiters, &ask->what, found, ask);
    }
    return G_SOURCE_REMOVE;
}

/* With the lock held. */
static void wake(Whereabouts *w)
{
    if (w->started && !w->idle) {
        w->idle = g_idle_add(pass_on, w);
    }
}

Whereabouts *whereabouts_new(void)
{
    Whereabouts *w = g_new0(Whereabouts, 1);

    w->asked = g_async_queue_new_full(g_free);
    g_mutex_init(&w->lock);
    return w;
}

void whereabouts_start(Whereabouts *w, ArbiterClients *arbiters,
                       Provider *provider)
{
    g_mutex_lock(&w->lock);
    w->arbiters = arbiters;
    w->provider = provider;
    w->started = true;
    wake(w);
    g_mutex_unlock(&w->lock);
}

void whereabouts_stop(Whereabouts *w)
{
    if (w) {
        g_mutex_lock(&w->lock);
        w->started = false;
        g_clear_handle_id(&w->idle, g_source_remove);
        g_mutex_unlock(&w->lock);
    }
}

void whereabouts_free(Whereabouts *w)
{
    if (w) {
        g_async_queue_unref(w->asked);
        g_mutex_clear(&w->lock);
        g_free(w);
    }
}

void whereabouts_ask(uint64_t ticket, const char *host, const char *address,
                     void *opaque)
{
    Whereabouts *w = opaque;
    Ask *ask = g_new0(Ask, 1);

    ask->w = w;
    ask->ticket = ticket;
    wire_text_copy(ask->what.host, sizeof(ask->what.host), host);
    wire_text_copy(ask->what.address, sizeof(ask->what.address), address);
    g_async_queue_push(w->asked, ask);
    g_mutex_lock(&w->lock);
    wake(w);
    g_mutex_unlock(&w->lock);
}
