/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider: lends this host's memory to others.  See provider.h.
 *
 * Memory is allocated on the caller's thread and without the lock, in
 * provider_grant(); room for it has been reserved before.  It is given back
 * on the server's thread, piece by piece.
 *
 * The lock is a pthread mutex and not GLib's: thread sanitizers know it.
 */
#include "rcached/provider/provider.h"

#include <errno.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/address.h"
#include "common/boot.h"
#include "common/cleanup.h"
#include "common/crash-point.h"
#include "common/log-event.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "rcached/provider/provider-adopt.h"
#include "rcached/provider/provider-internal.h"
#include "rcached/provider/provider-keep.h"
#include "rcached/provider/provider-listen.h"
#include "rcached/provider/store-look.h"
#include "rcached/provider/store-revoke.h"
#include "rcached/provider/store-spill.h"

void provider_config_init(ProviderConfig *config)
{
    *config = (ProviderConfig) {
        .slab_size = 64u << 20,
        .ttl_ms = 30 * 1000,
        .orphan_ms = UINT64_C(12) * 3600 * 1000,
        .claim_max_ms = 10 * 60 * 1000,
        .hello_ms = 5000,
        .stall_ms = 60 * 1000,
        .spill_pause_ms = 10 * 1000,
    };
    provider_limits_init(&config->limits);
}

/* --------------------------------------------------------------- set-up */

static bool config_check(const ProviderConfig *config, GError **errp)
{
    uint64_t pages = config->slab_size / WIRE_PAGE_SIZE;

    if (config->slab_size % WIRE_PAGE_SIZE || !pages ||
        (pages & (pages - 1)) || pages > INT32_MAX) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "a slab of %" PRIu64 " bytes: its size must be %u times "
                    "a power of two", config->slab_size, WIRE_PAGE_SIZE);
        return false;
    }
    if (!config->ttl_ms || !config->claim_max_ms || !config->hello_ms ||
        !config->stall_ms || !provider_limits_check(&config->limits)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "a provider's times and limits must not be zero");
        return false;
    }
    return true;
}

static gpointer provider_thread(gpointer opaque)
{
    Provider *provider = opaque;
    GError *error = NULL;
    Server *server = server_new(&provider->server_config, &error);

    pthread_mutex_lock(&provider->lock);
    provider->server = server;
    provider->start_error = error;
    provider->start_over = true;
    pthread_cond_signal(&provider->started);
    pthread_mutex_unlock(&provider->lock);
    if (server) {
        server_run(server);
    }
    return NULL;
}

