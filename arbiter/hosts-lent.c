/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts-lent: the sums of what hosts have lent, by VM and by requester, and
 * failure domains, which have a number and a list of their hosts.
 *
 * A host's leases are taken off before they are replaced and added after, so
 * that no sum is ever counted from the start.  Each lease counts as no more
 * than BYTES_MAX: a peer's figure may be anything, and a sum must not wrap.
 *
 * It counts as no more than was granted, or than its requester says that it
 * holds there, and as nothing if neither is known (lease_counts()).  So what
 * a host holds has to do with the leases of others: where that changes, these
 * are counted anew, one by one.
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

static void lent_add(Hosts *hosts, Host *host, const WireBeatLease *lease,
                     uint64_t bytes)
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
    l->bytes += bytes;
    l->leases++;
}

static void lent_remove(Hosts *hosts, const Host *host,
                        const WireBeatLease *lease, uint64_t bytes)
{
    GArray *array = g_hash_table_lookup(hosts->lent, lease->vm);
    HostsLent *l = lent_find(array, host);

    l->bytes -= bytes;
    if (--l->leases) {
        return;
    }
    g_array_remove_index_fast(array, l - (HostsLent *)(void *)array->data);
    if (!array->len) {
        g_hash_table_remove(hosts->lent, lease->vm);
    }
}

static void taken_add(Hosts *hosts, const WireBeatLease *lease, uint64_t bytes)
{
    HostsTaken *taken = g_hash_table_lookup(hosts->taken, lease->host);

    if (!taken) {
        taken = g_new0(HostsTaken, 1);
        g_hash_table_insert(hosts->taken, g_strdup(lease->host), taken);
    }
    taken->bytes += bytes;
    taken->leases++;
}

static void taken_remove(Hosts *hosts, const WireBeatLease *lease,
                         uint64_t bytes)
{
    HostsTaken *taken = g_hash_table_lookup(hosts->taken, lease->host);

    taken->bytes -= bytes;
    if (!--taken->leases) {
        g_hash_table_remove(hosts->taken, lease->host);
    }
}

/* ------------------------------------------------------------ what counts */

static const WireBeatLease *lease_at(const GArray *leases, guint i)
{
    return &g_array_index(leases, WireBeatLease, i);
}

/* What @host says that it holds under this id, or NULL. */
static const WireBeatLease *held_find(Host *host, uint64_t lease)
{
    if (!host) {
        return NULL;
    }
    if (!host->held_by_id) {
        host->held_by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
        for (guint i = 0; i < host->held->len; i++) {
            WireBeatLease *l = &g_array_index(host->held, WireBeatLease, i);

            g_hash_table_insert(host->held_by_id, &l->lease, l);
        }
    }
    return g_hash_table_lookup(host->held_by_id, &lease);
}

/* Bytes of a lease that @host lists which count as its requester's. */
static uint64_t lease_counts(const Hosts *hosts, const Host *host,
                             const WireBeatLease *l)
{
    const HostsGranted *g = g_hash_table_lookup(host->granted, &l->lease);
    uint64_t bytes = MIN(l->bytes, BYTES_MAX);
    const WireBeatLease *held;

    if (g && !strcmp(g->requester, l->host) &&
        !memcmp(g->vm, l->vm, sizeof(g->vm))) {
        return MIN(bytes, g->bytes);
    }
    held = held_find(hosts_find(hosts, l->host), l->lease);
    if (held && !strcmp(held->host, host->name) &&
        !memcmp(held->vm, l->vm, sizeof(held->vm))) {
        return MIN(bytes, held->bytes);
    }
    return 0;
}

static void count_add(Hosts *hosts, Host *host, guint i, uint64_t bytes)
{
    const WireBeatLease *l = lease_at(host->leases, i);

    g_array_index(host->counts, uint64_t, i) = bytes;
    if (bytes) {
        lent_add(hosts, host, l, bytes);
        taken_add(hosts, l, bytes);
    }
}

static void count_remove(Hosts *hosts, Host *host, guint i)
{
    const WireBeatLease *l = lease_at(host->leases, i);
    uint64_t bytes = g_array_index(host->counts, uint64_t, i);

    if (bytes) {
        lent_remove(hosts, host, l, bytes);
        taken_remove(hosts, l, bytes);
    }
}

/* Something is known of one of them that was not, or no longer. */
static void count_again(Hosts *hosts, Host *host, uint64_t lease)
{
    uint64_t bytes;
    guint i = 0;

    while (i < host->leases->len && lease_at(host->leases, i)->lease != lease) {
        i++;
    }
    if (!host->counted || i == host->leases->len) {
        return;
    }
    bytes = lease_counts(hosts, host, lease_at(host->leases, i));
    if (bytes != g_array_index(host->counts, uint64_t, i)) {
        count_remove(hosts, host, i);
        count_add(hosts, host, i, bytes);
        hosts->changes++;
    }
}

void hosts_granted(Hosts *hosts, Host *provider, const WireGrant *grant)
{
    HostsGranted *g = g_new0(HostsGranted, 1);

    g->lease = grant->lease;
    g->bytes = grant->bytes;
    memcpy(g->vm, grant->vm, sizeof(g->vm));
    wire_text_copy(g->requester, sizeof(g->requester), grant->host);
    g_hash_table_replace(provider->granted, &g->lease, g);
    count_again(hosts, provider, grant->lease);
}

void hosts_held_changed(Hosts *hosts, Host *host, const GArray *held)
{
    for (guint i = 0; i < held->len; i++) {
        Host *provider = hosts_find(hosts, lease_at(held, i)->host);

        if (provider) {
            count_again(hosts, provider, lease_at(held, i)->lease);
        }
    }
}

/* What is not listed any more has ended. */
static void forget_granted(Host *host)
{
    GHashTable *left = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                             NULL, g_free);

    for (guint i = 0; i < host->leases->len; i++) {
        void *g;

        if (g_hash_table_steal_extended(host->granted,
                                        &lease_at(host->leases, i)->lease,
                                        NULL, &g)) {
            g_hash_table_insert(left, &((HostsGranted *)g)->lease, g);
        }
    }
    g_hash_table_unref(host->granted);
    host->granted = left;
}

void hosts_lent_clear(Host *host)
{
    g_hash_table_remove_all(host->granted);
}

void hosts_lent_add(Hosts *hosts, Host *host)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash, g_int64_equal);

    host->counted = !hosts_implausible(host);
    if (!host->counted) {
        return;
    }
    forget_granted(host);
    g_array_set_size(host->counts, host->leases->len);
    for (guint i = 0; i < host->leases->len; i++) {
        WireBeatLease *l = &g_array_index(host->leases, WireBeatLease, i);
        bool first = g_hash_table_add(seen, &l->lease);

        count_add(hosts, host, i, first ? lease_counts(hosts, host, l) : 0);
    }
}

void hosts_lent_remove(Hosts *hosts, Host *host)
{
    if (!host->counted) {
        return;
    }
    host->counted = false;
    for (guint i = 0; i < host->leases->len; i++) {
        count_remove(hosts, host, i);
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

uint64_t hosts_quota(const Hosts *hosts, const Host *requester,
                     uint64_t bytes, int percent)
{
    unsigned others = hosts->borrowers - (requester && requester->borrows);
    uint64_t share;

    if (percent <= 0) {
        return bytes;
    }
    share = hosts->offered / 10000 * percent +
            hosts->offered % 10000 * percent / 10000;
    return others ? MAX(share, 1) : 0;
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
