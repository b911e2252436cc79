/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake-host: see fake-host.h. */
#include "tests/integration/fake-host.h"

#include <check.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "common/admin-client.h"
#include "common/admin.h"
#include "common/control-dial.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"

#define SLAB_PAGES      16384u
#define MIB             (1ull << 20)

void fake_spin(unsigned ms)
{
    gint64 until = g_get_monotonic_time() + ms * 1000;

    do {
        while (g_main_context_iteration(NULL, FALSE)) {
            continue;
        }
        g_usleep(1000);
    } while (g_get_monotonic_time() < until);
}

/* ------------------------------------------------------------ the arbiter */

JsonNode *arbiter_ask(ArbiterProcess *a, const char *command)
{
    g_autoptr(GError) error = NULL;
    JsonNode *answer = admin_execute(a->socket, command, NULL, 5000, &error);

    ck_assert_msg(answer != NULL, "%s: %s", command,
                  error ? error->message : "");
    return answer;
}

/* What only says how much time has gone by. */
static void drop_times(JsonNode *node)
{
    static const char *const times[] = {
        "age_seconds", "uptime_seconds", "peer", "expires_seconds", "verdict",
        "heartbeats",
    };

    if (JSON_NODE_HOLDS_OBJECT(node)) {
        for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
            json_object_remove_member(json_node_get_object(node), times[i]);
        }
    } else if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *list = json_node_get_array(node);

        for (guint i = 0; i < json_array_get_length(list); i++) {
            drop_times(json_array_get_element(list, i));
        }
    }
}

char *arbiter_text(ArbiterProcess *a, const char *command)
{
    g_autoptr(JsonNode) answer = arbiter_ask(a, command);

    drop_times(answer);
    return json_to_string(answer, TRUE);
}

JsonObject *arbiter_host(ArbiterProcess *a, const char *name)
{
    g_autoptr(JsonNode) answer = arbiter_ask(a, "hosts");
    JsonArray *list = json_node_get_array(answer);

    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonObject *o = json_array_get_object_element(list, i);

        if (!strcmp(json_object_get_string_member(o, "name"), name)) {
            return json_object_ref(o);
        }
    }
    return NULL;
}

static void arbiter_configure(ArbiterProcess *a, const char *file)
{
    g_autofree char *text = g_strdup_printf(
        "[arbiter]\nheartbeat = %ums\nforget = 1s\nmax-hosts = 20\n"
        "[placement]\ngrant-timeout = 300ms\n", a->heartbeat_ms);

    ck_assert(g_file_set_contents(file, text, -1, NULL));
}

static bool arbiter_answers(ArbiterProcess *a)
{
    g_autoptr(JsonNode) answer = admin_execute(a->socket, "status", NULL,
                                               1000, NULL);

    if (answer) {
        g_free(a->listen);
        a->listen = g_strdup(json_object_get_string_member(
            json_node_get_object(answer), "listen"));
    }
    return answer;
}

void arbiter_start(ArbiterProcess *a, unsigned heartbeat_ms)
{
    g_autofree char *file = NULL;
    g_autoptr(GError) error = NULL;

    if (!a->folder) {
        a->folder = g_dir_make_tmp("arbiter-XXXXXX", NULL);
        a->socket = g_build_filename(a->folder, "s", NULL);
        a->listen = g_strdup("127.0.0.1:0");
    }
    a->heartbeat_ms = heartbeat_ms;
    file = g_build_filename(a->folder, "arbiter.conf", NULL);
    arbiter_configure(a, file);
    a->process = g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error,
                                  g_getenv("ARBITER"), "--config", file,
                                  "--listen", a->listen, "--admin-socket",
                                  a->socket, NULL);
    ck_assert_msg(a->process != NULL, "%s", error ? error->message : "");
    fake_wait(arbiter_answers(a));
}

void arbiter_kill(ArbiterProcess *a)
{
    g_subprocess_force_exit(a->process);
    g_subprocess_wait(a->process, NULL, NULL);
    g_clear_object(&a->process);
}

void arbiter_stop(ArbiterProcess *a)
{
    g_autofree char *file = g_build_filename(a->folder, "arbiter.conf", NULL);

    g_subprocess_send_signal(a->process, SIGTERM);
    ck_assert(g_subprocess_wait(a->process, NULL, NULL));
    ck_assert(g_subprocess_get_if_exited(a->process));
    ck_assert_int_eq(g_subprocess_get_exit_status(a->process), 0);
    g_clear_object(&a->process);
    g_unlink(file);
    ck_assert_msg(g_rmdir(a->folder) == 0, "it left files behind");
    g_clear_pointer(&a->folder, g_free);
    g_clear_pointer(&a->socket, g_free);
    g_clear_pointer(&a->listen, g_free);
}

/* ------------------------------------------------------------------ hosts */

