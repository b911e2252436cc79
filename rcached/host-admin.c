/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-admin: the commands of this host's admin socket.  See host-admin.h.
 */
#include "rcached/host-admin.h"

#include <string.h>
#include <unistd.h>

#include "common/admin-call.h"
#include "common/admin.h"
#include "common/log-event.h"
#include "rcached/host-json.h"
#include "rcached/host-status.h"

struct HostAdmin {
    Rcached *r;
    AdminServer *server;
    int64_t started;            /* g_get_monotonic_time() */
};

/* -------------------------------------------------------------- commands */

static JsonNode *run_status(JsonObject *args, void *opaque, GError **errp)
{
    HostAdmin *admin = opaque;

    return admin_node_new(host_status(admin->r, admin->started));
}

static JsonNode *run_hosts(JsonObject *args, void *opaque, GError **errp)
{
    HostAdmin *admin = opaque;
    JsonArray *list = json_array_new();
    const char *only = json_object_get_string_member_with_default(args,
        "host", admin->r->options->host);

    if (!strcmp(only, admin->r->options->host)) {
        json_array_add_object_element(list, host_json_host(admin->r));
    }
    return admin_node_new_array(list);
}

static JsonNode *run_leases(JsonObject *args, void *opaque, GError **errp)
{
    HostAdmin *admin = opaque;

    return admin_node_new_array(host_json_leases(admin->r));
}

static JsonNode *run_vms(JsonObject *args, void *opaque, GError **errp)
{
    HostAdmin *admin = opaque;

    return admin_node_new_array(host_json_vms(admin->r));
}

static const Vm *find_vm(HostAdmin *admin, JsonObject *args, GError **errp)
{
    const char *text = json_object_get_string_member(args, "vm");
    const Vm *vm = vms_find(admin->r->vms, text);

    if (!vm) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "no VM '%s' on host %s", text, admin->r->options->host);
    }
    return vm;
}

static JsonNode *run_debug_corrupt(JsonObject *args, void *opaque,
                                   GError **errp)
{
    HostAdmin *admin = opaque;
    JsonObject *o;

    if (!admin->r->provider || !provider_debug_flip(admin->r->provider)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "nothing is stored on host %s", admin->r->options->host);
        return NULL;
    }
    g_warning("debug-corrupt: a bit of a stored page was flipped");
    o = json_object_new();
    json_object_set_int_member(o, "flipped_bits", 1);
    return admin_node_new(o);
}

static JsonNode *run_debug_kill_pager(JsonObject *args, void *opaque,
                                      GError **errp)
{
    const Vm *vm = find_vm(opaque, args, errp);
    JsonObject *o;

    if (!vm) {
        return NULL;
    }
    if (!vm_kill_pager(vm)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "vm %s has no pager now", vm->name);
        return NULL;
    }
    g_warning("debug-kill-pager: vm %s: pager %d killed", vm->name,
              (int)pager_process_pid(vm->pager));
    o = json_object_new();
    json_object_set_string_member(o, "vm", vm->name);
    json_object_set_int_member(o, "pid", pager_process_pid(vm->pager));
    return admin_node_new(o);
}

/* ----------------------------------------------------------------- evict */

static void evict_done(const Evicted *evicted, void *opaque)
{
    JsonObject *o;

    if (evicted->failed) {
        admin_fail(opaque, g_error_new(ADMIN_ERROR, ADMIN_ERROR_FAILED,
                                       "vm %s: %s", evicted->vm,
                                       evicted->text));
        return;
    }
    o = json_object_new();
    json_object_set_string_member(o, "vm", evicted->vm);
    json_object_set_int_member(o, "evicted_bytes", evicted->bytes);
    json_object_set_int_member(o, "evicted_pages",
                               evicted->bytes / RCACHE_PAGE_SIZE);
    json_object_set_string_member(o, "text", evicted->text);
    admin_return(opaque, admin_node_new(o));
}

static void start_evict(AdminRequest *request, JsonObject *args,
                        void *opaque)
{
    HostAdmin *admin = opaque;
    GError *error = NULL;
    const Vm *vm = find_vm(admin, args, &error);

    if (!vm || !evicts_start(admin->r->evicts, vm,
                             json_object_get_int_member(args, "bytes"),
                             evict_done, request, &error)) {
        admin_fail(request, error);
    }
}

/* ------------------------------------------------------------------- set */

static JsonNode *run_set(JsonObject *args, void *opaque, GError **errp)
{
    HostAdmin *admin = opaque;
    const Vm *vm = find_vm(admin, args, errp);
    JsonObject *o;

    if (!vm || !policy_hold(admin->r->policy, vm,
                            json_object_get_boolean_member(args, "hold"),
                            errp)) {
        return NULL;
    }
    o = json_object_new();
    json_object_set_string_member(o, "vm", vm->name);
    json_object_set_string_member(o, "host", admin->r->options->host);
    json_object_set_boolean_member(o, "held", vm->hold.held);
    json_object_set_int_member(o, "remote_bytes", vm->figures.stats.remote);
    json_object_set_int_member(o, "no_room_bytes", vm->hold.lacking);
    return admin_node_new(o);
}

/* ----------------------------------------------------------------- drain */

