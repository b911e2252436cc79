/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-json: this host as JSON, with the names that rcachectl(1) gives. */
#ifndef RCACHED_HOST_JSON_H
#define RCACHED_HOST_JSON_H

#include <json-glib/json-glib.h>

#include "rcached/rcached.h"

/* A fault that is older than this is told as waiting. */
#define HOST_WAITING_NS (UINT64_C(1000) * 1000 * 1000)

/* Each returns an object or array of the caller's. */
JsonObject *host_json_host(const Rcached *r);
JsonArray *host_json_leases(const Rcached *r);
JsonArray *host_json_vms(const Rcached *r);

/**
 * host_json_set_lending() - what both "status" and "hosts" say of lending
 * @lent: of now.  What is offered is of the policy's last run, so room that
 *        has come since is free with the next one
 */
void host_json_set_lending(JsonObject *o, const Rcached *r,
                           const ProviderSnapshot *lent);

#endif
