/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter: the parts, connected.  See arbiter.h.
 *
 * A heartbeat goes into the table of hosts, and settles the grants it lists.
 * A request is placed (assign.h), its grants go out to the providers, others
 * are asked for what these refuse, and the answer goes to the requester when
 * they have all said yes or no or are late: pump() looks for such requests
 * after everything that could have finished one.
 */
#include "arbiter/arbiter.h"

#include <string.h>

#include "arbiter/arbiter-admin.h"
#include "arbiter/assign.h"
#include "arbiter/descriptors.h"
#include "arbiter/hosts-where.h"
#include "arbiter/unclaimed.h"
#include "common/crash-point.h"
#include "common/log-event.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"

#define TICK_MS         100u
#define EARLY_TRIES     64u     /* requests that are tried again in a tick */
#define SLEPT_MS        1000u   /* later than this, it was away */
/* A busy machine is no silent one, however often it is to beat. */
#define SILENT_MS       1000u

/* --------------------------------------------------------------- replies */

/* A host may ask as often as it likes; the log is everybody's. */
G_GNUC_PRINTF(2, 3)
static void host_say(Host *host, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    unsigned swallowed;
    va_list ap;

    if (!quiet_say(&host->quiet, arbiter_now(), &swallowed)) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (swallowed) {
        g_message("host %s: %u more lines are not in this log", host->name,
                  swallowed);
    }
    g_message("host %s: %s", host->name, text);
}

/* The requester keeps copies apart by them. */
static void add_labels(Arbiter *arbiter, const Host *host,
                       WireLeaseReply *out)
{
    out->labels = host->features & RCACHE_FEATURE_LABELS;
    for (unsigned i = 0; i < out->nr_grants; i++) {
        const Host *provider = hosts_find(&arbiter->hosts,
                                          out->grant[i].host);

        wire_text_copy(out->grant[i].label, sizeof(out->grant[i].label),
                       provider ? provider->beat.label : "");
    }
}

static void ask_say(Host *host, const LeaseAsk *ask, const WireLeaseReply *out)
{
    g_autofree char *text =
        g_strdup_printf("vm %s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                        " MiB from %u hosts%s%s", ask->wire.name,
                        out->bytes >> 20, grants_wanted(ask) >> 20,
                        out->nr_grants, *out->text ? ": " : "", out->text);

    if (out->nr_grants || told_is_news(&host->told, text, arbiter_now())) {
        host_say(host, "%s", text);
    }
}

static void ask_tell(Arbiter *arbiter, Host *host, const LeaseAsk *ask)
{
    WireLeaseReply out;

    grants_reply(ask, &out);
    add_labels(arbiter, host, &out);
    ask_say(host, ask, &out);
    if (out.status) {
        refusal_note(&host->refusal, &ask->wire, out.status, out.text,
                     ask->grants->len, arbiter->hosts.changes, arbiter_now());
    }
    control_send_reply(host->conn, ask->tag, &out);
    crash_point("reply-sent");
}

static void reply(Arbiter *arbiter, LeaseAsk *ask)
{
    Host *host = hosts_find(&arbiter->hosts, ask->requester);

    if (host && host->conn) {
        ask_tell(arbiter, host, ask);
    }
    grants_ask_free(&arbiter->grants, ask);
}

static bool arbiter_assign(Arbiter *arbiter, LeaseAsk *ask, AssignWhat what,
                           uint64_t now)
{
    const Assigner with = {
        .hosts = &arbiter->hosts, .grants = &arbiter->grants,
        .moves = &arbiter->moves, .shunned = &arbiter->shunned,
        .placement = &arbiter->options->placement,
    };

    return assign(&with, ask, what, now);
}

/* What some providers have refused, of others. */
static bool ask_others(Arbiter *arbiter, LeaseAsk *ask, uint64_t now)
{
    AssignWhat what = { .copies = 1, .rest = true };

    what.bytes = grants_lacking(ask, now, &what.parts);
    if (!what.bytes) {
        return false;
    }
    grants_round(ask);
    return arbiter_assign(arbiter, ask, what, now);
}

