/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts of test-settle: they keep what is put, move slabs among themselves,
 * and ask for memory back.  See settle.h.
 *
 * What is asked is done at once, and the answer comes .delay later.  A host
 * that is hung reads nothing until it is well again.
 */
#include <string.h>

#include "common/wire-check.h"
#include "common/wire-control.h"
#include "tests/fuzz/vmm-played.h"
#include "settle.h"

#define PAGE            WIRE_PAGE_SIZE
#define TTL_MS          30000
#define CLAIM_NS        (10 * NS_PER_SEC)
#define PUSH_NS         (100 * NS_PER_MS)

/* An answer that is due. */
typedef struct Answer {
    uint64_t at;
    GByteArray *bytes;
} Answer;

/* A connection. */
typedef struct Way {
    int fd;
    unsigned host;
    uint64_t session;
    bool bulk, over;
    GByteArray *in;
    GQueue out;                 /* of Answer */
} Way;

static GPtrArray *ways;

/* ------------------------------------------------------------------ leases */

static void answer_free(void *opaque)
{
    Answer *a = opaque;

    g_byte_array_unref(a->bytes);
    g_free(a);
}

static void way_free(void *opaque)
{
    Way *way = opaque;

    g_byte_array_unref(way->in);
    g_queue_clear_full(&way->out, answer_free);
    g_free(way);
}

unsigned host_of(const Lease *l)
{
    return l->remote->own ? OWN : (unsigned)(l->remote->host[1] - '0');
}

/* ----------------------------------------------------------------- answers */

static void say(Way *way, const GByteArray *frame, uint64_t delay)
{
    Answer *last = g_queue_peek_tail(&way->out);
    Answer *a = g_new0(Answer, 1);

    a->at = pager_now() + world.host[way->host].delay + delay;
    a->at = last ? MAX(a->at, last->at) : a->at;
    a->bytes = g_byte_array_new();
    g_byte_array_append(a->bytes, frame->data, frame->len);
    g_queue_push_tail(&way->out, a);
}

static void head_answer(WireHead *head, const WireHead *to, uint16_t status)
{
    *head = (WireHead) { .type = to->type + 1, .status = status,
                         .tag = to->tag, .lease = to->lease,
                         .epoch = to->epoch };
}

static void claimed(GByteArray *out, const WireHead *head, HostLease *l)
{
    WireClaimAck ack = { .slab_pages = world.slab_pages, .ttl_ms = TTL_MS };
    g_autofree uint32_t *slab = g_new(uint32_t, l->nr);

    l->claimed = true;
    l->told = UINT32_MAX;
    for (unsigned i = 0; i < l->nr; i++) {
        if (l->slab[i].there) {
            slab[ack.nr_slabs++] = i;
        }
    }
    wire_append_claim_ack(out, head, &ack, slab);
}

/* Slots name pages of slabs that are there; or the pager has made a mistake. */
static bool slots_are_there(const HostLease *l, const WireHead *head,
                            const RcacheSlot *slot)
{
    for (unsigned i = 0; i < head->count; i++) {
        const HostSlab *s = host_slab_of(l, wire_slot_slab(slot[i]));

        if (!s || wire_slot_page(slot[i]) >= world.slab_pages) {
            return false;
        }
    }
    return true;
}

static uint16_t do_put(HostLease *l, const WireHead *head,
                       const RcacheSlot *slot, const uint8_t *bytes,
                       uint64_t *sum)
{
    const Host *h = &world.host[l->host];
    static const uint8_t none[RCACHE_TOKEN_LEN];

    if (h->busy) {
        return RCACHE_E_BUSY;
    }
    for (unsigned i = 0; i < head->count; i++) {
        HostSlab *s = host_slab_of(l, wire_slot_slab(slot[i]));

        if (memcmp(s->token, none, sizeof(none))) {
            fail("a page was put at %s where a slab is moved to", h->name);
        }
        if (!s->page) {
            s->page = g_new0(uint8_t *, world.slab_pages);
        }
        g_free(s->page[wire_slot_page(slot[i])]);
        s->page[wire_slot_page(slot[i])] = g_memdup2(bytes + i * PAGE, PAGE);
        sum[i] = wire_page_sum(bytes + i * PAGE) ^ h->wrong;
    }
    return RCACHE_OK;
}

static const uint8_t *page_of(const HostLease *l, RcacheSlot slot)
{
    const HostSlab *s = host_slab_of(l, wire_slot_slab(slot));

    return s && s->page ? s->page[wire_slot_page(slot)] : NULL;
}

