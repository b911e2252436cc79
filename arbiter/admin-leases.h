/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-leases: the command "leases": who lends how much to which VM. */
#ifndef ARBITER_ADMIN_LEASES_H
#define ARBITER_ADMIN_LEASES_H

#include "common/admin.h"

/** admin_leases_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_leases_run(JsonObject *args, void *opaque, GError **errp);

#endif
