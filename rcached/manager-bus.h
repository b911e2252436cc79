/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manager-bus: what only D-Bus tells: whether the service manager ends this
 * daemon or only starts it again, and that the host is about to shut down.
 *
 * Both answer the same signal, SIGTERM, so it has to be asked.  All of it may
 * be missing; nothing here ends a daemon.
 */
#ifndef RCACHED_MANAGER_BUS_H
#define RCACHED_MANAGER_BUS_H

#include <glib.h>
#include <stdbool.h>

/**
 * manager_job() - what systemd is doing with this service
 *
 * Waits for the answer, for a few seconds at most.
 *
 * Return: "stop", "restart" or another type of job, "" if there is no job;
 * the caller's.  NULL with @errp set if it cannot be asked
 */
char *manager_job(GError **errp);

/**
 * ShutdownSoon - the host is about to shut down or reboot, or no longer
 *
 * Soon means: before any service is stopped, and when shutdown_watch_release()
 * has been called or the few seconds that logind allows are over.
 */
typedef void ShutdownSoon(bool soon, void *opaque);

typedef struct ShutdownWatch ShutdownWatch;

/** shutdown_watch_new() - hold shutdowns up, if logind is there to ask */
ShutdownWatch *shutdown_watch_new(ShutdownSoon *soon, void *opaque);

/** shutdown_watch_free() - hold them up no longer; NULL is fine */
void shutdown_watch_free(ShutdownWatch *watch);

/** shutdown_watch_release() - the shutdown that was told of may go on */
void shutdown_watch_release(ShutdownWatch *watch);

#endif