static void got(GByteArray *out, WireHead *head, const HostLease *l,
                const WireHead *to, const RcacheSlot *slot)
{
    uint8_t bytes[WIRE_HEAD_LEN];

    head->count = to->count;
    head->length = to->count * PAGE;
    for (unsigned i = 0; i < to->count; i++) {
        if (!page_of(l, slot[i])) {
            head->status = RCACHE_E_SLOT;
            head->count = head->length = 0;
        }
    }
    wire_head_encode(bytes, head);
    g_byte_array_append(out, bytes, sizeof(bytes));
    for (unsigned i = 0; i < head->count; i++) {
        g_byte_array_append(out, page_of(l, slot[i]), PAGE);
    }
}

static void answer_pages(Way *way, const WireHead *to, const uint8_t *payload)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    const Host *h = &world.host[way->host];
    HostLease *l = host_lease_of(way->host, to->lease);
    g_autofree RcacheSlot *slot = g_new(RcacheSlot, to->count + 1);
    g_autofree uint64_t *sum = g_new0(uint64_t, to->count + 1);
    WireHead head;

    wire_slots_decode(payload, slot, to->count);
    head_answer(&head, to, RCACHE_OK);
    if (h->no_pages && (to->type == RCACHE_PUT || to->type == RCACHE_GET)) {
        return;
    }
    if (!slots_are_there(l, to, slot)) {
        if (to->type == RCACHE_PUT) {
            fail("a page was put at %s, lease %" G_GUINT64_FORMAT ", where "
                 "there is no such slab", h->name, to->lease);
        }
        head.status = l ? RCACHE_E_SLOT : RCACHE_E_LEASE;
        wire_append_bare(out, &head);
    } else if (to->type == RCACHE_PUT) {
        world.count.puts += to->count;
        head.status = do_put(l, to, slot, payload + to->count * sizeof(*slot),
                             sum);
        if (head.status) {
            wire_append_bare(out, &head);
        } else {
            wire_append_put_ack(out, &head,
                                wire_put_digest(slot, sum, to->count));
        }
    } else if (to->type == RCACHE_GET) {
        got(out, &head, l, to, slot);
    } else if (to->type == RCACHE_SUMS) {
        for (unsigned i = 0; i < to->count; i++) {
            const uint8_t *page = page_of(l, slot[i]);

            sum[i] = page ? wire_page_sum(page) : 0;
        }
        wire_append_sums(out, &head, sum, to->count);
    } else {                    /* FREE, DROP */
        for (unsigned i = 0; i < to->count; i++) {
            HostSlab *s = host_slab_of(l, wire_slot_slab(slot[i]));

            if (to->type == RCACHE_DROP) {
                world.count.drops++;
                host_slab_empty(s);
                s->there = false;
            } else if (s->page) {
                g_clear_pointer(&s->page[wire_slot_page(slot[i])], g_free);
            }
        }
        wire_append_bare(out, &head);
    }
    say(way, out, 0);
}

/* ------------------------------------------------------------------- moves */

static void slab_copy(const HostSlab *from, HostSlab *to)
{
    host_slab_empty(to);
    to->moved = (WireMoved) { 0 };
    for (unsigned i = 0; from->page && i < world.slab_pages; i++) {
        if (!from->page[i]) {
            continue;
        }
        if (!to->page) {
            to->page = g_new0(uint8_t *, world.slab_pages);
        }
        to->page[i] = g_memdup2(from->page[i], PAGE);
        to->moved.pages++;
        to->moved.digest += wire_page_sum(from->page[i]) * (i + 1);
    }
}

static uint16_t do_move(const HostLease *from, const uint8_t *payload,
                        size_t len, WireMoved *moved)
{
    const Host *h = &world.host[from->host];
    HostLease *l;
    HostSlab *s, *source;
    WireMove move;

    g_assert(!wire_move_decode(payload, len, &move));
    l = host_lease_of(UINT_MAX, move.to_lease);
    s = host_slab_of(l, move.to_slab);
    source = host_slab_of(from, move.slab);
    if (!source) {
        return RCACHE_E_SLOT;
    }
    if (!s || memcmp(s->token, move.token, sizeof(s->token)) ||
        h->island & 1u << l->host || world.host[l->host].cut ||
        world.host[l->host].hung) {
        return RCACHE_E_BUSY;
    }
    slab_copy(source, s);
    *moved = s->moved;
    tell("  a slab goes from %s to %s", h->name, world.host[l->host].name);
    return RCACHE_OK;
}

