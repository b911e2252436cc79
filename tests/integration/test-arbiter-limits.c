/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A real arbiter with more than it can take: connections, hosts, rows of a
 * list; and lines on its admin socket that are no commands.
 */
#include <arpa/inet.h>
#include <check.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin-client.h"
#include "common/admin.h"
#include "common/wire-beat.h"
#include "tests/integration/fake-host.h"

#define MIB     (1ull << 20)

static ArbiterProcess arbiter;
static FakeHost a, b;

/* A period that nobody misses who is silent for a moment. */
static void set_up(void)
{
    arbiter_start(&arbiter, 3000);
    fake_host_init(&a, "a", 1024 * MIB);
    fake_host_init(&b, "b", 1024 * MIB);
}

static void tear_down(void)
{
    fake_host_deinit(&a);
    fake_host_deinit(&b);
    arbiter_stop(&arbiter);
}

/* As many as there may be, each left open. */
static unsigned connect_silently(int *fd, unsigned n)
{
    struct rlimit limit;
    struct sockaddr_in addr = { .sin_family = AF_INET };
    const char *colon = strrchr(arbiter.listen, ':');

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(atoi(colon + 1));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < n; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd[i] < 0 ||
            connect(fd[i], (struct sockaddr *)&addr, sizeof(addr)) < 0) {
            return i;
        }
    }
    return n;
}

/*
 * Ten thousand connections without a word, many more than there may be hosts:
 * those who speak are heard, and the others keep no descriptor.
 */
START_TEST(silent_connections)
{
    enum { N = 10000 };
    g_autofree int *fd = g_new(int, N);
    g_autofree char *folder = NULL;
    g_autoptr(GDir) dir = NULL;
    unsigned n, open = 0;

    fake_host_join(&a, &arbiter);
    n = connect_silently(fd, N);
    ck_assert_uint_gt(n, 500);  /* what this test may open, at the least */
    fake_host_join(&b, &arbiter);
    ck_assert_ptr_nonnull(a.frames);
    folder = g_strdup_printf("/proc/%s/fd",
                             g_subprocess_get_identifier(arbiter.process));
    dir = g_dir_open(folder, 0, NULL);
    while (dir && g_dir_read_name(dir)) {
        open++;
    }
    ck_assert_uint_gt(open, 2);
    ck_assert_uint_lt(open, 100);
    for (unsigned i = 0; i < n; i++) {
        close(fd[i]);
    }
}
END_TEST

/* Who asks and asks is answered each time, and gets it when there is some. */
START_TEST(a_flood_of_requests)
{
    enum { N = 500 };
    unsigned tries = 0;

    b.offered = MIB;            /* less than a slab */
    fake_host_join(&a, &arbiter);
    fake_host_join(&b, &arbiter);
    for (unsigned i = 0; i < N; i++) {
        fake_host_request(&a, i, 64 * MIB, 1);
    }
    fake_wait(a.replies == N);
    ck_assert_uint_eq(a.reply.status, RCACHE_E_NO_ROOM);
    ck_assert_ptr_nonnull(strstr(a.reply.text, "no host has room"));
    ck_assert_uint_eq(b.grants, 0);
    b.offered = 1024 * MIB;
    while (!a.granted && tries++ < 300) {
        fake_host_request(&a, N + tries, 64 * MIB, 1);
        fake_wait(a.replies == N + tries);
        fake_spin(100);
    }
    ck_assert_msg(a.granted == 64 * MIB, "%s", a.reply.text);
}
END_TEST

/* ------------------------------------------------------------ admin socket */

START_TEST(bad_admin_commands)
{
    static const struct {
        const char *line, *answer;
    } cases[] = {
        { "{\"execute\": \"explode\"}", "CommandNotFound" },
        { "{\"execute\": \"\"}", "error" },
        { "{\"execute\": 5}", "error" },
        { "{\"run\": \"status\"}", "error" },
        { "[]", "error" },
        { "}{", "error" },
        { "\xff\xfe\x01", "error" },
        { "{\"execute\": \"status\", \"arguments\": {\"x\": 1}}", "error" },
        { "{\"execute\": \"drain\"}", "error" },
        { "{\"execute\": \"drain\", \"arguments\": {\"host\": 1}}",
          "error" },
        { "{\"execute\": \"drain\", \"arguments\": {\"host\": \"no\"}}",
          "no" },
    };
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) address =
        g_unix_socket_address_new(arbiter.socket);

    fake_host_join(&a, &arbiter);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GSocketConnection) conn = g_socket_client_connect(
            client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
        g_autoptr(GDataInputStream) in = NULL;
        g_autofree char *line = g_strconcat(cases[i].line, "\n", NULL);
        g_autofree char *answer = NULL;

        ck_assert_ptr_nonnull(conn);
        in = g_data_input_stream_new(
            g_io_stream_get_input_stream(G_IO_STREAM(conn)));
        ck_assert(g_output_stream_write_all(
            g_io_stream_get_output_stream(G_IO_STREAM(conn)), line,
            strlen(line), NULL, NULL, NULL));
        answer = g_data_input_stream_read_line(in, NULL, NULL, NULL);
        ck_assert_msg(answer && g_str_has_prefix(answer, "{\"error\"") &&
                      strstr(answer, cases[i].answer), "%s: %s",
                      cases[i].line, answer);
    }
    ck_assert_ptr_nonnull(a.frames);
}
END_TEST

