/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what on an admin socket: the rule, and clients of other users
 * and groups (for which the test has to be root).
 */
#include <check.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/admin-call.h"
#include "common/admin-client.h"
#include "common/admin-rights.h"
#include "common/admin.h"

/* Groups and a user that every Debian has. */
#define ALL_GROUP       "games"
#define READ_GROUP      "users"
#define NOBODY          65534

START_TEST(rights_by_user_and_group)
{
    static const struct {
        gid_t all, read;
        uid_t uid;
        gid_t gids[3];
        AdminRights rights;
    } cases[] = {
        { 7, 8, 0, { 0 }, ADMIN_RIGHTS_ALL },
        { 7, 8, 100, { 0 }, ADMIN_RIGHTS_ALL },         /* the daemon's */
        { 7, 8, 5, { 1, 2, 3 }, ADMIN_RIGHTS_NONE },
        { 7, 8, 5, { 1, 7, 3 }, ADMIN_RIGHTS_ALL },
        { 7, 8, 5, { 1, 2, 8 }, ADMIN_RIGHTS_READ },
        { 7, 8, 5, { 8, 2, 7 }, ADMIN_RIGHTS_ALL },
        { 7, 7, 5, { 7 }, ADMIN_RIGHTS_ALL },
        { -1, 8, 5, { 7, 8 }, ADMIN_RIGHTS_READ },
        { -1, -1, 5, { 7, 8 }, ADMIN_RIGHTS_NONE },
        /* No group is not a group. */
        { -1, -1, 5, { -1, -1, -1 }, ADMIN_RIGHTS_NONE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        AdminGroups groups = { .all_gid = cases[i].all,
                               .read_gid = cases[i].read };

        ck_assert_msg(admin_groups_rights(&groups, 100, cases[i].uid,
                                          cases[i].gids, 3) ==
                      cases[i].rights, "case %u", i);
    }
}
END_TEST

START_TEST(the_file_lets_in_who_may)
{
    AdminGroups groups = { .all_gid = -1, .read_gid = -1 };
    gid_t gid;

    ck_assert_int_eq(admin_groups_mode(&groups, &gid), 0600);
    ck_assert_uint_eq(gid, (gid_t)-1);
    groups.all_gid = 7;
    ck_assert_int_eq(admin_groups_mode(&groups, &gid), 0660);
    ck_assert_int_eq(gid, 7);
    groups.read_gid = 7;
    ck_assert_int_eq(admin_groups_mode(&groups, &gid), 0660);
    groups.read_gid = 8;
    ck_assert_int_eq(admin_groups_mode(&groups, &gid), 0666);
    groups.all_gid = -1;
    ck_assert_int_eq(admin_groups_mode(&groups, &gid), 0666);
}
END_TEST

START_TEST(groups_are_looked_up)
{
    g_autoptr(GError) error = NULL;
    AdminGroups groups;

    ck_assert(admin_groups_init(&groups, "", NULL, NULL));
    ck_assert_uint_eq(groups.all_gid, (gid_t)-1);
    ck_assert_uint_eq(groups.read_gid, (gid_t)-1);
    admin_groups_deinit(&groups);
    ck_assert(!admin_groups_init(&groups, "root", "no-such-group", &error));
    ck_assert_ptr_nonnull(strstr(error->message, "'no-such-group'"));
}
END_TEST

/* --------------------------------------------------------- other clients */

static char *folder, *path;

static JsonNode *run_ok(JsonObject *args, void *opaque, GError **errp)
{
    return admin_node_new(json_object_new());
}

static const AdminCommand commands[] = {
    { "look", "Changes nothing.", .run = run_ok, .reads = true },
    { "act", "Changes something.", .run = run_ok },
    { 0 }
};

/* In a process of its own: 0: answered; 1: refused, with @word; 2: else. */
static int client(const char *command, const gid_t *gids, unsigned n,
                  const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = NULL;

    if (setgroups(n, gids) || setresgid(NOBODY, NOBODY, NOBODY) ||
        setresuid(NOBODY, NOBODY, NOBODY)) {
        return 3;
    }
    node = admin_execute(path, command, NULL, 20000, &error);
    if (node) {
        return 0;
    }
    if (!g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_REFUSED) ||
        !strstr(error->message, word)) {
        g_printerr("%s: %s\n", command, error->message);
        return 2;
    }
    return 1;
}

static int try(const char *command, const gid_t *gids, unsigned n,
               const char *word)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (!pid) {
        _exit(client(command, gids, n, word));
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        g_main_context_iteration(NULL, FALSE);
    }
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static AdminServer *serve(const char *all, const char *read)
{
    AdminServer *server = admin_server_new(path, all, read, commands, NULL,
                                           NULL);

    ck_assert_ptr_nonnull(server);
    return server;
}

static void set_up(void)
{
    folder = g_dir_make_tmp("rights-XXXXXX", NULL);
    ck_assert_int_eq(g_chmod(folder, 0755), 0);
    path = g_build_filename(folder, "s", NULL);
}

