/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control-dial: connect to an arbiter, within a time, on GLib's main loop. */
#ifndef RCACHE_CONTROL_DIAL_H
#define RCACHE_CONTROL_DIAL_H

#include <gio/gio.h>
#include <stdint.h>

typedef struct ControlDial ControlDial;

/**
 * ControlDialed - how it went, called once, from the main loop
 * @conn: NULL if it did not; take a reference to keep it
 * @error: the callee's to look at only
 *
 * The ControlDial is gone when this is called.
 */
typedef void ControlDialed(GSocketConnection *conn, const GError *error,
                           void *opaque);

/**
 * control_dial() - connect to "ADDRESS:PORT", as address_parse() takes it
 * @port: if the text has none
 */
ControlDial *control_dial(const char *address, uint16_t port,
                          unsigned timeout_ms, ControlDialed *done,
                          void *opaque);

/** control_dial_cancel() - never mind; @done is not called */
void control_dial_cancel(ControlDial *dial);

#endif
