/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-whatif: the commands "whatif" and "ok-to-stop". */
#ifndef ARBITER_ADMIN_WHATIF_H
#define ARBITER_ADMIN_WHATIF_H

#include "common/admin.h"

/** admin_whatif_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_whatif_run(JsonObject *args, void *opaque, GError **errp);

/** admin_ok_to_stop_run() - the same */
JsonNode *admin_ok_to_stop_run(JsonObject *args, void *opaque, GError **errp);

#endif
