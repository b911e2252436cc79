/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-listener: takes VMMs' connections as far as their HELLO.
 *
 * A connection is looked at (MSG_PEEK) until its HELLO is there; the message
 * stays in the queue for the pager to take.  One that is malformed, or that
 * this build cannot serve, is answered with a reason and closed; one that
 * says nothing is closed after a while.  One that asks for the device instead
 * (vmm-device.h) is answered and closed.
 */
#ifndef RCACHED_VMM_LISTENER_H
#define RCACHED_VMM_LISTENER_H

#include <glib.h>

#include "rcache/vmm.h"
#include "rcached/socket-rights.h"
#include "rcached/vmm-process.h"

typedef struct VmmListener VmmListener;

/**
 * VmmArrived - a VMM has said a HELLO that is in order
 * @fd: its connection, now the callee's
 * @hello: checked; its name is terminated and printable
 * @who: which process it is; may be moved from
 */
typedef void VmmArrived(int fd, const struct RcacheVmmHello *hello,
                        VmmProcess *who, void *opaque);

/**
 * vmm-listener_new() - listen at @path
 * @rights: who may connect
 * @hello_ms: how long a connection may say nothing
 *
 * Return: the listener, or NULL with @errp set
 */
VmmListener *vmm_listener_new(const char *path, const SocketRights *rights,
                              unsigned hello_ms, VmmArrived *arrived,
                              void *opaque, GError **errp);

/** vmm_listener_free() - stop, close who has not arrived yet */
void vmm_listener_free(VmmListener *listener);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmListener, vmm_listener_free)

#endif
