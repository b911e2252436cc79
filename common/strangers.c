/* SPDX-License-Identifier: GPL-2.0-or-later */
/* strangers: connections that have not said who they are.  See strangers.h. */
#include "common/strangers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define IPV6_PART       8u      /* bytes that one site has for its own */
/* Who has more addresses than this is not held up by a limit for each. */
#define ADDRESSES_MAX   4096u
#define REFUSED_MS      1000u

/* The key, and those that have it. */
struct StrangersOf {
    uint8_t address[IPV6_PART + 1];
    GQueue all;                 /* of Stranger, the oldest first */
    Bucket shakes;              /* handshakes that it may begin */
    unsigned waiting;           /* strangers_waits() */
    uint64_t known_ms;          /* somebody there is known until then */
    uint64_t refused_ms;        /* so many have been refused since then */
    unsigned refused;
};

static guint of_hash(gconstpointer key)
{
    const StrangersOf *of = key;
    guint hash = 5381;

    for (unsigned i = 0; i < sizeof(of->address); i++) {
        hash = hash * 33 + of->address[i];
    }
    return hash;
}

static gboolean of_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(((const StrangersOf *)a)->address,
                   ((const StrangersOf *)b)->address,
                   sizeof(((StrangersOf *)a)->address));
}

/* IPv4 that came to an IPv6 socket is the same as to one of its own. */
static void of_address(StrangersOf *of, const struct sockaddr_storage *from)
{
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;

    memset(of->address, 0, sizeof(of->address));
    if (from->ss_family == AF_INET) {
        of->address[0] = 4;
        memcpy(of->address + 1, &v4->sin_addr, 4);
    } else if (from->ss_family == AF_INET6 &&
               IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        of->address[0] = 4;
        memcpy(of->address + 1, v6->sin6_addr.s6_addr + 12, 4);
    } else if (from->ss_family == AF_INET6) {
        of->address[0] = 6;
        memcpy(of->address + 1, &v6->sin6_addr, IPV6_PART);
    }
}

bool strangers_text(const struct sockaddr_storage *from, char *text,
                    size_t size)
{
    struct in6_addr v6 = { 0 };
    char address[INET6_ADDRSTRLEN] = "";
    StrangersOf of;

    of_address(&of, from);
    if (of.address[0] == 4) {
        inet_ntop(AF_INET, of.address + 1, address, sizeof(address));
    } else if (of.address[0] == 6) {
        memcpy(&v6, of.address + 1, IPV6_PART);
        inet_ntop(AF_INET6, &v6, address, sizeof(address));
    }
    g_snprintf(text, size, of.address[0] == 6 ? "%s/64" : "%s", address);
    return *address;
}

void strangers_init(Strangers *s, const StrangersLimits *limits)
{
    *s = (Strangers) {
        .limits = *limits,
        .by_address = g_hash_table_new_full(of_hash, of_equal, g_free, NULL),
    };
}

void strangers_deinit(Strangers *s)
{
    g_assert(!s->all.length && !s->begun.length);
    g_hash_table_destroy(s->by_address);
    s->by_address = NULL;
}

static StrangersOf *strangers_of(Strangers *s,
                                 const struct sockaddr_storage *from)
{
    StrangersOf key, *of;

    of_address(&key, from);
    of = g_hash_table_lookup(s->by_address, &key);
    if (!of) {
        of = g_new0(StrangersOf, 1);
        memcpy(of->address, key.address, sizeof(of->address));
        g_hash_table_add(s->by_address, of);
    }
    return of;
}

/* Who gives way for @one: the oldest that has begun nothing, if any has. */
static void *oldest_of(const StrangersOf *of, const Stranger *one)
{
    for (const GList *link = of->all.head; link; link = link->next) {
        const Stranger *other = link->data;

        if (!other->begun && other != one) {
            return other->conn;
        }
    }
    return ((const Stranger *)of->all.head->data)->conn;
}

void *strangers_add(Strangers *s, Stranger *one, void *conn,
                    const struct sockaddr_storage *from)
{
    StrangersOf *of = strangers_of(s, from);
    void *oldest = strangers_oldest(s);         /* not this one */

    *one = (Stranger) { .link.data = one, .same.data = one, .of = of,
                        .conn = conn };
    g_queue_push_tail_link(&s->all, &one->link);
    g_queue_push_tail_link(&of->all, &one->same);
    s->known_here += of->known_ms && of->all.length == 1;
    if (of->all.length > s->limits.each) {
        return oldest_of(of, one);
    }
    return strangers_many(s) ? oldest : NULL;
}

void strangers_waits(Strangers *s, Stranger *one, bool waits)
{
    StrangersOf *of = one->of;

    if (of && one->waits != waits) {
        s->waiting -= MIN(of->waiting, STRANGERS_WAITING);
        of->waiting += waits ? 1 : -1;
        s->waiting += MIN(of->waiting, STRANGERS_WAITING);
        one->waits = waits;
    }
}

