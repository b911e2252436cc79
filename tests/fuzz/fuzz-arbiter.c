/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-arbiter: what hosts send to an arbiter, into its tables: the decoders,
 * hosts, leases, views, placement and the grants that come of them.
 *
 * The input is a row of steps of eight hosts.  A byte below 0x80 is followed
 * by a frame of the host in its low bits; above it, the host's connection
 * ends, or time passes.  Frames are taken as control.c and arbiter.c take
 * them; what the arbiter would send goes nowhere, and an answer to a grant may
 * name it by its number.  After each step the sums, queues and numbers that
 * are kept by difference are counted from the start and compared.
 */
#include <string.h>
#include <sys/random.h>

#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "common/wire-version.h"
#include "arbiter/assign.h"
#include "arbiter/control.h"
#include "arbiter/hosts-where.h"
#include "arbiter/options.h"
#include "arbiter/views.h"
#include "fuzz.h"

#define HOSTS           8u
#define GRANTS          64u
#define LENT_MAX        (1ull << 50)    /* hosts-lent.c counts no more */

static const Options options = {
    .hosts = { .heartbeat_ms = 1000, .suspect_beats = 3, .dead_beats = 10,
               .forget_ms = 60000, .max = 6 },
    .grants = { .answer_ms = 2000, .claim_ms = 30000, .asks_max = 4 },
    .placement = { .spread = 2, .sample = 2, .share = 50, .quota = 1ull << 40,
                   .psi_some_max = 2000, .psi_full_max = 500 },
    .moves_per_minute = 10,
};

typedef struct Fuzz {
    Hosts hosts;
    Grants grants;
    Moves moves;
    Shunned shunned;
    Host *said[HOSTS];          /* who has said HELLO on this connection */
    uint64_t now;
    uint64_t grant[GRANTS];     /* the leases that were sent */
    unsigned nr_grants;
} Fuzz;

static Fuzz fuzz;
static const Assigner with = {
    .hosts = &fuzz.hosts, .grants = &fuzz.grants, .moves = &fuzz.moves,
    .shunned = &fuzz.shunned,
    .placement = &options.placement,
};

/* ------------------------------------------- in place of what is not here */

/* Runs must be alike. */
ssize_t getrandom(void *out, size_t len, unsigned flags)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = g_random_int();
    }
    return len;
}

bool control_send_grant(HostConn *conn, const WireGrant *grant, bool owner)
{
    fuzz.grant[fuzz.nr_grants++ % GRANTS] = grant->lease;
    return grant->lease % 8;    /* some connections have just ended */
}

/* ----------------------------------------------------------------- checks */

static void check_host(const Host *host)
{
    const GPtrArray *domain = hosts_domain(&fuzz.hosts, host);

    g_assert(fuzz.hosts.all->pdata[host->index] == host);
    g_assert(hosts_find(&fuzz.hosts, host->name) == host);
    g_assert(!domain == !host->domain && !domain == !*host->beat.label);
    g_assert(!domain || domain->pdata[host->domain_at] == host);
}

/* What all hosts that can be believed have lent to the VMs of one, counted. */
static uint64_t count_taken(const char *requester)
{
    const GPtrArray *all = fuzz.hosts.all;
    uint64_t bytes = 0;

    for (guint i = 0; i < all->len; i++) {
        const Host *host = all->pdata[i];

        for (guint j = 0; host->counted && j < host->leases->len; j++) {
            const WireBeatLease *l = &g_array_index(host->leases,
                                                    WireBeatLease, j);

            bytes += strcmp(l->host, requester)
                         ? 0 : g_array_index(host->counts, uint64_t, j);
        }
    }
    return bytes;
}

static uint64_t count_lent(const Host *host, const uint8_t *vm)
{
    uint64_t bytes = 0;

    for (guint j = 0; j < host->leases->len; j++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                j);

        bytes += memcmp(l->vm, vm, RCACHE_UUID_LEN)
                     ? 0 : g_array_index(host->counts, uint64_t, j);
    }
    return bytes;
}

