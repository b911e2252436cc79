/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-judge: see check-judge.h. */
#include "arbiter/rcachectl/check-judge.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "arbiter/rcachectl/check-kinds.h"
#include "arbiter/rcachectl/check-ways.h"
#include "common/address.h"
#include "common/host-checks.h"
#include "common/tls-keeper.h"
#include "common/verdict.h"
#include "rcache/proto.h"

#define CGROUP          "cgroup:"
#define ITS_OK          "ok: "  /* before what a verdict says */
/* Of two certificates that are the same: what is lost in between. */
#define SAME_S          600
#define MIB             (UINT64_C(1) << 20)

static Finding *add(Findings *findings, unsigned kind, const char *found,
                    const char *what)
{
    return findings_add(findings, check_kind(kind), found, "%s", what);
}

static bool answers(const CheckDaemon *daemon)
{
    return !daemon->missing;
}

static const char *host_of(const CheckFacts *f)
{
    return f->daemon.host ? f->daemon.host : f->config.host ? f->config.host
                                                            : "HOST";
}

/* ---------------------------------------------------------- configuration */

static bool is_loopback(const char *listen)
{
    struct sockaddr_storage addr;
    socklen_t len;

    return address_parse(listen, RCACHE_DEFAULT_PORT, &addr, &len, NULL) &&
           address_is_loopback(&addr);
}

/* Where it listens; NULL: it lends nothing, or that is not known. */
static const char *listen_of(const CheckFacts *f)
{
    if (answers(&f->daemon)) {
        return f->daemon.listen;
    }
    return f->config.lends ? f->config.listen : NULL;
}

static const char *tls_of(const CheckFacts *f)
{
    if (answers(&f->daemon)) {
        return f->daemon.tls;
    }
    return f->config.tls;
}

static void check_set_up(const CheckFacts *f, Findings *findings)
{
    const char *listen = listen_of(f), *tls = tls_of(f);
    unsigned arbiters = answers(&f->daemon) ? f->daemon.arbiters->len
                                            : f->config.arbiters;

    if (listen && is_loopback(listen)) {
        add(findings, CHECK_LISTEN_LOOPBACK, listen,
            "rcached listens on the loopback interface only");
    }
    if (!arbiters) {
        add(findings, CHECK_NO_ARBITER, "none", "no arbiter is configured");
    }
    if (listen && !is_loopback(listen) && tls && !strcmp(tls, "none")) {
        Finding *finding = add(findings, CHECK_TLS_NONE, "none",
                               "connections are neither encrypted nor "
                               "authenticated");

        finding_name(finding, "HOST", host_of(f));
    }
}

static void check_config(const CheckFacts *f, Findings *findings)
{
    static const char *const what = "configuration";

    if (f->config.refused) {
        add(findings, CHECK_CONFIG_REFUSED, f->config.refused,
            "rcached does not accept its configuration");
    } else if (f->config.missing) {
        findings_unseen(findings, what, "rcached --check-config, where that is "
                        "installed", "%s",
                        f->config.missing);
    } else {
        findings_ok(findings, what, "rcached accepts it");
    }
    if (answers(&f->daemon) ||
        (!f->config.missing && !f->config.refused)) {
        check_set_up(f, findings);
    }
}

/* ----------------------------------------------------------- certificates */

