/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arbiter-admin: the list of commands.  See arbiter-admin.h. */
#include "arbiter/arbiter-admin.h"

#include "arbiter/admin-advise.h"
#include "arbiter/admin-drain.h"
#include "arbiter/admin-hosts.h"
#include "arbiter/admin-leases.h"
#include "arbiter/admin-status.h"
#include "arbiter/admin-vms.h"
#include "arbiter/admin-whatif.h"
#include "arbiter/arbiter.h"

static void start_evict(AdminRequest *request, JsonObject *args, void *opaque)
{
    Arbiter *arbiter = opaque;

    host_commands_evict(&arbiter->host_commands, &arbiter->hosts,
                      json_object_get_string_member(args, "vm"),
                      json_object_get_int_member(args, "bytes"), request,
                      arbiter_now());
}

static void start_upgrade(AdminRequest *request, JsonObject *args,
                          void *opaque)
{
    Arbiter *arbiter = opaque;

    host_commands_upgrade(&arbiter->host_commands, &arbiter->hosts,
                          json_object_get_string_member(args, "host"),
                          request, arbiter_now());
}

const AdminCommand arbiter_admin_commands[] = {
    { "status", "A verdict with its reasons, and the totals.",
      .run = admin_status_run, .reads = true },
    { "hosts", "The hosts, what they have and lend.",
      { { "host", ADMIN_ARG_STRING, .optional = true } },
      .run = admin_hosts_run, .reads = true },
    { "leases", "Who lends how much to which VM.",
      { { "host", ADMIN_ARG_STRING, .optional = true } },
      .run = admin_leases_run, .reads = true },
    { "vms", "The VMs and where their memory is.",
      { { "host", ADMIN_ARG_STRING, .optional = true } },
      .run = admin_vms_run, .reads = true },
    { "whatif", "What VMs would feel if a host died or was drained.",
      { { "host", ADMIN_ARG_STRING } }, admin_whatif_run,
      .reads = true },
    { "ok-to-stop", "Whether anything would be gone if a host went now.",
      { { "host", ADMIN_ARG_STRING } }, admin_ok_to_stop_run,
      .reads = true },
    { "advise", "What less local memory would cost VMs.",
      { { "vm", ADMIN_ARG_STRING, .optional = true },
        { "stall-millionths", ADMIN_ARG_INT, .optional = true } },
      .run = admin_advise_run, .reads = true },
    { "evict", "Send cold pages of a VM away now.",
      { { "vm", ADMIN_ARG_STRING }, { "bytes", ADMIN_ARG_INT } },
      .start = start_evict },
    { "drain", "Drain a host: it lends nothing more and asks everything back.",
      { { "host", ADMIN_ARG_STRING } }, admin_drain_run },
    { "undrain", "End a drain: the host lends again.",
      { { "host", ADMIN_ARG_STRING } }, admin_drain_undo },
    { "upgrade", "Have a host start the daemon that is installed there.",
      { { "host", ADMIN_ARG_STRING } }, .start = start_upgrade },
    { 0 }
};
