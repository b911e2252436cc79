/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon-fixture: a whole rcached and its arbiters.  See its header. */
#include "tests/unit/daemon-fixture.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin-client.h"
#include "common/admin.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"

/* -------------------------------------------------------------- arbiters */

static void send_bytes(FakeArbiter *a, GByteArray *bytes)
{
    if (a->frames) {
        control_conn_send(a->frames, bytes);
    }
    g_byte_array_unref(bytes);
}

static void on_hello(FakeArbiter *a, const WireHead *head,
                     const uint8_t *payload)
{
    GByteArray *bytes = g_byte_array_new();
    WireHelloAck ack = {
        .version = RCACHE_VERSION, .heartbeat_ms = a->heartbeat_ms,
        .features = a->features,
        .host = "arbiter", .text = "not today",
    };

    ck_assert_int_eq(wire_hello_decode(payload, head->length, &a->hello), 0);
    a->hellos++;
    wire_append_hello_ack(bytes, head->tag, a->refuse, &ack);
    send_bytes(a, bytes);
}

static void on_heartbeat(FakeArbiter *a, const WireHead *head,
                         const uint8_t *payload)
{
    WireBeatIter iter;
    WireSection s;
    WireError err;

    a->terms = 0;
    a->nr_guests = a->nr_held = a->nr_leases = 0;
    wire_beat_iter_init(&iter, payload, head->length);
    while (wire_beat_next(&iter, &s, &err)) {
        switch (s.type) {
        case RCACHE_SECTION_HOST:
            a->host = s.host;
            ck_assert_uint_gt(s.host.seq, a->last_seq);
            a->last_seq = s.host.seq;
            break;
        case RCACHE_SECTION_GUEST:
            a->guest = s.guest;
            a->nr_guests++;
            break;
        case RCACHE_SECTION_HELD:
            a->held = s.lease;
            a->nr_held++;
            break;
        case RCACHE_SECTION_LEASE:
            a->lease = s.lease;
            a->nr_leases++;
            break;
        case RCACHE_SECTION_TERM:
            a->terms += s.term.bytes;
            break;
        case RCACHE_SECTION_TROUBLE:
            a->trouble = s.trouble;
            a->nr_troubles++;
            break;
        case RCACHE_SECTION_DELAYS:
            a->delays = s.delays;
            a->nr_delays++;
            break;
        case RCACHE_SECTION_CURVE:
            a->curve = s.curve;
            a->nr_curves++;
            break;
        }
    }
    ck_assert_int_eq(err, WIRE_OK);
    a->beats++;
}

void fake_arbiter_reply(FakeArbiter *a)
{
    GByteArray *bytes = g_byte_array_new();
    WireLeaseReply reply = {
        .status = a->reply_status, .nr_grants = 1,
        .bytes = a->reply_status ? 0 : a->request.bytes,
        .grant[0] = { .lease = 0xbeef, .epoch = 1, .ttl_ms = 1000,
                      .bytes = a->request.bytes, .host = "far",
                      .address = "127.0.0.1:1", .label = "rack 7" },
        .labels = a->features & RCACHE_FEATURE_LABELS,
    };

    g_strlcpy(reply.text, a->reply_status ? "all is lent" : "",
              sizeof(reply.text));
    wire_append_lease_reply(bytes, a->request_tag, &reply);
    send_bytes(a, bytes);
}

static void on_request(FakeArbiter *a, const WireHead *head,
                       const uint8_t *payload)
{
    ck_assert_int_eq(wire_lease_request_decode(payload, head->length,
                                               &a->request), 0);
    a->request_tag = head->tag;
    a->requests++;
    if (!a->mute && !a->late) {
        fake_arbiter_reply(a);
    }
}

void fake_arbiter_grant(FakeArbiter *a, uint64_t lease, uint64_t bytes)
{
    GByteArray *frame = g_byte_array_new();
    WireGrant grant = {
        .lease = lease, .epoch = 1, .claim_ms = 60 * 1000, .bytes = bytes,
        .vm = { 7 }, .name = "vm", .host = "elsewhere",
    };

    wire_append_grant(frame, 99, &grant);
    send_bytes(a, frame);
}

