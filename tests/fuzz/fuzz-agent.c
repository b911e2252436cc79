/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-agent: a host's end of the conversation with its arbiters, which say
 * what they like.
 *
 * The input is a list of steps: a byte says which of two arbiters does
 * something, or the host, those behind it what: good frames, frames with other
 * statuses, counts and bytes, an end, a pause; requests for leases, and
 * answers to what arbiters have asked.  Dialing is played: a connection is a
 * pair of sockets.
 *
 * Whatever they say, each request for leases is answered once, and no
 * connection is left.
 */
#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/control-dial.h"
#include "fuzz.h"
#include "rcached/agent/arbiter-client.h"
#include "steps.h"

#define ARBITERS    2u
#define ASKED_MAX   16u         /* of what arbiters have asked */
#define STEPS_MAX   200u

static struct {
    Steps steps;
    ArbiterClients *clients;
    int arbiter[ARBITERS];      /* its end, or -1 */
    uint64_t tag[ARBITERS];     /* of the last frame that it was sent */
    bool refuses;
    unsigned requested, answered;
    struct {
        ArbiterAsked *asked;
        uint8_t type;
    } asked[ASKED_MAX];
    unsigned nr_asked;
} fuzz;

static uint64_t take(unsigned bytes)
{
    return steps_take(&fuzz.steps, bytes);
}

/* ------------------------------------------------------- dialing, played */

struct ControlDial {
    unsigned arbiter;
    guint source;
    ControlDialed *done;
    void *opaque;
};

static gboolean dialed(void *opaque)
{
    g_autofree ControlDial *dial = opaque;
    g_autoptr(GSocketConnection) conn = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = NULL;
    int pair[2];

    if (fuzz.refuses) {
        error = g_error_new(G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "no");
        dial->done(NULL, error, dial->opaque);
        return G_SOURCE_REMOVE;
    }
    g_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0, pair));
    if (fuzz.arbiter[dial->arbiter] >= 0) {
        close(fuzz.arbiter[dial->arbiter]);
    }
    fuzz.arbiter[dial->arbiter] = pair[0];
    socket = g_socket_new_from_fd(pair[1], NULL);
    conn = g_socket_connection_factory_create_connection(socket);
    dial->done(conn, NULL, dial->opaque);
    return G_SOURCE_REMOVE;
}

ControlDial *control_dial(const char *address, uint16_t port,
                          unsigned timeout_ms, ControlDialed *done,
                          void *opaque)
{
    ControlDial *dial = g_new0(ControlDial, 1);

    *dial = (ControlDial) { .arbiter = *address - '0', .done = done,
                            .opaque = opaque };
    dial->source = g_idle_add(dialed, dial);
    return dial;
}

void control_dial_cancel(ControlDial *dial)
{
    g_source_remove(dial->source);
    g_free(dial);
}

/* -------------------------------------------------------------- the host */

static void answer_one(void)
{
    WireGrantAck grant = { .lease = 1, .bytes = 4096, .ttl_ms = 30000 };
    WireEvictAck evict = { .bytes = 4096 };
    WireUpgradeAck upgrade = { 0 };
    unsigned i = --fuzz.nr_asked;
    ArbiterAsked *asked = fuzz.asked[i].asked;

    switch (fuzz.asked[i].type) {
    case RCACHE_GRANT:
        arbiter_grant_answer(asked, &grant);
        break;
    case RCACHE_EVICT:
        arbiter_evict_answer(asked, &evict);
        break;
    default:
        arbiter_upgrade_answer(asked, &upgrade);
    }
}

static void was_asked(ArbiterAsked *asked, uint8_t type)
{
    if (fuzz.nr_asked == ASKED_MAX) {
        answer_one();
    }
    fuzz.asked[fuzz.nr_asked].asked = asked;
    fuzz.asked[fuzz.nr_asked++].type = type;
}

static void on_greeted(void *opaque)
{
}

