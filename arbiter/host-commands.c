/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-commands: see host-commands.h. */
#include "arbiter/host-commands.h"

#include <string.h>

#include "arbiter/elsewhere.h"
#include "common/admin-call.h"
#include "common/crash-point.h"
#include "common/uuid.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"

#define WAITING_MAX     64u
/* Before rcachectl gives up. */
#define EVICT_LATE_MS   (110 * 1000u)
#define UPGRADE_LATE_MS 4000u

typedef struct HostCommand {
    uint64_t tag;
    const HostConn *conn;       /* the host's */
    AdminRequest *request;
    uint64_t until;             /* ms */
    char host[RCACHE_NAME_MAX];
    char vm[RCACHE_NAME_MAX];   /* "": the host is to be upgraded */
} HostCommand;

void host_commands_init(HostCommands *commands)
{
    *commands = (HostCommands){0};
    g_queue_init(&commands->waiting);
}

/* Takes @r, which is not in the queue any more. */
static void command_fail(HostCommand *r, const char *why)
{
    admin_fail(r->request,
               *r->vm ? g_error_new(ADMIN_ERROR, ADMIN_ERROR_FAILED,
                                    "vm %s on host %s: %s", r->vm, r->host,
                                    why)
                      : g_error_new(ADMIN_ERROR, ADMIN_ERROR_FAILED,
                                    "host %s: %s", r->host, why));
    g_free(r);
}

void host_commands_deinit(HostCommands *commands)
{
    HostCommand *r;

    while ((r = g_queue_pop_head(&commands->waiting))) {
        command_fail(r, "the arbiter ends");
    }
}

/* Has been told to @host, with the tag after the last one. */
static void command_wait(HostCommands *commands, const Host *host,
                         const char *vm, AdminRequest *request,
                         uint64_t until)
{
    HostCommand *r = g_new0(HostCommand, 1);

    r->tag = ++commands->tags;
    r->conn = host->conn;
    r->request = request;
    r->until = until;
    wire_text_copy(r->host, sizeof(r->host), host->name);
    wire_text_copy(r->vm, sizeof(r->vm), vm);
    g_queue_push_tail(&commands->waiting, r);
    crash_point(*vm ? "evict-passed-on" : "upgrade-passed-on");
}

/* What this answers, taken out of the queue; NULL: nothing (any more). */
static HostCommand *command_take(HostCommands *commands, const HostConn *conn,
                                 uint64_t tag, bool upgrade)
{
    for (GList *at = commands->waiting.head; at; at = at->next) {
        HostCommand *r = at->data;

        if (r->tag == tag && r->conn == conn && !*r->vm == upgrade) {
            g_queue_delete_link(&commands->waiting, at);
            return r;
        }
    }
    return NULL;
}

static bool command_fits(const HostCommands *commands, GError **errp)
{
    if (commands->waiting.length >= WAITING_MAX) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "%u commands to hosts are under way already",
                    commands->waiting.length);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ evict */

typedef struct Found {
    const char *text;           /* name or uuid, as it was typed */
    uint8_t uuid[RCACHE_UUID_LEN];
    bool is_uuid;
    Host *host;
    const WireBeatGuest *guest;
    unsigned n;
} Found;

static void look_at(Found *found, Host *host, const Elsewhere *elsewhere)
{
    for (guint i = 0; i < host->guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest,
                                                i);

        if ((found->is_uuid ? !memcmp(g->vm, found->uuid, sizeof(g->vm))
                            : !strcmp(g->name, found->text)) &&
            !elsewhere_host(elsewhere, host->name, g->vm)) {
            found->n++;
            found->host = host;
            found->guest = g;
        }
    }
}

/* The one VM of that name or uuid, on a host that can be told. */
static bool find(Hosts *hosts, Found *found, uint64_t now, GError **errp)
{
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(hosts, now);

    found->is_uuid = uuid_parse(found->text, found->uuid);
    for (guint i = 0; i < hosts->all->len; i++) {
        look_at(found, hosts->all->pdata[i], elsewhere);
    }
    if (!found->n) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "no host reports a VM '%s'", found->text);
    } else if (found->n > 1) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "%u VMs are called '%s': %s", found->n, found->text,
                    found->is_uuid ? "use the admin socket of the VM's "
                    "host" : "name it by its uuid, which \"vms --json\" "
                    "shows");
    } else if (!(found->guest->flags & RCACHE_GUEST_MANAGED)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "vm %s on host %s has no remote-cache object",
                    found->guest->name, found->host->name);
    } else if (!found->host->conn) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "vm %s: its host %s is not connected",
                    found->guest->name, found->host->name);
    } else if (!(found->host->features & RCACHE_FEATURE_EVICT)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "host %s runs a release that takes no evict from an "
                    "arbiter: use that host's own admin socket",
                    found->host->name);
    } else {
        return true;
    }
    return false;
}

