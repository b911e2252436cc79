/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider-client.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/wire-check.h"
#include "common/wire-control.h"

static TlsCredentials *default_creds;

void client_default_tls(TlsCredentials *creds)
{
    default_creds = creds;
}

Client client_connect(const char *address)
{
    Client c = client_connect_plain(address);

    if (default_creds) {
        ck_assert_msg(client_try_tls(&c, default_creds), "%s",
                      tls_stream_reason(c.tls));
    }
    return c;
}

Client client_connect_plain(const char *address)
{
    return client_connect_from(address, NULL);
}

Client client_connect_from(const char *address, const char *from)
{
    struct timeval wait = { .tv_sec = 5 };
    struct sockaddr_storage addr, own;
    Client c = { .epoch = 1 };
    socklen_t len;

    ck_assert(address_parse(address, 0, &addr, &len, NULL));
    c.fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(c.fd, 0);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (from) {
        ck_assert(address_parse(from, 0, &own, &len, NULL));
        ck_assert_int_eq(bind(c.fd, (struct sockaddr *)&own, len), 0);
    }
    ck_assert_int_eq(connect(c.fd, (struct sockaddr *)&addr, len), 0);
    return c;
}

void client_close(Client *c)
{
    close(c->fd);
    c->fd = -1;
    g_clear_pointer(&c->tls, tls_stream_free);
}

static bool send_all(Client *c, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (len) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return false;
        }
        at += n;
        len -= n;
    }
    return true;
}

/* What TLS has to send. */
static bool send_out(Client *c)
{
    const void *bytes;
    size_t len;

    while ((bytes = tls_stream_out(c->tls, &len))) {
        if (!send_all(c, bytes, len)) {
            return false;
        }
        tls_stream_sent(c->tls, len);
    }
    return true;
}

bool client_try_send(Client *c, const void *bytes, size_t len)
{
    struct iovec iov = { (void *)bytes, len };

    return c->tls ? !tls_stream_write(c->tls, &iov, 1) && send_out(c)
                  : send_all(c, bytes, len);
}

void client_send(Client *c, const void *bytes, size_t len)
{
    ck_assert_msg(client_try_send(c, bytes, len), "send: %s",
                  strerror(errno));
}

/* Bytes, as recv() has them, or what TLS makes of them. */
static ssize_t recv_some(Client *c, void *bytes, size_t len)
{
    ssize_t n;
    size_t room;
    void *in;

    if (!c->tls) {
        return recv(c->fd, bytes, len, 0);
    }
    while (!(n = tls_stream_read(c->tls, bytes, len))) {
        in = tls_stream_in(c->tls, &room);
        n = recv(c->fd, in, room, 0);
        if (n <= 0) {
            return n;
        }
        tls_stream_received(c->tls, n);
    }
    return MAX(n, 0);
}

bool client_try_tls(Client *c, TlsCredentials *creds)
{
    const TlsWanted wanted = { .role = TLS_ROLE_HOST };
    size_t room;
    ssize_t n;
    void *in;

    c->tls = tls_stream_new(creds, TLS_CLIENT, &wanted);
    while (!tls_stream_step(c->tls)) {
        if (!send_out(c)) {
            return false;
        }
        if (tls_stream_up(c->tls)) {
            return true;
        }
        in = tls_stream_in(c->tls, &room);
        n = recv(c->fd, in, room, 0);
        if (n <= 0) {
            return false;
        }
        tls_stream_received(c->tls, n);
    }
    return false;
}

void client_send_frame(Client *c, void *frame, size_t len)
{
    if (c->features & RCACHE_FEATURE_DIGEST) {
        wire_check_set(frame, len);
    }
    client_send(c, frame, len);
}

void client_send_head(Client *c, const WireHead *head)
{
    uint8_t bytes[WIRE_HEAD_LEN];

    wire_head_encode(bytes, head);
    client_send(c, bytes, sizeof(bytes));
}

