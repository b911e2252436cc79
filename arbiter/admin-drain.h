/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-drain: the commands "drain" and "undrain". */
#ifndef ARBITER_ADMIN_DRAIN_H
#define ARBITER_ADMIN_DRAIN_H

#include "common/admin.h"

/** admin_drain_run() - tell a host to lend nothing more and ask all back;
 * @opaque is the Arbiter */
JsonNode *admin_drain_run(JsonObject *args, void *opaque, GError **errp);

/** admin_drain_undo() - tell a host to lend again */
JsonNode *admin_drain_undo(JsonObject *args, void *opaque, GError **errp);

#endif
