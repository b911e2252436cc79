/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The providers of fuzz-pages: their answers.  See pages-provider.h. */
#include "tests/fuzz/pages-provider.h"

#include <string.h>

#include "common/wire-check.h"
#include "common/wire-control.h"
#include "tests/fuzz/pages-kept.h"
#include "tests/fuzz/vmm-played.h"

#define PAGE            WIRE_PAGE_SIZE
#define TTL_MS          30000

/* --------------------------------------------------------- it is answered */

/* One of a lender's connections, if it has any. */
static Way *way_of(unsigned lender, unsigned which)
{
    unsigned n = 0;

    for (guint i = 0; i < all.ways->len; i++) {
        Way *way = all.ways->pdata[i];

        n += way->lender == lender && !way->over;
    }
    for (guint i = 0; n && i < all.ways->len; i++) {
        Way *way = all.ways->pdata[i];

        if (way->lender == lender && !way->over && which-- % n == 0) {
            return way;
        }
    }
    return NULL;
}

static Way *way_beside(const Way *way)
{
    for (guint i = 0; i < all.ways->len; i++) {
        Way *other = all.ways->pdata[i];

        if (other->lender == way->lender && !other->over && other != way) {
            return other;
        }
    }
    return NULL;
}

static void say(Way *way, const GByteArray *frame)
{
    WireHead head;

    if (way && !way->over) {
        if (!wire_head_decode(frame->data, WIRE_ANY, &head)) {
            note_answer(way, &head, frame->data + WIRE_HEAD_LEN);
        }
        g_byte_array_append(way->out, frame->data, frame->len);
    }
}

static void bare(GByteArray *out, const Asked *to, uint16_t status)
{
    WireHead head = { .type = to->head.type + 1, .status = status,
                      .tag = to->head.tag, .lease = to->head.lease,
                      .epoch = to->head.epoch };

    wire_append_bare(out, &head);
}

static void frame_claim(GByteArray *out, const WireHead *head,
                        const Kept *kept)
{
    WireClaimAck ack = { .slab_pages = LENDER_PAGES, .ttl_ms = TTL_MS };
    uint32_t slab[LENDER_SLABS];

    for (unsigned i = 0; i < LENDER_SLABS; i++) {
        if (has_slab(kept, i)) {
            slab[ack.nr_slabs++] = i;
        }
    }
    wire_append_claim_ack(out, head, &ack, slab);
}

static void frame_put_ack(GByteArray *out, const WireHead *head,
                          const Asked *put)
{
    RcacheSlot slot[RCACHE_BATCH_PAGES];

    if (!(put->way->features & RCACHE_FEATURE_DIGEST)) {
        bare(out, put, RCACHE_OK);
        return;
    }
    for (unsigned i = 0; i < put->head.count; i++) {
        slot[i] = asked_slot(put, i);
    }
    wire_append_put_ack(out, head, wire_put_digest(slot, put->sum,
                                                   put->head.count));
}

static void frame_pages(GByteArray *out, WireHead *head, const Asked *get)
{
    static const uint8_t none[PAGE];
    uint8_t bytes[WIRE_HEAD_LEN];

    head->count = get->head.count;
    head->length = get->head.count * PAGE;
    wire_head_encode(bytes, head);
    g_byte_array_append(out, bytes, sizeof(bytes));
    for (unsigned i = 0; i < get->head.count; i++) {
        const uint8_t *page = kept_page(get->head.lease,
                                        asked_slot(get, i));

        g_byte_array_append(out, page ? page : none, PAGE);
    }
}

static void frame_sums(GByteArray *out, const WireHead *head,
                       const Asked *asked)
{
    uint64_t sum[RCACHE_BATCH_PAGES] = { 0 };

    for (unsigned i = 0; i < asked->head.count; i++) {
        const uint8_t *page = kept_page(asked->head.lease,
                                        asked_slot(asked, i));

        sum[i] = page ? wire_page_sum(page) : 0;
    }
    wire_append_sums(out, head, sum, asked->head.count);
}