/* False at the end, clean or not. */
static bool recv_all(Client *c, void *bytes, size_t len)
{
    uint8_t *at = bytes;

    while (len) {
        ssize_t n = recv_some(c, at, len);

        ck_assert_msg(n >= 0 || errno == ECONNRESET || errno == EPIPE,
                      "recv: %s", strerror(errno));
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= n;
    }
    return true;
}

bool client_try_recv(Client *c, WireHead *head, uint8_t **payload)
{
    uint8_t bytes[WIRE_HEAD_LEN];
    WireError err;

    *payload = NULL;
    if (!recv_all(c, bytes, sizeof(bytes))) {
        return false;
    }
    err = wire_head_decode(bytes, WIRE_REQUESTER, head);
    ck_assert_msg(!err, "%s", wire_reason(err));
    if (head->length) {
        *payload = g_malloc(head->length);
        return recv_all(c, *payload, head->length);
    }
    return true;
}

bool client_ended(Client *c)
{
    uint8_t byte;

    return !recv_all(c, &byte, 1);
}

uint16_t client_answer(Client *c, uint8_t type, uint8_t **payload,
                       uint32_t *length)
{
    g_autofree uint8_t *unwanted = NULL;
    WireHead head;

    ck_assert(client_try_recv(c, &head, payload ? payload : &unwanted));
    ck_assert_str_eq(wire_type_name(head.type), wire_type_name(type));
    ck_assert_uint_eq(head.tag, c->tag);
    if (length) {
        *length = head.length;
    }
    return head.status;
}

uint16_t client_hello(Client *c, uint8_t vm, uint64_t session)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_autofree uint8_t *payload = NULL;
    WireHello hello = {
        .version_min = 1, .version_max = 1, .features = c->features,
        .role = c->role ? c->role : RCACHE_ROLE_BULK,
        .incarnation = 1, .session = session,
    };

    g_strlcpy(hello.host, c->host ? c->host : "req", sizeof(hello.host));
    memset(hello.vm, vm, sizeof(hello.vm));
    wire_append_hello(frame, ++c->tag, &hello);
    if (c->features & RCACHE_FEATURE_DIGEST) {
        memset(frame->data + offsetof(struct RcacheHdr, tag), 0, 8);
        wire_check_set(frame->data, frame->len);
        memcpy(&c->tag, frame->data + offsetof(struct RcacheHdr, tag), 8);
        c->tag = GUINT64_FROM_LE(c->tag);
    }
    client_send(c, frame->data, frame->len);
    return client_answer(c, RCACHE_HELLO_ACK, &payload, NULL);
}

Client client_session(const char *address, uint8_t vm, uint64_t session)
{
    Client c = client_connect(address);

    ck_assert_uint_eq(client_hello(&c, vm, session), RCACHE_OK);
    return c;
}

uint16_t client_claim(Client *c, uint64_t id)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_autofree uint8_t *payload = NULL;
    WireHead head = { .tag = ++c->tag, .lease = id, .epoch = c->epoch };
    uint8_t token[RCACHE_TOKEN_LEN];
    WireClaimAck ack;
    uint32_t length;
    uint16_t status;
    unsigned i;

    memset(token, id, sizeof(token));
    wire_append_claim(frame, &head, token);
    client_send_frame(c, frame->data, frame->len);
    status = client_answer(c, RCACHE_CLAIM_ACK, &payload, &length);
    if (status == RCACHE_OK) {
        ck_assert(!wire_claim_ack_decode(payload, length, &ack));
        c->lease = id;
        c->slab_pages = ack.slab_pages;
        c->nr_slabs = ack.nr_slabs;
        for (i = 0; i < ack.nr_slabs && i < G_N_ELEMENTS(c->slabs); i++) {
            c->slabs[i] = wire_claim_ack_slab(payload, i);
        }
    }
    return status;
}

RcacheSlot client_slot(const Client *c, uint32_t page)
{
    ck_assert_uint_lt(page / c->slab_pages, c->nr_slabs);
    return wire_slot(c->slabs[page / c->slab_pages], page % c->slab_pages);
}