static void pump(Arbiter *arbiter)
{
    uint64_t now = arbiter_now();
    LeaseAsk *ask;

    while ((ask = grants_next_done(&arbiter->grants, now))) {
        if (!ask_others(arbiter, ask, now)) {
            reply(arbiter, ask);
        }
    }
}

/* ---------------------------------------------------------- from control */

static bool name_is_taken(Arbiter *arbiter, Host *host,
                          const WireHello *hello, const char *address,
                          const char *from, char *text)
{
    uint64_t now = arbiter_now();
    const char *clash = hosts_clash(&arbiter->hosts, host, hello->boot_id,
                                    address, from, now);

    if (clash) {
        hosts_twinned(host, clash, now);
        g_snprintf(text, 128, "there is a host %.32s already, at %.40s (%s): "
                   "give one of the two another name", hello->host, host->peer,
                   clash);
    }
    return clash;
}

/* Its old connection has not been seen to end. */
static void replace_conn(Arbiter *arbiter, Host *host)
{
    host_commands_gone(&arbiter->host_commands, host->conn);
    control_drop(host->conn, "the host has connected again");
    host->conn = NULL;
    grants_provider_lost(&arbiter->grants, host->name);
    grants_requester_lost(&arbiter->grants, host->name);
    early_forget(&arbiter->early, host->name);
}

/* What was known under another name, or of another boot, is over. */
static void end_the_past(Arbiter *arbiter, const WireHello *hello,
                         const char *address)
{
    Host *was = hosts_renamed(&arbiter->hosts, hello->host, hello->boot_id,
                              address);
    Host *host = hosts_find(&arbiter->hosts, hello->host);

    if (was) {
        g_message("host %s was called %s before: it has the same boot id and "
                  "address", hello->host, was->name);
        grants_provider_rebooted(&arbiter->grants, was->name);
        hosts_remove(&arbiter->hosts, was);
    }
    if (host && memcmp(host->boot_id, hello->boot_id, RCACHE_UUID_LEN)) {
        shunned_forget(&arbiter->shunned, host->name);
        grants_provider_rebooted(&arbiter->grants, host->name);
    }
}

/* When its certificate expires, in our time; 0: it has none. */
static uint64_t certificate_end(const HostConn *conn)
{
    int64_t expires = control_expires(conn);
    int64_t left = expires - g_get_real_time() / G_USEC_PER_SEC;

    return expires ? arbiter_now() + MAX(left, 0) * 1000 : 0;
}

static void *on_hello(HostConn *conn, const WireHello *hello, char *text,
                      void *opaque)
{
    Arbiter *arbiter = opaque;
    char address[RCACHE_NAME_MAX];
    const char *from = control_peer_host(conn);
    Host *host;

    if (!hosts_complete_address(address, hello->address, from)) {
        g_snprintf(text, 128, "'%s' is no address of a provider",
                   hello->address);
        return NULL;
    }
    if (!hosts_can_reach(address, from)) {
        g_warning("host %s (%s): its provider listens at %s, where no other "
                  "host can reach it: nobody is sent there", hello->host,
                  control_peer(conn), address);
        address[0] = '\0';
    }
    host = hosts_find(&arbiter->hosts, hello->host);
    if (host && host->conn) {
        if (name_is_taken(arbiter, host, hello, address, from, text)) {
            return NULL;
        }
        replace_conn(arbiter, host);
    }
    end_the_past(arbiter, hello, address);
    host = hosts_hello(&arbiter->hosts, hello->host, hello->boot_id, address,
                       arbiter_now());
    if (!host) {
        g_snprintf(text, 128, "there are %u hosts already, none of them "
                   "dead: raise max-hosts", arbiter->options->hosts.max);
        return NULL;
    }
    host->conn = conn;
    host->features = hello->features;
    host->version = hello->version_max;
    host->certificate_ms = certificate_end(conn);
    wire_text_copy(host->peer, sizeof(host->peer), control_peer(conn));
    wire_text_copy(host->from, sizeof(host->from), from);
    if (hosts_twin(host, arbiter_now())) {
        host_say(host, "more than one host has this name (%s): give each its "
                 "own", host->twin);
    }
    host_say(host, "connected from %s%s%s", host->peer,
             *address ? ", its provider is at " : "", address);
    return host;
}

