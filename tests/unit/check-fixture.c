/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-fixture: see check-fixture.h. */
#include "check-fixture.h"

#define GIB     (UINT64_C(1) << 30)

void check_fixture_link(CheckFacts *facts, const char *address,
                        const char *error)
{
    CheckLink *link = g_new0(CheckLink, 1);

    link->address = g_strdup(address);
    link->error = g_strdup(error);
    link->connected = !error;
    g_ptr_array_add(facts->daemon.arbiters, link);
}

CheckHost *check_fixture_host(CheckFacts *facts, const char *name,
                              const char *address)
{
    CheckHost *host = g_new0(CheckHost, 1);

    host->name = g_strdup(name);
    host->address = g_strdup(address);
    host->alive = true;
    host->protocol = 1;
    g_ptr_array_add(facts->arbiter.hosts, host);
    return host;
}

CheckPath *check_fixture_path(CheckFacts *facts, const char *name,
                              const char *address)
{
    CheckPath *path = check_path_new(name, address);

    path->device = g_strdup("eth7");
    path->mtu = path->peer_mtu = path->full = path->passes = 9000;
    path->passage = CHECK_PASS_FULL;
    g_ptr_array_add(facts->paths, path);
    return path;
}

static void host_is_well(CheckFacts *facts)
{
    HostFacts *h = &facts->host;

    h->release = g_strdup("6.12.1");
    h->has_uffd = true;
    h->mem_total = 8 * GIB;
    h->uring_err = 0;
    h->backlog = 4096;
    h->lock_err = 0;
}

static void daemon_is_well(CheckFacts *facts)
{
    CheckDaemon *d = &facts->daemon;

    d->socket = g_strdup("/run/here/admin.sock");
    d->host = g_strdup("alpha");
    d->version = g_strdup(RCACHED_VERSION);
    d->level = g_strdup("ok");
    d->verdict = g_strdup("ok: 3 VMs");
    d->listen = g_strdup("192.0.2.1:9470");
    d->tls = g_strdup("certificates");
    d->expires = true;
    d->expires_s = 300 * DAY;
    d->pid = 77;
    d->pagers_max = 1024;
    d->connections = 32768;
    d->mem_total = 8 * GIB;
    check_fixture_link(facts, "192.0.2.9:9471", NULL);
    facts->process = (CheckProcess) {
        .known = true, .descriptors = 1048576, .tasks = UINT64_MAX,
    };
}

static void config_is_well(CheckFacts *facts)
{
    CheckConfig *c = &facts->config;

    c->host = g_strdup("alpha");
    c->listen = g_strdup("192.0.2.1:9470");
    c->tls = g_strdup("required");
    c->directory = g_strdup("/etc/pki/somewhere");
    c->memory_source = g_strdup("host");
    c->lends = c->listens_beyond = c->has_files = true;
    c->arbiters = 1;
    c->slab_size = 64 << 20;
    c->warn_s = 28 * DAY;
    c->expires = CHECK_FIXTURE_NOW + 300 * DAY;
}

static void arbiter_is_well(CheckFacts *facts)
{
    CheckArbiter *a = &facts->arbiter;

    a->socket = g_strdup("/run/here/arbiter.sock");
    a->version = g_strdup(RCACHED_VERSION);
    a->level = g_strdup("ok");
    a->verdict = g_strdup("ok: 2 of 2 hosts alive");
    check_fixture_host(facts, "alpha", "192.0.2.1:9470");
    check_fixture_host(facts, "beta", "192.0.2.2:9470");
}

void check_fixture_init(CheckFacts *facts)
{
    check_facts_init(facts);
    facts->now = CHECK_FIXTURE_NOW;
    facts->clock_known = facts->clock_synchronised = true;
    host_is_well(facts);
    daemon_is_well(facts);
    config_is_well(facts);
    arbiter_is_well(facts);
    check_fixture_path(facts, "beta", "192.0.2.2:9470");
}