static void check_sums(const Host *host)
{
    const Hosts *hosts = &fuzz.hosts;

    g_assert(!host->leases->len ||
             host->counted == !hosts_implausible(host));
    for (guint i = 0; host->counted && i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);
        uint64_t counts = g_array_index(host->counts, uint64_t, i);
        const GArray *lent = hosts_lent(hosts, l->vm);
        bool found = !counts;

        g_assert(counts <= MIN(l->bytes, LENT_MAX));
        g_assert(hosts_taken(hosts, l->host) == count_taken(l->host));
        for (guint j = 0; lent && j < lent->len; j++) {
            const HostsLent *x = &g_array_index(lent, HostsLent, j);

            if (x->host == host) {
                g_assert(x->bytes == count_lent(host, l->vm));
                found = true;
            }
        }
        g_assert(found);
    }
}

static void check_asks(const Grants *grants)
{
    unsigned done = 0;

    for (GList *at = grants->asks.head; at; at = at->next) {
        const LeaseAsk *ask = at->data;
        unsigned waiting = 0;

        for (guint i = 0; i < ask->grants->len; i++) {
            const Grant *grant = ask->grants->pdata[i];

            waiting += grant->state == GRANT_ASKED;
            g_assert(grant->ask == ask);
        }
        g_assert(waiting == ask->waiting);
        g_assert(waiting || ask->done.prev ||
                 grants->done.head == &ask->done);
        done += !waiting;
    }
    g_assert(done == grants->done.length);
}

static void check_grants(const Grants *grants)
{
    unsigned given = 0, taken = 0, asks = 0;
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, grants->parties);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const LeaseParty *party = value;

        given += party->given.length;
        taken += party->taken.length;
        asks += party->asks.length;
        g_assert(party->given.length || party->taken.length ||
                 party->asks.length);
        g_assert(party->asks.length <= options.grants.asks_max);
    }
    g_assert(given == g_hash_table_size(grants->grants) && taken == given);
    g_assert(asks == grants->asks.length);
}

/* Nobody may be asked for more than he offers. */
static void check_views(void)
{
    g_autoptr(Views) views = views_new(&fuzz.hosts, &fuzz.grants, NULL,
                                       fuzz.now);

    for (unsigned i = 0; i < views->n; i++) {
        g_assert(views->host[i].free <= views->host[i].offered);
        g_assert(!views->host[i].lends || views->host[i].slab);
        g_assert(views_find(views, views->of[i]) == i);
    }
}

static void check_all(void)
{
    const Hosts *hosts = &fuzz.hosts;

    g_assert(hosts->all->len <= options.hosts.max);
    for (guint i = 0; i < hosts->all->len; i++) {
        check_host(hosts->all->pdata[i]);
        check_sums(hosts->all->pdata[i]);
    }
    check_asks(&fuzz.grants);
    check_grants(&fuzz.grants);
    check_views();
}

/* ------------------------------------------------------------------ steps */

static void pump(void)
{
    Grants *grants = &fuzz.grants;
    WireLeaseReply reply;
    LeaseAsk *ask;

    while ((ask = grants_next_done(grants, fuzz.now))) {
        AssignWhat what = { .copies = 1, .rest = true };

        what.bytes = grants_lacking(ask, fuzz.now, &what.parts);
        if (what.bytes) {
            grants_round(ask);
            if (assign(&with, ask, what, fuzz.now)) {
                continue;
            }
        }
        grants_reply(ask, &reply);
        g_assert(reply.nr_grants <= WIRE_GRANTS_MAX);
        g_assert(!reply.nr_grants == !!reply.status);
        grants_ask_free(grants, ask);
    }
}

static void gone(unsigned n)
{
    Host *host = fuzz.said[n];

    fuzz.said[n] = NULL;
    if (host) {
        grants_provider_lost(&fuzz.grants, host->name);
        grants_requester_lost(&fuzz.grants, host->name);
        hosts_gone(&fuzz.hosts, host);
        pump();
    }
}

static void take_hello(unsigned n, const WireHello *hello)
{
    Hosts *hosts = &fuzz.hosts;
    Host *host = hosts_find(hosts, hello->host);
    char address[RCACHE_NAME_MAX];

    if (!wire_version_choose(hello) ||
        !hosts_complete_address(address, hello->address, "192.0.2.1")) {
        return;
    }
    for (unsigned i = 0; host && i < HOSTS; i++) {
        if (fuzz.said[i] != host) {
            continue;
        }
        if (hosts_clash(hosts, host, hello->boot_id, address, "192.0.2.1",
                        fuzz.now)) {
            return;
        }
        gone(i);
    }
    host = hosts_hello(hosts, hello->host, hello->boot_id, address, fuzz.now);
    if (host) {
        host->conn = &fuzz;
        wire_text_copy(host->from, sizeof(host->from), "192.0.2.1");
        fuzz.said[n] = host;
    }
}

