/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service: the service manager: readiness, status, and the descriptors that
 * it keeps for us across a restart.  Without one, or in a build without
 * libsystemd, nothing is kept and nobody is told.
 */
#ifndef RCACHE_SERVICE_H
#define RCACHE_SERVICE_H

#include <stdbool.h>

/* A descriptor that was kept. */
typedef struct ServiceFd {
    char *name;
    int fd;
} ServiceFd;

/** service_ready() - tell that the daemon serves */
void service_ready(void);

/** service_stopping() - tell that it ends */
void service_stopping(void);

/** service_extend() - the end, which is under way, takes so much longer from
 * now; to be said again before that is over */
void service_extend(unsigned ms);

/** service_extend_start() - the same, of the start */
void service_extend_start(unsigned ms);

/** service_status() - one line for "systemctl status"; also tells that the
 * daemon is alive */
void service_status(const char *text);

/** service_keeps() - is there a manager that would keep descriptors? */
bool service_keeps(void);

/** service_keeps_most() - how many descriptors it keeps in all; it closes the
 * others and says nothing.  A manager that does not tell is taken to have the
 * limit of the unit that comes with the daemon */
unsigned service_keeps_most(void);

/**
 * service_keep() - have a descriptor kept; from any thread
 * @name: unique among those kept
 * @fd: the descriptor, or -1: the one of that name is not to be kept
 *
 * Returns when the manager has it.
 */
void service_keep(const char *name, int fd);

/**
 * service_kept() - what an earlier daemon had kept; to be called once
 * @n: how many
 *
 * Return: an array, for service_kept_free(); the descriptors are the
 * caller's
 */
ServiceFd *service_kept(unsigned *n);
void service_kept_free(ServiceFd *kept, unsigned n);

#endif
