/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts: the table of hosts.  See hosts.h. */
#include "common/wire-beat.h"
#include "arbiter/hosts-lent.h"

#include <string.h>

#define PERCENT_MAX     10000u  /* in hundredths */
#define DRAIN_MS        (10 * 60 * 1000u)       /* older drains fade */
#define RECONNECTS_MS   60000u
#define MEM_MAX         (UINT64_C(64) << 40)    /* of any host there is */

static GArray *array_new(size_t size)
{
    return g_array_new(FALSE, FALSE, size);
}

static void host_free(void *opaque)
{
    Host *host = opaque;

    g_array_unref(host->guests);
    g_array_unref(host->leases);
    g_array_unref(host->held);
    g_array_unref(host->terms);
    g_array_unref(host->troubles);
    g_array_unref(host->delays);
    g_array_unref(host->curves);
    g_array_unref(host->counts);
    g_hash_table_unref(host->granted);
    g_clear_pointer(&host->held_by_id, g_hash_table_unref);
    g_free(host);
}

static Host *host_new(const char *name)
{
    Host *host = g_new0(Host, 1);

    wire_text_copy(host->name, sizeof(host->name), name);
    host->guests = array_new(sizeof(WireBeatGuest));
    host->leases = array_new(sizeof(WireBeatLease));
    host->held = array_new(sizeof(WireBeatLease));
    host->terms = array_new(sizeof(WireBeatTerm));
    host->troubles = array_new(sizeof(WireBeatTrouble));
    host->delays = array_new(sizeof(WireDelays));
    host->curves = array_new(sizeof(WireCurve));
    host->counts = array_new(sizeof(uint64_t));
    host->granted = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                          g_free);
    return host;
}

/* Its part of what all hosts offer, and of those that have managed VMs. */
static void host_stands_for(Hosts *hosts, Host *host, uint64_t offers,
                            bool borrows)
{
    hosts->offered += offers - host->offers;
    hosts->borrowers += borrows - host->borrows;
    host->offers = offers;
    host->borrows = borrows;
}

/* Another boot: nothing of what the host said holds any more. */
static void host_reset(Hosts *hosts, Host *host)
{
    g_autoptr(GArray) held = g_array_copy(host->held);

    hosts_lent_remove(hosts, host);
    hosts_lent_clear(host);
    hosts_domain_leave(hosts, host);
    host_stands_for(hosts, host, 0, false);
    host->reported = false;
    memset(&host->beat, 0, sizeof(host->beat));
    g_array_set_size(host->guests, 0);
    g_array_set_size(host->leases, 0);
    g_array_set_size(host->held, 0);
    g_array_set_size(host->terms, 0);
    g_array_set_size(host->troubles, 0);
    g_array_set_size(host->delays, 0);
    g_array_set_size(host->curves, 0);
    g_clear_pointer(&host->held_by_id, g_hash_table_unref);
    hosts_held_changed(hosts, host, held);
}

void hosts_init(Hosts *hosts, const HostsConfig *config)
{
    *hosts = (Hosts) { .config = *config };
    hosts->table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                         host_free);
    hosts->all = g_ptr_array_new();
    hosts->addresses = g_hash_table_new(g_str_hash, g_str_equal);
    hosts->scratch = host_new("");
    hosts_lent_init(hosts);
}

void hosts_deinit(Hosts *hosts)
{
    hosts_lent_deinit(hosts);
    g_clear_pointer(&hosts->addresses, g_hash_table_unref);
    g_clear_pointer(&hosts->scratch, host_free);
    g_clear_pointer(&hosts->all, g_ptr_array_unref);
    g_clear_pointer(&hosts->table, g_hash_table_unref);
}

const char *hosts_state_name(HostState state)
{
    static const char *const names[] = {
        [HOST_ALIVE] = "alive",
        [HOST_SUSPECT] = "suspect",
        [HOST_DEAD] = "dead",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == HOST_STATE_MAX_);
    return names[state];
}

/* ---------------------------------------------------- who is in the table */

/* Its address is the key, and changes in place. */
static void address_leave(Hosts *hosts, Host *host)
{
    if (g_hash_table_lookup(hosts->addresses, host->address) == host) {
        g_hash_table_remove(hosts->addresses, host->address);
    }
}

static void address_set(Hosts *hosts, Host *host, const char *address)
{
    address_leave(hosts, host);
    wire_text_copy(host->address, sizeof(host->address), address);
    if (*address) {
        g_hash_table_replace(hosts->addresses, host->address, host);
    }
}

/* The last one takes its place in the array. */
void hosts_remove(Hosts *hosts, Host *host)
{
    Host *last = hosts->all->pdata[hosts->all->len - 1];

    host_reset(hosts, host);
    address_leave(hosts, host);
    last->index = host->index;
    g_ptr_array_remove_index_fast(hosts->all, host->index);
    g_hash_table_remove(hosts->table, host->name);
}

