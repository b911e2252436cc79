/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status: see status.h.
 *
 * A VM that waits is told with the providers that may be why: those of its
 * leases that it has no connection to, or that are not alive.
 */
#include "arbiter/status.h"

#include <string.h>

#include "arbiter/elsewhere.h"
#include "common/copies.h"
#include "common/delay-figures.h"
#include "common/hold.h"
#include "common/tls-keeper.h"
#include "common/trouble.h"
#include "common/wire-beat.h"
#include "common/wire-version.h"

#define EXPIRES_SOON_MS         5000u   /* a third of a lease is far more */
#define NAMES_MAX               3u
#define FLAPS_MIN               3u      /* connections within a minute */

typedef struct Judge {
    const Hosts *hosts;
    const Shunned *shunned;
    const Elsewhere *elsewhere;
    const PlacementConfig *config;
    uint64_t now;
    uint64_t free;
    Verdict *verdict;
} Judge;

/* A few names in a text, each once: "a, b, c, ..." */
typedef struct Names {
    GString *text;
    unsigned n;
    GHashTable *seen;
} Names;

static void names_init(Names *names)
{
    *names = (Names) { g_string_new(NULL), 0,
                       g_hash_table_new(g_str_hash, g_str_equal) };
}

static void names_deinit(Names *names)
{
    g_string_free(names->text, TRUE);
    g_hash_table_unref(names->seen);
}

static void names_add(Names *names, const char *name)
{
    if (!g_hash_table_add(names->seen, (char *)name)) {
        return;
    }
    if (names->n < NAMES_MAX) {
        g_string_append_printf(names->text, "%s%s", names->n ? ", " : "",
                               name);
    } else if (names->n == NAMES_MAX) {
        g_string_append(names->text, ", ...");
    }
    names->n++;
}

/* ------------------------------------------------------------------- VMs */

static bool provider_away(const Judge *judge, const WireBeatLease *held)
{
    const Host *provider = hosts_find(judge->hosts, held->host);

    return held->state == RCACHE_LEASE_GRANTED ||
           (provider && hosts_state(judge->hosts, provider, judge->now) !=
            HOST_ALIVE);
}

static void judge_waiting(const Judge *judge, const Host *host,
                          const WireBeatGuest *g)
{
    Names away;

    names_init(&away);
    for (guint i = 0; i < host->held->len; i++) {
        const WireBeatLease *l = &g_array_index(host->held, WireBeatLease, i);

        if (!memcmp(l->vm, g->vm, RCACHE_UUID_LEN) &&
            provider_away(judge, l)) {
            names_add(&away, l->host);
        }
    }
    verdict_add(judge->verdict, VERDICT_FAILING,
                "vm %s on %s has waited for a page for %.1f s%s%s", g->name,
                host->name, g->stall_ns / 1e9,
                away.n ? "; the VM cannot reach " : "", away.text->str);
    names_deinit(&away);
}

static void judge_guest(const Judge *judge, const Host *host,
                        const WireBeatGuest *g)
{
    g_autofree char *vm = g_strdup_printf("%s on %s", g->name, host->name);

    if (!(g->flags & RCACHE_GUEST_MANAGED)) {
        return;
    }
    if (g->figures_age_ms >= RCACHE_FIGURES_MAX_MS) {
        /* All else that is known of it is old. */
        verdict_add(judge->verdict, VERDICT_FAILING,
                    "vm %s on %s: no figures for %" G_GUINT64_FORMAT " s: its "
                    "pager is stuck", g->name, host->name,
                    g->figures_age_ms / 1000);
        return;
    }
    if (!(g->flags & RCACHE_GUEST_PAGER)) {
        verdict_add(judge->verdict, VERDICT_FAILING,
                    "vm %s on %s has no pager", g->name, host->name);
    } else if (g->stall_ns > STATUS_STALL_NS) {
        judge_waiting(judge, host, g);
    }
    if (status_stretched(g->resident, g->local_max, g->guest)) {
        char here[32], max[32];

        verdict_add(judge->verdict, VERDICT_DEGRADED,
                    "vm %s on %s has %s here, above its local-max of %s%s",
                    g->name, host->name, verdict_size(g->resident, here),
                    verdict_size(g->local_max, max),
                    judge->free ? "" : ": no host has memory to lend");
    }
    copies_judge(g, vm, judge->verdict);
    hold_judge(g, vm, host->name, judge->verdict);
    if (g->flags & RCACHE_GUEST_PAGER) {
        delay_judge(hosts_delays(host, g->vm), vm,
                    judge->hosts->config.stall_warn, judge->verdict);
    }
    if (g->pager_restarts) {
        verdict_add(judge->verdict, VERDICT_NOTE,
                    "the pager of vm %s on %s has been started again %u "
                    "time%s", g->name, host->name, g->pager_restarts,
                    g->pager_restarts > 1 ? "s" : "");
    }
}

/* ----------------------------------------------------------------- leases */