/* A host's own socket takes commands for that host only. */
static bool is_this_host(const HostAdmin *admin, JsonObject *args,
                         const char *relay, GError **errp)
{
    const char *host = json_object_get_string_member(args, "host");

    if (strcmp(host, admin->r->options->host)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "this is host %s: for host %s use that host's admin "
                    "socket%s", admin->r->options->host, host, relay);
        return false;
    }
    return true;
}

static JsonNode *drain(HostAdmin *admin, JsonObject *args, bool draining,
                       GError **errp)
{
    const HostState *state = policy_state(admin->r->policy);
    JsonObject *o;

    if (!is_this_host(admin, args, ", or an arbiter's", errp)) {
        return NULL;
    }
    if (!admin->r->provider) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "host %s lends nothing: there is nothing to drain",
                    admin->r->options->host);
        return NULL;
    }
    log_event(G_LOG_LEVEL_MESSAGE, LOG_DRAIN, "%s", draining
              ? "an operator drains this host: nothing more is lent, and "
                "everything is asked back"
              : "an operator has ended the drain: this host lends again");
    policy_drain(admin->r->policy, draining);
    o = json_object_new();
    json_object_set_string_member(o, "host", admin->r->options->host);
    json_object_set_boolean_member(o, "draining", draining);
    json_object_set_int_member(o, "leased_bytes", state->leased);
    json_object_set_int_member(o, "asked_back_bytes", state->asked);
    return admin_node_new(o);
}

static JsonNode *run_upgrade(JsonObject *args, void *opaque, GError **errp)
{
    HostAdmin *admin = opaque;
    JsonObject *o;

    if (!is_this_host(admin, args, "", errp) ||
        !stopping_restart(admin->r->stopping, errp)) {
        return NULL;
    }
    g_message("upgrade: an operator wants the installed daemon started");
    o = json_object_new();
    json_object_set_string_member(o, "host", admin->r->options->host);
    json_object_set_int_member(o, "pid", getpid());
    return admin_node_new(o);
}

static JsonNode *run_drain(JsonObject *args, void *opaque, GError **errp)
{
    return drain(opaque, args, true, errp);
}

static JsonNode *run_undrain(JsonObject *args, void *opaque, GError **errp)
{
    return drain(opaque, args, false, errp);
}

/* ---------------------------------------------------------------- tables */

#define COMMANDS \
    { .name = "status", .doc = "A verdict on this host, with its reasons.", \
      .run = run_status, .reads = true }, \
    { .name = "hosts", .doc = "This host: its memory and what it lends.", \
      .args = { { "host", ADMIN_ARG_STRING, .optional = true } }, \
      .run = run_hosts, .reads = true }, \
    { .name = "leases", \
      .doc = "Leases that this host has given, and that VMs here hold.", \
      .run = run_leases, .reads = true }, \
    { .name = "vms", .doc = "The VMs of this host.", \
      .run = run_vms, .reads = true }, \
    { .name = "evict", .doc = "Send cold pages of a VM away now.", \
      .args = { { "vm", ADMIN_ARG_STRING }, { "bytes", ADMIN_ARG_INT } }, \
      .start = start_evict }, \
    { .name = "set", .doc = "Change what holds for a VM.", \
      .args = { { "vm", ADMIN_ARG_STRING }, { "hold", ADMIN_ARG_BOOL } }, \
      .run = run_set }, \
    { .name = "drain", .doc = "Lend nothing more and ask everything back.", \
      .args = { { "host", ADMIN_ARG_STRING } }, .run = run_drain }, \
    { .name = "undrain", .doc = "End a drain: this host lends again.", \
      .args = { { "host", ADMIN_ARG_STRING } }, .run = run_undrain }, \
    { .name = "upgrade", \
      .doc = "Have the installed daemon started in this one's place.", \
      .args = { { "host", ADMIN_ARG_STRING } }, .run = run_upgrade }

static const AdminCommand commands[] = {
    COMMANDS,
    { 0 }
};

static const AdminCommand debug_commands[] = {
    COMMANDS,
    { .name = "debug-corrupt",
      .doc = "Flip a bit of a page that is stored here.",
      .run = run_debug_corrupt },
    { .name = "debug-kill-pager", .doc = "Kill the pager of a VM.",
      .args = { { "vm", ADMIN_ARG_STRING } },
      .run = run_debug_kill_pager },
    { 0 }
};

HostAdmin *host_admin_new(Rcached *r, GError **errp)
{
    g_autofree char *path = rundir_path(r->dir, "admin.sock");
    HostAdmin *admin = g_new0(HostAdmin, 1);

    admin->r = r;
    admin->started = g_get_monotonic_time();
    admin->server = admin_server_new(path, r->options->admin_group,
                                     r->options->admin_read_group,
                                     r->options->debug_commands
                                     ? debug_commands : commands,
                                     admin, errp);
    if (!admin->server) {
        host_admin_free(admin);
        return NULL;
    }
    if (r->options->debug_commands) {
        g_warning("debug commands are enabled: anyone who may use admin.sock "
                  "can break VMs");
    }
    return admin;
}

void host_admin_free(HostAdmin *admin)
{
    if (!admin) {
        return;
    }
    admin_server_free(admin->server);
    g_free(admin);
}