void hosts_gone(Hosts *hosts, Host *host)
{
    host->conn = NULL;
    if (!host->reported) {
        hosts_remove(hosts, host);
    }
}

static bool make_room(Hosts *hosts, uint64_t now)
{
    Host *least = NULL;

    if (hosts->all->len < hosts->config.max) {
        return true;
    }
    for (guint i = 0; i < hosts->all->len; i++) {
        Host *host = hosts->all->pdata[i];

        if (host->conn || (host->reported &&
                           hosts_state(hosts, host, now) != HOST_DEAD)) {
            continue;
        }
        if (!least || host->reported < least->reported ||
            (host->reported == least->reported &&
             host->heard_ms < least->heard_ms)) {
            least = host;
        }
    }
    if (least) {
        hosts_remove(hosts, least);
    }
    return least;
}

static Host *host_add(Hosts *hosts, const char *name)
{
    Host *host = host_new(name);

    host->index = hosts->all->len;
    g_ptr_array_add(hosts->all, host);
    g_hash_table_insert(hosts->table, host->name, host);
    return host;
}

/* A boot that is over does not come back, but for another host. */
static void host_reboot(Hosts *hosts, Host *host, const uint8_t *boot_id,
                        uint64_t now)
{
    host_reset(hosts, host);
    host->again_n = 0;
    if (host->booted && !memcmp(host->last_boot, boot_id, RCACHE_UUID_LEN)) {
        hosts_twinned(host, "two boot ids take turns", now);
    }
    memcpy(host->last_boot, host->boot_id, RCACHE_UUID_LEN);
    host->booted = true;
}

Host *hosts_hello(Hosts *hosts, const char *name, const uint8_t *boot_id,
                  const char *address, uint64_t now)
{
    Host *host = hosts_find(hosts, name);

    if (!host) {
        if (!make_room(hosts, now)) {
            return NULL;
        }
        host = host_add(hosts, name);
    } else if (memcmp(host->boot_id, boot_id, RCACHE_UUID_LEN)) {
        host_reboot(hosts, host, boot_id, now);
    } else {
        host->again_ms[host->again_n++ % HOSTS_RECONNECTS] = now;
    }
    memcpy(host->boot_id, boot_id, RCACHE_UUID_LEN);
    address_set(hosts, host, address);
    hosts->changes++;
    host->seq_valid = false;    /* a restarted daemon counts from the start */
    host->heard_ms = now;
    return host;
}

const char *hosts_clash(const Hosts *hosts, const Host *host,
                        const uint8_t *boot_id, const char *address,
                        const char *from, uint64_t now)
{
    if (hosts_state(hosts, host, now) != HOST_ALIVE) {
        return NULL;
    }
    if (memcmp(host->boot_id, boot_id, RCACHE_UUID_LEN)) {
        return "with another boot id";
    }
    if (*address && *host->address && strcmp(address, host->address)) {
        return "with its provider at another address";
    }
    return strcmp(from, host->from) ? "from another address" : NULL;
}

void hosts_twinned(Host *host, const char *why, uint64_t now)
{
    host->twin = why;
    host->twin_ms = now;
}

unsigned hosts_reconnects(const Host *host, uint64_t now)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MIN(host->again_n, HOSTS_RECONNECTS); i++) {
        n += now - MIN(host->again_ms[i], now) <= RECONNECTS_MS;
    }
    return n;
}

const char *hosts_twin(const Host *host, uint64_t now)
{
    return host->twin && now - MIN(host->twin_ms, now) <= HOSTS_TWIN_MS
               ? host->twin : NULL;
}

Host *hosts_renamed(const Hosts *hosts, const char *name,
                    const uint8_t *boot_id, const char *address)
{
    Host *host = g_hash_table_lookup(hosts->addresses, address);

    if (!host || host->conn || !strcmp(host->name, name) ||
        memcmp(host->boot_id, boot_id, RCACHE_UUID_LEN)) {
        return NULL;
    }
    return host;
}

/* ------------------------------------------------------------- heartbeats */

