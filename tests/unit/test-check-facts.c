/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rcachectl check gathers: of a daemon's process out of a made-up tree, of
 * what daemons answer, of rcached's configuration and the files it names, and
 * of the way to a port.
 */
#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arbiter/rcachectl/check-config.h"
#include "arbiter/rcachectl/check-daemons.h"
#include "arbiter/rcachectl/check-path.h"
#include "arbiter/rcachectl/check-process.h"
#include "arbiter/rcachectl/pki.h"
#include "common/address.h"
#include "common/cleanup.h"
#include "common/tls-identity.h"
#include "host-tree.h"

#define PID     "/proc/77/"

static char *root;
static CheckFacts facts;

static void set_up(void)
{
    root = host_tree_new();
    check_facts_init(&facts);
}

static void tear_down(void)
{
    check_facts_clear(&facts);
    host_tree_free(root);
}

/* ---------------------------------------------------------------- process */

static void put_process(const char *locked, const char *files)
{
    g_autofree char *limits = g_strdup_printf(
        "Limit                     Soft Limit  Hard Limit  Units\n"
        "Max open files            1024        %-11s files\n"
        "Max locked memory         %-11s unlimited   bytes\n", files, locked);

    host_tree_put(root, PID "limits", limits);
    host_tree_put(root, PID "status",
                  "Name:\trcached\nUid:\t4242\t4242\t4242\t4242\n"
                  "Gid:\t7\t7\t7\t7\nGroups:\t12 4711 \nNgid:\t0\n");
    host_tree_put(root, PID "cgroup",
                  "1:name=systemd:/x\n0::/system.slice/rcached.service\n");
    host_tree_put(root,
                  "/sys/fs/cgroup/system.slice/rcached.service/pids.max",
                  "512\n");
}

static void read_process(void)
{
    host_facts_clear(&facts.host);
    host_facts_read(&facts.host, root);
    check_process_read(root, 77, &facts.process, &facts.host);
}

START_TEST(a_process_and_its_limits)
{
    put_process("65536", "524288");
    read_process();
    ck_assert(facts.process.known);
    ck_assert_uint_eq(facts.process.descriptors, 524288);
    ck_assert_uint_eq(facts.process.tasks, 512);
    ck_assert(!facts.process.replaced);
    ck_assert(facts.host.lock_is_limited);
    ck_assert_uint_eq(facts.host.lock_limit, 65536);
    ck_assert_int_eq(facts.host.lock_err, HOST_UNKNOWN);
    ck_assert(facts.host.user.known);
    ck_assert_uint_eq(facts.host.user.uid, 4242);
    ck_assert(host_user_in(&facts.host.user, 7));
    ck_assert(host_user_in(&facts.host.user, 12));
    ck_assert(host_user_in(&facts.host.user, 4711));
    ck_assert(!host_user_in(&facts.host.user, 0));
}
END_TEST

START_TEST(a_process_without_limits)
{
    g_autofree char *exe = g_strconcat(root, PID "exe", NULL);

    put_process("unlimited", "unlimited");
    host_tree_put(root, PID "cgroup", "0::/\n");
    ck_assert_int_eq(symlink("/usr/sbin/rcached (deleted)", exe), 0);
    read_process();
    ck_assert_uint_eq(facts.process.descriptors, UINT64_MAX);
    ck_assert_uint_eq(facts.process.tasks, UINT64_MAX);
    ck_assert(facts.process.replaced);
    ck_assert(!facts.host.lock_is_limited);
    ck_assert_int_eq(facts.host.lock_err, 0);
}
END_TEST

START_TEST(no_process)
{
    read_process();
    ck_assert(!facts.process.known);
    ck_assert(!facts.host.user.known);
    ck_assert_int_eq(facts.host.lock_err, HOST_UNKNOWN);
}
END_TEST

/* ---------------------------------------------------------------- daemons */

/* @text: JSON with ' for " */
static JsonNode *parse(const char *text)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    JsonNode *node = json_from_string(json, NULL);

    ck_assert_ptr_nonnull(node);
    return node;
}

