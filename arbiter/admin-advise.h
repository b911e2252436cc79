/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin-advise: the command "advise": what less local memory would cost VMs,
 * and how much more could be lent for that.
 */
#ifndef ARBITER_ADMIN_ADVISE_H
#define ARBITER_ADMIN_ADVISE_H

#include "common/admin.h"

/** admin_advise_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_advise_run(JsonObject *args, void *opaque, GError **errp);

#endif
