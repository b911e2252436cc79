/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts-lent: the sums of what hosts have lent, by VM and by requester, and
 * failure domains, which have a number and a list of their hosts.
 *
 * A host's leases are taken off before they are replaced and added after, so
 * that no sum is ever counted from the start.  Each lease counts as no more
 * than BYTES_MAX: a peer's figure may be anything, and a sum must not wrap.
 */
#include "arbiter/hosts-lent.h"

#include <string.h>

#include "common/uuid.h"
#include "common/wire-beat.h"

#define BYTES_MAX       (1ull << 50)

typedef struct Domain {
    uint32_t number;
    GPtrArray *hosts;           /* at their .domain_at */
} Domain;

static void domain_free(void *opaque)
{
    Domain *domain = opaque;

    g_ptr_array_unref(domain->hosts);
    g_free(domain);
}

static void array_free(void *array)
{
    g_array_unref(array);
}

void hosts_lent_init(Hosts *hosts)
{
    hosts->lent = g_hash_table_new_full(uuid_hash, uuid_equal, g_free,
                                        array_free);
    hosts->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         g_free);
    hosts->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           domain_free);
}

void hosts_lent_deinit(Hosts *hosts)
{
    g_clear_pointer(&hosts->lent, g_hash_table_unref);
    g_clear_pointer(&hosts->taken, g_hash_table_unref);
    g_clear_pointer(&hosts->domains, g_hash_table_unref);
}

static HostsLent *lent_find(GArray *array, const Host *host)
{
    for (guint i = 0; i < array->len; i++) {
        HostsLent *l = &g_array_index(array, HostsLent, i);

        if (l->host == host) {
            return l;
        }
    }
    return NULL;
}

static void lent_add(Hosts *hosts, Host *host, const WireBeatLease *lease)
{
    GArray *array = g_hash_table_lookup(hosts->lent, lease->vm);
    HostsLent *l;

    if (!array) {
        array = g_array_new(FALSE, FALSE, sizeof(HostsLent));
        g_hash_table_insert(hosts->lent,
                            g_memdup2(lease->vm, UUID_LEN), array);
    }
    l = lent_find(array, host);
    if (!l) {
        HostsLent first = { .host = host };

        g_array_append_val(array, first);
        l = &g_array_index(array, HostsLent, array->len - 1);
    }
    l->bytes += MIN(lease->bytes, BYTES_MAX);
    l->leases++;
}

static void lent_remove(Hosts *hosts, const Host *host,
                        const WireBeatLease *lease)
{
    GArray *array = g_hash_table_lookup(hosts->lent, lease->vm);
    HostsLent *l = lent_find(array, host);

    l->bytes -= MIN(lease->bytes, BYTES_MAX);
    if (--l->leases) {
        return;
    }
    g_array_remove_index_fast(array, l - (HostsLent *)(void *)array->data);
    if (!array->len) {
        g_hash_table_remove(hosts->lent, lease->vm);
    }
}

static void taken_add(Hosts *hosts, const WireBeatLease *lease)
{
    HostsTaken *taken = g_hash_table_lookup(hosts->taken, lease->host);

    if (!taken) {
        taken = g_new0(HostsTaken, 1);
        g_hash_table_insert(hosts->taken, g_strdup(lease->host), taken);
    }
    taken->bytes += MIN(lease->bytes, BYTES_MAX);
    taken->leases++;
}

static void taken_remove(Hosts *hosts, const WireBeatLease *lease)
{
    HostsTaken *taken = g_hash_table_lookup(hosts->taken, lease->host);

    taken->bytes -= MIN(lease->bytes, BYTES_MAX);
    if (!--taken->leases) {
        g_hash_table_remove(hosts->taken, lease->host);
    }
}

void hosts_lent_add(Hosts *hosts, Host *host)
{
    host->counted = !hosts_implausible(host);
    if (!host->counted) {
        return;
    }
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);

        lent_add(hosts, host, l);
        taken_add(hosts, l);
    }
}

void hosts_lent_remove(Hosts *hosts, Host *host)
{
    if (!host->counted) {
        return;
    }
    host->counted = false;
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);

        lent_remove(hosts, host, l);
        taken_remove(hosts, l);
    }
}

bool hosts_lent_same(const GArray *a, const GArray *b)
{
    if (a->len != b->len) {
        return false;
    }
    for (guint i = 0; i < a->len; i++) {
        const WireBeatLease *l = &g_array_index(a, WireBeatLease, i);
        const WireBeatLease *r = &g_array_index(b, WireBeatLease, i);

        if (l->lease != r->lease || l->bytes != r->bytes ||
            memcmp(l->vm, r->vm, sizeof(l->vm)) || strcmp(l->host, r->host)) {
            return false;
        }
    }
    return true;
}

const GArray *hosts_lent(const Hosts *hosts, const uint8_t *vm)
{
    return g_hash_table_lookup(hosts->lent, vm);
}

uint64_t hosts_taken(const Hosts *hosts, const char *requester)
{
    const HostsTaken *taken = g_hash_table_lookup(hosts->taken, requester);

    return taken ? MIN(taken->bytes, UINT64_MAX) : 0;
}

/* ---------------------------------------------------------------- domains */

void hosts_domain_join(Hosts *hosts, Host *host)
{
    const char *label = host->beat.label;
    Domain *domain;

    if (!*label) {
        return;
    }
    domain = g_hash_table_lookup(hosts->domains, label);
    if (!domain) {
        domain = g_new0(Domain, 1);
        domain->number = ++hosts->last_domain;
        domain->hosts = g_ptr_array_new();
        g_hash_table_insert(hosts->domains, g_strdup(label), domain);
    }
    host->domain = domain->number;
    host->domain_at = domain->hosts->len;
    g_ptr_array_add(domain->hosts, host);
}

/* The last one takes its place. */
void hosts_domain_leave(Hosts *hosts, Host *host)
{
    Domain *domain;
    Host *last;

    if (!host->domain) {
        return;
    }
    domain = g_hash_table_lookup(hosts->domains, host->beat.label);
    last = domain->hosts->pdata[domain->hosts->len - 1];
    last->domain_at = host->domain_at;
    g_ptr_array_remove_index_fast(domain->hosts, host->domain_at);
    host->domain = 0;
    if (!domain->hosts->len) {
        g_hash_table_remove(hosts->domains, host->beat.label);
    }
}

const GPtrArray *hosts_domain(const Hosts *hosts, const Host *host)
{
    const Domain *domain = host->domain
        ? g_hash_table_lookup(hosts->domains, host->beat.label) : NULL;

    return domain ? domain->hosts : NULL;
}
