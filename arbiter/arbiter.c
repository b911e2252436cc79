/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter: the parts, connected.  See arbiter.h.
 *
 * A heartbeat goes into the table of hosts, and settles the grants it lists.
 * A request is placed, its grants go out to the providers, and the answer to
 * the requester when they have all said yes or no or are late: pump() looks
 * for such requests after everything that could have finished one.
 */
#include "arbiter/arbiter.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "arbiter/arbiter-admin.h"
#include "arbiter/placement.h"
#include "common/uuid.h"

#define TICK_MS         100u

uint64_t arbiter_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void random_bytes(void *out, size_t len)
{
    /* Never short below 256 bytes; fails only where the call is missing. */
    if (getrandom(out, len, 0) != (ssize_t)len) {
        g_error("the system has no random numbers");
    }
}

static uint64_t random_id(void)
{
    uint64_t id;

    do {
        random_bytes(&id, sizeof(id));
        id >>= 1;
    } while (!id);
    return id;
}

/* --------------------------------------------------------------- replies */

static void reply(Arbiter *arbiter, LeaseAsk *ask)
{
    Host *host = hosts_find(&arbiter->hosts, ask->requester);
    WireLeaseReply out;

    leases_reply(ask, &out);
    g_message("host %s: vm %s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
              " MiB from %u hosts%s%s", ask->requester, ask->wire.name,
              out.bytes >> 20, ask->wire.bytes >> 20, out.nr_grants,
              *out.text ? ": " : "", out.text);
    if (host && host->conn) {
        control_send_reply(host->conn, ask->tag, &out);
    }
    leases_ask_free(&arbiter->leases, ask);
}

static void pump(Arbiter *arbiter)
{
    uint64_t now = arbiter_now();
    LeaseAsk *ask;

    while ((ask = leases_next_done(&arbiter->leases, now))) {
        reply(arbiter, ask);
    }
}

/* -------------------------------------------------------------- placement */

static uint64_t vm_bytes(const Arbiter *arbiter, const Host *host,
                         const uint8_t *vm)
{
    uint64_t bytes = leases_pending(&arbiter->leases, host->name, vm);

    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);

        if (!memcmp(l->vm, vm, RCACHE_UUID_LEN) &&
            __builtin_add_overflow(bytes, l->bytes, &bytes)) {
            return UINT64_MAX;
        }
    }
    return bytes;
}

void arbiter_view(const Arbiter *arbiter, const Host *host, const uint8_t *vm,
                  uint64_t now, PlacementHost *out)
{
    const WireBeatHost *beat = &host->beat;
    uint64_t pending = leases_pending(&arbiter->leases, host->name, NULL);
    uint64_t gone;

    if (__builtin_add_overflow(beat->leased, pending, &gone)) {
        gone = UINT64_MAX;
    }
    *out = (PlacementHost) {
        .name = host->name,
        .alive = hosts_state(&arbiter->hosts, host, now) == HOST_ALIVE,
        .connected = host->conn && host->reported,
        .lends = (beat->flags & RCACHE_HOST_LENDS) && *host->address &&
                 beat->slab_pages,
        .draining = beat->flags & RCACHE_HOST_DRAINING,
        .free = beat->offered > gone ? beat->offered - gone : 0,
        .offered = beat->offered,
        .slab = (uint64_t)beat->slab_pages * WIRE_PAGE_SIZE,
        .psi_some = beat->psi_some_avg10,
        .psi_full = beat->psi_full_avg10,
        .vm_bytes = vm ? vm_bytes(arbiter, host, vm) : 0,
    };
}

