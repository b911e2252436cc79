/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load-host: one of the hosts that arbiter-load plays.  See load.h.
 *
 * It behaves as rcached does: HELLO, a heartbeat at once and then one a
 * period, a yes to each grant, which is among its leases from the next
 * heartbeat on (the oldest makes room, so that there are always as many), and
 * a pause that doubles when it cannot connect.
 *
 * Every fourth has no room, every ninth does not lend.  A rack is forty.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "tests/bench/load.h"
#include "tests/bench/measure.h"

#define GIB             (1ull << 30)
#define MIB             (1ull << 20)
#define SLAB            (64 * MIB)
#define ASK_BYTES       (2 * SLAB)
#define RACK            40u
#define RETRY_MIN_MS    200u
#define RETRY_MAX_MS    5000u
#define TTL_MS          60000u

/* ---------------------------------------------------------- what it is */

static void uuid_of(unsigned host, unsigned guest, uint8_t *uuid)
{
    uint32_t word[4] = { host, guest, 0x6c6f6164, ~host };

    memcpy(uuid, word, RCACHE_UUID_LEN);
}

static void boot_of(unsigned host, uint8_t *uuid)
{
    uuid_of(host, UINT32_MAX, uuid);
}

/* Its @i-th lease is for a guest of some other host. */
static void lease_init(const Load *load, LoadHost *h, unsigned i)
{
    unsigned other = (h->index + 1 + i * 37) % load->hosts;
    WireBeatLease *l = &h->lease[i];

    *l = (WireBeatLease) {
        .lease = (uint64_t)h->index << 16 | (i + 1),
        .epoch = 1,
        .state = RCACHE_LEASE_CLAIMED,
        .bytes = SLAB,
        .stored = SLAB / 2,
    };
    uuid_of(other, i, l->vm);
    g_snprintf(l->name, sizeof(l->name), "guest-%u-%u", other, i);
    g_snprintf(l->host, sizeof(l->host), "host-%u.example.org", other);
}

void load_host_init(Load *load, LoadHost *h, unsigned index)
{
    *h = (LoadHost) {
        .index = index, .fd = -1, .state = LOAD_DOWN,
        .pause_ms = RETRY_MIN_MS,
        .lease = g_new0(WireBeatLease, load->leases),
    };
    for (unsigned i = 0; i < load->leases; i++) {
        lease_init(load, h, i);
    }
    h->offered = load->leases * SLAB + (index % 4 ? 16 * GIB : 0);
    load->down++;
}

/* ------------------------------------------------------------ connection */

static void set_state(Load *load, LoadHost *h, LoadState state)
{
    load->up += (state == LOAD_UP) - (h->state == LOAD_UP);
    load->down += (state == LOAD_DOWN) - (h->state == LOAD_DOWN);
    h->state = state;
}

static void lost(Load *load, LoadHost *h)
{
    if (h->fd >= 0) {
        close(h->fd);
        h->fd = -1;
    }
    g_clear_pointer(&h->in, g_byte_array_unref);
    g_clear_pointer(&h->out, g_byte_array_unref);
    set_state(load, h, LOAD_DOWN);
    h->due_ns = measure_now() +
                (h->pause_ms / 2 +
                 g_random_int_range(0, h->pause_ms / 2 + 1)) * 1000000;
    h->pause_ms = MIN(h->pause_ms * 2, RETRY_MAX_MS);
}

static void watch(Load *load, LoadHost *h, int op, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = h };

    if (epoll_ctl(load->epoll, op, h->fd, &event) < 0) {
        measure_die("epoll_ctl");
    }
}

/* What the socket does not take waits; false: it has ended. */
static bool send_bytes(Load *load, LoadHost *h, const uint8_t *bytes,
                       size_t len)
{
    ssize_t n = 0;

    if (!h->out) {
        n = send(h->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            lost(load, h);
            return false;
        }
        n = MAX(n, 0);
    }
    if ((size_t)n < len) {
        if (!h->out) {
            h->out = g_byte_array_new();
            watch(load, h, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        }
        g_byte_array_append(h->out, bytes + n, len - n);
    }
    return true;
}

static void send_rest(Load *load, LoadHost *h)
{
    g_autoptr(GByteArray) rest = g_steal_pointer(&h->out);

    watch(load, h, EPOLL_CTL_MOD, EPOLLIN);
    if (rest) {
        send_bytes(load, h, rest->data, rest->len);
    }
}

static void say_hello(Load *load, LoadHost *h)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHello hello = { .version_min = RCACHE_VERSION,
                        .version_max = RCACHE_VERSION,
                        .role = RCACHE_ROLE_HOST };

    boot_of(h->index, hello.boot_id);
    g_snprintf(hello.host, sizeof(hello.host), "host-%u.example.org",
               h->index);
    g_snprintf(hello.address, sizeof(hello.address), "127.0.0.1:9470");
    wire_append_hello(out, 1, &hello);
    set_state(load, h, LOAD_HELLO);
    send_bytes(load, h, out->data, out->len);
}