static void make_guest(WireBeatGuest *g)
{
    *g = (WireBeatGuest) {
        .vm = "the vm's uuid", .name = "vm",
        .flags = RCACHE_GUEST_MANAGED | RCACHE_GUEST_BALLOON |
                 RCACHE_GUEST_PAGER | RCACHE_GUEST_UNSEALED,
        .guest = 512 * MIB, .resident = 128 * MIB, .remote = 300 * MIB,
        .zero = 84 * MIB, .local_max = 128 * MIB, .size = 384 * MIB,
        .balloon_free = 40 * MIB, .balloon_available = UINT64_MAX,
        .balloon_total = 500 * MIB, .balloon_age_ms = 1500,
        .faults = 1000, .evicted_pages = 2000, .fault_p50_ns = 90000,
        .fault_p99_ns = 400000, .pager_restarts = 1,
    };
}

static void make_held(WireBeatLease *held, const WireLeaseGrant *grant)
{
    WireBeatGuest guest;

    make_guest(&guest);
    *held = (WireBeatLease) {
        .lease = grant->lease, .epoch = grant->epoch, .bytes = grant->bytes,
        .state = RCACHE_LEASE_CLAIMED, .stored = 4096,
    };
    memcpy(held->vm, guest.vm, sizeof(held->vm));
    g_strlcpy(held->name, guest.name, sizeof(held->name));
    g_strlcpy(held->host, grant->host, sizeof(held->host));
}

GByteArray *fake_host_frame(FakeHost *h)
{
    GByteArray *out = g_byte_array_new();
    guint start = wire_beat_begin(out);
    WireBeatHost host = {
        .seq = ++h->seq, .mem_total = 8192 * MIB,
        .mem_available = 4096 * MIB, .offered = h->offered,
        .flags = h->offered ? RCACHE_HOST_LENDS : 0,
        .slab_pages = SLAB_PAGES,
    };
    WireBeatTerm term = { .name = "available", .bytes = h->offered };
    WireBeatLease held;
    WireBeatGuest guest;

    memcpy(host.boot_id, h->boot_id, RCACHE_UUID_LEN);
    g_strlcpy(host.label, h->label ? h->label : "rack1", sizeof(host.label));
    for (unsigned i = 0; i < h->nr_listed; i++) {
        host.leased += h->lease[i].bytes;
        host.stored += h->lease[i].stored;
    }
    ck_assert(wire_beat_host(out, start, &host));
    if (h->vm) {
        make_guest(&guest);
        guest.copies = h->copies;
        ck_assert(wire_beat_guest(out, start, &guest));
    }
    for (unsigned i = 0; i < h->nr_listed; i++) {
        ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_LEASE,
                                  &h->lease[i]));
    }
    for (unsigned i = 0; h->holds && i < h->reply.nr_grants; i++) {
        make_held(&held, &h->reply.grant[i]);
        ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_HELD, &held));
    }
    ck_assert(wire_beat_term(out, start, &term));
    if (*h->trouble.host) {
        ck_assert(wire_beat_trouble(out, start, &h->trouble));
    }
    wire_beat_end(out, start);
    return out;
}

static gboolean send_beat(void *opaque)
{
    FakeHost *h = opaque;
    g_autoptr(GByteArray) out = NULL;

    if (h->frames && h->welcome && h->beats) {
        out = fake_host_frame(h);
        h->beats_sent += control_conn_send(h->frames, out);
    }
    return G_SOURCE_CONTINUE;
}

static void give_lease(FakeHost *h, const WireGrant *grant)
{
    WireBeatLease *l = &h->lease[h->nr_leases++];

    ck_assert_uint_le(h->nr_leases, FAKE_LEASES);
    *l = (WireBeatLease) {
        .lease = grant->lease, .epoch = grant->epoch,
        .state = RCACHE_LEASE_GRANTED, .bytes = grant->bytes,
        .stored = 4096, .expires_ms = grant->claim_ms,
    };
    memcpy(l->vm, grant->vm, sizeof(l->vm));
    g_strlcpy(l->name, grant->name, sizeof(l->name));
    g_strlcpy(l->host, grant->host, sizeof(l->host));
}

static void take_grant(FakeHost *h, uint64_t tag, const WireGrant *grant)
{
    WireGrantAck ack = { .lease = grant->lease, .bytes = grant->bytes,
                         .ttl_ms = 30000 };
    g_autoptr(GByteArray) out = g_byte_array_new();

    h->grant = *grant;
    h->grants++;
    switch (h->answer) {
    case FAKE_YES:
        give_lease(h, grant);
        break;
    case FAKE_NO:
        ack.status = RCACHE_E_NO_ROOM;
        ack.bytes = 0;
        ack.ttl_ms = 0;
        g_strlcpy(ack.text, "just lent", sizeof(ack.text));
        break;
    case FAKE_SILENT:
        return;
    case FAKE_LEAVES:
        control_conn_close(h->frames, "told to leave");
        return;
    }
    wire_append_grant_ack(out, tag, &ack);
    control_conn_send(h->frames, out);
}