START_TEST(what_rcached_says)
{
    g_autoptr(JsonNode) node = parse(
        "{'host': 'a', 'version': '9.9', 'level': 'degraded',"
        " 'verdict': 'degraded: x', 'listen': '192.0.2.1:9470',"
        " 'tls': 'certificates', 'tls_expires_seconds': 86400, 'pid': 77,"
        " 'pagers_to_replace': 2, 'pagers_max': 10, 'mem_total_bytes': 4096,"
        " 'limits': [{'limit': 'hellos', 'value': 5},"
        "            {'limit': 'connections', 'value': 99}],"
        " 'arbiters': [{'address': 'x:1', 'connected': true, 'error': null},"
        "              {'address': 'y:1', 'connected': false,"
        "               'error': 'refused'}, 7, {'connected': true}]}");
    CheckDaemon *d = &facts.daemon;

    check_daemons_take_rcached(json_node_get_object(node), d);
    ck_assert_str_eq(d->host, "a");
    ck_assert_str_eq(d->version, "9.9");
    ck_assert_str_eq(d->level, "degraded");
    ck_assert_str_eq(d->listen, "192.0.2.1:9470");
    ck_assert_str_eq(d->tls, "certificates");
    ck_assert(d->expires);
    ck_assert_int_eq(d->expires_s, 86400);
    ck_assert_int_eq(d->pid, 77);
    ck_assert_int_eq(d->pagers_to_replace, 2);
    ck_assert_int_eq(d->pagers_max, 10);
    ck_assert_int_eq(d->connections, 99);
    ck_assert_int_eq(d->mem_total, 4096);
    ck_assert_uint_eq(d->arbiters->len, 2);
    ck_assert(((CheckLink *)d->arbiters->pdata[0])->connected);
    ck_assert_str_eq(((CheckLink *)d->arbiters->pdata[1])->error, "refused");
}
END_TEST

/* Of another release, or not rcached at all. */
START_TEST(what_makes_no_sense_is_left_out)
{
    g_autoptr(JsonNode) node = parse(
        "{'host': 5, 'version': [], 'tls_expires_seconds': null, 'pid': 'x',"
        " 'limits': {}, 'arbiters': 'none', 'listen': null}");
    g_autoptr(JsonNode) hosts = parse("[1, {'name': 3}, {'address': 'x'}]");

    check_daemons_take_rcached(json_node_get_object(node), &facts.daemon);
    ck_assert_ptr_null(facts.daemon.host);
    ck_assert_ptr_null(facts.daemon.listen);
    ck_assert(!facts.daemon.expires);
    ck_assert_int_eq(facts.daemon.pid, 0);
    ck_assert_uint_eq(facts.daemon.arbiters->len, 0);
    check_daemons_take_arbiter(json_node_get_object(node),
                               json_node_get_array(hosts), &facts.arbiter);
    check_daemons_take_arbiter(json_node_get_object(node), NULL,
                               &facts.arbiter);
    ck_assert_uint_eq(facts.arbiter.hosts->len, 0);
}
END_TEST

START_TEST(what_an_arbiter_says)
{
    g_autoptr(JsonNode) status = parse("{'version': '1', 'level': 'ok'}");
    g_autoptr(JsonNode) hosts = parse(
        "[{'name': 'a', 'address': '192.0.2.1:9470', 'state': 'alive',"
        "  'protocol_version': 2},"
        " {'name': 'b', 'state': 'suspect', 'protocol_version': 1}]");
    const CheckHost *host;

    check_daemons_take_arbiter(json_node_get_object(status),
                               json_node_get_array(hosts), &facts.arbiter);
    ck_assert_uint_eq(facts.arbiter.hosts->len, 2);
    host = facts.arbiter.hosts->pdata[0];
    ck_assert_str_eq(host->address, "192.0.2.1:9470");
    ck_assert(host->alive);
    ck_assert_int_eq(host->protocol, 2);
    host = facts.arbiter.hosts->pdata[1];
    ck_assert_str_eq(host->address, "");
    ck_assert(!host->alive);
}
END_TEST

START_TEST(nobody_is_at_the_sockets)
{
    g_autofree char *socket = g_strconcat(root, "/nobody.sock", NULL);

    check_daemons_ask(socket, socket, 1000, &facts);
    ck_assert_ptr_nonnull(facts.daemon.missing);
    ck_assert_ptr_nonnull(facts.arbiter.missing);
    ck_assert(!facts.daemon.broken && !facts.arbiter.broken);
    check_facts_clear(&facts);
    check_facts_init(&facts);
    host_tree_put(root, "/nobody.sock", "");
    check_daemons_ask(socket, socket, 1000, &facts);
    ck_assert(facts.daemon.broken && facts.arbiter.broken);
}
END_TEST