static void welcome(Load *load, LoadHost *h)
{
    h->pause_ms = RETRY_MIN_MS;
    set_state(load, h, LOAD_UP);
    load_host_beat(load, h);
}

static void connected(Load *load, LoadHost *h)
{
    socklen_t len = sizeof(int);
    int err = 0, one = 1;

    if (getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err) {
        lost(load, h);
        return;
    }
    setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(load, h, EPOLL_CTL_MOD, EPOLLIN);
    if (load->bare) {
        welcome(load, h);
    } else {
        say_hello(load, h);
    }
}

void load_host_connect(Load *load, LoadHost *h)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(load->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (h->fd < 0) {
        measure_die("socket");
    }
    if (connect(h->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
        errno != EINPROGRESS) {
        lost(load, h);
        return;
    }
    set_state(load, h, LOAD_CONNECTING);
    watch(load, h, EPOLL_CTL_ADD, EPOLLOUT);
}

/* --------------------------------------------------------------- speaking */

static void add_guest(GByteArray *out, guint start, const LoadHost *h,
                      unsigned i)
{
    WireBeatGuest g = {
        .flags = RCACHE_GUEST_MANAGED | RCACHE_GUEST_PAGER |
                 RCACHE_GUEST_BALLOON,
        .guest = 8 * GIB, .resident = 2 * GIB + h->seq % 256 * MIB,
        .remote = 5 * GIB, .zero = GIB, .local_max = 3 * GIB,
        .size = 6 * GIB, .balloon_free = GIB, .balloon_available = 2 * GIB,
        .balloon_total = 8 * GIB, .balloon_age_ms = 1000,
        .faults = h->seq * 100, .evicted_pages = h->seq * 100,
        .fault_p50_ns = 50000, .fault_p99_ns = 200000,
    };

    uuid_of(h->index, i, g.vm);
    g_snprintf(g.name, sizeof(g.name), "guest-%u-%u", h->index, i);
    wire_beat_guest(out, start, &g);
}

void load_host_beat(Load *load, LoadHost *h)
{
    g_autoptr(GByteArray) out = g_byte_array_sized_new(16384);
    WireBeatHost beat = {
        .seq = ++h->seq, .mem_total = 256 * GIB, .mem_available = 64 * GIB,
        .offered = h->offered, .leased = load->leases * SLAB,
        .stored = load->leases * SLAB / 2, .reserve = 8 * GIB,
        .psi_some_avg10 = h->index * 7 % 500,
        .flags = h->index % 9 ? RCACHE_HOST_LENDS : 0,
        .slab_pages = SLAB / WIRE_PAGE_SIZE,
    };
    guint start;

    if (h->out) {
        load->blocked++;        /* it has not taken the last one */
        return;
    }
    boot_of(h->index, beat.boot_id);
    g_snprintf(beat.label, sizeof(beat.label), "rack-%u", h->index / RACK);
    start = wire_beat_begin(out);
    wire_beat_host(out, start, &beat);
    for (unsigned i = 0; i < load->guests; i++) {
        add_guest(out, start, h, i);
    }
    for (unsigned i = 0; i < load->leases; i++) {
        WireBeatLease *l = &h->lease[i];

        l->stored = SLAB / 2 + h->seq % 1024 * WIRE_PAGE_SIZE;
        l->expires_ms = TTL_MS - h->seq % 20 * 1000;
        wire_beat_lease(out, start, RCACHE_SECTION_LEASE, l);
    }
    wire_beat_end(out, start);
    load->beats++;
    send_bytes(load, h, out->data, out->len);
}

void load_host_ask(Load *load, LoadHost *h, uint64_t due_ns)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    unsigned guest = g_random_int_range(0, load->guests);
    WireLeaseRequest request = { .bytes = ASK_BYTES, .copies = 1 };

    uuid_of(h->index, guest, request.vm);
    g_snprintf(request.name, sizeof(request.name), "guest-%u-%u", h->index,
               guest);
    wire_append_lease_request(out, load->tags + load->sent_ns->len,
                              &request);
    g_array_append_val(load->sent_ns, due_ns);
    load->asked++;
    send_bytes(load, h, out->data, out->len);
}