/* In the words of status, and as bad as there. */
static void judge_expiry(const CheckFacts *f, int64_t left, Findings *findings)
{
    g_autoptr(Verdict) verdict = verdict_new();
    g_autoptr(JsonObject) o = json_object_new();
    JsonArray *texts;
    Finding *finding;
    unsigned kind;

    tls_judge_expiry("this host's certificate", left, f->config.warn_s,
                     verdict);
    verdict_set(verdict, o, "");
    if (verdict_level(verdict) == VERDICT_NOTE) {
        texts = json_node_get_array(json_object_get_member(o, "notes"));
        kind = CHECK_CERTIFICATE_EXPIRES;
    } else {
        texts = json_node_get_array(json_object_get_member(o, "problems"));
        kind = left > 0 ? CHECK_CERTIFICATE_URGENT : CHECK_CERTIFICATE_EXPIRED;
    }
    if (!json_array_get_length(texts)) {
        g_autofree char *days = g_strdup_printf("for %d more days",
                                                (int)(left / 86400));

        findings_ok(findings, "certificates", days);
        return;
    }
    finding = add(findings, kind, NULL,
                  json_node_get_string(json_array_get_element(texts, 0)));
    finding_name(finding, "HOST", host_of(f));
    finding_name(finding, "DIRECTORY", f->config.directory
                 ? f->config.directory : TLS_DIRECTORY);
}

static void name_files(const CheckFacts *f, Finding *finding)
{
    finding_name(finding, "HOST", host_of(f));
    finding_name(finding, "DIRECTORY", f->config.directory);
}

/* The files that the configuration names, for the next start or reload. */
static void check_files(const CheckFacts *f, Findings *findings)
{
    const CheckConfig *c = &f->config;

    if (c->files_wrong) {
        name_files(f, add(findings, CHECK_CERTIFICATE_UNUSABLE, NULL,
                          c->files_wrong));
    } else if (c->files_unseen) {
        findings_unseen(findings, "certificates", "sudo rcachectl check", "%s",
                        c->files_unseen);
    } else if (!c->has_files && c->tls && strcmp(c->tls, "none") &&
               c->lends && c->listens_beyond) {
        name_files(f, add(findings, CHECK_CERTIFICATES_MISSING, "none",
                          "there are no certificates or keys"));
    }
}

static void check_certificates(const CheckFacts *f, Findings *findings)
{
    const CheckConfig *c = &f->config;
    const CheckDaemon *d = &f->daemon;
    int64_t left = c->expires - f->now;

    check_files(f, findings);
    if (answers(d)) {
        if (d->expires) {
            judge_expiry(f, d->expires_s, findings);
        }
        if (d->expires && c->expires && left > d->expires_s + SAME_S) {
            add(findings, CHECK_CERTIFICATE_NOT_LOADED, NULL,
                "there is a newer certificate than the one that the daemon "
                "uses");
        }
    } else if (c->expires) {
        judge_expiry(f, left, findings);
    }
}

static void check_clock(const CheckFacts *f, Findings *findings)
{
    static const char *const what = "clock";

    if (!f->clock_known) {
        findings_unseen(findings, what, "timedatectl", "the kernel does not "
                        "say whether it is synchronised");
    } else if (f->clock_synchronised) {
        findings_ok(findings, what, "synchronised");
    } else {
        add(findings, CHECK_CLOCK_UNSYNCHRONISED, "not synchronised",
            "nothing keeps this host's clock right");
    }
    findings_unseen(findings, "clock skew", "chronyc tracking, on each host",
                    "heartbeats carry no time of day, so that nobody knows how "
                    "far the clocks of two hosts are apart");
}

/* ----------------------------------------------------------------- daemon */

static void check_level(const char *level, const char *verdict,
                        const char *socket, unsigned failing,
                        unsigned degraded, Findings *findings)
{
    const char *what = check_kind(failing)->check;
    unsigned kind = level && !strcmp(level, "failing") ? failing : degraded;

    if (!level) {
        findings_unseen(findings, what, "rcachectl status", "it is of a "
                        "release that does not say at %s how it is", socket);
    } else if (!strcmp(level, "ok")) {
        bool twice = verdict && g_str_has_prefix(verdict, ITS_OK);

        findings_ok(findings, what, twice ? verdict + strlen(ITS_OK)
                                          : verdict);
    } else {
        finding_name(add(findings, kind, level, verdict ? verdict : level),
                     "SOCKET", socket);
    }
}

