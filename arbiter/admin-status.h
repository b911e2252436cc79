/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-status: the command "status": whether all is well, and the sums. */
#ifndef ARBITER_ADMIN_STATUS_H
#define ARBITER_ADMIN_STATUS_H

#include "common/admin.h"

/** admin_status_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_status_run(JsonObject *args, void *opaque, GError **errp);

#endif
