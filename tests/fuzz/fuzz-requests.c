/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-requests: a provider whose requesters, and the providers that it
 * exchanges slabs with, do as they like.
 *
 * The input is a list of steps: a byte says what happens, those behind it how.
 * Four connections say HELLO for one of two VMs in any role and session, claim,
 * put, get, free, expect, move, push, confirm, drop, release, leave in the
 * middle of a frame; the daemon grants, withdraws, and wants memory back, which
 * then goes to a spill file.  Slabs are pushed to this same provider, or to
 * another one that answers as the input says.
 *
 * After each step the provider must still answer.  Nobody gets a page of
 * another VM, an older session is not let in, a PUT that is confirmed is
 * confirmed with its digest, and what a GET brings is what was put last.
 * fuzz-provider is its neighbour for any bytes at all.
 */
#include <arpa/inet.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/wire-check.h"
#include "common/wire-control.h"
#include "common/wire-move.h"
#include "fuzz.h"
#include "rcached/provider/provider.h"
#include "requests-conn.h"
#include "steps.h"

#define STEPS_MAX   200u

static struct {
    Steps steps;
    Provider *provider;
    Conn conn[CONNS];
    int listener, other;        /* the other provider */
    char other_address[RCACHE_NAME_MAX];
    uint32_t seed;
} fuzz;

static uint64_t take(unsigned bytes)
{
    return steps_take(&fuzz.steps, bytes);
}

/* ------------------------------------------------------------------ steps */

static Conn *take_conn(void)
{
    return &fuzz.conn[take(1) % CONNS];
}

static WireHead take_head(uint8_t type)
{
    uint8_t lease = take(1);

    return (WireHead) { .type = type, .lease = lease % LEASES + 1,
                        .epoch = lease < 240 ? 1 : 2 };
}

static RcacheSlot take_slot(void)
{
    uint8_t slab = take(1) % 12;

    return wire_slot(slab < 11 ? slab : UINT32_MAX, take(1) % (PAGES + 1));
}

static int dial(const char *address)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int fd;

    g_assert(address_parse(address, 0, &addr, &len, NULL));
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert(fd >= 0 && !connect(fd, (struct sockaddr *)&addr, len));
    return fd;
}

static void step_hello(void)
{
    static const uint32_t roles[] = { RCACHE_ROLE_BULK, RCACHE_ROLE_FAULT,
                                      RCACHE_ROLE_PUSH, RCACHE_ROLE_BULK };
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Conn *c = take_conn();
    uint8_t how = take(1);
    WireHello hello = {
        .version_min = 1, .version_max = 1, .incarnation = 1, .host = "f",
        .features = RCACHE_FEATURE_MOVE,
    };

    if (c->fd < 0 || how & 128) {
        conn_close(c);
        *c = (Conn) { .fd = dial(provider_address(fuzz.provider)) };
    }
    c->vm = how & 1;
    c->role = roles[how / 2 % G_N_ELEMENTS(roles)];
    c->session = conn_session[c->vm] + 3 - MIN(how / 8 % 4, 3);
    c->session = MAX(c->session, 2) - (how / 32 % 4 == 3);
    c->checks = !(how & 64) && c->role != RCACHE_ROLE_PUSH;
    hello.features |= c->checks ? RCACHE_FEATURE_DIGEST : 0;
    hello.role = c->role;
    hello.session = c->session;
    hello.vm[0] = 1 + c->vm;
    wire_append_hello(frame, 0, &hello);
    conn_send_frame(c, frame);
    conn_settle(c);
}

static void step_claim(void)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Conn *c = take_conn();
    WireHead head = take_head(RCACHE_CLAIM);
    uint8_t token[RCACHE_TOKEN_LEN] = { take(1) & 7 ? 0 : 1 };

    conn_ask(c, &head, BARE);
    wire_append_claim(frame, &head, token);
    conn_send_frame(c, frame);
}

