/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-facts: see check-facts.h. */
#include "arbiter/rcachectl/check-facts.h"

static void link_free(void *opaque)
{
    CheckLink *link = opaque;

    g_free(link->address);
    g_free(link->error);
    g_free(link);
}

static void host_free(void *opaque)
{
    CheckHost *host = opaque;

    g_free(host->name);
    g_free(host->address);
    g_free(host);
}

static void path_free(void *opaque)
{
    CheckPath *path = opaque;

    g_free(path->name);
    g_free(path->address);
    g_free(path->wrong);
    g_free(path->device);
    g_free(path);
}

CheckPath *check_path_new(const char *name, const char *address)
{
    CheckPath *path = g_new0(CheckPath, 1);

    path->name = g_strdup(name);
    path->address = g_strdup(address);
    return path;
}

void check_facts_init(CheckFacts *facts)
{
    *facts = (CheckFacts) {
        .host = { .uring_err = HOST_UNKNOWN, .lock_err = HOST_UNKNOWN },
        .daemon.arbiters = g_ptr_array_new_with_free_func(link_free),
        .arbiter.hosts = g_ptr_array_new_with_free_func(host_free),
        .paths = g_ptr_array_new_with_free_func(path_free),
    };
}

static void daemon_clear(CheckDaemon *d)
{
    g_free(d->missing);
    g_free(d->socket);
    g_free(d->host);
    g_free(d->version);
    g_free(d->level);
    g_free(d->verdict);
    g_free(d->listen);
    g_free(d->tls);
    g_clear_pointer(&d->arbiters, g_ptr_array_unref);
}

static void arbiter_clear(CheckArbiter *a)
{
    g_free(a->missing);
    g_free(a->socket);
    g_free(a->version);
    g_free(a->level);
    g_free(a->verdict);
    g_clear_pointer(&a->hosts, g_ptr_array_unref);
}

static void config_clear(CheckConfig *c)
{
    g_free(c->missing);
    g_free(c->refused);
    g_free(c->host);
    g_free(c->listen);
    g_free(c->tls);
    g_free(c->directory);
    g_free(c->memory_source);
    g_free(c->files_unseen);
    g_free(c->files_wrong);
}

void check_facts_clear(CheckFacts *facts)
{
    host_facts_clear(&facts->host);
    daemon_clear(&facts->daemon);
    arbiter_clear(&facts->arbiter);
    config_clear(&facts->config);
    g_clear_pointer(&facts->paths, g_ptr_array_unref);
}