static void tear_down(void)
{
    ck_assert_int_eq(g_rmdir(folder), 0);
    g_free(path);
    g_free(folder);
}

START_TEST(clients_of_two_groups)
{
    AdminServer *server = serve(ALL_GROUP, READ_GROUP);
    gid_t all = getgrnam(ALL_GROUP)->gr_gid;
    gid_t read = getgrnam(READ_GROUP)->gr_gid;
    gid_t many[200];

    /* More groups than a first guess has room for; ours is the last. */
    for (unsigned i = 0; i < G_N_ELEMENTS(many); i++) {
        many[i] = 20000 + i;
    }
    ck_assert_int_eq(try("look", &read, 1, ""), 0);
    ck_assert_int_eq(try("query-commands", &read, 1, ""), 0);
    ck_assert_int_eq(try("act", &read, 1, "act is for root"), 1);
    ck_assert_int_eq(try("act", &read, 1, "group " ALL_GROUP), 1);
    ck_assert_int_eq(try("look", &all, 1, ""), 0);
    ck_assert_int_eq(try("act", &all, 1, ""), 0);
    ck_assert_int_eq(try("look", NULL, 0, "group " READ_GROUP), 1);
    ck_assert_int_eq(try("look", many, G_N_ELEMENTS(many), "socket is for"),
                     1);
    many[G_N_ELEMENTS(many) - 1] = all;
    ck_assert_int_eq(try("act", many, G_N_ELEMENTS(many), ""), 0);
    admin_server_free(server);
}
END_TEST

START_TEST(clients_of_one_group_or_none)
{
    AdminServer *server = serve(NULL, READ_GROUP);
    gid_t all = getgrnam(ALL_GROUP)->gr_gid;
    gid_t read = getgrnam(READ_GROUP)->gr_gid;

    ck_assert_int_eq(try("look", &read, 1, ""), 0);
    ck_assert_int_eq(try("act", &read, 1, "a group can be named"), 1);
    admin_server_free(server);

    server = serve(ALL_GROUP, "");
    ck_assert_int_eq(try("act", &all, 1, ""), 0);
    ck_assert_int_eq(try("look", &read, 1, "Permission denied"), 1);
    admin_server_free(server);

    server = serve("", NULL);
    ck_assert_int_eq(try("look", &all, 1, "Permission denied"), 1);
    admin_server_free(server);
}
END_TEST

static GSocket *hold(void)
{
    GSocketAddress *address = g_unix_socket_address_new(path);
    GSocket *socket = g_socket_new(G_SOCKET_FAMILY_UNIX,
                                   G_SOCKET_TYPE_STREAM,
                                   G_SOCKET_PROTOCOL_DEFAULT, NULL);

    ck_assert(g_socket_connect(socket, address, NULL, NULL));
    while (g_main_context_iteration(NULL, FALSE)) {
        /* It is accepted. */
    }
    g_object_unref(address);
    return socket;
}

static bool is_closed(GSocket *socket)
{
    char byte;

    g_socket_set_blocking(socket, FALSE);
    return g_socket_receive(socket, &byte, 1, NULL, NULL) == 0;
}

/*
 * Many silent clients keep nobody out, and those who may only look keep out
 * nobody who may do more.
 */
START_TEST(silent_clients_make_room)
{
    AdminServer *server = serve(ALL_GROUP, READ_GROUP);
    gid_t all = getgrnam(ALL_GROUP)->gr_gid;
    gid_t read = getgrnam(READ_GROUP)->gr_gid;
    GSocket *held[300];

    for (unsigned i = 0; i < 48; i++) {
        held[i] = hold();
    }
    /* These are root's. */
    ck_assert_int_eq(try("look", &read, 1, "too many connections"), 1);
    ck_assert_int_eq(try("act", &all, 1, ""), 0);
    for (unsigned i = 48; i < G_N_ELEMENTS(held); i++) {
        held[i] = hold();
    }
    ck_assert(is_closed(held[0]));
    ck_assert(!is_closed(held[G_N_ELEMENTS(held) - 1]));
    ck_assert_int_eq(try("act", &all, 1, ""), 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(held); i++) {
        g_object_unref(held[i]);
    }
    admin_server_free(server);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin-rights");
    TCase *pure = tcase_create("pure"), *live = tcase_create("live");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(pure, rights_by_user_and_group);
    tcase_add_test(pure, the_file_lets_in_who_may);
    tcase_add_test(pure, groups_are_looked_up);
    suite_add_tcase(s, pure);
    tcase_add_checked_fixture(live, set_up, tear_down);
    tcase_set_timeout(live, 60);
    if (geteuid() == 0) {
        tcase_add_test(live, clients_of_two_groups);
        tcase_add_test(live, clients_of_one_group_or_none);
        tcase_add_test(live, silent_clients_make_room);
    } else {
        puts("clients of other users: skipped, only root can make them");
    }
    suite_add_tcase(s, live);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
