/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter-admin: what the arbiter's admin socket answers.  The names of all
 * fields are documented in rcachectl(1).
 */
#ifndef ARBITER_ARBITER_ADMIN_H
#define ARBITER_ARBITER_ADMIN_H

#include "common/admin.h"

/* Commands, in drain.c. */
JsonNode *arbiter_admin_drain(JsonObject *args, void *opaque, GError **errp);
JsonNode *arbiter_admin_undrain(JsonObject *args, void *opaque,
                                GError **errp);

/* In whatif-admin.c. */
JsonNode *arbiter_admin_whatif(JsonObject *args, void *opaque, GError **errp);

/* The commands, for an Arbiter as their opaque. */
extern const AdminCommand arbiter_admin_commands[];

#endif