enum { CROWD = 19, ROWS = 1055 };        /* more than 20000 in all */

/* A heartbeat with as many guests, or leases, as one frame takes. */
static void send_crowd(FakeHost *h, bool leases)
{
    WireBeatHost host = { .seq = ++h->seq, .mem_total = 1ull << 40 };
    WireBeatGuest guest = { .name = "g" };
    WireBeatLease lease = { .name = "g", .host = "c0", .bytes = MIB,
                            .state = RCACHE_LEASE_CLAIMED };
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint start = wire_beat_begin(out);
    bool fits = true;

    memcpy(host.boot_id, h->boot_id, RCACHE_UUID_LEN);
    ck_assert(wire_beat_host(out, start, &host));
    for (unsigned i = 0; i < ROWS; i++) {
        lease.lease = i + 1;
        fits = fits && (leases ? wire_beat_lease(out, start,
                                                 RCACHE_SECTION_LEASE, &lease)
                               : wire_beat_guest(out, start, &guest));
    }
    ck_assert(fits);
    wire_beat_end(out, start);
    ck_assert(control_conn_send(h->frames, out));
}

static unsigned rows_of(const char *command, const char *host, GError **errp)
{
    JsonObject *args = json_object_new();
    g_autoptr(JsonNode) answer = NULL;

    if (host) {
        json_object_set_string_member(args, "host", host);
    }
    answer = admin_execute(arbiter.socket, command, args, 30000, errp);
    json_object_unref(args);
    return answer ? json_array_get_length(json_node_get_array(answer)) : 0;
}

/* Long lists are refused, with what to do; one host's are given. */
START_TEST(lists_have_an_end)
{
    static const char *const commands[] = { "vms", "leases" };
    FakeHost many[CROWD];
    char name[CROWD][8];

    for (unsigned i = 0; i < CROWD; i++) {
        g_snprintf(name[i], sizeof(name[i]), "c%u", i);
        fake_host_init(&many[i], name[i], 0);
        many[i].beats = false;
        fake_host_connect(&many[i], &arbiter);
        fake_wait(many[i].welcome);
    }
    for (unsigned list = 0; list < 2; list++) {
        const char *command = commands[list];
        g_autoptr(GError) error = NULL;

        send_crowd(&many[0], list);
        fake_wait(rows_of(command, NULL, NULL) == ROWS);
        for (unsigned i = 1; i < CROWD; i++) {
            send_crowd(&many[i], list);
        }
        fake_wait(!rows_of(command, NULL, NULL));       /* all have come */
        ck_assert_uint_eq(rows_of(command, NULL, &error), 0);
        ck_assert(g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_REFUSED));
        ck_assert_ptr_nonnull(strstr(error->message, "name a host"));
        ck_assert_uint_eq(rows_of(command, "c3", NULL), ROWS);
        ck_assert_uint_eq(rows_of(command, "none", NULL), 0);
    }
    /* It takes leases from all. */
    ck_assert_uint_eq(rows_of("leases", "c0", NULL), CROWD * (ROWS));
    for (unsigned i = 0; i < CROWD; i++) {
        fake_host_deinit(&many[i]);
    }
}
END_TEST

START_TEST(more_hosts_than_allowed)
{
    FakeHost many[22];
    char name[22][8];
    unsigned refused = 0;

    for (unsigned i = 0; i < 22; i++) {
        g_snprintf(name[i], sizeof(name[i]), "h%u", i);
        fake_host_init(&many[i], name[i], 0);
        fake_host_connect(&many[i], &arbiter);
        fake_wait(many[i].welcome || many[i].ack_status);
        refused += many[i].ack_status == RCACHE_E_REFUSED;
    }
    ck_assert_uint_eq(refused, 2);
    ck_assert_ptr_nonnull(strstr(many[21].ack.text, "20 hosts already"));
    for (unsigned i = 0; i < 22; i++) {
        fake_host_deinit(&many[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arbiter-limits");
    TCase *tc = tcase_create("arbiter-limits");
    SRunner *r = srunner_create(s);
    int failed;

    if (!g_getenv("ARBITER")) {
        puts("skipped: ARBITER does not name the program");
        return 77;
    }
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, silent_connections);
    tcase_add_test(tc, a_flood_of_requests);
    tcase_add_test(tc, bad_admin_commands);
    tcase_add_test(tc, lists_have_an_end);
    tcase_add_test(tc, more_hosts_than_allowed);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