static void on_beat(GByteArray *out, uint64_t seq, void *opaque)
{
    WireHead head = { .type = RCACHE_PING, .tag = seq };

    wire_append_bare(out, &head);       /* arbiters here do not read it */
}

static void on_grant(ArbiterAsked *asked, const WireGrant *grant,
                     void *opaque)
{
    g_assert(memchr(grant->name, 0, sizeof(grant->name)) &&
             memchr(grant->host, 0, sizeof(grant->host)));
    was_asked(asked, RCACHE_GRANT);
}

static void on_evict(ArbiterAsked *asked, const WireEvict *evict,
                     void *opaque)
{
    g_assert(evict->bytes);
    was_asked(asked, RCACHE_EVICT);
}

static void on_upgrade(ArbiterAsked *asked, void *opaque)
{
    was_asked(asked, RCACHE_UPGRADE);
}

static void on_drain(bool draining, void *opaque)
{
}

static void on_withdraw(uint64_t lease, void *opaque)
{
}

static const ArbiterOps ops = {
    .greeted = on_greeted, .beat = on_beat, .grant = on_grant,
    .drain = on_drain, .withdraw = on_withdraw, .evict = on_evict,
    .upgrade = on_upgrade,
};

static void on_reply(const WireLeaseReply *reply, void *opaque)
{
    bool *open = opaque;

    g_assert(*open);            /* once */
    g_assert(reply->nr_grants <= WIRE_GRANTS_MAX);
    *open = false;
    fuzz.answered++;
}

static void request(void)
{
    static bool open[STEPS_MAX];
    WireLeaseRequest what = { .vm = { 1 }, .name = "vm", .bytes = 1 << 30,
                              .copies = 1 + take(1) % 2 };

    open[fuzz.requested] = true;
    arbiter_request(fuzz.clients, &what, on_reply, &open[fuzz.requested++]);
}

/* -------------------------------------------------------------- arbiters */

static void turns(void)
{
    for (unsigned i = 0; i < 32 && g_main_context_iteration(NULL, FALSE);
         i++) {
        /* until nothing is left to do */
    }
}

/* What the host has sent; the last tag of it is remembered. */
static void read_frames(unsigned n)
{
    uint8_t bytes[16384];
    ssize_t len = fuzz.arbiter[n] < 0 ? -1
                  : recv(fuzz.arbiter[n], bytes, sizeof(bytes), 0);
    size_t at = 0;
    WireHead head;

    while (len > 0 && len - at >= WIRE_HEAD_LEN &&
           !wire_head_decode(bytes + at, WIRE_ANY, &head)) {
        if (head.type == RCACHE_LEASE_REQUEST) {
            fuzz.tag[n] = head.tag;
        }
        at += WIRE_HEAD_LEN + head.length;
        if (at > (size_t)len) {
            break;
        }
    }
}

static void send_bytes(unsigned n, const void *bytes, size_t len)
{
    if (fuzz.arbiter[n] >= 0 &&
        send(fuzz.arbiter[n], bytes, len, MSG_NOSIGNAL) < 0) {
        close(fuzz.arbiter[n]);
        fuzz.arbiter[n] = -1;
    }
}

