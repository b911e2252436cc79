/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-vms: the command "vms": the VMs and where their memory is. */
#ifndef ARBITER_ADMIN_VMS_H
#define ARBITER_ADMIN_VMS_H

#include "common/admin.h"

/** admin_vms_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_vms_run(JsonObject *args, void *opaque, GError **errp);

#endif
