/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-provider: a provider that is sent any bytes.
 *
 * The input's first byte says whether it comes after a good HELLO and CLAIM
 * and into how small pieces it is cut.  After each input the provider must
 * still answer, and once everybody has left it must still know what it has
 * lent.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "fuzz.h"
#include "rcached/provider/provider.h"

#define SLAB    (64u * WIRE_PAGE_SIZE)

static Provider *provider;

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields,
                               gsize n, gpointer opaque)
{
    return level & G_LOG_LEVEL_ERROR
        ? g_log_writer_default(level, fields, n, opaque) : G_LOG_WRITER_HANDLED;
}

static void set_up(void)
{
    ProviderConfig config;

    if (provider) {
        return;
    }
    g_log_set_writer_func(no_log, NULL, NULL);
    provider_config_init(&config);
    config.listen = "127.0.0.1:0";
    config.host = "fuzz";
    config.slab_size = SLAB;
    config.limit = 4 * SLAB;
    provider = provider_new(&config, NULL);
    g_assert(provider);
}

/* Lease 1 is there: made now, or not yet released by the last input. */
static void grant(void)
{
    WireGrant grant = { .lease = 1, .epoch = 1, .claim_ms = 60000,
                        .bytes = SLAB, .vm = { 1 } };
    WireGrantAck ack;

    provider_grant(provider, &grant, &ack);
    g_assert(ack.status == RCACHE_OK);
}

static int dial(void)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int fd;

    g_assert(address_parse(provider_address(provider), 0, &addr, &len, NULL));
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert(fd >= 0 && !connect(fd, (struct sockaddr *)&addr, len));
    return fd;
}

/* False once the provider has closed; what it says is thrown away. */
static bool send_piece(int fd, const uint8_t *bytes, size_t size)
{
    static uint8_t sink[65536];

    while (size) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT };
        ssize_t n;

        g_assert(poll(&pfd, 1, 10000) == 1);
        if (pfd.revents & (POLLIN | POLLHUP | POLLERR)) {
            n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
            if (n == 0 || (n < 0 && errno != EAGAIN)) {
                return false;
            }
        }
        if (pfd.revents & POLLOUT) {
            n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN) {
                return false;
            }
            bytes += MAX(n, 0);
            size -= MAX(n, 0);
        }
    }
    return true;
}

/* Read to the end: by then the provider has done all it was asked. */
static void drain(int fd)
{
    uint8_t sink[4096];
    ssize_t n;

    shutdown(fd, SHUT_WR);
    do {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        g_assert(poll(&pfd, 1, 10000) == 1);
        n = recv(fd, sink, sizeof(sink), 0);
    } while (n > 0);
    close(fd);
}

static void hello_and_claim(GByteArray *out, uint64_t session)
{
    WireHello hello = { .version_min = 1, .version_max = 1,
                        .role = RCACHE_ROLE_BULK, .vm = { 1 },
                        .incarnation = 1, .session = session, .host = "f" };
    WireHead claim = { .lease = 1, .epoch = 1 };
    static const uint8_t token[RCACHE_TOKEN_LEN];

    wire_append_hello(out, 1, &hello);
    wire_append_claim(out, &claim, token);
}

static void check_provider(void)
{
    ProviderSnapshot snap;
    guint i;

    provider_snapshot(provider, &snap);
    g_assert(snap.leased <= 2 * SLAB && snap.stored <= snap.leased);
    for (i = 0; i < snap.leases->len; i++) {
        WireBeatLease *lease = &g_array_index(snap.leases, WireBeatLease, i);

        g_assert(lease->lease == 1 && lease->stored <= lease->bytes);
    }
    provider_snapshot_clear(&snap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    size_t piece, n;
    bool open = true;
    int fd;

    if (!size) {
        return 0;
    }
    set_up();
    grant();
    fd = dial();
    if (*data & 1) {
        hello_and_claim(out, UINT64_MAX);
        open = send_piece(fd, out->data, out->len);
    }
    piece = *data & 2 ? (size_t)(*data >> 2) + 1 : size;
    for (data++, size--; size && open; data += n, size -= n) {
        n = MIN(piece, size);
        open = send_piece(fd, data, n);
    }
    drain(fd);
    check_provider();
    return 0;
}