static bool provider_start(Provider *provider, const ProviderConfig *config,
                           GError **errp)
{
    provider->server_config = (ServerConfig) {
        .listen_fd = provider->listen_fd,
        .wake_fd = provider->wake_fd,
        .poll_us = config->poll_us,
        .dscp = config->dscp,
        .hello_ms = config->hello_ms,
        .stall_ms = config->stall_ms,
        .limits = config->limits,
        .guard = provider->guard,
        .store = provider->store,
        .spill = provider->spill,
        .store_lock = &provider->lock,
        .tls = &provider->tls,
        .plain = config->tls_none,
        .where = config->where,
        .where_opaque = config->where_opaque,
        .found = &provider->found,
        .stop = &provider->stop,
    };
    memcpy(provider->server_config.boot_id, config->boot_id,
           RCACHE_UUID_LEN);
    wire_text_copy(provider->server_config.host, RCACHE_NAME_MAX,
                   config->host);
    provider->thread = g_thread_try_new("provider", provider_thread, provider,
                                        errp);
    if (!provider->thread) {
        return false;
    }
    pthread_mutex_lock(&provider->lock);
    while (!provider->start_over) {
        pthread_cond_wait(&provider->started, &provider->lock);
    }
    pthread_mutex_unlock(&provider->lock);
    if (provider->start_error) {
        g_propagate_error(errp, g_steal_pointer(&provider->start_error));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ new */

static void slab_gone(const Slab *slab, void *opaque)
{
    Provider *provider = opaque;

    provider_let_go(provider, slab->number);
    if (provider->spill) {
        spill_forget(provider->spill, slab);
    }
}

/* A slab of the previous daemon is in the spill file: is that here? */
static bool slab_away(const Slab *slab, void *opaque)
{
    Provider *provider = opaque;

    return provider->spill &&
           spill_file_take_this(provider->spill->file, slab->away->area);
}

static void adopting(void *opaque)
{
    Provider *provider = opaque;

    if (provider->starting) {
        provider->starting(provider->keep_opaque);
    }
}

static bool provider_set_up(Provider *provider, const ProviderConfig *config,
                            GError **errp)
{
    StoreConfig store_config = {
        .slab_pages = provider->slab_pages,
        .ttl_ms = config->ttl_ms,
        .orphan_ms = config->orphan_ms,
        .slab_gone = slab_gone,
        .slab_away = slab_away,
        .adopting = adopting,
        .opaque = provider,
    };

    if (!slab_guard_find(config->lock_memory,
                         (uint64_t)provider->slab_pages * WIRE_PAGE_SIZE,
                         &provider->guard, errp) ||
        (config->tls && !slab_guard_process(provider->guard, errp))) {
        return false;
    }
    provider->store = store_new(&store_config, errp);
    if (!provider->store) {
        return false;
    }
    store_set_limit(provider->store, config->limit);
    provider->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (provider->wake_fd < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot make an eventfd: %s", g_strerror(errno));
        return false;
    }
    if (!provider_listen(provider, config, errp)) {
        return false;
    }
    return provider_adopt(provider, config, errp) &&
           provider_start(provider, config, errp);
}

/* What happens to slabs that nobody takes. */
static void provider_tell_spill(const Provider *provider)
{
    g_autofree char *size = NULL;

    if (!provider->spill) {
        g_message("provider: no spill file (spill-dir): slabs that no other "
                  "host takes by the deadline stay in memory");
        return;
    }
    size = g_format_size_full(spill_file_size(provider->spill->file),
                              G_FORMAT_SIZE_IEC_UNITS);
    g_message("provider: up to %s of slabs go to the spill file, encrypted, "
              "when nobody takes them", size);
}

Provider *provider_new(const ProviderConfig *config, GError **errp)
{
    Provider *provider;

    if (!config_check(config, errp)) {
        return NULL;
    }
    provider_raise_nofile();
    provider = g_new0(Provider, 1);
    pthread_mutex_init(&provider->lock, NULL);
    pthread_cond_init(&provider->started, NULL);
    provider->listen_fd = provider->wake_fd = -1;
    provider->slab_pages = kept_slab_pages(config);
    provider->tls = tls_credentials_ref(config->tls);
    provider->lock_memory = config->lock_memory;
    provider->claim_max_ms = config->claim_max_ms;
    provider->keep = config->keep;
    provider->keep_opaque = config->keep_opaque;
    provider->keep_max = config->keep_max;
    provider->starting = config->starting;
    provider->old_names = g_hash_table_new(NULL, NULL);
    if (!provider_set_up(provider, config, errp)) {
        provider_free(provider);
        return NULL;
    }
    provider_tell_spill(provider);
    if (!config->tls && config->tls_none) {
        log_event(G_LOG_LEVEL_WARNING, LOG_TLS_NONE, "provider: tls=none: "
                  "pages travel unencrypted and anyone who can reach %s can "
                  "talk to it", provider->address);
    }
    return provider;
}

void provider_wake(Provider *provider)
{
    uint64_t one = 1;

    (void)!write(provider->wake_fd, &one, sizeof(one));
}

void provider_set_tls(Provider *provider, TlsCredentials *creds)
{
    TlsCredentials *old = provider->tls;

    pthread_mutex_lock(&provider->lock);
    provider->tls = tls_credentials_ref(creds);
    pthread_mutex_unlock(&provider->lock);
    tls_credentials_unref(old);
    provider_wake(provider);
}

void provider_free(Provider *provider)
{
    if (!provider) {
        return;
    }
    if (provider->thread) {
        g_atomic_int_set(&provider->stop, 1);
        provider_wake(provider);
        g_thread_join(provider->thread);
    }
    server_free(provider->server);
    g_queue_clear_full(&provider->found, g_free);
    tls_credentials_unref(provider->tls);
    store_free(provider->store);
    spill_free(provider->spill);
    g_clear_error(&provider->start_error);
    if (provider->listen_fd >= 0) {
        close(provider->listen_fd);
    }
    if (provider->wake_fd >= 0) {
        close(provider->wake_fd);
    }
    g_free(provider->address);
    g_hash_table_unref(provider->old_names);
    pthread_cond_destroy(&provider->started);
    pthread_mutex_destroy(&provider->lock);
    g_free(provider);
}

const char *provider_address(const Provider *provider)
{
    return provider->address;
}

const char *provider_protection(const Provider *provider)
{
    return slab_guard_name(provider->guard);
}

void provider_revoke_own(Provider *provider, bool leave,
                         uint32_t deadline_ms)
{
    pthread_mutex_lock(&provider->lock);
    store_revoke_own(provider->store, leave, boottime_ms() + deadline_ms);
    pthread_mutex_unlock(&provider->lock);
    provider_wake(provider);
}

void provider_set_limit(Provider *provider, uint64_t bytes)
{
    pthread_mutex_lock(&provider->lock);
    store_set_limit(provider->store, bytes);
    pthread_mutex_unlock(&provider->lock);
}

void provider_set_stay(Provider *provider, uint64_t bytes)
{
    pthread_mutex_lock(&provider->lock);
    store_set_stay(provider->store, bytes);
    pthread_mutex_unlock(&provider->lock);
}

uint64_t provider_revoke(Provider *provider, uint64_t keep, uint64_t room,
                         uint32_t deadline_ms)
{
    uint64_t slab_bytes = (uint64_t)provider->slab_pages * WIRE_PAGE_SIZE;
    uint64_t asked;

    pthread_mutex_lock(&provider->lock);
    asked = store_need(provider->store, keep, room, boottime_ms(),
                       deadline_ms);
    pthread_mutex_unlock(&provider->lock);
    provider_wake(provider);
    return asked * slab_bytes;
}

/* --------------------------------------------------------------- leases */

/* Make up to @n slabs; return how many there is memory for. */
static unsigned make_slabs(Provider *provider, Slab **slabs, unsigned n,
                           WireGrantAck *ack)
{
    g_autoptr(GError) error = NULL;
    SlabGuard guard;
    unsigned made;
    int ret = 0;

    /* Swap may have been turned on since the start. */
    if (!slab_guard_find(provider->lock_memory,
                         (uint64_t)provider->slab_pages * WIRE_PAGE_SIZE,
                         &guard, &error)) {
        wire_text_copy(ack->text, sizeof(ack->text), error->message);
        return 0;
    }
    for (made = 0; made < n && !ret; made += !ret) {
        ret = slab_new(provider->slab_pages, guard, &slabs[made]);
    }
    if (ret) {
        g_snprintf(ack->text, sizeof(ack->text), "allocating a slab: %s",
                   g_strerror(-ret));
        g_warning("provider: %s", ack->text);
    }
    return made;
}

void provider_grant(Provider *provider, const WireGrant *asked,
                    WireGrantAck *out)
{
    g_autofree Slab **slabs = NULL;
    WireGrant grant = *asked;
    StoreLease *lease = NULL;
    enum RcacheStatus status;
    unsigned reserved, made, i;

    grant.claim_ms = MIN(grant.claim_ms, provider->claim_max_ms);
    pthread_mutex_lock(&provider->lock);
    status = store_reserve(provider->store, &grant, &reserved, out);
    pthread_mutex_unlock(&provider->lock);
    if (status != RCACHE_OK || !reserved) {
        return;
    }
    slabs = g_new0(Slab *, reserved);
    made = make_slabs(provider, slabs, reserved, out);
    pthread_mutex_lock(&provider->lock);
    if (made) {
        lease = store_add(provider->store, &grant, reserved, slabs, made,
                          boottime_ms(), out);
        store_use(lease);
    } else {
        store_unreserve(provider->store, reserved);
        out->status = RCACHE_E_NO_ROOM;
    }
    pthread_mutex_unlock(&provider->lock);
    if (!lease) {
        return;
    }
    /*
     * Kept before the answer is out.  That the lease is in use holds its
     * slabs here, even should its claim time be over already.
     */
    crash_point("granted");
    for (i = 0; i < made; i++) {
        provider_keep_slab(provider, slabs[i]);
        crash_point("grant-slab-kept");
    }
    crash_point("grant-kept");
    pthread_mutex_lock(&provider->lock);
    store_unuse(provider->store, lease);
    pthread_mutex_unlock(&provider->lock);
}

bool provider_end_lease(Provider *provider, uint64_t id)
{
    StoreLease *lease;

    pthread_mutex_lock(&provider->lock);
    lease = store_find_lease(provider->store, id);
    if (lease) {
        store_end(provider->store, lease, NULL);
    }
    pthread_mutex_unlock(&provider->lock);
    provider_wake(provider);
    return lease != NULL;
}

bool provider_withdraw(Provider *provider, uint64_t id)
{
    StoreLease *lease;
    bool unclaimed;

    pthread_mutex_lock(&provider->lock);
    lease = store_find_lease(provider->store, id);
    unclaimed = lease && lease->rec->state == RCACHE_LEASE_GRANTED;
    if (unclaimed) {
        store_end(provider->store, lease, NULL);
    }
    pthread_mutex_unlock(&provider->lock);
    if (unclaimed) {
        provider_wake(provider);
    }
    return unclaimed;
}

/* With the lock held. */
static void snapshot_spill(const Spill *spill, ProviderSnapshot *out)
{
    out->spill_size = spill_file_size(spill->file);
    out->spill_failing = spill_failing(spill, boottime_ms());
    out->spill_slabs_out = spill->counts.slabs_out;
    out->spill_slabs_back = spill->counts.slabs_back;
    out->spill_get_pages = spill->counts.get_pages;
    out->spill_put_pages = spill->counts.put_pages;
    out->spill_errors = spill->counts.errors;
    g_strlcpy(out->spill_problem, spill->problem,
              sizeof(out->spill_problem));
}

void provider_snapshot(Provider *provider, ProviderSnapshot *out)
{
    ServerCounts counts;
    StoreTotals totals;

    *out = (ProviderSnapshot) {
        .leases = g_array_new(FALSE, TRUE, sizeof(WireBeatLease)),
        .keepable = UINT64_MAX,
    };
    if (!provider) {
        return;
    }
    pthread_mutex_lock(&provider->lock);
    store_totals(provider->store, &totals);
    store_list(provider->store, boottime_ms(), out->leases);
    out->asked = store_asked(provider->store) * provider->slab_pages *
                 WIRE_PAGE_SIZE;
    server_counts(provider->server, &counts);
    server_hits(provider->server, &out->hits);
    out->limits = provider->server_config.limits;
    if (provider->spill) {
        snapshot_spill(provider->spill, out);
    } else {
        g_strlcpy(out->spill_problem, provider->no_spill,
                  sizeof(out->spill_problem));
    }
    pthread_mutex_unlock(&provider->lock);
    out->offered = MAX(MIN(totals.limit, totals.most), totals.leased);
    out->keepable = totals.most;
    out->leased = totals.leased;
    out->stored = totals.stored;
    out->spilled = totals.given_back;
    out->in_file = totals.in_file;
    out->own = totals.own;
    out->own_stored = totals.own_stored;
    out->slab_pages = totals.slab_pages;
    out->get_pages = counts.get_pages;
    out->put_pages = counts.put_pages;
    out->freed_slots = counts.freed_slots;
    out->slabs_out = counts.slabs_out;
    out->slabs_in = counts.slabs_in;
    out->conns = counts.conns;
    out->conns_accepted = counts.accepted;
}

void provider_snapshot_clear(ProviderSnapshot *snapshot)
{
    g_clear_pointer(&snapshot->leases, g_array_unref);
}

bool provider_debug_flip(Provider *provider)
{
    uint8_t *page;

    pthread_mutex_lock(&provider->lock);
    page = store_random_stored(provider->store, (uint64_t)g_random_int() << 32
                               | g_random_int());
    if (page) {
        page[g_random_int_range(0, WIRE_PAGE_SIZE)] ^= 1;
    }
    pthread_mutex_unlock(&provider->lock);
    return page != NULL;
}