static void take_beat(unsigned n, const uint8_t *payload, size_t len)
{
    Host *host = fuzz.said[n];
    const char *why = NULL;

    switch (hosts_beat(&fuzz.hosts, host, payload, len, fuzz.now,
                       &why)) {
    case HOSTS_BEAT_BAD:
        g_assert(why);
        gone(n);
        break;
    case HOSTS_BEAT_OLD:
        break;
    case HOSTS_BEAT_TAKEN:
        for (guint i = 0; i < host->leases->len; i++) {
            uint64_t lease = g_array_index(host->leases, WireBeatLease,
                                           i).lease;
            const WireGrant *grant = grants_find(&fuzz.grants, host->name,
                                                 lease);

            if (grant) {
                hosts_granted(&fuzz.hosts, host, grant);
                grants_listed(&fuzz.grants, host->name, lease);
            }
        }
        shunned_beat(&fuzz.shunned, &fuzz.hosts, host, fuzz.now);
        break;
    }
}

static void take_request(unsigned n, uint64_t tag, const uint8_t *payload,
                         size_t len)
{
    WireLeaseRequest request;
    AssignWhat what;
    LeaseAsk *ask;

    if (wire_lease_request_decode(payload, len, &request)) {
        gone(n);
        return;
    }
    ask = grants_ask_new(&fuzz.grants, fuzz.said[n]->name, tag, &request,
                         fuzz.now);
    what = (AssignWhat) { .bytes = request.bytes, .copies = request.copies,
                          .parts = WIRE_GRANTS_MAX };
    if (ask) {
        assign(&with, ask, what, fuzz.now);
        pump();
    }
}

static void take_ack(unsigned n, const WireHead *head,
                     const uint8_t *payload)
{
    WireGrantAck ack;

    if (wire_grant_ack_decode(head, payload, head->length, &ack)) {
        gone(n);
        return;
    }
    if (ack.lease && ack.lease <= GRANTS) {
        ack.lease = fuzz.grant[ack.lease - 1];
    }
    grants_ack(&fuzz.grants, fuzz.said[n]->name, &ack, fuzz.now);
    pump();
}

static void take_frame(unsigned n, const WireHead *head,
                       const uint8_t *payload)
{
    WireHello hello;

    if (!fuzz.said[n]) {
        if (head->type == RCACHE_HELLO &&
            !wire_hello_decode(payload, head->length, &hello)) {
            take_hello(n, &hello);
        }
    } else if (head->type == RCACHE_HEARTBEAT) {
        take_beat(n, payload, head->length);
    } else if (head->type == RCACHE_LEASE_REQUEST) {
        take_request(n, head->tag, payload, head->length);
    } else if (head->type == RCACHE_GRANT_ACK) {
        take_ack(n, head, payload);
    }
}

/* Both ways: a clock may jump. */
static void pass_time(unsigned n)
{
    static const int64_t ms[HOSTS] = { 1, 500, 1500, 4000, 12000, 70000,
                                       -3000, INT64_MAX / 4 };

    fuzz.now += ms[n];
    pump();
    grants_expire(&fuzz.grants, fuzz.now);
    hosts_forget(&fuzz.hosts, fuzz.now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    WireHead head;

    fuzz = (Fuzz) { .now = 100000 };
    g_random_set_seed(1);
    hosts_init(&fuzz.hosts, &options.hosts);
    shunned_init(&fuzz.shunned);
    grants_init(&fuzz.grants, &options.grants);
    moves_init(&fuzz.moves, options.moves_per_minute, fuzz.now);
    while (at < size) {
        uint8_t step = data[at++];

        if (step >= 0xc0) {
            pass_time(step % HOSTS);
        } else if (step >= 0x80) {
            gone(step % HOSTS);
        } else if (size - at < WIRE_HEAD_LEN ||
                   wire_head_decode(data + at, WIRE_ARBITER, &head) ||
                   size - at - WIRE_HEAD_LEN < head.length) {
            break;
        } else {
            take_frame(step % HOSTS, &head, data + at + WIRE_HEAD_LEN);
            at += WIRE_HEAD_LEN + head.length;
        }
        check_all();
    }
    shunned_deinit(&fuzz.shunned);
    grants_deinit(&fuzz.grants);
    hosts_deinit(&fuzz.hosts);
    return 0;
}