static void withdraw(const WireBeatLease *lease, void *opaque)
{
    Host *provider = opaque;

    host_say(provider, "vm %s of host %s ended before it claimed %"
             G_GUINT64_FORMAT " MiB: the grants are withdrawn",
             lease->name, lease->host, lease->bytes >> 20);
    control_send_withdraw(provider->conn, lease->lease);
}

/* Leases that are on their way: they have been granted there. */
static void take_listed(Arbiter *arbiter, Host *host)
{
    for (guint i = 0; i < host->leases->len; i++) {
        uint64_t lease = g_array_index(host->leases, WireBeatLease, i).lease;
        const WireGrant *grant = grants_find(&arbiter->grants, host->name,
                                             lease);

        if (grant) {
            hosts_granted(&arbiter->hosts, host, grant);
            grants_listed(&arbiter->grants, host->name, lease);
        }
    }
}

static bool on_beat(HostConn *conn, const uint8_t *payload, size_t len,
                    const char **why, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);

    switch (hosts_beat(&arbiter->hosts, host, payload, len, arbiter_now(),
                       why)) {
    case HOSTS_BEAT_BAD:
        return false;
    case HOSTS_BEAT_OLD:
        return true;
    case HOSTS_BEAT_TAKEN:
        arbiter->beats++;
        break;
    }
    take_listed(arbiter, host);
    if (host->features & RCACHE_FEATURE_WITHDRAW) {
        unclaimed_each(&arbiter->hosts, host,
                       arbiter->options->grants.claim_ms, arbiter_now(),
                       withdraw, host);
    }
    shunned_beat(&arbiter->shunned, &arbiter->hosts, host, arbiter_now());
    return true;
}

static void refuse(Arbiter *arbiter, Host *host, uint64_t tag,
                   uint16_t status, const char *text)
{
    WireLeaseReply out = { .status = status };

    wire_text_copy(out.text, sizeof(out.text), text);
    host_say(host, "a request is refused: %s", text);
    control_send_reply(host->conn, tag, &out);
}

/*
 * Ask providers for it.  @whole: for all of it, or nobody.
 *
 * Return: false: nobody was asked, and nothing was answered; not without
 * @whole
 */
static bool serve(Arbiter *arbiter, Host *host, uint64_t tag,
                  const WireLeaseRequest *request, bool whole, uint64_t now)
{
    const AssignWhat what = {
        .bytes = request->bytes, .copies = request->copies,
        .parts = WIRE_GRANTS_MAX, .whole = whole,
    };
    LeaseAsk *ask = grants_ask_new(&arbiter->grants, host->name, tag, request,
                                   now);

    if (!ask && !whole) {
        refuse(arbiter, host, tag, RCACHE_E_BUSY,
               "too many requests of this host are waiting");
    } else if (ask && !arbiter_assign(arbiter, ask, what, now) && whole) {
        grants_ask_free(&arbiter->grants, ask);
        ask = NULL;
    }
    pump(arbiter);
    return ask || !whole;
}

static void serve_early(Arbiter *arbiter, uint64_t now)
{
    bool young = early_is_young(arbiter->started_ms,
                                arbiter->options->hosts.heartbeat_ms, now);
    guint n = MIN(arbiter->early.queue.length, EARLY_TRIES);
    EarlyRequest *early;

    while (n-- && (early = early_take(&arbiter->early))) {
        Host *host = hosts_find(&arbiter->hosts, early->requester);

        if (host && host->conn &&
            !serve(arbiter, host, early->tag, &early->wire, young, now)) {
            early_put_back(&arbiter->early, early);
        } else {
            g_free(early);
        }
    }
}

