/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp: what a QEMU that has no remote-cache object says of its guest, over a
 * QMP monitor of our own.
 *
 * The monitor is asked for the guest's name and uuid, for its balloon device,
 * and then, every period, for the balloon's statistics.  It runs in GLib's
 * main loop and never blocks it: a QEMU that does not answer in time, or
 * answers with nonsense, is left and tried again later.
 */
#ifndef RCACHED_AGENT_QMP_H
#define RCACHED_AGENT_QMP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcache/proto.h"

typedef struct QmpConfig {
    const char *proc;           /* where proc is mounted */
    unsigned period_ms;         /* from one question for statistics to the
                                 * next */
    unsigned answer_ms;         /* QEMU may take so long, and to connect */
    unsigned retry_ms;          /* after a failure; doubled up to eight times
                                 * that */
} QmpConfig;

/* What is known.  Bytes; a figure that is not known is 0. */
typedef struct QmpGuest {
    const char *path;           /* of the socket */
    const char *error;          /* why it is not connected, or NULL */
    char name[RCACHE_NAME_MAX]; /* QEMU's -name, or the socket's */
    uint8_t uuid[RCACHE_UUID_LEN];      /* zero if QEMU has none */
    pid_t pid;                  /* of QEMU */
    uint64_t resident;          /* of all of QEMU's memory */
    uint64_t memory;            /* the guest's RAM */
    uint64_t actual;            /* what the balloon leaves of it, or memory */
    bool has_balloon;           /* the next ones hold */
    uint64_t balloon_free;
    uint64_t balloon_available;
    uint64_t balloon_total;
    uint64_t balloon_age_ms;
} QmpGuest;

typedef struct Qmp Qmp;

/** qmp_config_init() - the defaults for that period, in milliseconds */
void qmp_config_init(QmpConfig *config, unsigned period_ms);

/** qmp_new() - begin to connect to the monitor at @path */
Qmp *qmp_new(const QmpConfig *config, const char *path);
void qmp_free(Qmp *qmp);

/** qmp_path() - of its socket */
const char *qmp_path(const Qmp *qmp);

/**
 * qmp_guest() - what is known now; valid until the main loop runs again
 *
 * Return: false if nothing is: it is not connected
 */
bool qmp_guest(Qmp *qmp, QmpGuest *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

#endif
