/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-json: this host as JSON, with the names that rcachectl(1) gives. */
#ifndef RCACHED_HOST_JSON_H
#define RCACHED_HOST_JSON_H

#include <json-glib/json-glib.h>

#include "rcached/rcached.h"

/* Each returns an object or array of the caller's. */
JsonObject *host_json_status(const Rcached *r, int64_t started);
JsonObject *host_json_host(const Rcached *r);
JsonArray *host_json_leases(const Rcached *r);
JsonArray *host_json_vms(const Rcached *r);

#endif
