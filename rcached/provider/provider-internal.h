/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the provider share; for nobody else. */
#ifndef RCACHED_PROVIDER_INTERNAL_H
#define RCACHED_PROVIDER_INTERNAL_H

#include <pthread.h>

#include "rcached/provider/provider.h"
#include "rcached/provider/server.h"
#include "rcached/provider/spill.h"
#include "rcached/provider/store.h"

struct Provider {
    ServerConfig server_config;
    Server *server;             /* made and freed on the server's thread */
    GThread *thread;
    pthread_mutex_t lock;       /* of the store, and of the next */
    pthread_cond_t started;
    bool start_over;            /* the thread has set server or start_error */
    GError *start_error;
    Store *store;
    Spill *spill;               /* or NULL: no spill file */
    char no_spill[160];         /* why there is none, though it is configured */
    TlsCredentials *tls;        /* NULL: without; changes under the lock */
    GQueue found;               /* of ServerFound; under the lock */
    SlabGuard guard;
    bool lock_memory;
    uint32_t slab_pages;
    uint32_t claim_max_ms;
    ProviderKeep *keep;
    void *keep_opaque;
    unsigned keep_max;
    ProviderStarting *starting;
    GHashTable *old_names;      /* slabs kept under such, see kept-name.h */
    int listen_fd;
    int wake_fd;
    int stop;
    char *address;
};

/** provider_wake() - the server's thread has something to look at */
void provider_wake(Provider *provider);

#endif
