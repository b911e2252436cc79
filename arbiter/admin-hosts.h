/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-hosts: the command "hosts": the hosts, what they have and lend. */
#ifndef ARBITER_ADMIN_HOSTS_H
#define ARBITER_ADMIN_HOSTS_H

#include "common/admin.h"

/** admin_hosts_run() - the answer; @opaque is the Arbiter */
JsonNode *admin_hosts_run(JsonObject *args, void *opaque, GError **errp);

#endif