static void good_frame(unsigned n, uint8_t what)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHelloAck hello = { .version = 1, .heartbeat_ms = 20,
                           .features = take(1) };
    WireHead pong = { .type = RCACHE_PONG, .tag = take(1) };
    WireLeaseReply reply = { .nr_grants = what / 8 % 3 };
    WireGrant grant = { .lease = 1 + what / 8, .epoch = 1, .bytes = 4096,
                        .claim_ms = 1, .vm = { 1 }, .host = "h" };
    WireEvict evict = { .vm = { 1 }, .bytes = 1 + what };
    WireHead upgrade = { .type = RCACHE_UPGRADE, .tag = what };

    for (unsigned i = 0; i < reply.nr_grants; i++) {
        reply.grant[i] = (WireLeaseGrant) { .lease = 1 + i, .epoch = 1,
                                             .bytes = 4096, .host = "p",
                                             .address = "192.0.2.1:1" };
    }
    reply.bytes = reply.nr_grants * 4096;
    reply.status = reply.nr_grants ? RCACHE_OK : RCACHE_E_NO_ROOM;
    switch (what % 8) {
    case 0:
        wire_append_hello_ack(out, 0, what & 128 ? RCACHE_E_REFUSED
                                                 : RCACHE_OK, &hello);
        break;
    case 1:
        wire_append_bare(out, &pong);
        break;
    case 2:
        wire_append_lease_reply(out, fuzz.tag[n], &reply);
        break;
    case 3:
        wire_append_grant(out, what, &grant);
        break;
    case 4:
        wire_append_evict(out, what, &evict);
        break;
    case 5:
        wire_append_drain(out, what & 8);
        break;
    case 6:
        wire_append_withdraw(out, what);
        break;
    case 7:
        wire_append_bare(out, &upgrade);
        break;
    }
    send_bytes(n, out->data, out->len);
}

static void any_frame(unsigned n)
{
    WireHead head = { .type = take(1), .status = take(1), .count = take(1),
                      .tag = fuzz.tag[n] };
    uint8_t bytes[WIRE_HEAD_LEN + 512] = { 0 };

    head.length = take(2) % 512;
    wire_head_encode(bytes, &head);
    steps_take_into(&fuzz.steps, bytes + WIRE_HEAD_LEN, head.length);
    send_bytes(n, bytes, WIRE_HEAD_LEN + head.length);
}

static void step(void)
{
    unsigned what = take(1), n = what / 8 % ARBITERS;

    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        good_frame(n, take(1));
        break;
    case 3:
        any_frame(n);
        break;
    case 4:
        request();
        break;
    case 5:
        if (fuzz.nr_asked) {
            answer_one();
        }
        break;
    case 6:
        fuzz.refuses = what & 128;
        if (what & 64 && fuzz.arbiter[n] >= 0) {
            close(fuzz.arbiter[n]);
            fuzz.arbiter[n] = -1;
        }
        break;
    case 7:
        g_usleep(what / 8 * 100);
        break;
    }
}

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields,
                               gsize n, gpointer opaque)
{
    return level & G_LOG_LEVEL_ERROR
        ? g_log_writer_default(level, fields, n, opaque) : G_LOG_WRITER_HANDLED;
}

static void begin(const uint8_t *data, size_t size)
{
    static const char *const addresses[] = { "0", "1", NULL };
    static bool quiet;
    ArbiterConfig config;

    if (!quiet && !g_getenv("FUZZ_LOG")) {
        g_log_set_writer_func(no_log, NULL, NULL);
        quiet = true;
    }
    memset(&fuzz, 0, sizeof(fuzz));
    fuzz.steps = (Steps) { data, size };
    fuzz.arbiter[0] = fuzz.arbiter[1] = -1;
    arbiter_config_init(&config);
    config.addresses = addresses;
    config.host = "here";
    config.provider = "192.0.2.9:9470";
    config.retry_min_ms = config.retry_max_ms = 1;
    config.answer_ms = 5;
    fuzz.clients = arbiter_clients_new(&config, &ops, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin(data, size);
    for (unsigned i = 0; fuzz.steps.left && i < STEPS_MAX; i++) {
        turns();
        read_frames(0);
        read_frames(1);
        step();
    }
    turns();
    arbiter_clients_free(fuzz.clients);
    while (fuzz.nr_asked) {
        answer_one();
    }
    g_assert(fuzz.answered == fuzz.requested);
    for (unsigned i = 0; i < ARBITERS; i++) {
        char byte;

        if (fuzz.arbiter[i] >= 0) {
            while (recv(fuzz.arbiter[i], &byte, 1, 0) > 0) {
                /* what was still on the way */
            }
            g_assert(!recv(fuzz.arbiter[i], &byte, 1, 0) ||
                     errno == ECONNRESET);
            close(fuzz.arbiter[i]);
        }
    }
    return 0;
}