/* Ask the providers of @placement; those that cannot be asked count as lost. */
static void send_grants(Arbiter *arbiter, LeaseAsk *ask,
                        const GPtrArray *hosts, const Placement *placement,
                        uint64_t now)
{
    for (unsigned i = 0; i < placement->nr_parts; i++) {
        const PlacementPart *part = &placement->part[i];
        Host *host = hosts->pdata[part->host];
        uint8_t token[RCACHE_TOKEN_LEN];
        Grant *grant;

        random_bytes(token, sizeof(token));
        grant = leases_grant_new(&arbiter->leases, ask, host->name,
                                 host->address, part->bytes, random_id(),
                                 token, now);
        if (grant && !control_send_grant(host->conn, &grant->wire)) {
            leases_provider_lost(&arbiter->leases, host->name);
        }
    }
}

static void place(Arbiter *arbiter, LeaseAsk *ask, uint64_t now)
{
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    g_autofree PlacementHost *views = g_new(PlacementHost, hosts->len + 1);
    PlacementRequest request = {
        .requester = ask->requester, .bytes = ask->wire.bytes,
    };
    Placement placement;

    for (guint i = 0; i < hosts->len; i++) {
        arbiter_view(arbiter, hosts->pdata[i], ask->wire.vm, now, &views[i]);
    }
    placement_choose(&arbiter->options->placement, views, hosts->len,
                     &request, random_id(), &placement);
    wire_text_copy(ask->text, sizeof(ask->text), placement.text);
    send_grants(arbiter, ask, hosts, &placement, now);
}

/* ---------------------------------------------------------- from control */

static void *on_hello(ControlConn *conn, const WireHello *hello, char *text,
                      void *opaque)
{
    Arbiter *arbiter = opaque;
    char address[RCACHE_NAME_MAX];
    Host *host;

    if (!hosts_complete_address(address, hello->address,
                                control_peer_host(conn))) {
        g_snprintf(text, 128, "'%s' is no address of a provider",
                   hello->address);
        return NULL;
    }
    host = hosts_find(&arbiter->hosts, hello->host);
    if (host && host->conn) {
        /* Its old connection has not been seen to end, or two share a name */
        control_drop(host->conn, memcmp(host->boot_id, hello->boot_id,
                                        RCACHE_UUID_LEN)
                     ? "another boot, or another host, has taken its name"
                     : "it has connected again");
        leases_provider_lost(&arbiter->leases, host->name);
        leases_requester_lost(&arbiter->leases, host->name);
    }
    host = hosts_hello(&arbiter->hosts, hello->host, hello->boot_id, address,
                       arbiter_now());
    if (!host) {
        g_snprintf(text, 128, "there are %u hosts already",
                   arbiter->options->hosts.max);
        return NULL;
    }
    host->conn = conn;
    host->features = hello->features;
    wire_text_copy(host->peer, sizeof(host->peer), control_peer(conn));
    g_message("host %s (%s): connected%s%s", host->name, host->peer,
              *address ? ", its provider is at " : "", address);
    return host;
}

static bool on_beat(ControlConn *conn, const uint8_t *payload, size_t len,
                    const char **why, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);

    switch (hosts_beat(host, payload, len, arbiter_now(), why)) {
    case HOSTS_BEAT_BAD:
        return false;
    case HOSTS_BEAT_OLD:
        return true;
    case HOSTS_BEAT_TAKEN:
        break;
    }
    for (guint i = 0; i < host->leases->len; i++) {
        leases_listed(&arbiter->leases, host->name,
                      g_array_index(host->leases, WireBeatLease, i).lease);
    }
    return true;
}

static void refuse(Arbiter *arbiter, Host *host, uint64_t tag,
                   uint16_t status, const char *text)
{
    WireLeaseReply out = { .status = status };

    wire_text_copy(out.text, sizeof(out.text), text);
    g_message("host %s: a request is refused: %s", host->name, text);
    control_send_reply(host->conn, tag, &out);
}

static void on_request(ControlConn *conn, uint64_t tag,
                       const WireLeaseRequest *request, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);
    uint64_t now = arbiter_now();
    LeaseAsk *ask;

    if (request->copies > 1) {
        refuse(arbiter, host, tag, RCACHE_E_REFUSED,
               "this version keeps one copy of a page, not more");
        return;
    }
    ask = leases_ask_new(&arbiter->leases, host->name, tag, request, now);
    if (!ask) {
        refuse(arbiter, host, tag, RCACHE_E_BUSY,
               "too many requests of this host are waiting");
        return;
    }
    place(arbiter, ask, now);
    pump(arbiter);
}

