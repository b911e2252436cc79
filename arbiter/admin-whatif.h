/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-whatif: the command "whatif": whatif.h's answer, with a summary. */
#ifndef ARBITER_ADMIN_WHATIF_H
#define ARBITER_ADMIN_WHATIF_H

#include "common/admin.h"

/** admin_whatif_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_whatif_run(JsonObject *args, void *opaque, GError **errp);

#endif