void client_put_begin(Client *c, const RcacheSlot *slots, unsigned n)
{
    uint8_t bytes[WIRE_HEAD_LEN + 8 * RCACHE_BATCH_PAGES];
    WireHead head = {
        .type = RCACHE_PUT, .count = n, .length = n * (8 + WIRE_PAGE_SIZE),
        .tag = ++c->tag, .lease = c->lease, .epoch = c->epoch,
    };

    wire_head_encode(bytes, &head);
    wire_slots_encode(bytes + WIRE_HEAD_LEN, slots, n);
    client_send_frame(c, bytes, WIRE_HEAD_LEN + 8 * n);
}

void client_fill(uint8_t *pages, const RcacheSlot *slots, unsigned n,
                 uint64_t value)
{
    uint64_t *words = (uint64_t *)pages;
    unsigned i, j;

    for (i = 0; i < n; i++) {
        for (j = 0; j < WIRE_PAGE_SIZE / 8; j++) {
            *words++ = slots[i] * 1000003 + value * 31 + j;
        }
    }
}

uint16_t client_put_answer(Client *c)
{
    g_autofree uint8_t *payload = NULL;
    uint32_t length;
    uint16_t status = client_answer(c, RCACHE_PUT_ACK, &payload, &length);

    c->digest = 0;
    if (length) {
        ck_assert(!wire_put_ack_decode(payload, length, &c->digest));
    }
    return status;
}

uint16_t client_put(Client *c, const RcacheSlot *slots, unsigned n,
                    uint64_t value)
{
    g_autofree uint8_t *pages = g_malloc(n * WIRE_PAGE_SIZE);

    client_fill(pages, slots, n, value);
    client_put_begin(c, slots, n);
    client_send(c, pages, n * WIRE_PAGE_SIZE);
    return client_put_answer(c);
}

void client_send_slots(Client *c, uint8_t type, const RcacheSlot *slots,
                       unsigned n)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = {
        .type = type, .count = n, .tag = ++c->tag, .lease = c->lease,
        .epoch = c->epoch,
    };

    wire_append_slots(frame, &head, slots);
    client_send_frame(c, frame->data, frame->len);
}

uint16_t client_get(Client *c, const RcacheSlot *slots, unsigned n,
                    uint8_t *pages)
{
    g_autofree uint8_t *payload = NULL;
    uint32_t length;
    uint16_t status;

    client_send_slots(c, RCACHE_GET, slots, n);
    status = client_answer(c, RCACHE_GET_REPLY, &payload, &length);
    if (status == RCACHE_OK) {
        ck_assert_uint_eq(length, n * WIRE_PAGE_SIZE);
        memcpy(pages, payload, length);
    }
    return status;
}

bool client_has(Client *c, RcacheSlot slot, uint64_t value)
{
    uint8_t want[WIRE_PAGE_SIZE], have[WIRE_PAGE_SIZE];

    client_fill(want, &slot, 1, value);
    ck_assert_uint_eq(client_get(c, &slot, 1, have), RCACHE_OK);
    return !memcmp(want, have, sizeof(want));
}

uint16_t client_free(Client *c, const RcacheSlot *slots, unsigned n)
{
    g_autofree uint8_t *payload = NULL;

    client_send_slots(c, RCACHE_FREE, slots, n);
    return client_answer(c, RCACHE_FREE_ACK, &payload, NULL);
}

uint16_t client_bare(Client *c, uint8_t type)
{
    g_autofree uint8_t *payload = NULL;
    WireHead head = { .type = type, .tag = ++c->tag };
    uint8_t bytes[WIRE_HEAD_LEN];

    if (type != RCACHE_PING) {
        head.lease = c->lease;
        head.epoch = c->epoch;
    }
    wire_head_encode(bytes, &head);
    client_send_frame(c, bytes, sizeof(bytes));
    return client_answer(c, type + 1, &payload, NULL);
}
