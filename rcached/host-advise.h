/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-advise: the command "advise": what less local memory would cost the VMs
 * of this host, by what their pagers have seen.
 */
#ifndef RCACHED_HOST_ADVISE_H
#define RCACHED_HOST_ADVISE_H

#include <json-glib/json-glib.h>

#include "rcached/rcached.h"

/**
 * host_advise() - the answer, with the names of rcachectl(1)
 * @only: a VM; NULL: all
 *
 * Return: an object, the caller's; or NULL with @errp set
 */
JsonObject *host_advise(const Rcached *r, JsonObject *args, const Vm *only,
                        GError **errp);

#endif