static void on_frame(ControlConn *frames, const WireHead *head,
                     const uint8_t *payload, void *opaque)
{
    FakeHost *h = opaque;
    WireGrant grant;

    switch (head->type) {
    case RCACHE_HELLO_ACK:
        ck_assert_int_eq(wire_hello_ack_decode(payload, head->length,
                                               &h->ack), WIRE_OK);
        h->ack_status = head->status;
        h->welcome = !head->status;
        send_beat(h);
        break;
    case RCACHE_GRANT:
        ck_assert_int_eq(wire_grant_decode(payload, head->length, &grant),
                         WIRE_OK);
        take_grant(h, head->tag, &grant);
        break;
    case RCACHE_LEASE_REPLY:
        ck_assert_int_eq(wire_lease_reply_decode(head, payload, head->length,
                                                 &h->reply), WIRE_OK);
        h->reply_tag = head->tag;
        h->granted += h->reply.bytes;
        h->replies++;
        break;
    case RCACHE_WITHDRAW:
        ck_assert_int_eq(wire_withdraw_decode(payload, head->length,
                                              &h->withdrawn), WIRE_OK);
        break;
    default:
        ck_abort_msg("a %s from the arbiter", wire_type_name(head->type));
    }
}

static void on_closed(ControlConn *frames, const char *reason, void *opaque)
{
    FakeHost *h = opaque;

    g_strlcpy(h->reason, reason, sizeof(h->reason));
    g_clear_pointer(&h->frames, control_conn_free);
    h->welcome = false;
}

static const ControlConnOps ops = {on_frame, on_closed};

static void say_hello(FakeHost *h)
{
    WireHello hello = { .version_min = RCACHE_VERSION,
                        .version_max = RCACHE_VERSION,
                        .role = RCACHE_ROLE_HOST,
                        .features = h->features };
    g_autoptr(GByteArray) out = g_byte_array_new();

    memcpy(hello.boot_id, h->boot_id, RCACHE_UUID_LEN);
    g_strlcpy(hello.host, h->name, sizeof(hello.host));
    if (h->offered) {
        g_strlcpy(hello.address, ":9470", sizeof(hello.address));
    }
    wire_append_hello(out, 1, &hello);
    control_conn_send(h->frames, out);
}

static void dialed(GSocketConnection *conn, const GError *error, void *opaque)
{
    FakeHost *h = opaque;
    g_autoptr(GByteArray) beat = NULL;

    ck_assert_msg(conn != NULL, "%s", error ? error->message : "");
    h->frames = control_conn_new(conn, WIRE_HOST, &ops, h);
    h->dialed = true;
    if (h->rude) {
        beat = fake_host_frame(h);
        control_conn_send(h->frames, beat);
    }
    say_hello(h);
}

void fake_host_init(FakeHost *h, const char *name, uint64_t offered)
{
    *h = (FakeHost) { .name = name, .offered = offered, .beats = true };
    g_strlcpy((char *)h->boot_id, name, sizeof(h->boot_id));
}

void fake_host_deinit(FakeHost *h)
{
    g_clear_handle_id(&h->timer, g_source_remove);
    g_clear_pointer(&h->frames, control_conn_free);
}

void fake_host_connect(FakeHost *h, ArbiterProcess *a)
{
    h->seq = 0;
    h->beats_sent = 0;
    h->welcome = h->dialed = false;
    *h->reason = 0;
    control_dial(a->listen, 0, 2000, dialed, h);
    if (!h->timer) {
        h->timer = g_timeout_add(a->heartbeat_ms, send_beat, h);
    }
    fake_wait(h->dialed);
}

void fake_host_join(FakeHost *h, ArbiterProcess *a)
{
    g_autoptr(JsonObject) seen = NULL;

    fake_host_connect(h, a);
    fake_wait(h->beats_sent);
    do {
        g_clear_pointer(&seen, json_object_unref);
        fake_spin(5);
        seen = arbiter_host(a, h->name);
    } while (json_object_get_int_member(seen, "mem_total_bytes") == 0);
}

void fake_host_request(FakeHost *h, uint64_t tag, uint64_t bytes,
                       uint32_t copies)
{
    WireLeaseRequest request = { .vm = "the vm's uuid", .name = "vm",
                                 .bytes = bytes, .copies = copies };

    fake_host_ask(h, tag, &request);
}

void fake_host_ask(FakeHost *h, uint64_t tag, const WireLeaseRequest *request)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_lease_request(out, tag, request);
    ck_assert(control_conn_send(h->frames, out));
}