static void step_pages(uint8_t type)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Conn *c = take_conn();
    WireHead head = take_head(type);
    Asked *asked = conn_ask(c, &head, type == RCACHE_PUT ? PUT
                                      : type == RCACHE_GET ? GET : BARE);
    size_t pages = 0, len;
    uint8_t how = take(1);

    asked->n = how % BATCH + 1;
    asked->seed = ++fuzz.seed;
    asked->slot[0] = take_slot();
    for (unsigned i = 1; i < asked->n; i++) {
        asked->slot[i] = asked->slot[0] + i;
    }
    head.count = asked->n;
    pages = type == RCACHE_PUT ? asked->n * WIRE_PAGE_SIZE : 0;
    head.length = asked->n * sizeof(RcacheSlot) + pages;
    g_byte_array_set_size(frame, WIRE_HEAD_LEN + head.length);
    wire_head_encode(frame->data, &head);
    wire_slots_encode(frame->data + WIRE_HEAD_LEN, asked->slot, asked->n);
    for (unsigned i = 0; i < asked->n; i++) {
        uint32_t *note = page_note(asked->slot[i]);

        if (pages) {
            page_fill(frame->data + frame->len - pages + i * WIRE_PAGE_SIZE,
                      asked->slot[i], asked->seed);
        }
        if (note && type != RCACHE_GET) {
            *note = UNKNOWN;
        }
    }
    if (c->checks) {
        wire_check_set(frame->data, frame->len - pages);
    }
    conn_go_on(c);
    len = type == RCACHE_PUT && how & 128 ? frame->len - pages / 2
                                          : frame->len;
    conn_send(c, frame->data, len);
    c->partial = frame->len - len;
    if (c->partial) {
        asked->what = BARE;     /* it goes on with other bytes, if at all */
    }
}

/* EXPECT, PUSH or CONFIRM; PUSHED and MOVE have more to say. */
static void step_token(uint8_t type)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Conn *c = take_conn();
    WireHead head = take_head(type);
    uint8_t token = take(1) % 4, slab = take(1) % 12;
    WireMoveToken expect = { .token = { token }, .slab = slab };
    WireMoved moved = { .pages = token, .digest = slab };
    WireMove move = {
        .token = { token }, .to_lease = 1 + token, .to_epoch = 1,
        .to_slab = take(1) % 12, .slab = slab,
        .to_session = conn_session[c->vm],
    };
    static const char *const addresses[] = { "127.0.0.1:1", "nowhere" };

    conn_ask(c, &head, BARE);
    slab_unknown(slab);
    slab_unknown(move.to_slab);
    if (type == RCACHE_MOVE) {
        wire_text_copy(move.address, sizeof(move.address),
                       slab % 4 == 0 ? provider_address(fuzz.provider)
                       : slab % 4 == 1 ? fuzz.other_address
                       : addresses[slab % 4 - 2]);
        wire_append_move(frame, &head, &move);
    } else if (type == RCACHE_PUSHED) {
        wire_append_moved(frame, &head, &moved);
    } else {
        wire_append_move_token(frame, &head, &expect);
    }
    conn_send_frame(c, frame);
}

/* RENEW, RELEASE, DROP, or any head at all. */
static void step_bare(uint8_t type)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Conn *c = take_conn();
    WireHead head = take_head(type);
    RcacheSlot slot = take_slot();
    uint8_t bytes[sizeof(slot)];

    conn_ask(c, &head, BARE);
    if (type == RCACHE_RELEASE || type == RCACHE_DROP) {
        all_unknown();
    }
    head.count = type == RCACHE_DROP;
    head.length = head.count * sizeof(slot);
    g_byte_array_set_size(frame, WIRE_HEAD_LEN);
    wire_head_encode(frame->data, &head);
    if (head.count) {
        wire_slots_encode(bytes, &slot, 1);
        g_byte_array_append(frame, bytes, sizeof(bytes));
    }
    conn_send_frame(c, frame);
}

static void grant(uint64_t lease)
{
    WireGrant g = { .lease = lease, .epoch = 1, .claim_ms = 600000,
                    .bytes = 2 * SLAB, .host = "f" };
    WireGrantAck ack;

    g.vm[0] = 1 + vm_of(lease);
    provider_grant(fuzz.provider, &g, &ack);
}

static void step_daemon(void)
{
    uint8_t what = take(1), how = take(1);
    uint64_t lease = how % LEASES + 1;

    switch (what % 4) {
    case 0:
        grant(lease);
        break;
    case 1:
        all_unknown();
        if (what & 128) {
            provider_end_lease(fuzz.provider, lease);
        } else {
            provider_withdraw(fuzz.provider, lease);
        }
        break;
    case 2:
        provider_revoke(fuzz.provider, how % 9 * SLAB, 0, 1);
        break;
    case 3:
        provider_revoke(fuzz.provider, UINT64_MAX, how % 9 * SLAB, 1);
        break;
    }
}