static void on_request(HostConn *conn, uint64_t tag,
                       const WireLeaseRequest *request, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);
    uint64_t now = arbiter_now();
    bool young = early_is_young(arbiter->started_ms,
                                arbiter->options->hosts.heartbeat_ms, now);

    if (request->copies > PLACEMENT_COPIES_MAX) {
        refuse(arbiter, host, tag, RCACHE_E_REFUSED,
               "a page has one copy or two, not more");
        return;
    }
    if (refusal_holds(&host->refusal, request, arbiter->hosts.changes,
                      now)) {
        refuse(arbiter, host, tag, host->refusal.status, host->refusal.text);
        return;
    }
    if (!serve(arbiter, host, tag, request, young, now) &&
        !early_add(&arbiter->early, host->name, tag, request,
                   arbiter->options->grants.asks_max)) {
        refuse(arbiter, host, tag, RCACHE_E_BUSY,
               "too many requests of this host are waiting");
    }
}

static void on_grant_ack(HostConn *conn, const WireGrantAck *ack, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);

    if (!grants_ack(&arbiter->grants, host->name, ack, arbiter_now())) {
        host_say(host, "an answer came to a grant that was not made");
    }
    crash_point("grant-answered");
    pump(arbiter);
}

static void on_evict_ack(HostConn *conn, uint64_t tag, const WireEvictAck *ack,
                         void *opaque)
{
    Arbiter *arbiter = opaque;

    host_commands_evicted(&arbiter->host_commands, conn, tag, ack);
}

static void on_upgrade_ack(HostConn *conn, uint64_t tag,
                           const WireUpgradeAck *ack, void *opaque)
{
    Arbiter *arbiter = opaque;

    host_commands_upgrading(&arbiter->host_commands, conn, tag, ack);
}

static void on_gone(HostConn *conn, const char *reason, void *opaque)
{
    Arbiter *arbiter = opaque;
    Host *host = control_data(conn);

    host->conn = NULL;
    host_commands_gone(&arbiter->host_commands, conn);
    grants_provider_lost(&arbiter->grants, host->name);
    grants_requester_lost(&arbiter->grants, host->name);
    early_forget(&arbiter->early, host->name);
    hosts_gone(&arbiter->hosts, host);
    pump(arbiter);
}

static bool on_where(WireWhere *where, void *opaque)
{
    const Arbiter *arbiter = opaque;

    return hosts_where(&arbiter->hosts, where, arbiter_now());
}

static const ControlOps control_ops = {
    .on_hello = on_hello,
    .on_beat = on_beat,
    .on_request = on_request,
    .on_grant_ack = on_grant_ack,
    .on_where = on_where,
    .on_evict_ack = on_evict_ack,
    .on_upgrade_ack = on_upgrade_ack,
    .on_gone = on_gone,
};

/* ----------------------------------------------------------------- set-up */

/*
 * If the arbiter was stopped, or its machine asleep, it could hear nobody:
 * that is no host's fault.
 */
static void check_clock(Arbiter *arbiter, uint64_t now)
{
    uint64_t passed = now - MIN(arbiter->tick_ms, now);

    if (passed > arbiter->options->hosts.heartbeat_ms + SLEPT_MS) {
        g_message("this arbiter was stopped for %.1f s: no host's silence in "
                  "that time counts", passed / 1000.0);
        hosts_slept(&arbiter->hosts, passed - TICK_MS, now);
    }
    arbiter->tick_ms = now;
}

/*
 * One that is busy with a grant goes on beating; one that hangs must not keep
 * a requester waiting for what others could give.
 */
static void check_silence(Arbiter *arbiter, uint64_t now)
{
    const GPtrArray *all = arbiter->hosts.all;

    for (guint i = 0; i < all->len; i++) {
        const Host *host = all->pdata[i];

        if (host->conn && hosts_stale(&arbiter->hosts, host, now) &&
            hosts_age(host, now) >= SILENT_MS) {
            grants_provider_silent(&arbiter->grants, host->name);
        }
    }
}

static gboolean tick(void *opaque)
{
    Arbiter *arbiter = opaque;
    uint64_t now = arbiter_now();

    check_clock(arbiter, now);
    check_silence(arbiter, now);
    serve_early(arbiter, now);
    pump(arbiter);
    grants_expire(&arbiter->grants, now);
    shunned_expire(&arbiter->shunned, now);
    host_commands_expire(&arbiter->host_commands, now);
    hosts_forget(&arbiter->hosts, now);
    return G_SOURCE_CONTINUE;
}