static void on_grant_ack(ControlConn *conn, const WireGrantAck *ack,
                         void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);

    if (!leases_ack(&arbiter->leases, host->name, ack, arbiter_now())) {
        g_warning("host %s: it answers a grant that was not made",
                  host->name);
    }
    pump(arbiter);
}

static void on_gone(ControlConn *conn, const char *reason, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);

    host->conn = NULL;
    leases_provider_lost(&arbiter->leases, host->name);
    leases_requester_lost(&arbiter->leases, host->name);
    pump(arbiter);
}

static const ControlOps control_ops = {
    .on_hello = on_hello,
    .on_beat = on_beat,
    .on_request = on_request,
    .on_grant_ack = on_grant_ack,
    .on_gone = on_gone,
};

/* ----------------------------------------------------------------- set-up */

static gboolean tick(void *opaque)
{
    Arbiter *arbiter = opaque;
    uint64_t now = arbiter_now();

    pump(arbiter);
    leases_expire(&arbiter->leases, now);
    hosts_forget(&arbiter->hosts, now);
    return G_SOURCE_CONTINUE;
}

static void read_boot_id(uint8_t *boot_id)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL,
                             NULL) ||
        !uuid_parse(g_strchomp(text), boot_id)) {
        random_bytes(boot_id, RCACHE_UUID_LEN);
    }
}

static bool start_control(Arbiter *arbiter, GError **errp)
{
    const Options *o = arbiter->options;
    ControlConfig config = {
        .listen = o->listen,
        /* A host that comes back may do so before its end was seen. */
        .conns_max = o->hosts.max + 16,
        .heartbeat_ms = o->hosts.heartbeat_ms,
        .silence_ms = (o->hosts.dead_beats + 1) * o->hosts.heartbeat_ms,
    };

    read_boot_id(config.boot_id);
    wire_text_copy(config.host, sizeof(config.host), g_get_host_name());
    arbiter->control = control_new(&config, &control_ops, arbiter, errp);
    return arbiter->control;
}

static bool start_admin(Arbiter *arbiter, GError **errp)
{
    const Options *o = arbiter->options;
    g_autofree char *folder = g_path_get_dirname(o->admin_socket);

    g_mkdir_with_parents(folder, 0755);
    arbiter->admin = admin_server_new(o->admin_socket, o->admin_group,
                                      arbiter_admin_commands, arbiter, errp);
    return arbiter->admin;
}

Arbiter *arbiter_new(const Options *options, GError **errp)
{
    g_autoptr(Arbiter) arbiter = g_new0(Arbiter, 1);

    arbiter->options = options;
    arbiter->started_ms = arbiter_now();
    hosts_init(&arbiter->hosts, &options->hosts);
    leases_init(&arbiter->leases, &options->leases);
    if (!start_control(arbiter, errp) || !start_admin(arbiter, errp)) {
        return NULL;
    }
    arbiter->tick = g_timeout_add(TICK_MS, tick, arbiter);
    g_message("listening on %s, admin socket %s",
              control_address(arbiter->control), options->admin_socket);
    if (options->beyond_loopback) {
        g_warning("tls=none: hosts are neither encrypted nor proved; anyone "
                  "who reaches %s can call himself a host",
                  control_address(arbiter->control));
    }
    return g_steal_pointer(&arbiter);
}

void arbiter_free(Arbiter *arbiter)
{
    if (!arbiter) {
        return;
    }
    g_clear_handle_id(&arbiter->tick, g_source_remove);
    admin_server_free(arbiter->admin);
    control_free(arbiter->control);
    leases_deinit(&arbiter->leases);
    hosts_deinit(&arbiter->hosts);
    g_free(arbiter);
}
