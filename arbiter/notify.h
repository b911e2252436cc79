/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify: tell the service manager; without one, or in a build without
 * libsystemd, nobody. */
#ifndef ARBITER_NOTIFY_H
#define ARBITER_NOTIFY_H

/** notify_ready() - the daemon serves */
void notify_ready(void);

/** notify_stopping() - the daemon ends */
void notify_stopping(void);

#endif