static void judge_leases(const Judge *judge, const Host *host)
{
    Names expired, nobodys, soon;

    names_init(&expired);
    names_init(&nobodys);
    names_init(&soon);
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);

        if (elsewhere_nobodys(judge->elsewhere, l)) {
            names_add(&nobodys, l->name);
        } else if (l->state == RCACHE_LEASE_EXPIRED) {
            names_add(&expired, l->name);
        } else if (l->state == RCACHE_LEASE_CLAIMED &&
                   l->expires_ms < EXPIRES_SOON_MS) {
            names_add(&soon, l->name);
        }
    }
    if (expired.n) {
        verdict_add(judge->verdict, VERDICT_DEGRADED,
                    "leases of vm %s on host %s have expired: that host may "
                    "take the memory back", expired.text->str, host->name);
    }
    if (nobodys.n) {
        verdict_add(judge->verdict, VERDICT_NOTE,
                    "host %s still keeps what was lent to vm %s on a host that "
                    "is gone; that VM runs elsewhere, and nobody uses it",
                    host->name, nobodys.text->str);
    }
    if (soon.n) {
        verdict_add(judge->verdict, VERDICT_DEGRADED,
                    "leases of vm %s on host %s end within %u s and are not "
                    "being renewed", soon.text->str, host->name,
                    EXPIRES_SOON_MS / 1000);
    }
    names_deinit(&expired);
    names_deinit(&nobodys);
    names_deinit(&soon);
}

/* ------------------------------------------------------------------ hosts */

/* It goes on by itself. */
static void judge_pagers(const Judge *judge, const Host *host)
{
    uint32_t left = host->beat.pagers_to_replace;

    if (left) {
        verdict_add(judge->verdict, VERDICT_NOTE, "versions are mixed: %u "
                    "pager%s on host %s of another build than its rcached, "
                    "and about to be replaced", left,
                    left > 1 ? "s are" : " is", host->name);
    }
}

/* Whose bytes are on a host that is not there, and how many VMs it ran. */
static void judge_away(const Judge *judge, const Host *host, HostState state)
{
    g_autofree char *ran = host->guests->len
        ? g_strdup_printf("; %u VM%s ran there then", host->guests->len,
                          host->guests->len > 1 ? "s" : "")
        : g_strdup("");
    uint64_t stored = 0;
    char size[32];
    Names vms;

    names_init(&vms);
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);

        if (l->stored) {
            stored = MIN(l->stored, UINT64_MAX - stored) + stored;
            names_add(&vms, l->name);
        }
    }
    verdict_add(judge->verdict, VERDICT_DEGRADED,
                "host %s is %s%s, last heard %.1f s ago%s%s%s%s%s", host->name,
                hosts_state_name(state),
                host->conn ? "" : " and not connected",
                (judge->now - MIN(host->heard_ms, judge->now)) / 1000.0,
                vms.n ? "; the host holds " : "",
                vms.n ? verdict_size(stored, size) : "",
                vms.n ? " of vm " : "", vms.text->str, ran);
    names_deinit(&vms);
}

static void judge_pressure(const Judge *judge, const Host *host)
{
    const WireBeatHost *beat = &host->beat;

    if (beat->psi_some_avg10 > judge->config->psi_some_max ||
        beat->psi_full_avg10 > judge->config->psi_full_max) {
        verdict_add(judge->verdict, VERDICT_DEGRADED,
                    "host %s is short of memory (PSI some %.1f %%, full %.1f "
                    "%%): it is asked for nothing new", host->name,
                    beat->psi_some_avg10 / 100.0,
                    beat->psi_full_avg10 / 100.0);
    }
}

static void judge_spilled(const Judge *judge, const Host *host)
{
    char size[32];

    if (host->beat.spilled) {
        verdict_add(judge->verdict, VERDICT_DEGRADED,
                    "host %s has %s of what it lends in its spill file: "
                    "guests wait longer for it", host->name,
                    verdict_size(host->beat.spilled, size));
    }
}

static void judge_draining(const Judge *judge, const Host *host)
{
    char size[32];

    if (!(host->beat.flags & RCACHE_HOST_DRAINING)) {
        return;
    }
    if (host->beat.leased) {
        verdict_add(judge->verdict, VERDICT_NOTE, "host %s is being drained: "
                    "%s are still lent", host->name,
                    verdict_size(host->beat.leased, size));
    } else {
        verdict_add(judge->verdict, VERDICT_NOTE, "host %s is drained and "
                    "empty", host->name);
    }
}

static void judge_twin(const Judge *judge, const Host *host)
{
    const char *twin = hosts_twin(host, judge->now);

    if (twin) {
        verdict_add(judge->verdict, VERDICT_DEGRADED, "more than one host "
                    "calls itself %s (%s), and only one of them is heard at a "
                    "time: give each its own name", host->name, twin);
    }
}