/* ---------------------------------------------------------- configuration */

static const HostUser myself;

/* As "rcached --print-config" has it, with keys that are not looked at. */
static char *config_text(const char *tls, const char *directory)
{
    return g_strdup_printf(
        "# (default)\n[host]\nname = alpha\nlabel = r1\ntls = %s\n[tls]\n"
        "directory = %s\narbiters =\npriority = NORMAL\nwarn-before = 28d\n"
        "[provider]\nlisten = 192.0.2.1:9470\nlend = 50%%\nslab-size = 64M\n"
        "[agent]\nmemory-source = host\narbiters = 192.0.2.9, 192.0.2.8\n"
        "[other]\nnew = 1\n", tls, directory);
}

static void take(const char *text)
{
    g_autoptr(GError) error = NULL;

    check_facts_clear(&facts);
    check_facts_init(&facts);
    ck_assert_msg(check_config_take(text, &myself, &facts.config, &error),
                  "%s", error ? error->message : "");
}

/* Certificates of alpha; the folder. */
static char *issue(void)
{
    const PkiOptions options = { .directory = root, .roles = TLS_ROLE_HOST };
    const char *const names[] = { "alpha", NULL };

    g_free(pki_init(&options, NULL));
    g_free(pki_issue(&options, names, NULL));
    return g_build_filename(root, "hosts", "alpha", NULL);
}

START_TEST(what_is_configured)
{
    g_autofree char *text = config_text("none", root);
    CheckConfig *c = &facts.config;

    take(text);
    ck_assert_str_eq(c->host, "alpha");
    ck_assert_str_eq(c->tls, "none");
    ck_assert_str_eq(c->listen, "192.0.2.1:9470");
    ck_assert_str_eq(c->memory_source, "host");
    ck_assert(c->lends && c->listens_beyond);
    ck_assert_uint_eq(c->arbiters, 2);
    ck_assert_uint_eq(c->slab_size, 64 << 20);
    ck_assert_int_eq(c->warn_s, 28 * 86400);
    ck_assert(!c->files_wrong && !c->files_unseen && !c->expires);
    take("[provider]\nlisten = localhost\nlend = 0\n");
    ck_assert(!c->lends && !c->listens_beyond);
    ck_assert_str_eq(c->host, g_get_host_name());
    ck_assert(!check_config_take("nonsense", &myself, c, NULL));
}
END_TEST

START_TEST(certificates_as_a_daemon_takes_them)
{
    g_autofree char *folder = issue();
    g_autofree char *text = config_text("required", folder);
    g_autofree char *key = g_build_filename(folder, "server-key.pem", NULL);
    g_autofree char *ca = g_build_filename(folder, "ca-cert.pem", NULL);
    CheckConfig *c = &facts.config;
    int64_t days;

    take(text);
    ck_assert(c->has_files);
    ck_assert_ptr_null(c->files_wrong);
    days = (c->expires - g_get_real_time() / G_USEC_PER_SEC) / 86400;
    ck_assert_int_ge(days, 820);
    ck_assert_int_le(days, 825);
    ck_assert_int_eq(g_chmod(key, 0666), 0);
    take(text);
    ck_assert_ptr_nonnull(strstr(c->files_wrong, "chmod g-w,o="));
    ck_assert_int_eq(c->expires, 0);
    ck_assert_int_eq(g_unlink(ca), 0);
    take(text);
    ck_assert(!c->has_files);
    ck_assert_ptr_null(c->files_wrong);
}
END_TEST

/* Root looks as the daemon's user does, and is root again afterwards. */
START_TEST(files_that_the_daemon_may_not_read)
{
    g_autofree char *folder = issue();
    g_autofree char *text = config_text("required", folder);
    HostUser daemon = host_tree_user((const int[]) { 4711, -1 });
    CheckConfig *c = &facts.config;

    ck_assert_int_eq(g_chmod(root, 0755), 0);
    ck_assert(check_config_take(text, &daemon, c, NULL));
    if (geteuid() == 0) {
        ck_assert(!c->has_files || c->files_wrong);
    } else {
        ck_assert_ptr_null(c->files_wrong);
    }
    ck_assert_int_eq(geteuid(), getuid());
    ck_assert_int_eq(getegid(), getgid());
    g_free(daemon.name);
    g_array_unref(daemon.groups);
}
END_TEST