static bool evict(HostCommands *commands, Hosts *hosts, Found *found,
                  uint64_t bytes, uint64_t now, GError **errp)
{
    WireEvict wire = { .bytes = bytes };

    if (!bytes) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_ARGUMENT,
                    "bytes is 0: say how much to evict");
        return false;
    }
    if (!find(hosts, found, now, errp) || !command_fits(commands, errp)) {
        return false;
    }
    memcpy(wire.vm, found->guest->vm, sizeof(wire.vm));
    if (!control_send_evict(found->host->conn, commands->tags + 1, &wire)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "the connection of host %s has ended",
                    found->host->name);
        return false;
    }
    return true;
}

void host_commands_evict(HostCommands *commands, Hosts *hosts, const char *vm,
                         uint64_t bytes, AdminRequest *request, uint64_t now)
{
    Found found = { .text = vm };
    GError *error = NULL;

    if (!evict(commands, hosts, &found, bytes, now, &error)) {
        admin_fail(request, error);
        return;
    }
    command_wait(commands, found.host, found.guest->name, request,
                 now + EVICT_LATE_MS);
}

static void evict_return(HostCommand *r, const WireEvictAck *ack)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "vm", r->vm);
    json_object_set_string_member(o, "host", r->host);
    json_object_set_int_member(o, "evicted_bytes", ack->bytes);
    json_object_set_int_member(o, "evicted_pages",
                               ack->bytes / WIRE_PAGE_SIZE);
    json_object_set_string_member(o, "text", ack->text);
    admin_return(r->request, admin_node_new(o));
    g_free(r);
}

void host_commands_evicted(HostCommands *commands, const HostConn *conn,
                           uint64_t tag, const WireEvictAck *ack)
{
    HostCommand *r = command_take(commands, conn, tag, false);

    if (!r) {
        return;
    }
    if (ack->status && !ack->bytes) {
        command_fail(r, *ack->text ? ack->text
                                   : wire_status_name(ack->status));
    } else {
        evict_return(r, ack);
    }
}

/* ---------------------------------------------------------------- upgrade */

static bool upgrade(HostCommands *commands, Hosts *hosts, const char *name,
                    Host **host, GError **errp)
{
    *host = hosts_find(hosts, name);
    if (!*host || !(*host)->conn) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    *host ? "host %s is not connected" : "there is no host %s",
                    name);
        return false;
    }
    if (!((*host)->features & RCACHE_FEATURE_UPGRADE)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "host %s runs a release that takes no upgrade from an "
                    "arbiter: use that host's own admin socket", name);
        return false;
    }
    if (!command_fits(commands, errp)) {
        return false;
    }
    if (!control_send_upgrade((*host)->conn, commands->tags + 1)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "the connection of host %s has ended", name);
        return false;
    }
    return true;
}

void host_commands_upgrade(HostCommands *commands, Hosts *hosts,
                           const char *name, AdminRequest *request,
                           uint64_t now)
{
    GError *error = NULL;
    Host *host;

    if (!upgrade(commands, hosts, name, &host, &error)) {
        admin_fail(request, error);
        return;
    }
    g_message("host %s: an operator asks to upgrade this host", name);
    command_wait(commands, host, "", request, now + UPGRADE_LATE_MS);
}

void host_commands_upgrading(HostCommands *commands, const HostConn *conn,
                             uint64_t tag, const WireUpgradeAck *ack)
{
    HostCommand *r = command_take(commands, conn, tag, true);
    JsonObject *o;

    if (!r) {
        return;
    }
    if (ack->status) {
        admin_fail(r->request, g_error_new(ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                                           "host %s: %s", r->host, *ack->text
                                           ? ack->text
                                           : wire_status_name(ack->status)));
        g_free(r);
        return;
    }
    o = json_object_new();
    json_object_set_string_member(o, "host", r->host);
    json_object_set_int_member(o, "pid", ack->pid);
    admin_return(r->request, admin_node_new(o));
    g_free(r);
}

/* ------------------------------------------------------------- no answers */

void host_commands_gone(HostCommands *commands, const HostConn *conn)
{
    GList *next;

    for (GList *at = commands->waiting.head; at; at = next) {
        HostCommand *r = at->data;

        next = at->next;
        if (r->conn == conn) {
            g_queue_delete_link(&commands->waiting, at);
            command_fail(r, *r->vm
                         ? "the host's connection has ended; it may evict all "
                         "the same"
                         : "its connection has ended; it may start the "
                         "installed daemon all the same");
        }
    }
}

void host_commands_expire(HostCommands *commands, uint64_t now)
{
    GList *next;

    for (GList *at = commands->waiting.head; at; at = next) {
        HostCommand *r = at->data;

        next = at->next;
        if (now >= r->until) {
            g_queue_delete_link(&commands->waiting, at);
            command_fail(r, *r->vm
                         ? "no answer yet; \"vms\" shows how much is away"
                         : "no answer: see the log of its rcached");
        }
    }
}