static uint16_t do_token(HostLease *l, uint8_t type, const uint8_t *payload,
                         size_t len, WireMoved *moved)
{
    WireMoveToken token;
    HostSlab *s;

    g_assert(!wire_move_token_decode(payload, len, &token));
    s = host_slab_of(l, token.slab);
    if (!s) {
        return RCACHE_E_SLOT;
    }
    if (type == RCACHE_EXPECT) {
        host_slab_empty(s);
        memcpy(s->token, token.token, sizeof(s->token));
        return RCACHE_OK;
    }
    if (memcmp(s->token, token.token, sizeof(s->token))) {
        return RCACHE_E_REFUSED;
    }
    *moved = s->moved;
    memset(s->token, 0, sizeof(s->token));
    return RCACHE_OK;
}

static void answer_move(Way *way, const WireHead *to, const uint8_t *payload)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    HostLease *l = host_lease_of(way->host, to->lease);
    WireMoved moved = { 0 };
    WireHead head;

    head_answer(&head, to, RCACHE_E_LEASE);
    world.count.moves += to->type == RCACHE_MOVE;
    world.count.expects += to->type == RCACHE_EXPECT;
    if (l && to->type == RCACHE_MOVE) {
        head.status = do_move(l, payload, to->length, &moved);
    } else if (l) {
        head.status = do_token(l, to->type, payload, to->length, &moved);
    }
    if (head.status || to->type == RCACHE_EXPECT) {
        wire_append_bare(out, &head);
    } else {
        wire_append_moved(out, &head, &moved);
    }
    say(way, out, to->type == RCACHE_MOVE ? PUSH_NS : 0);
}

/* ------------------------------------------------------------- connections */

static void answer_lease(Way *way, const WireHead *to)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    HostLease *l = host_lease_of(way->host, to->lease);
    WireHead head;

    head_answer(&head, to, l || to->type == RCACHE_PING ? RCACHE_OK
                                                        : RCACHE_E_LEASE);
    if (l && to->type == RCACHE_CLAIM) {
        world.count.claims++;
        claimed(out, &head, l);
    } else if (l && to->type == RCACHE_RENEW) {
        wire_append_renew_ack(out, &head, TTL_MS);
    } else {
        if (l && to->type == RCACHE_RELEASE) {
            world.count.releases++;
            host_lease_forget(l);
        }
        wire_append_bare(out, &head);
    }
    say(way, out, 0);
}

static void answer_hello(Way *way, const WireHead *to, const uint8_t *payload)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    Host *h = &world.host[way->host];
    WireHelloAck ack = { .version = RCACHE_VERSION,
                         .features = RCACHE_FEATURE_MOVE |
                                     RCACHE_FEATURE_DIGEST |
                                     RCACHE_FEATURE_SUMS };
    WireHello hello;

    g_assert(!wire_hello_decode(payload, to->length, &hello));
    for (guint i = 0; hello.session > h->session && i < ways->len; i++) {
        Way *other = ways->pdata[i];

        other->over |= other->host == way->host && other->session;
    }
    h->session = MAX(h->session, hello.session);
    way->session = hello.session;
    way->bulk = hello.role == RCACHE_ROLE_BULK;
    wire_append_hello_ack(out, to->tag, RCACHE_OK, &ack);
    say(way, out, 0);
}

static void take_frame(Way *way, const WireHead *head, const uint8_t *payload)
{
    switch (head->type) {
    case RCACHE_HELLO:
        answer_hello(way, head, payload);
        break;
    case RCACHE_PUT:
    case RCACHE_GET:
    case RCACHE_FREE:
    case RCACHE_SUMS:
    case RCACHE_DROP:
        answer_pages(way, head, payload);
        break;
    case RCACHE_EXPECT:
    case RCACHE_MOVE:
    case RCACHE_CONFIRM:
        answer_move(way, head, payload);
        break;
    default:
        answer_lease(way, head);
    }
}

static void way_read(Way *way)
{
    size_t at = 0;
    WireHead head;

    while (!way->over && !world.host[way->host].hung &&
           way->in->len - at >= WIRE_HEAD_LEN) {
        g_assert(wire_head_decode(way->in->data + at, WIRE_PROVIDER, &head) ==
                 WIRE_OK);
        if (way->in->len - at < WIRE_HEAD_LEN + head.length) {
            break;
        }
        at += WIRE_HEAD_LEN + head.length;
        take_frame(way, &head, way->in->data + at - head.length);
    }
    if (at) {
        g_byte_array_remove_range(way->in, 0, at);
    }
}