static WireError beat_read(Host *beat, const void *payload, size_t len)
{
    WireBeatIter iter;
    WireSection section;
    WireError err;

    g_array_set_size(beat->guests, 0);
    g_array_set_size(beat->leases, 0);
    g_array_set_size(beat->held, 0);
    g_array_set_size(beat->terms, 0);
    g_array_set_size(beat->troubles, 0);
    g_array_set_size(beat->delays, 0);
    g_array_set_size(beat->curves, 0);
    wire_beat_iter_init(&iter, payload, len);
    while (wire_beat_next(&iter, &section, &err)) {
        switch (section.type) {
        case RCACHE_SECTION_HOST:
            beat->beat = section.host;
            break;
        case RCACHE_SECTION_GUEST:
            g_array_append_val(beat->guests, section.guest);
            break;
        case RCACHE_SECTION_LEASE:
            g_array_append_val(beat->leases, section.lease);
            break;
        case RCACHE_SECTION_HELD:
            g_array_append_val(beat->held, section.lease);
            break;
        case RCACHE_SECTION_TERM:
            g_array_append_val(beat->terms, section.term);
            break;
        case RCACHE_SECTION_TROUBLE:
            g_array_append_val(beat->troubles, section.trouble);
            break;
        case RCACHE_SECTION_DELAYS:
            if (beat->delays->len < beat->guests->len) {
                g_array_append_val(beat->delays, section.delays);
            }
            break;
        case RCACHE_SECTION_CURVE:
            if (beat->curves->len < beat->guests->len) {
                g_array_append_val(beat->curves, section.curve);
            }
            break;
        }
    }
    return err;
}

/*
 * What is read goes into a copy of its own size.  To exchange the arrays would
 * hand the largest one on from host to host, until each host had one.
 */
static void replace(GArray **array, const GArray *with)
{
    if ((*array)->len != with->len) {
        guint size = g_array_get_element_size((GArray *)with);

        g_array_unref(*array);
        *array = g_array_sized_new(FALSE, FALSE, size, with->len);
        g_array_set_size(*array, with->len);
    }
    if (with->len) {
        memcpy((*array)->data, with->data,
               (size_t)with->len *
               g_array_get_element_size((GArray *)with));
    }
}

/* Could a request be answered otherwise now? */
static bool beat_changes(const Host *host, const Host *beat)
{
    const WireBeatHost *a = &host->beat, *b = &beat->beat;

    return !host->reported || a->offered != b->offered ||
           a->leased != b->leased || a->flags != b->flags ||
           a->slab_pages != b->slab_pages ||
           a->psi_some_avg10 != b->psi_some_avg10 ||
           a->psi_full_avg10 != b->psi_full_avg10 ||
           strcmp(a->label, b->label);
}

static bool has_managed(const Host *host)
{
    for (guint i = 0; i < host->guests->len; i++) {
        if (g_array_index(host->guests, WireBeatGuest, i).flags &
            RCACHE_GUEST_MANAGED) {
            return true;
        }
    }
    return false;
}

/* It is whole and new: the host becomes what it says. */
static void beat_take(Hosts *hosts, Host *host, Host *beat)
{
    bool same = host->counted == !hosts_implausible(beat) &&
                hosts_lent_same(host->leases, beat->leases);
    bool moved = strcmp(host->beat.label, beat->beat.label);
    g_autoptr(GArray) held = hosts_lent_same(host->held, beat->held)
                                 ? NULL : g_array_copy(host->held);

    hosts->changes += !same || beat_changes(host, beat);
    if (moved) {
        hosts_domain_leave(hosts, host);
    }
    if (!same) {
        hosts_lent_remove(hosts, host);
    }
    host->beat = beat->beat;
    replace(&host->guests, beat->guests);
    replace(&host->leases, beat->leases);
    if (held) {
        g_clear_pointer(&host->held_by_id, g_hash_table_unref);
    }
    replace(&host->held, beat->held);   /* in place, where they are the same */
    replace(&host->terms, beat->terms);
    replace(&host->troubles, beat->troubles);
    replace(&host->delays, beat->delays);
    replace(&host->curves, beat->curves);
    if (!same) {
        hosts_lent_add(hosts, host);
    }
    if (held) {
        hosts_held_changed(hosts, host, held);
        hosts_held_changed(hosts, host, host->held);
    }
    if (moved) {
        hosts_domain_join(hosts, host);
    }
    host_stands_for(hosts, host, hosts_offered(hosts, host),
                    has_managed(host));
}

/* How fast a drained host gets empty; a beat in which nothing went says only
 * that there was no room. */
static void drain_measure(Hosts *hosts, const Host *host,
                          const WireBeatHost *next, uint64_t now)
{
    const WireBeatHost *last = &host->beat;

    if (!host->seq_valid || !(last->flags & RCACHE_HOST_DRAINING) ||
        !(next->flags & RCACHE_HOST_DRAINING) ||
        next->leased >= last->leased || now <= host->heard_ms) {
        return;
    }
    if (hosts->drained_ms > DRAIN_MS) {
        hosts->drained_ms /= 2;
        hosts->drained_bytes /= 2;
    }
    hosts->drained_ms += now - host->heard_ms;
    hosts->drained_bytes += MIN(last->leased - next->leased,
                                UINT64_MAX - hosts->drained_bytes);
}

