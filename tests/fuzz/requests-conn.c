/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connections of fuzz-requests.  See requests-conn.h. */
#include "tests/fuzz/requests-conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire-check.h"

#define WAIT_MS     60000

uint64_t conn_session[2];
static uint32_t note[NUMBERS][PAGES];

void notes_begin(void)
{
    memset(conn_session, 0, sizeof(conn_session));
    memset(note, 0, sizeof(note));
}

unsigned vm_of(uint64_t lease)
{
    return lease % 2;
}

void page_fill(uint8_t *page, RcacheSlot slot, uint32_t seed)
{
    for (unsigned i = 0; i < WIRE_PAGE_SIZE / 8; i++) {
        uint64_t word = (uint64_t)seed << 32 ^ slot ^ i;

        memcpy(page + 8 * i, &word, sizeof(word));
    }
}

uint32_t *page_note(RcacheSlot slot)
{
    uint32_t slab = wire_slot_slab(slot), page = wire_slot_page(slot);

    return slab < NUMBERS && page < PAGES ? &note[slab][page] : NULL;
}

void slab_unknown(uint32_t slab)
{
    for (unsigned i = 0; slab < NUMBERS && i < PAGES; i++) {
        note[slab][i] = UNKNOWN;
    }
}

void all_unknown(void)
{
    for (uint32_t slab = 0; slab < NUMBERS; slab++) {
        slab_unknown(slab);
    }
}

/* ------------------------------------------------------------ connections */

void conn_close(Conn *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
}

void conn_send(Conn *c, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (c->fd >= 0 && len) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

        if (n < 0) {
            conn_close(c);
            return;
        }
        at += n;
        len -= n;
    }
}

void conn_go_on(Conn *c)
{
    static const uint8_t zeros[BATCH * WIRE_PAGE_SIZE];

    conn_send(c, zeros, c->partial);
    c->partial = 0;
}

void conn_send_frame(Conn *c, GByteArray *frame)
{
    conn_go_on(c);
    if (c->checks) {
        wire_check_set(frame->data, frame->len);
    }
    conn_send(c, frame->data, frame->len);
}

Asked *conn_ask(Conn *c, WireHead *head, enum What what)
{
    Asked *asked = &c->asked[++c->tag % G_N_ELEMENTS(c->asked)];

    head->tag = c->tag;
    *asked = (Asked) { .what = what, .vm = c->vm, .role = c->role,
                       .session = c->session, .checks = c->checks };
    return asked;
}

static bool conn_recv(Conn *c, uint8_t *to, size_t len)
{
    while (len) {
        struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
        ssize_t n;

        int ready;

        do {
            ready = poll(&pfd, 1, WAIT_MS);
        } while (ready < 0 && errno == EINTR);
        g_assert(ready == 1);   /* it must not hang */
        n = recv(c->fd, to, len, 0);
        if (n <= 0) {
            return false;
        }
        to += n;
        len -= n;
    }
    return true;
}

/* ---------------------------------------------------------------- answers */

static void check_hello(const Conn *c, const WireHead *head)
{
    if (head->status) {
        return;
    }
    g_assert(c->role == RCACHE_ROLE_PUSH ||
             c->session >= conn_session[c->vm]);
}

/* What a session gets its rights by. */
static void check_claim(const Asked *asked, const WireHead *head)
{
    g_assert(vm_of(head->lease) == asked->vm);
    g_assert(asked->session >= conn_session[asked->vm]);
    conn_session[asked->vm] = asked->session;
}

static void check_put(const Asked *asked, const WireHead *head,
                      const uint8_t *payload)
{
    uint64_t sum[BATCH], digest;
    uint8_t page[WIRE_PAGE_SIZE];

    if (head->status) {
        return;
    }
    g_assert(asked->role == RCACHE_ROLE_PUSH ||
             vm_of(head->lease) == asked->vm);
    for (unsigned i = 0; i < asked->n; i++) {
        uint32_t *in = page_note(asked->slot[i]);

        page_fill(page, asked->slot[i], asked->seed);
        sum[i] = wire_page_sum(page);
        if (in) {
            *in = asked->seed;
        }
    }
    if (asked->checks) {
        g_assert(!wire_put_ack_decode(payload, head->length, &digest));
        g_assert(digest == wire_put_digest(asked->slot, sum, asked->n));
    }
}

static void check_get(const Asked *asked, const WireHead *head,
                      const uint8_t *payload)
{
    uint8_t page[WIRE_PAGE_SIZE];

    if (head->status) {
        return;
    }
    g_assert(vm_of(head->lease) == asked->vm && head->count == asked->n);
    for (unsigned i = 0; i < asked->n; i++) {
        const uint32_t *in = page_note(asked->slot[i]);

        if (in && *in != UNKNOWN) {
            g_assert(*in);    /* somebody has put something there */
            page_fill(page, asked->slot[i], *in);
            g_assert(!memcmp(page, payload + i * WIRE_PAGE_SIZE,
                             WIRE_PAGE_SIZE));
        }
    }
}

static void conn_answer(Conn *c, const WireHead *head, const uint8_t *payload)
{
    const Asked *asked = &c->asked[head->tag % G_N_ELEMENTS(c->asked)];

    if (head->type == RCACHE_HELLO_ACK) {
        check_hello(c, head);
    } else if (head->type == RCACHE_CLAIM_ACK && !head->status) {
        check_claim(asked, head);
    } else if (head->type == RCACHE_PUSH_ACK && !head->status) {
        g_assert(asked->session == conn_session[asked->vm]);
    } else if (head->type == RCACHE_PUT_ACK && asked->what == PUT) {
        check_put(asked, head, payload);
    } else if (head->type == RCACHE_GET_REPLY && asked->what == GET) {
        check_get(asked, head, payload);
    }
}

void conn_settle(Conn *c)
{
    g_autoptr(GByteArray) ping = g_byte_array_new();
    WireHead head = { .type = RCACHE_PING };
    uint8_t bytes[WIRE_HEAD_LEN];
    uint64_t tag;

    if (c->fd < 0 || c->partial) {
        return;
    }
    conn_ask(c, &head, BARE);
    tag = head.tag;
    wire_append_bare(ping, &head);
    conn_send(c, ping->data, ping->len);
    while (c->fd >= 0 && (head.type != RCACHE_PONG || head.tag != tag)) {
        g_autofree uint8_t *payload = NULL;

        if (!conn_recv(c, bytes, sizeof(bytes))) {
            conn_close(c);
            return;
        }
        g_assert(!wire_head_decode(bytes, WIRE_REQUESTER, &head));
        payload = g_malloc(head.length + 1);
        if (!conn_recv(c, payload, head.length)) {
            conn_close(c);
            return;
        }
        conn_answer(c, &head, payload);
    }
}
