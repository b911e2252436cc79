/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * whereabouts: what the provider's thread asks of the arbiters, which are the
 * main thread's: where another provider is, to which a slab is to go.
 */
#ifndef RCACHED_WHEREABOUTS_H
#define RCACHED_WHEREABOUTS_H

#include "rcached/agent/arbiter-client.h"
#include "rcached/provider/provider.h"

typedef struct Whereabouts Whereabouts;

/** whereabouts_new() - whereabouts_ask() may be called from now on */
Whereabouts *whereabouts_new(void);

/**
 * whereabouts_start() - questions are passed on from now on, on this thread
 * @arbiters, @provider: must outlive whereabouts_stop()
 */
void whereabouts_start(Whereabouts *w, ArbiterClients *arbiters,
                       Provider *provider);

/** whereabouts_stop() - no more; the arbiters' clients are about to go */
void whereabouts_stop(Whereabouts *w);

/** whereabouts_free() - the provider is gone, which asked */
void whereabouts_free(Whereabouts *w);

/** whereabouts_ask() - a ProviderWhere; @opaque: the Whereabouts */
void whereabouts_ask(uint64_t ticket, const char *host, const char *address,
                     void *opaque);

#endif