static void name_upgrade(const CheckFacts *f, Finding *finding)
{
    finding_name(finding, "SOCKET", f->daemon.socket);
    finding_name(finding, "HOST", host_of(f));
}

static void check_daemon_version(const CheckFacts *f, Findings *findings)
{
    const CheckDaemon *d = &f->daemon;
    g_autofree char *pagers = g_strdup_printf("%" G_GINT64_FORMAT,
                                              d->pagers_to_replace);
    bool old = d->version && strcmp(d->version, RCACHED_VERSION);

    if (old) {
        name_upgrade(f, add(findings, CHECK_DAEMON_OLD, d->version,
                            "the daemon is of another version than this "
                            "rcachectl (" RCACHED_VERSION ")"));
    } else if (f->process.replaced) {
        name_upgrade(f, add(findings, CHECK_DAEMON_OLD, d->version,
                            "the daemon's program has been replaced since it "
                            "was started"));
    } else {
        findings_ok(findings, "versions", d->version);
    }
    if (d->pagers_to_replace > 0) {
        name_upgrade(f, add(findings, CHECK_PAGERS_OLD, pagers,
                            "pagers run another build than the daemon"));
    }
}

static void check_daemon(const CheckFacts *f, Findings *findings)
{
    const CheckDaemon *d = &f->daemon;

    if (answers(d)) {
        check_level(d->level, d->verdict, d->socket, CHECK_DAEMON_FAILING,
                    CHECK_DAEMON_DEGRADED, findings);
        check_daemon_version(f, findings);
    } else if (d->broken) {
        add(findings, CHECK_DAEMON_SILENT, NULL, d->missing);
    } else if (!d->there && !f->config.missing) {
        add(findings, CHECK_DAEMON_STOPPED, d->missing,
            "rcached is installed and does not run");
    } else {
        findings_unseen(findings, "rcached", "systemctl start rcached", "%s",
                        d->missing);
    }
}

/* ---------------------------------------------------------------- process */

static void check_descriptors(const CheckFacts *f, Findings *findings)
{
    uint64_t slabs = f->config.slab_size
                         ? f->daemon.mem_total / f->config.slab_size : 0;
    uint64_t need = f->daemon.connections + slabs;
    g_autofree char *has = g_strdup_printf("%" G_GUINT64_FORMAT,
                                           f->process.descriptors);
    g_autofree char *count = g_strdup_printf("%" G_GUINT64_FORMAT, need);
    Finding *finding;

    if (f->process.descriptors >= need) {
        findings_ok(findings, "open files",
                    f->process.descriptors == UINT64_MAX ? "any number" : has);
        return;
    }
    finding = add(findings, CHECK_DESCRIPTORS_FEW, has,
                  "the daemon may have few descriptors");
    finding_name(finding, "COUNT", count);
    name_upgrade(f, finding);
}

static void check_cgroup(const CheckFacts *f, Findings *findings)
{
    const CheckDaemon *d = &f->daemon;
    bool wanted = f->config.memory_source &&
                  g_str_has_prefix(f->config.memory_source, CGROUP);
    uint64_t total = d->mem_total;

    if (total && f->host.mem_total && total + MIB <= f->host.mem_total &&
        !wanted) {
        g_autofree char *found = g_strdup_printf(
            "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " MiB",
            total / MIB, f->host.mem_total / MIB);

        add(findings, CHECK_CGROUP_LIMIT, found,
            "the daemon's cgroup may have less memory than this host has");
    } else if (total) {
        findings_ok(findings, "cgroup", wanted ? "as configured"
                                               : "all of this host's memory");
    }
    if (d->pagers_max > 0 && f->process.tasks < (uint64_t)d->pagers_max) {
        g_autofree char *has = g_strdup_printf("%" G_GUINT64_FORMAT,
                                               f->process.tasks);
        g_autofree char *count = g_strdup_printf("%" G_GINT64_FORMAT,
                                                 d->pagers_max);

        finding_name(add(findings, CHECK_TASKS_FEW, has,
                         "the daemon's cgroup may have few processes"),
                     "COUNT", count);
    }
}