static char *put_program(const char *script)
{
    char *path = g_strconcat(root, "/rcached", NULL);

    host_tree_put(root, "/rcached", script);
    ck_assert_int_eq(g_chmod(path, 0755), 0);
    return path;
}

START_TEST(the_program_is_asked)
{
    g_autofree char *path = put_program(
        "#!/bin/sh\necho 'rcached.conf:3: unknown key' >&2\nexit 2\n");
    g_autofree char *none = g_strconcat(root, "/none", NULL);

    check_config_read(path, &myself, &facts.config);
    ck_assert_str_eq(facts.config.refused, "rcached.conf:3: unknown key");
    check_facts_clear(&facts);
    check_facts_init(&facts);
    g_free(put_program("#!/bin/sh\n[ \"$1\" = --print-config ] && "
                       "printf '[host]\\nname = omega\\ntls = none\\n'\n"));
    check_config_read(path, &myself, &facts.config);
    ck_assert_ptr_null(facts.config.missing);
    ck_assert_str_eq(facts.config.host, "omega");
    check_facts_clear(&facts);
    check_facts_init(&facts);
    check_config_read(none, &myself, &facts.config);
    ck_assert_ptr_nonnull(strstr(facts.config.missing, "there is no "));
}
END_TEST

/* -------------------------------------------------------------------- way */

/* A port where somebody listens; the next one is refused. */
static int listen_at(const char *text, char **address)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int fd;

    ck_assert(address_parse(text, 0, &addr, &len, NULL));
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 1)) {
        autofd_close(&fd);
        return -1;
    }
    len = sizeof(addr);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *address = address_format(&addr);
    return fd;
}

static const char *const loopbacks[] = { "127.0.0.1:0", "[::1]:0" };

START_TEST(the_way_to_a_port)
{
    g_autofree char *address = NULL;
    autofd fd = listen_at(loopbacks[_i], &address);
    CheckPath *path;

    if (fd < 0) {
        return;                 /* a machine without IPv6 */
    }
    path = check_path_new("here", address);
    g_ptr_array_add(facts.paths, path);
    check_path_look(path);
    ck_assert_ptr_null(path->wrong);
    ck_assert_int_eq(path->connect_err, 0);
    ck_assert(path->loopback);
    ck_assert_str_eq(path->device, "lo");
    ck_assert_uint_gt(path->mtu, 1500);
    ck_assert_int_eq(path->passage, CHECK_PASS_FULL);
    ck_assert_uint_eq(path->passes, path->full);

    /* Nobody listens any more. */
    autofd_close(&fd);
    fd = -1;
    path->passage = CHECK_PASS_UNKNOWN;
    check_path_look(path);
    ck_assert_int_eq(path->connect_err, ECONNREFUSED);
    ck_assert_int_eq(path->passage, CHECK_PASS_UNKNOWN);
}
END_TEST

START_TEST(no_way_to_what_is_no_address)
{
    CheckPath *path = check_path_new("x", "a.host.by.name:1");

    g_ptr_array_add(facts.paths, path);
    check_path_look(path);
    ck_assert_ptr_nonnull(path->wrong);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check-facts");
    TCase *tc = tcase_create("check-facts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_process_and_its_limits);
    tcase_add_test(tc, a_process_without_limits);
    tcase_add_test(tc, no_process);
    tcase_add_test(tc, what_rcached_says);
    tcase_add_test(tc, what_makes_no_sense_is_left_out);
    tcase_add_test(tc, what_an_arbiter_says);
    tcase_add_test(tc, nobody_is_at_the_sockets);
    tcase_add_test(tc, what_is_configured);
    tcase_add_test(tc, certificates_as_a_daemon_takes_them);
    tcase_add_test(tc, files_that_the_daemon_may_not_read);
    tcase_add_test(tc, the_program_is_asked);
    tcase_add_loop_test(tc, the_way_to_a_port, 0, G_N_ELEMENTS(loopbacks));
    tcase_add_test(tc, no_way_to_what_is_no_address);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