/* The answer to a request that has been done, or not. */
static void frame_answer(GByteArray *out, const Asked *asked, uint16_t status,
                         const WireMoved *moved)
{
    WireHead head = { .type = asked->head.type + 1, .tag = asked->head.tag,
                      .lease = asked->head.lease,
                      .epoch = asked->head.epoch };

    if (status) {
        bare(out, asked, status);
        return;
    }
    switch (asked->head.type) {
    case RCACHE_CLAIM:
        frame_claim(out, &head, &all.lease[asked->head.lease]);
        break;
    case RCACHE_RENEW:
        wire_append_renew_ack(out, &head, TTL_MS);
        break;
    case RCACHE_PUT:
        frame_put_ack(out, &head, asked);
        break;
    case RCACHE_GET:
        frame_pages(out, &head, asked);
        break;
    case RCACHE_SUMS:
        frame_sums(out, &head, asked);
        break;
    case RCACHE_MOVE:
    case RCACHE_CONFIRM:
        wire_append_moved(out, &head, moved);
        break;
    default:
        bare(out, asked, RCACHE_OK);
    }
}

static const Asked *asked_any(unsigned lender, unsigned which)
{
    for (guint i = 0; i < all.asked->len; i++) {
        const Asked *asked = all.asked->pdata[(i + which) % all.asked->len];

        if (asked->lender == lender) {
            return asked;
        }
    }
    return NULL;
}

/* A bit anywhere behind what says which frame it is. */
static void spoil(GByteArray *frame, uint32_t arg)
{
    uint32_t bits = frame->len > WIRE_HEAD_LEN
                        ? 8 * (frame->len - WIRE_HEAD_LEN) : 0;

    if (bits) {
        frame->data[WIRE_HEAD_LEN + arg % bits / 8] ^= 1 << arg % 8;
    }
}

/* All that lies in how a request is answered; HOW_WELL and BUSY do not. */
static void answer_badly(Way *way, const Asked *asked, enum How how,
                         uint32_t arg, GByteArray *frame)
{
    const Asked *other = asked_any(asked->lender, arg);
    WireHead head;

    switch (how) {
    case HOW_TWICE:
        say(way, frame);
        break;
    case HOW_OTHER_WAY:
        way = way_beside(way);
        break;
    case HOW_UNANSWERED:
        return;
    case HOW_DISCONNECTED:
        g_byte_array_append(way->out, frame->data, frame->len / 2);
        way->over = true;
        return;
    case HOW_WRONG:
        spoil(frame, arg);
        break;
    case HOW_OTHER_TAG:
    case HOW_OTHER_TYPE:
        g_assert(!wire_head_decode(frame->data, WIRE_ANY, &head));
        head.tag = how == HOW_OTHER_TAG ? other->head.tag : head.tag;
        head.type = how == HOW_OTHER_TYPE ? arg : head.type;
        wire_head_encode(frame->data, &head);
        break;
    case HOW_OTHER_LENDER:
        way = way_of((asked->lender + 1 + arg % 2) % LENDERS, arg / 2);
        break;
    default:
        break;
    }
    say(way, frame);
}

static void asked_done(Asked *asked)
{
    asked->held = false;
    if (asked->head.type == RCACHE_PUT) {
        asked->payload = g_realloc(asked->payload, asked->head.count *
                                                   sizeof(RcacheSlot));
    }
}

/* Done, or refused; what has been done already, or undone, is not. */
static uint16_t asked_how(Asked *asked, enum How how, uint32_t arg,
                          WireMoved *moved)
{
    if (how == HOW_STATUS) {
        return arg % (RCACHE_E_BUSY + 1);
    }
    if (asked->done) {
        *moved = asked->result;
        return asked->status;
    }
    if (how == HOW_BUSY) {
        return RCACHE_E_BUSY;
    }
    if (how == HOW_UNDONE) {
        return lease_of(asked->lender, asked->head.lease) ? RCACHE_OK
                                                          : RCACHE_E_LEASE;
    }
    return asked_do(asked, moved);
}

static void asked_end(Asked *asked, enum How how, uint32_t arg)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireMoved moved = { 0 };
    uint16_t status;

    all.lied |= how >= HOW_HONEST;
    status = asked_how(asked, how, arg, &moved);
    asked_done(asked);
    if (!asked->way || asked->way->over) {
        return;
    }
    frame_answer(frame, asked, status, &moved);
    answer_badly(asked->way, asked, how, arg, frame);
}

/* ------------------------------------------------------------ connections */

void provider_begin(void)
{
    lenders_begin();
}

void provider_end(void)
{
    lenders_end();
}

static Way *way_at(int fd)
{
    for (guint i = all.ways->len; i-- > 0;) {
        Way *way = all.ways->pdata[i];

        if (way->fd == fd) {
            return way;
        }
    }
    return NULL;
}