static void arbiter_on_frame(ControlConn *frames, const WireHead *head,
                             const uint8_t *payload, void *opaque)
{
    FakeArbiter *a = opaque;

    switch (head->type) {
    case RCACHE_HELLO:
        on_hello(a, head, payload);
        break;
    case RCACHE_HEARTBEAT:
        on_heartbeat(a, head, payload);
        break;
    case RCACHE_LEASE_REQUEST:
        on_request(a, head, payload);
        break;
    case RCACHE_GRANT_ACK:
        ck_assert_uint_eq(head->tag, 99);
        ck_assert_int_eq(wire_grant_ack_decode(head, payload, head->length,
                                               &a->ack), 0);
        a->acks++;
        break;
    }
}

static void arbiter_on_closed(ControlConn *frames, const char *reason,
                              void *opaque)
{
    FakeArbiter *a = opaque;

    a->closed++;
    g_strlcpy(a->reason, reason, sizeof(a->reason));
    g_clear_pointer(&a->frames, control_conn_free);
}

static const ControlConnOps arbiter_ops = {
    .on_frame = arbiter_on_frame,
    .on_closed = arbiter_on_closed,
};

static void hang(FakeArbiter *a, GSocketConnection *conn)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    WireHelloAck ack = { .version = RCACHE_VERSION, .heartbeat_ms = 100,
                         .host = "arbiter" };

    g_clear_object(&a->hung_conn);
    a->hung_conn = g_object_ref(conn);
    a->hellos++;
    wire_append_hello_ack(bytes, 0, 0, &ack);
    ck_assert(g_output_stream_write_all(
        g_io_stream_get_output_stream(G_IO_STREAM(conn)), bytes->data,
        bytes->len, NULL, NULL, NULL));
}

static void arbiter_accept(GSocketConnection *conn, void *opaque)
{
    FakeArbiter *a = opaque;

    if (a->hung) {
        hang(a, conn);
        return;
    }
    g_clear_pointer(&a->frames, control_conn_free);
    a->frames = control_conn_new(conn, WIRE_ARBITER, &arbiter_ops, a);
}

void fake_arbiter_init(FakeArbiter *a)
{
    *a = (FakeArbiter) { .heartbeat_ms = 100 };
    a->listener = listener_new_tcp("127.0.0.1:0", 0, arbiter_accept, a, NULL);
    ck_assert_ptr_nonnull(a->listener);
}

void fake_arbiter_deinit(FakeArbiter *a)
{
    control_conn_free(a->frames);
    g_clear_object(&a->hung_conn);
    listener_free(a->listener);
}

/* ---------------------------------------------------------------- daemon */

void daemon_start(Daemon *d, const char *const *more)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autofree char **copy = NULL;

    if (!d->folder) {
        d->folder = g_dir_make_tmp("test-rcached-XXXXXX", NULL);
    }
    g_ptr_array_add(argv, g_strdup("rcached"));
    g_ptr_array_add(argv, g_strdup("--config=/dev/null"));
    g_ptr_array_add(argv, g_strdup_printf("--run-dir=%s", d->folder));
    g_ptr_array_add(argv, g_strdup("--host=here"));
    g_ptr_array_add(argv, g_strdup("--label=rack7"));
    g_ptr_array_add(argv, g_strdup("--listen=127.0.0.1:0"));
    g_ptr_array_add(argv, g_strdup("--slab-size=1M"));
    g_ptr_array_add(argv, g_strdup("--lend=8M"));
    g_ptr_array_add(argv, g_strdup("--reserve=0"));
    for (; more && *more; more++) {
        g_ptr_array_add(argv, g_strdup(*more));
    }
    /* A copy of the vector: parsing takes arguments out of it. */
    copy = g_memdup2(argv->pdata, argv->len * sizeof(char *));
    d->options = options_new(argv->len, copy, &error);
    ck_assert_msg(d->options != NULL, "%s", error ? error->message : "");
    d->rcached = rcached_new(d->options, NULL, NULL, &error);
    ck_assert_msg(d->rcached != NULL, "%s", error ? error->message : "");
}

