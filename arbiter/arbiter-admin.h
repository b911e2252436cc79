/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter-admin: what the arbiter's admin socket answers.  Each command has a
 * file, admin-*.c; the names of all fields are documented in rcachectl(1).
 */
#ifndef ARBITER_ARBITER_ADMIN_H
#define ARBITER_ARBITER_ADMIN_H

#include "common/admin.h"

/* The commands, for an Arbiter as their opaque. */
extern const AdminCommand arbiter_admin_commands[];

#endif