/* The pager has closed one whose number is used again. */
static void way_left(Way *way)
{
    way->fd = -1;
    way->over = true;
}

bool provider_connected(int fd, uint16_t port)
{
    Way *way = way_at(fd);
    unsigned lender = (port - 1u) % LENDERS;

    if (way) {
        way_left(way);
    }
    if (all.lender[lender].refuse) {
        return false;
    }
    way = g_new0(Way, 1);
    way->fd = fd;
    way->lender = lender;
    way->in = g_byte_array_new();
    way->out = g_byte_array_new();
    g_ptr_array_add(all.ways, way);
    return true;
}

/* Whatever an older session has sent is done by now, or never will be. */
static void fence(unsigned lender)
{
    WireMoved moved;

    for (guint i = 0; i < all.asked->len; i++) {
        Asked *asked = all.asked->pdata[i];

        if (asked->lender == lender && asked->head.type != RCACHE_HELLO) {
            if (asked->held && !asked->done &&
                asked->head.type != RCACHE_MOVE) {
                asked_do(asked, &moved);
            }
            asked_done(asked);
            asked->way = NULL;
        }
    }
    for (guint i = 0; i < all.ways->len; i++) {
        Way *way = all.ways->pdata[i];

        way->over |= way->lender == lender && way->session;
    }
}

static void take_hello(Way *way, const Asked *asked)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Lender *lender = &all.lender[way->lender];
    WireHelloAck ack = { .version = RCACHE_VERSION,
                         .features = RCACHE_FEATURE_MOVE |
                                     RCACHE_FEATURE_DIGEST };
    WireHello hello;

    if (way->lender < LENDERS_SUMS) {
        ack.features |= RCACHE_FEATURE_SUMS;
    }
    g_assert(!wire_hello_decode(asked->payload, asked->head.length, &hello));
    if (hello.session > lender->session) {
        fence(way->lender);
        lender->session = hello.session;
        lender->features = lender->old ? RCACHE_FEATURE_MOVE : ack.features;
    }
    way->session = hello.session;
    way->features = ack.features = lender->features;
    way->bulk = hello.role == RCACHE_ROLE_BULK;
    wire_append_hello_ack(frame, asked->head.tag, RCACHE_OK, &ack);
    say(way, frame);
}

/* One that is done, and that no answer can be to any more. */
static void forget_oldest(void)
{
    for (guint i = 0; all.asked->len > ASKED_MAX && i < all.asked->len; i++) {
        const Asked *asked = all.asked->pdata[i];

        if (!asked->held && asked->head.type != RCACHE_MOVE) {
            g_ptr_array_remove_index(all.asked, i);
            return;
        }
    }
}

static void take_frame(Way *way, const WireHead *head, const uint8_t *payload)
{
    Asked *asked = g_new0(Asked, 1);

    asked->way = way;
    asked->lender = way->lender;
    asked->head = *head;
    asked->payload = g_memdup2(payload, head->length);
    asked->moved = g_array_new(FALSE, FALSE, sizeof(WireMoved));
    if (head->type == RCACHE_PUT) {
        asked->sum = g_new(uint64_t, head->count);
        for (unsigned i = 0; i < head->count; i++) {
            asked->sum[i] = wire_page_sum(asked_page(asked, i));
        }
    }
    forget_oldest();
    g_ptr_array_add(all.asked, asked);
    note_asked(asked);
    if (head->type == RCACHE_HELLO) {
        take_hello(way, asked);
    } else if (all.lender[way->lender].hold && head->type != RCACHE_PING) {
        asked->held = true;
    } else {
        asked_end(asked, HOW_WELL, 0);
    }
}