void strangers_remove(Strangers *s, Stranger *one)
{
    StrangersOf *of = one->of;

    if (!of) {
        return;
    }
    strangers_waits(s, one, false);
    g_queue_unlink(one->begun ? &s->begun : &s->all, &one->link);
    g_queue_unlink(&of->all, &one->same);
    s->known_here -= of->known_ms && !of->all.length;
    if (!of->all.length && !of->known_ms && (!of->shakes.missing ||
        g_hash_table_size(s->by_address) > ADDRESSES_MAX)) {
        g_hash_table_remove(s->by_address, of);
    }
    one->of = NULL;
}

typedef struct Sweep {
    Strangers *s;
    uint64_t now_ms;
} Sweep;

static int64_t to_us(uint64_t ms)
{
    return ms * 1000;
}

/* It has nothing here, nobody knows it, and its bucket is as good as a new
 * one. */
static gboolean of_is_over(gpointer key, gpointer value, gpointer opaque)
{
    const Sweep *sweep = opaque;
    StrangersOf *of = key;

    if (of->known_ms && of->known_ms <= sweep->now_ms) {
        of->known_ms = 0;
        sweep->s->known--;
        sweep->s->known_here -= of->all.length > 0;
    }
    return !of->all.length && !of->known_ms &&
           !bucket_missing(&of->shakes, &sweep->s->limits.own,
                           to_us(sweep->now_ms));
}

/* Forget who has to be remembered no longer, as often as a bucket fills. */
static void sweep(Strangers *s, uint64_t now_ms)
{
    const BucketRate *own = &s->limits.own;
    Sweep sweep = { s, now_ms };

    if ((now_ms - s->swept_ms) * own->pace >= UINT64_C(1000) * own->most) {
        s->swept_ms = now_ms;
        g_hash_table_foreach_remove(s->by_address, of_is_over, &sweep);
    }
}

static void of_refused(StrangersOf *of, uint64_t now_ms)
{
    if (now_ms - of->refused_ms >= REFUSED_MS) {
        of->refused_ms = now_ms;
        of->refused = 0;
    }
    of->refused++;
}

bool strangers_unwelcome(const Strangers *s,
                         const struct sockaddr_storage *from,
                         uint64_t now_ms)
{
    StrangersOf key;
    const StrangersOf *of;

    of_address(&key, from);
    of = g_hash_table_lookup(s->by_address, &key);
    return of && of->refused >= STRANGERS_REFUSED &&
           now_ms - of->refused_ms < REFUSED_MS;
}

/* What has cost something is not to be given up for who may say nothing. */
static void begin(Strangers *s, Stranger *one)
{
    g_queue_unlink(one->begun ? &s->begun : &s->all, &one->link);
    g_queue_push_tail_link(&s->begun, &one->link);
    g_queue_unlink(&one->of->all, &one->same);
    g_queue_push_tail_link(&one->of->all, &one->same);
    one->begun = true;
}

StrangersVerdict strangers_may_begin(Strangers *s, Stranger *one,
                                     uint64_t now_ms)
{
    const StrangersLimits *l = &s->limits;
    int64_t now_us = to_us(now_ms);
    StrangersOf *of = one->of;

    sweep(s, now_ms);
    if (!bucket_has(&of->shakes, &l->own, 1, now_us)) {
        of_refused(of, now_ms);
        return STRANGERS_ADDRESS;
    }
    if (!of->known_ms) {
        if (!bucket_has(&s->shakes, &l->all, 1, now_us)) {
            return STRANGERS_ALL;
        }
        bucket_take(&s->shakes, &l->all, 1, now_us);
    }
    bucket_take(&of->shakes, &l->own, 1, now_us);
    begin(s, one);
    return STRANGERS_MAY;
}

bool strangers_busy(const Strangers *s, const Stranger *one, uint64_t now_ms)
{
    return one->of && bucket_missing(&one->of->shakes, &s->limits.own,
                                     to_us(now_ms)) >
                          STRANGERS_FEW * BUCKET_ONE;
}

void strangers_known(Strangers *s, const Stranger *one, uint64_t now_ms)
{
    if (one->of && (one->of->known_ms || s->known < ADDRESSES_MAX)) {
        s->known += !one->of->known_ms;
        s->known_here += !one->of->known_ms;
        one->of->known_ms = now_ms + STRANGERS_KNOWN_MS;
    }
}

void *strangers_oldest(const Strangers *s)
{
    const GList *oldest = s->all.head ? s->all.head : s->begun.head;

    return oldest ? ((Stranger *)oldest->data)->conn : NULL;
}

bool strangers_many(const Strangers *s)
{
    return s->all.length + s->begun.length > s->limits.most;
}
