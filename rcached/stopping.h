/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stopping: the end of this daemon, such that nobody loses what is lent.
 *
 * SIGTERM comes for a restart and for an end that is one.  Before a restart,
 * and when no job of systemd's is behind it (Restart=always brings the next
 * daemon then), the service manager keeps what is lent: the daemon ends at
 * once.  Else, and where nobody keeps anything or nobody can be asked, all of
 * it is asked back first, and the end waits until it has left (stop-drain.h).
 * Who still has bytes here when the wait is given up is named in the log
 * before they are lost; a second SIGTERM gives it up at once.
 *
 * Where logind says that a shutdown is near the same begins before services
 * are stopped.
 */
#ifndef RCACHED_STOPPING_H
#define RCACHED_STOPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/policy.h"
#include "rcached/provider/provider.h"

typedef struct Stopping Stopping;

/* StoppingOver - the daemon may end; @lost: bytes of others end with it */
typedef void StoppingOver(bool lost, void *opaque);

/* Both parts must outlive it. */
typedef struct StoppingConfig {
    Policy *policy;
    Provider *provider;         /* or NULL: nothing is lent */
    uint64_t limit_ms;          /* how long nothing may leave; 0: for ever */
    StoppingOver *over;
    void *opaque;
} StoppingConfig;

Stopping *stopping_new(const StoppingConfig *config);
void stopping_free(Stopping *stopping);

/** stopping_asked() - SIGTERM has come, perhaps not for the first time */
void stopping_asked(Stopping *stopping);

/**
 * stopping_restart() - end in a moment, for the service manager to start the
 * daemon that is installed now
 *
 * Return: false with @errp set if what is lent would not be kept
 */
bool stopping_restart(Stopping *stopping, GError **errp);

/**
 * stopping_tick() - look again; twice a second
 * @now: g_get_monotonic_time()
 *
 * Return: what to tell the service manager, new; NULL: nothing is ending
 */
char *stopping_tick(Stopping *stopping, int64_t now);

#endif