size_t provider_take(int fd, const struct iovec *iov, size_t n)
{
    Way *way = way_at(fd);
    size_t len = 0, at = 0;
    WireHead head;

    for (size_t i = 0; i < n; i++) {
        g_byte_array_append(way->in, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    while (!way->over && way->in->len - at >= WIRE_HEAD_LEN) {
        g_assert(wire_head_decode(way->in->data + at, WIRE_PROVIDER, &head) ==
                 WIRE_OK);
        if (way->in->len - at < WIRE_HEAD_LEN + head.length) {
            break;
        }
        take_frame(way, &head, way->in->data + at + WIRE_HEAD_LEN);
        at += WIRE_HEAD_LEN + head.length;
    }
    g_byte_array_remove_range(way->in, 0, at);
    return len;
}

int provider_give(int fd, void *buf, size_t len)
{
    Way *way = way_at(fd);
    size_t n = MIN(len, way->out->len);

    if (!n) {
        return way->over ? -1 : 0;
    }
    memcpy(buf, way->out->data, n);
    g_byte_array_remove_range(way->out, 0, n);
    return n;
}

/* ------------------------------------------------------------------ steps */

bool lender_grant(unsigned lender, unsigned lease)
{
    Kept *kept = &all.lease[lease];

    if (kept->slabs) {
        return false;
    }
    *kept = (Kept) { .known = true, .lender = lender,
                     .slabs = (1u << LENDER_SLABS) - 1 };
    return true;
}

void lender_hold(unsigned lender, bool hold)
{
    all.lender[lender].hold = hold;
}

void lender_refuse(unsigned lender, bool refuse)
{
    all.lender[lender].refuse = refuse;
}

void lender_old(unsigned lender, bool old)
{
    all.lender[lender].old = old;
}

void lender_answer(unsigned lender, unsigned which, enum How how,
                   uint32_t arg)
{
    unsigned n = 0;

    for (guint i = 0; i < all.asked->len; i++) {
        const Asked *asked = all.asked->pdata[i];

        n += asked->lender == lender && asked->held;
    }
    for (guint i = 0; n && i < all.asked->len; i++) {
        Asked *asked = all.asked->pdata[i];

        if (asked->lender == lender && asked->held && which-- % n == 0) {
            asked_end(asked, how, arg);
            return;
        }
    }
}

void lender_close(unsigned lender, unsigned which)
{
    Way *way = way_of(lender, which);

    if (way) {
        way->over = true;
    }
}

void lender_lose(unsigned lease)
{
    if (all.lease[lease].known) {
        all.lied = true;
        forget_lease(lease);
    }
}

void lender_spoil(unsigned lender, unsigned which, uint32_t arg)
{
    GHashTableIter iter;
    uint8_t *last = NULL;
    void *at, *bytes;

    all.lied = true;
    g_hash_table_iter_init(&iter, all.pages);
    while (g_hash_table_iter_next(&iter, &at, &bytes)) {
        if (!lease_of(lender, key_lease(at))) {
            continue;
        }
        if (!which--) {
            ((uint8_t *)bytes)[arg % PAGE] ^= 1 << arg / PAGE % 8;
            return;
        }
        if (!which && last && arg % 2) {
            g_autofree uint8_t *third = g_memdup2(last, PAGE);

            memcpy(last, bytes, PAGE);
            memcpy(bytes, third, PAGE);
            return;
        }
        last = bytes;
    }
}

void lender_revoke(unsigned lease, uint32_t keep)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .type = RCACHE_REVOKE, .lease = lease, .epoch = 1 };
    WireRevoke revoke = { .keep = keep, .deadline_ms = 10000 };
    const Kept *kept = &all.lease[lease];

    for (guint i = 0; kept->known && i < all.ways->len; i++) {
        Way *way = all.ways->pdata[i];

        if (way->lender == kept->lender && way->bulk && !way->over) {
            wire_append_revoke(frame, &head, &revoke);
            say(way, frame);
            return;
        }
    }
}

void lender_say(unsigned lender, unsigned which, uint8_t type,
                uint16_t status, uint16_t count, const void *payload,
                size_t len)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    const Asked *asked = asked_any(lender, which / 2);
    WireHead head = { .type = type, .status = status, .count = count,
                      .length = len };
    uint8_t bytes[WIRE_HEAD_LEN];

    if (asked) {
        head.tag = asked->head.tag;
        head.lease = asked->head.lease;
        head.epoch = asked->head.epoch;
    }
    all.lied = true;
    wire_head_encode(bytes, &head);
    g_byte_array_append(frame, bytes, sizeof(bytes));
    g_byte_array_append(frame, payload, len);
    say(way_of(lender, which), frame);
}

void lenders_heal(void)
{
    for (unsigned i = 0; i < LENDERS; i++) {
        all.lender[i].hold = all.lender[i].refuse = false;
    }
    for (guint i = 0; i < all.ways->len; i++) {
        Way *way = all.ways->pdata[i];

        way->over = true;
    }
}