static void check_no_sockets(const char *folder)
{
    static const char *const names[] = {
        "vmm.sock", "pager.sock", "admin.sock",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);

        ck_assert_msg(!g_file_test(path, G_FILE_TEST_EXISTS), "%s", path);
    }
}

void daemon_stop(Daemon *d)
{
    g_autoptr(GPtrArray) vms = vms_list(d->rcached->vms);
    g_autofree char *command = g_strdup_printf("rm -rf %s", d->folder);

    for (unsigned i = 0; i < vms->len; i++) {
        vm_kill_pager(g_ptr_array_index(vms, i));
    }
    rcached_free(d->rcached);
    options_free(d->options);
    check_no_sockets(d->folder);
    ck_assert_int_eq(system(command), 0);
    g_free(d->folder);
    *d = (Daemon) { 0 };
}

int daemon_vm(Daemon *d, uint8_t uuid, const char *name)
{
    g_autofree char *path = g_build_filename(d->folder, "vmm.sock", NULL);
    struct RcacheVmmHello hello = fake_vmm_hello(uuid, 42, name);
    union {
        struct RcacheVmmHelloAck ack;
        char bytes[RCACHE_VMM_MSG_MAX];
    } msg;
    int fd = fake_vmm_connect(path);

    ck_assert_int_eq(send(fd, &hello, sizeof(hello), 0), sizeof(hello));
    ck_assert_int_eq(fake_vmm_recv(fd, &msg), sizeof(msg.ack));
    ck_assert_msg(msg.ack.status == 0, "%s", msg.ack.text);
    return fd;
}

char *daemon_vm_event(int fd)
{
    union {
        struct RcacheVmmEventMsg event;
        char bytes[RCACHE_VMM_MSG_MAX];
    } msg;

    if (fake_vmm_recv(fd, &msg) != sizeof(msg.event)) {
        return g_strdup("nothing came");
    }
    return g_strdup(msg.event.text);
}

/* ----------------------------------------------------------------- admin */

/* The client blocks, so it has a thread, and the daemon the main loop. */
typedef struct Ask {
    char *path;
    const char *command;
    JsonObject *args;
    JsonNode *answer;
    GError *error;
    int done;
} Ask;

static gpointer ask_thread(gpointer opaque)
{
    Ask *ask = opaque;

    ask->answer = admin_execute(ask->path, ask->command, ask->args, 30000,
                                &ask->error);
    g_atomic_int_set(&ask->done, 1);
    return NULL;
}

static bool ask_done(void *opaque)
{
    Ask *ask = opaque;

    return g_atomic_int_get(&ask->done);
}

JsonNode *daemon_ask(Daemon *d, const char *command, JsonObject *args,
                     GError **errp)
{
    Ask ask = {
        .path = g_build_filename(d->folder, "admin.sock", NULL),
        .command = command,
        .args = args,
    };
    GThread *thread = g_thread_new("ask", ask_thread, &ask);

    ck_assert(fake_pump(15000, ask_done, &ask));
    g_thread_join(thread);
    g_free(ask.path);
    if (ask.error) {
        g_propagate_error(errp, ask.error);
    }
    return ask.answer;
}

JsonObject *daemon_ask_object(Daemon *d, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = daemon_ask(d, command, NULL, &error);

    ck_assert_msg(node != NULL, "%s", error ? error->message : "");
    return json_node_dup_object(node);
}

JsonObject *daemon_first(Daemon *d, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = daemon_ask(d, command, NULL, &error);
    JsonArray *list;

    ck_assert_msg(node != NULL, "%s", error ? error->message : "");
    list = json_node_get_array(node);
    return json_array_get_length(list)
               ? json_object_ref(json_array_get_object_element(list, 0))
               : NULL;
}
