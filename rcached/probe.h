/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe: does this machine have what the daemon and its pagers need? */
#ifndef RCACHED_PROBE_H
#define RCACHED_PROBE_H

#include <glib.h>
#include <stdbool.h>

/** probe_uring() - can io_uring be used?  Nothing works without. */
bool probe_uring(GError **errp);

/**
 * probe_vms() - can memory of VMs be managed here?
 *
 * Return: false with @errp set to what would have to change; a host that
 * only lends needs none of it
 */
bool probe_vms(GError **errp);

#endif