/* The other provider takes a connection, or says something on it. */
static void step_other(void)
{
    static const uint8_t types[] = {
        RCACHE_HELLO_ACK, RCACHE_PUSH_ACK, RCACHE_PUT_ACK, RCACHE_PUSHED_ACK,
    };
    g_autoptr(GByteArray) frame = g_byte_array_new();
    uint8_t how = take(1);
    WireHelloAck hello = { .version = 1 };
    WireHead head = { .type = types[how % 4], .tag = take(1) % 6,
                      .status = how & 32 ? RCACHE_E_BUSY : RCACHE_OK };
    struct pollfd pfd = { .fd = fuzz.listener, .events = POLLIN };

    if (fuzz.other < 0 && poll(&pfd, 1, 20) == 1) {
        fuzz.other = accept4(fuzz.listener, NULL, NULL, SOCK_CLOEXEC);
    }
    if (fuzz.other >= 0 && how & 128) {
        close(fuzz.other);
        fuzz.other = -1;
    } else if (fuzz.other >= 0) {
        if (head.type == RCACHE_HELLO_ACK) {
            wire_append_hello_ack(frame, 0, head.status, &hello);
        } else {
            wire_append_bare(frame, &head);
        }
        /* And at once acks of what may not have been sent yet. */
        head = (WireHead) { .type = RCACHE_PUT_ACK };
        while (how & 64 && ++head.tag <= 4) {
            wire_append_bare(frame, &head);
        }
        send(fuzz.other, frame->data, frame->len,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void step(void)
{
    static const uint8_t pages[] = { RCACHE_PUT, RCACHE_GET, RCACHE_FREE };
    static const uint8_t tokens[] = { RCACHE_EXPECT, RCACHE_MOVE, RCACHE_PUSH,
                                      RCACHE_PUSHED, RCACHE_CONFIRM };
    static const uint8_t bare[] = { RCACHE_RENEW, RCACHE_DROP,
                                    RCACHE_RELEASE };
    uint8_t what = take(1) % 16;

    if (what < 3) {
        step_pages(pages[what]);
    } else if (what < 8) {
        step_token(tokens[what - 3]);
    } else if (what < 11) {
        step_bare(bare[what - 8]);
    } else if (what == 11) {
        step_hello();
    } else if (what == 12) {
        step_claim();
    } else if (what == 13) {
        step_daemon();
    } else if (what == 14) {
        step_other();
    } else {
        conn_go_on(take_conn());
    }
}

/* ------------------------------------------------------------------- life */

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields,
                               gsize n, gpointer opaque)
{
    return level & G_LOG_LEVEL_ERROR
        ? g_log_writer_default(level, fields, n, opaque) : G_LOG_WRITER_HANDLED;
}

static void other_begin(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fuzz.other = -1;
    fuzz.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert(!bind(fuzz.listener, (struct sockaddr *)&addr, len) &&
             !listen(fuzz.listener, 8) &&
             !getsockname(fuzz.listener, (struct sockaddr *)&addr, &len));
    g_snprintf(fuzz.other_address, sizeof(fuzz.other_address),
               "127.0.0.1:%u", ntohs(addr.sin_port));
}

/* The spill file goes where the program was started: on a disk, or nowhere. */
static void provider_begin(void)
{
    ProviderConfig config;

    provider_config_init(&config);
    config.listen = "127.0.0.1:0";
    config.host = "fuzz";
    config.slab_size = SLAB;
    config.limit = 2 * LEASES * SLAB;
    config.spill_dir = ".";
    config.spill_size = 2 * LEASES * SLAB;
    fuzz.provider = provider_new(&config, NULL);
    if (!fuzz.provider) {
        config.spill_dir = NULL;
        fuzz.provider = provider_new(&config, NULL);
    }
    g_assert(fuzz.provider);
    for (uint64_t lease = 1; lease <= LEASES; lease++) {
        grant(lease);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    int fd;

    if (!quiet && !g_getenv("FUZZ_LOG")) {
        g_log_set_writer_func(no_log, NULL, NULL);
        quiet = true;
    }
    fd = dup(0);
    close(fd);
    memset(&fuzz, 0, sizeof(fuzz));
    notes_begin();
    fuzz.steps = (Steps) { data, size };
    for (unsigned i = 0; i < CONNS; i++) {
        fuzz.conn[i].fd = -1;
    }
    other_begin();
    provider_begin();
    for (unsigned i = 0; fuzz.steps.left && i < STEPS_MAX; i++) {
        step();
        for (unsigned k = 0; k < CONNS; k++) {
            conn_settle(&fuzz.conn[k]);
        }
    }
    for (unsigned i = 0; i < CONNS; i++) {
        conn_close(&fuzz.conn[i]);
    }
    provider_free(fuzz.provider);
    close(fuzz.listener);
    if (fuzz.other >= 0) {
        close(fuzz.other);
    }
    g_assert(dup(0) == fd && !close(fd));
    return 0;
}