static void check_process(const CheckFacts *f, Findings *findings)
{
    if (!answers(&f->daemon)) {
        findings_unseen(findings, "limits of the daemon",
                        "systemctl start rcached, and check again",
                        "no rcached answers here, and they are its own");
        return;
    }
    check_cgroup(f, findings);
    if (f->process.known) {
        check_descriptors(f, findings);
    } else {
        findings_unseen(findings, "open files", "run rcachectl check where "
                        "rcached runs", "there is no /proc/%" G_GINT64_FORMAT
                        ", the daemon's, that can be read", f->daemon.pid);
    }
}

/* --------------------------------------------------------------- arbiters */

static void check_links(const CheckDaemon *d, Findings *findings)
{
    unsigned away = 0;

    for (guint i = 0; i < d->arbiters->len; i++) {
        away += !((const CheckLink *)d->arbiters->pdata[i])->connected;
    }
    for (guint i = 0; i < d->arbiters->len; i++) {
        const CheckLink *link = d->arbiters->pdata[i];
        g_autofree char *what = g_strdup_printf("arbiter %s is not connected",
                                                link->address);

        if (!link->connected) {
            add(findings, away == d->arbiters->len ? CHECK_ARBITERS_AWAY
                                                   : CHECK_ARBITER_AWAY,
                link->error, what);
        }
    }
    if (d->arbiters->len && !away) {
        findings_ok(findings, "arbiters", "connected");
    }
}

static int64_t highest_protocol(const GPtrArray *hosts)
{
    int64_t highest = 0;

    for (guint i = 0; i < hosts->len; i++) {
        const CheckHost *host = hosts->pdata[i];

        highest = MAX(highest, host->alive ? host->protocol : 0);
    }
    return highest;
}

static void check_protocols(const CheckArbiter *a, Findings *findings)
{
    int64_t highest = highest_protocol(a->hosts);

    for (guint i = 0; i < a->hosts->len; i++) {
        const CheckHost *host = a->hosts->pdata[i];
        g_autofree char *found = NULL, *what = NULL;

        if (!host->alive || host->protocol >= highest) {
            continue;
        }
        found = g_strdup_printf("version %" G_GINT64_FORMAT " of %"
                                G_GINT64_FORMAT, host->protocol, highest);
        what = g_strdup_printf("host %s speaks an older version of the "
                               "protocol than others", host->name);
        finding_name(add(findings, CHECK_VERSIONS_MIXED, found, what), "HOST",
                     host->name);
    }
}

static void check_arbiter(const CheckArbiter *a, Findings *findings)
{
    if (a->missing && a->broken) {
        add(findings, CHECK_ARBITER_SILENT, NULL, a->missing);
        return;
    }
    if (a->missing) {
        findings_unseen(findings, "other hosts", "run rcachectl check where an "
                        "arbiter runs, too", "%s", a->missing);
        return;
    }
    check_level(a->level, a->verdict, a->socket, CHECK_ARBITER_FAILING,
                CHECK_ARBITER_DEGRADED, findings);
    if (a->version && strcmp(a->version, RCACHED_VERSION)) {
        add(findings, CHECK_ARBITER_OLD, a->version, "the arbiter is of "
            "another version than this rcachectl (" RCACHED_VERSION ")");
    }
    check_protocols(a, findings);
}

void check_judge(const CheckFacts *facts, Findings *findings)
{
    host_check_kernel(&facts->host, findings);
    host_check_vms(&facts->host, findings);
    check_config(facts, findings);
    check_certificates(facts, findings);
    check_clock(facts, findings);
    check_daemon(facts, findings);
    check_process(facts, findings);
    if (answers(&facts->daemon)) {
        check_links(&facts->daemon, findings);
    }
    check_arbiter(&facts->arbiter, findings);
    check_ways(facts->paths, findings);
    findings_sort(findings);
}