double hosts_drain_rate(const Hosts *hosts)
{
    return hosts->drained_ms
               ? hosts->drained_bytes * 1000.0 / hosts->drained_ms : 0;
}

HostsBeat hosts_beat(Hosts *hosts, Host *host, const void *payload,
                     size_t len, uint64_t now, const char **why)
{
    Host *beat = hosts->scratch;
    WireError err = beat_read(beat, payload, len);

    if (err != WIRE_OK) {
        *why = wire_reason(err);
        return HOSTS_BEAT_BAD;
    }
    if (memcmp(beat->beat.boot_id, host->boot_id, RCACHE_UUID_LEN)) {
        *why = "the boot id in its heartbeat is not that of its HELLO";
        return HOSTS_BEAT_BAD;
    }
    if (host->seq_valid && beat->beat.seq <= host->beat.seq) {
        return HOSTS_BEAT_OLD;
    }
    drain_measure(hosts, host, &beat->beat, now);
    beat_take(hosts, host, beat);
    host->cut = len + sizeof(struct RcacheSection) +
                sizeof(struct RcacheBeatLease) > RCACHE_CONTROL_MAX;
    host->reported = true;
    host->seq_valid = true;
    host->heard_ms = now;
    return HOSTS_BEAT_TAKEN;
}

const char *hosts_implausible(const Host *host)
{
    const WireBeatHost *beat = &host->beat;

    if (beat->mem_total > MEM_MAX) {
        return "it says that it has more than 64 TiB of memory";
    }
    if (beat->offered > beat->mem_total) {
        return "it offers more memory than it has";
    }
    if (beat->leased > beat->mem_total) {
        return "it has lent more memory than it has";
    }
    if (beat->spilled > beat->leased) {
        return "it has spilled more memory than it has lent";
    }
    if (beat->mem_available > beat->mem_total) {
        return "more of its memory is available than there is";
    }
    if (beat->psi_some_avg10 > PERCENT_MAX ||
        beat->psi_full_avg10 > PERCENT_MAX) {
        return "its memory pressure is above 100 percent";
    }
    return NULL;
}

uint64_t hosts_offered(const Hosts *hosts, const Host *host)
{
    uint64_t most = hosts->config.max_offer;
    const uint64_t *own = hosts->config.offers
        ? g_hash_table_lookup(hosts->config.offers, host->name) : NULL;

    most = own ? *own : most;
    if (hosts_implausible(host)) {
        return 0;
    }
    return most || own ? MIN(host->beat.offered, most) : host->beat.offered;
}

void hosts_slept(Hosts *hosts, uint64_t ms, uint64_t now)
{
    for (guint i = 0; i < hosts->all->len; i++) {
        Host *host = hosts->all->pdata[i];

        host->heard_ms = MIN(host->heard_ms + ms, MAX(host->heard_ms, now));
    }
}

uint64_t hosts_age(const Host *host, uint64_t now)
{
    return now > host->heard_ms ? now - host->heard_ms : 0;
}

bool hosts_stale(const Hosts *hosts, const Host *host, uint64_t now)
{
    return hosts_age(host, now) > 2 * hosts->config.heartbeat_ms;
}

HostState hosts_state(const Hosts *hosts, const Host *host, uint64_t now)
{
    const HostsConfig *config = &hosts->config;
    uint64_t age = hosts_age(host, now);

    /* So many are missed when the next one after them is due. */
    if (age > (config->dead_beats + 1) * config->heartbeat_ms) {
        return HOST_DEAD;
    }
    if (age > (config->suspect_beats + 1) * config->heartbeat_ms) {
        return HOST_SUSPECT;
    }
    return HOST_ALIVE;
}

bool hosts_speaks(const Hosts *hosts, const Host *host, uint64_t now)
{
    return host->conn && host->seq_valid &&
           hosts_state(hosts, host, now) == HOST_ALIVE;
}

unsigned hosts_forget(Hosts *hosts, uint64_t now)
{
    unsigned n = 0;

    for (guint i = hosts->all->len; i-- > 0;) {
        Host *host = hosts->all->pdata[i];

        if (!host->conn && hosts_age(host, now) > hosts->config.forget_ms &&
            hosts_state(hosts, host, now) == HOST_DEAD) {
            hosts_remove(hosts, host);
            n++;
        }
    }
    return n;
}

Host *hosts_find(const Hosts *hosts, const char *name)
{
    return g_hash_table_lookup(hosts->table, name);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    const Host *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

GPtrArray *hosts_sorted(const Hosts *hosts)
{
    GPtrArray *all = g_ptr_array_copy(hosts->all, NULL, NULL);

    g_ptr_array_sort(all, compare_names);
    return all;
}

const WireBeatLease *hosts_lease_find(const Host *host, uint64_t lease)
{
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);

        if (l->lease == lease) {
            return l;
        }
    }
    return NULL;
}