/* One boot, so it is one host. */
static void judge_flapping(const Judge *judge, const Host *host)
{
    unsigned n = hosts_reconnects(host, judge->now);

    if (n >= FLAPS_MIN) {
        verdict_add(judge->verdict, VERDICT_DEGRADED, "host %s has connected "
                    "again %u%s times within a minute: its connection does "
                    "not last, or its rcached is started again and again; "
                    "the logs of both say why", host->name, n,
                    n == HOSTS_RECONNECTS ? " or more" : "");
    }
}

static void judge_offer(const Judge *judge, const Host *host)
{
    GHashTable *offers = judge->hosts->config.offers;
    bool own = offers && g_hash_table_contains(offers, host->name);
    uint64_t believed = hosts_offered(judge->hosts, host);
    char offered[32], allowed[32];

    if (believed && believed < host->beat.offered) {
        verdict_add(judge->verdict, VERDICT_NOTE, "host %s offers %s, of "
                    "which %s allows %s", host->name,
                    verdict_size(host->beat.offered, offered),
                    own ? "offers" : "max-offer",
                    verdict_size(believed, allowed));
    }
}

/* What it says of its VMs; that is no news once it is not heard any more. */
static void judge_guests(const Judge *judge, const Host *host)
{
    for (guint i = 0; i < host->guests->len; i++) {
        judge_guest(judge, host,
                    &g_array_index(host->guests, WireBeatGuest, i));
    }
    for (guint i = 0; i < host->troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(host->troubles,
                                                  WireBeatTrouble, i);
        g_autofree char *vm = g_strdup_printf("%s on %s", t->name,
                                              host->name);

        trouble_judge(t, vm, judge->verdict);
    }
}

/* Who cannot make use of it; they say so while they are heard. */
static void judge_shunned(const Judge *judge, const Host *host)
{
    g_autofree char *text = shunned_text(judge->shunned, host, judge->now);

    if (text) {
        verdict_add(judge->verdict, VERDICT_DEGRADED, "provider %s %s",
                    host->name, text);
    }
}

static void judge_certificate(const Judge *judge, const Host *host)
{
    g_autofree char *whose = g_strdup_printf("the certificate of host %s",
                                             host->name);

    if (host->conn && host->certificate_ms) {
        tls_judge_expiry(whose, ((int64_t)host->certificate_ms -
                                 (int64_t)judge->now) / 1000,
                         judge->hosts->config.certificate_warn_ms / 1000,
                         judge->verdict);
    }
}

static void judge_host(const Judge *judge, const Host *host)
{
    HostState state = hosts_state(judge->hosts, host, judge->now);
    const char *implausible = hosts_implausible(host);

    if (state != HOST_ALIVE || !host->conn) {
        judge_away(judge, host, state);
    } else if (implausible) {
        verdict_add(judge->verdict, VERDICT_DEGRADED,
                    "host %s is asked for nothing: %s", host->name,
                    implausible);
    } else {
        judge_pressure(judge, host);
        judge_spilled(judge, host);
        judge_leases(judge, host);
    }
    if (state == HOST_ALIVE) {
        judge_draining(judge, host);
        judge_offer(judge, host);
        judge_pagers(judge, host);
        judge_guests(judge, host);
        judge_shunned(judge, host);
    }
    judge_certificate(judge, host);
    judge_twin(judge, host);
    judge_flapping(judge, host);
    if (host->cut) {
        verdict_add(judge->verdict, VERDICT_DEGRADED, "host %s has more leases "
                    "or VMs than fit into its heartbeat: the others exist, but "
                    "are not shown and count towards no quota",
                    host->name);
    }
}

/* Who does not speak the highest version that anybody here does. */
static void judge_versions(const Judge *judge, const GPtrArray *hosts)
{
    unsigned own = wire_version_highest(), highest = own;
    Names behind;

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        highest = host->conn ? MAX(highest, host->version) : highest;
    }
    names_init(&behind);
    if (own < highest) {
        names_add(&behind, "this arbiter");
    }
    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        if (host->conn && host->version < highest) {
            names_add(&behind, host->name);
        }
    }
    if (behind.n) {
        verdict_add(judge->verdict, VERDICT_NOTE, "versions are mixed: "
                    "version %u of the protocol is not spoken by %s; finish "
                    "the upgrade", highest, behind.text->str);
    }
    names_deinit(&behind);
}

void status_judge(const Hosts *hosts, const Shunned *shunned,
                  const PlacementConfig *config, uint64_t free, uint64_t now,
                  Verdict *verdict)
{
    g_autoptr(GPtrArray) sorted = hosts_sorted(hosts);
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(hosts, now);
    const Judge judge = {
        hosts, shunned, elsewhere, config, now, free, verdict,
    };

    for (guint i = 0; i < sorted->len; i++) {
        judge_host(&judge, sorted->pdata[i]);
    }
    judge_versions(&judge, sorted);
    if (!sorted->len) {
        verdict_add(verdict, VERDICT_DEGRADED, "no host has reported yet");
    }
}