static bool start_control(Arbiter *arbiter, GError **errp)
{
    const Options *o = arbiter->options;
    ControlConfig config = {
        .listen = o->listen,
        .conns_max = arbiter_conns_max(o),
        .limits = o->limits,
        .heartbeat_ms = o->hosts.heartbeat_ms,
        .silence_ms = (o->hosts.dead_beats + 1) * o->hosts.heartbeat_ms,
        .tls = tls_keeper_credentials(arbiter->tls),
    };

    if (!boot_id_read(config.boot_id, NULL)) {
        random_bytes(config.boot_id, sizeof(config.boot_id));
    }
    wire_text_copy(config.host, sizeof(config.host), o->name);
    arbiter->control = control_new(&config, &control_ops, arbiter, errp);
    return arbiter->control;
}

/* Hosts may have been told otherwise, so it is no error. */
static void warn_of_role(const Arbiter *arbiter)
{
    const TlsCredentials *creds = tls_keeper_credentials(arbiter->tls);

    if (creds && !(tls_credentials_roles(creds) & TLS_ROLE_ARBITER)) {
        g_warning("TLS: the certificate for %s does not say that it is an "
                  "arbiter's (" TLS_URI_ARBITER "): only hosts take it that "
                  "name this arbiter in their section [tls]",
                  arbiter->options->name);
    }
}

static bool start_admin(Arbiter *arbiter, GError **errp)
{
    const Options *o = arbiter->options;
    g_autofree char *folder = g_path_get_dirname(o->admin_socket);

    g_mkdir_with_parents(folder, 0755);
    arbiter->admin = admin_server_new(o->admin_socket, o->admin_group,
                                      o->admin_read_group,
                                      arbiter_admin_commands, arbiter, errp);
    return arbiter->admin;
}

Arbiter *arbiter_new(const Options *options, GError **errp)
{
    g_autoptr(Arbiter) arbiter = g_new0(Arbiter, 1);

    arbiter->options = options;
    arbiter->started_ms = arbiter->tick_ms = arbiter_now();
    moves_init(&arbiter->moves, options->moves_per_minute,
               arbiter->started_ms);
    hosts_init(&arbiter->hosts, &options->hosts);
    shunned_init(&arbiter->shunned);
    grants_init(&arbiter->grants, &options->grants);
    early_init(&arbiter->early);
    host_commands_init(&arbiter->host_commands);
    arbiter->tls = tls_keeper_new(&options->tls, errp);
    if (!arbiter->tls || !start_control(arbiter, errp) ||
        !start_admin(arbiter, errp)) {
        return NULL;
    }
    arbiter->tick = g_timeout_add(TICK_MS, tick, arbiter);
    g_message("listening on %s, admin socket %s",
              control_address(arbiter->control), options->admin_socket);
    warn_of_role(arbiter);
    if (options->tls.mode == TLS_MODE_NONE) {
        log_event(G_LOG_LEVEL_WARNING, LOG_TLS_NONE, "tls=none: connections "
                  "are neither encrypted nor authenticated; anyone who can "
                  "reach %s can act as a host",
                  control_address(arbiter->control));
    }
    return g_steal_pointer(&arbiter);
}

void arbiter_reload(Arbiter *arbiter)
{
    if (tls_keeper_reload(arbiter->tls)) {
        control_set_tls(arbiter->control,
                        tls_keeper_credentials(arbiter->tls));
        warn_of_role(arbiter);
    }
}

void arbiter_free(Arbiter *arbiter)
{
    if (!arbiter) {
        return;
    }
    g_clear_handle_id(&arbiter->tick, g_source_remove);
    host_commands_deinit(&arbiter->host_commands);
    admin_server_free(arbiter->admin);
    control_free(arbiter->control);
    tls_keeper_free(arbiter->tls);
    shunned_deinit(&arbiter->shunned);
    early_deinit(&arbiter->early);
    grants_deinit(&arbiter->grants);
    hosts_deinit(&arbiter->hosts);
    g_free(arbiter);
}