/* -------------------------------------------------------------- listening */

static void take_reply(Load *load, const WireHead *head,
                       const uint8_t *payload)
{
    uint64_t at = head->tag - load->tags;
    WireLeaseReply reply;
    uint64_t *sent, took;

    if (at >= load->sent_ns->len ||
        wire_lease_reply_decode(head, payload, head->length, &reply)) {
        return;                 /* of a request before this command */
    }
    sent = &g_array_index(load->sent_ns, uint64_t, at);
    took = measure_now() - *sent;
    g_array_append_val(load->took_ns, took);
    *sent = 0;
    load->answered++;
    load->refused += reply.status != 0;
    load->partial += !reply.status && reply.bytes < ASK_BYTES;
}

static void take_grant(Load *load, LoadHost *h, const WireHead *head,
                       const uint8_t *payload)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireBeatLease *l = &h->lease[h->turn++ % load->leases];
    WireGrantAck ack = { .ttl_ms = TTL_MS };
    WireGrant grant;

    if (wire_grant_decode(payload, head->length, &grant)) {
        return;
    }
    ack.lease = grant.lease;
    ack.bytes = grant.bytes;
    *l = (WireBeatLease) {
        .lease = grant.lease, .epoch = grant.epoch,
        .state = RCACHE_LEASE_GRANTED, .bytes = grant.bytes,
    };
    memcpy(l->vm, grant.vm, sizeof(l->vm));
    wire_text_copy(l->name, sizeof(l->name), grant.name);
    wire_text_copy(l->host, sizeof(l->host), grant.host);
    load->grants++;
    wire_append_grant_ack(out, head->tag, &ack);
    send_bytes(load, h, out->data, out->len);
}

static void take_frame(Load *load, LoadHost *h, const WireHead *head,
                       const uint8_t *payload)
{
    switch (head->type) {
    case RCACHE_HELLO_ACK:
        if (head->status) {
            errno = ECONNREFUSED;
            measure_die("a host's HELLO");
        }
        welcome(load, h);
        break;
    case RCACHE_GRANT:
        take_grant(load, h, head, payload);
        break;
    case RCACHE_LEASE_REPLY:
        take_reply(load, head, payload);
        break;
    default:
        break;
    }
}

static void take_frames(Load *load, LoadHost *h)
{
    GByteArray *in = h->in;
    size_t at = 0;
    WireHead head;

    while (in->len - at >= WIRE_HEAD_LEN) {
        if (wire_head_decode(in->data + at, WIRE_HOST, &head)) {
            errno = EPROTO;
            measure_die("a frame");
        }
        if (in->len - at < WIRE_HEAD_LEN + head.length) {
            break;
        }
        take_frame(load, h, &head, in->data + at + WIRE_HEAD_LEN);
        if (h->in != in) {
            return;             /* it could not answer: lost */
        }
        at += WIRE_HEAD_LEN + head.length;
    }
    if (at == in->len) {
        g_clear_pointer(&h->in, g_byte_array_unref);
    } else if (at) {
        g_byte_array_remove_range(in, 0, at);
    }
}

void load_host_event(Load *load, LoadHost *h, uint32_t events)
{
    uint8_t bytes[16384];
    ssize_t n;

    if (h->state == LOAD_CONNECTING) {
        connected(load, h);
        return;
    }
    if (events & EPOLLOUT) {
        send_rest(load, h);
    }
    if (h->state == LOAD_DOWN) {
        return;
    }
    n = recv(h->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n > 0) {
        if (!h->in) {
            h->in = g_byte_array_new();
        }
        g_byte_array_append(h->in, bytes, n);
        take_frames(load, h);
    } else if (!n || errno != EAGAIN) {
        lost(load, h);
    }
}