static Way *way_at(int fd)
{
    for (guint i = ways->len; i-- > 0;) {
        Way *way = ways->pdata[i];

        if (way->fd == fd) {
            return way;
        }
    }
    return NULL;
}

bool provider_connected(int fd, uint16_t port)
{
    Way *way = way_at(fd);

    if (way) {
        g_ptr_array_remove(ways, way);  /* the number is used again */
    }
    if (world.host[port - 1].cut) {
        return false;
    }
    way = g_new0(Way, 1);
    way->fd = fd;
    way->host = port - 1;
    way->in = g_byte_array_new();
    g_queue_init(&way->out);
    g_ptr_array_add(ways, way);
    return true;
}

size_t provider_take(int fd, const struct iovec *iov, size_t n)
{
    Way *way = way_at(fd);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        g_byte_array_append(way->in, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    way_read(way);
    return len;
}

int provider_give(int fd, void *buf, size_t len)
{
    Way *way = way_at(fd);
    Answer *a = g_queue_peek_head(&way->out);
    size_t n;

    if (way->over || world.host[way->host].cut) {
        return -1;
    }
    if (!a || a->at > pager_now() || world.host[way->host].hung) {
        return 0;
    }
    n = MIN(len, a->bytes->len);
    memcpy(buf, a->bytes->data, n);
    g_byte_array_remove_range(a->bytes, 0, n);
    if (!a->bytes->len) {
        answer_free(g_queue_pop_head(&way->out));
    }
    return n;
}

void host_cut(unsigned host, bool cut)
{
    world.host[host].cut = cut;
    for (guint i = 0; cut && i < ways->len; i++) {
        Way *way = ways->pdata[i];

        way->over |= way->host == host;
    }
}

/* ------------------------------------------------------------- memory back */

static void revoke_send(HostLease *l)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .type = RCACHE_REVOKE, .lease = l->id, .epoch = 1 };
    WireRevoke revoke = { .keep = l->keep, .deadline_ms = 10000 };

    for (guint i = 0; i < ways->len; i++) {
        Way *way = ways->pdata[i];

        if (way->host == l->host && way->bulk && !way->over) {
            l->told = l->keep;
            wire_append_revoke(frame, &head, &revoke);
            say(way, frame, 0);
            return;
        }
    }
}

/* As rcached/provider/store-revoke.c has it. */
static void host_ask_back(unsigned host)
{
    const Host *h = &world.host[host];
    unsigned keep = h->draining ? 0 : h->capacity, slabs = host_slabs(host);
    unsigned want = slabs > keep ? slabs - keep : 0, asked = 0;

    for (guint i = 0; i < world.leases->len; i++) {
        HostLease *l = world.leases->pdata[i];
        uint32_t nr = l->host == host ? host_lease_slabs(l) : 0;

        asked += nr > l->keep ? nr - l->keep : 0;
    }
    for (guint i = 0; i < world.leases->len; i++) {
        HostLease *l = world.leases->pdata[i];
        uint32_t nr = l->host == host ? host_lease_slabs(l) : 0, by;

        if (nr && want > asked) {
            by = MIN(want - asked, MIN(nr, l->keep));
            l->keep = MIN(nr, l->keep) - by;
            asked += by;
        } else if (nr > l->keep && asked > want) {
            by = MIN(asked - want, nr - l->keep);
            l->keep = l->keep + by >= nr ? UINT32_MAX : l->keep + by;
            asked -= by;
        }
        if (nr && l->claimed && l->told != l->keep) {
            revoke_send(l);
        }
    }
}

void hosts_tick(void)
{
    uint64_t now = pager_now();

    for (guint i = 0; i < world.leases->len; i++) {
        HostLease *l = world.leases->pdata[i];

        if (l->known && !l->claimed && now > l->at + CLAIM_NS) {
            host_lease_forget(l);
        }
    }
    for (unsigned i = 0; i <= OWN; i++) {
        if (world.host[i].used && !world.host[i].cut) {
            host_ask_back(i);
        }
    }
    for (guint i = 0; i < ways->len; i++) {
        way_read(ways->pdata[i]);
    }
}

void hosts_begin(void)
{
    ways = g_ptr_array_new_with_free_func(way_free);
    kept_begin();
}

void hosts_end(void)
{
    g_ptr_array_unref(ways);
    g_ptr_array_unref(world.leases);
}
