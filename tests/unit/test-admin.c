/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The admin socket: lines that are requests and lines that are not, and a
 * server with clients on it.
 */
#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/admin-call.h"
#include "common/admin-client.h"
#include "common/admin.h"
#include "common/cleanup.h"

/* ------------------------------------------------------------ pure parts */

static const char *const good[] = {
    "{\"execute\":\"a\"}",
    " {\"execute\": \"a\", \"arguments\": {}, \"id\": 7} \r",
    "{\"execute\":\"a\",\"id\":\"x\",\"arguments\":{\"n\":1}}",
    "{\"execute\":\"a\",\"id\":null}",
};

static const char *const bad[] = {
    "", "x", "[]", "7", "null", "\"execute\"", "{", "{}", "{\"execute\":1}",
    "{\"execute\":{}}", "{\"execute\":\"a\",\"arguments\":[]}",
    "{\"execute\":\"a\",\"arguments\":null}",
    "{\"execute\":\"a\",\"id\":{}}", "{\"execute\":\"a\",\"id\":1e999}",
    "{\"execute\":\"a\",\"id\":true}",
    "{\"execute\":\"a\",\"more\":1}",
    "{\"arguments\":{}}", "{\"execute\":\"\xff\"}",
    "{\"execute\":\"a\"} {\"execute\":\"a\"}",
    "{\"execute\":\"a\"} /* more */", "{\"execute\":\"a\"/* more */}",
    "{\"execute\":\"a\\\"}",
    "{\"execute\":\"a\"}}", "{\"execute\":\"a\",}", "{\"execute\" \"a\"}",
};

START_TEST(good_lines)
{
    g_autoptr(GError) error = NULL;
    AdminCall call;

    ck_assert_msg(admin_call_parse(good[_i], strlen(good[_i]), &call, &error),
                  "%s", good[_i]);
    ck_assert_str_eq(call.execute, "a");
    ck_assert_ptr_nonnull(call.arguments);
    admin_call_clear(&call);
}
END_TEST

START_TEST(bad_lines)
{
    g_autoptr(GError) error = NULL;
    AdminCall call;

    ck_assert_msg(!admin_call_parse(bad[_i], strlen(bad[_i]), &call, &error),
                  "%s", bad[_i]);
    ck_assert(g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_BAD_REQUEST));
    admin_call_clear(&call);
}
END_TEST

/* The parser below is recursive: without a limit this ends the process. */
START_TEST(deep_lines)
{
    g_autofree char *line = g_strnfill(ADMIN_LINE_MAX, '[');
    g_autofree char *quoted = g_strdup_printf("{\"execute\":\"a\",/*\"*/%s",
                                              line);
    g_autofree char *deeper = g_strdup_printf("{\"execute\":\"a\","
                                              "\"arguments\":%s", line);
    AdminCall call;

    ck_assert(!admin_call_parse(line, ADMIN_LINE_MAX, &call, NULL));
    admin_call_clear(&call);
    ck_assert(!admin_call_parse(quoted, ADMIN_LINE_MAX, &call, NULL));
    admin_call_clear(&call);
    ck_assert(!admin_call_parse(deeper, ADMIN_LINE_MAX, &call, NULL));
    admin_call_clear(&call);
    ck_assert(!admin_call_parse("{\"execute\":\"a\"}\0x", 17, &call, NULL));
    admin_call_clear(&call);
}
END_TEST

/* Balanced, and one level more than is allowed. */
START_TEST(depth_is_limited)
{
    for (unsigned depth = 31; depth <= 33; depth++) {
        g_autofree char *open = g_strnfill(depth - 2, '[');
        g_autofree char *close = g_strnfill(depth - 2, ']');
        g_autofree char *line = g_strdup_printf(
            "{\"execute\":\"a\",\"arguments\":{\"x\":%s%s}}", open, close);
        AdminCall call;

        ck_assert_int_eq(admin_call_parse(line, strlen(line), &call, NULL),
                         depth <= 32);
        admin_call_clear(&call);
    }
}
END_TEST

START_TEST(arguments)
{
    static const AdminCommand command = {
        .name = "c",
        .args = { { "vm", ADMIN_ARG_STRING }, { "bytes", ADMIN_ARG_INT },
                  { "now", ADMIN_ARG_BOOL, .optional = true } },
    };
    static const struct {
        const char *args;
        const char *error;      /* NULL: taken */
    } cases[] = {
        { "{\"vm\":\"a\",\"bytes\":1}", NULL },
        { "{\"vm\":\"a\",\"bytes\":1,\"now\":true}", NULL },
        { "{\"vm\":\"a\"}", "c: 'bytes' is missing" },
        { "{\"vm\":1,\"bytes\":1}", "c: 'vm' is not a text" },
        { "{\"vm\":null,\"bytes\":1}", "c: 'vm' is not a text" },
        { "{\"vm\":\"a\",\"bytes\":-1}", "c: 'bytes' is not a number that is "
                                         "whole and not negative" },
        { "{\"vm\":\"a\",\"bytes\":1.5}", "c: 'bytes' is not a number that "
                                          "is whole and not negative" },
        { "{\"vm\":\"a\",\"bytes\":[1]}", "c: 'bytes' is not a number that "
                                          "is whole and not negative" },
        { "{\"vm\":\"a\",\"bytes\":1,\"now\":1}",
          "c: 'now' is not true or false" },
        { "{\"vm\":\"a\",\"bytes\":1,\"x\":1}", "c takes no argument 'x'" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(JsonNode) node = json_from_string(cases[i].args, NULL);
        g_autoptr(GError) error = NULL;
        bool ok = admin_args_check(&command, json_node_get_object(node),
                                   &error);

        ck_assert_msg(ok == !cases[i].error, "%s", cases[i].args);
        if (!ok) {
            ck_assert_str_eq(error->message, cases[i].error);
            ck_assert_str_eq(admin_error_class(error), "BadArgument");
        }
    }
}
END_TEST

/* ---------------------------------------------------------------- server */

static char *folder, *path;
static AdminServer *server;
static AdminRequest *waiting;   /* of the command "later" */

static JsonNode *run_echo(JsonObject *args, void *opaque, GError **errp)
{
    return admin_node_new(json_object_ref(args));
}

static JsonNode *run_fail(JsonObject *args, void *opaque, GError **errp)
{
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED, "not today");
    return NULL;
}

static void start_later(AdminRequest *request, JsonObject *args, void *opaque)
{
    waiting = request;
}

static void start_now(AdminRequest *request, JsonObject *args, void *opaque)
{
    admin_return(request, NULL);
}

/* More than a socket takes at once. */
static JsonNode *run_big(JsonObject *args, void *opaque, GError **errp)
{
    g_autofree char *text = g_strnfill(4 << 20, 'x');
    JsonNode *node = json_node_new(JSON_NODE_VALUE);

    json_node_set_string(node, text);
    return node;
}

static const AdminCommand commands[] = {
    { "echo", "Its arguments.", { { "x", ADMIN_ARG_INT } }, run_echo },
    { "fail", "Fails.", { { 0 } }, run_fail },
    { "later", "Answers later.", { { 0 } }, NULL, start_later },
    { "now", "Answers at once.", { { 0 } }, NULL, start_now },
    { "big", "A long answer.", { { 0 } }, run_big },
    { 0 }
};

static void set_up(void)
{
    folder = g_dir_make_tmp("admin-XXXXXX", NULL);
    path = g_build_filename(folder, "s", NULL);
    server = admin_server_new(path, NULL, NULL, commands, NULL, NULL);
    ck_assert_ptr_nonnull(server);
}

static void tear_down(void)
{
    admin_server_free(server);
    ck_assert_int_eq(g_access(path, F_OK), -1);
    ck_assert_int_eq(g_rmdir(folder), 0);
    g_free(path);
    g_free(folder);
}

static int dial(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    ck_assert_int_eq(connect(fd, (void *)&addr, sizeof(addr)), 0);
    return fd;
}

static void spin(void)
{
    for (int i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            text += n;
            len -= n;
        } else if (errno != EAGAIN) {
            return;
        }
        spin();
    }
}

/* What has come by now, until the end or until nothing more comes. */
static char *hear(int fd, bool *ended)
{
    GString *text = g_string_new(NULL);
    char bytes[65536];

    *ended = false;
    for (int quiet = 0; quiet < 3; quiet++) {
        ssize_t n;

        spin();
        while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
            g_string_append_len(text, bytes, n);
            spin();
            quiet = 0;
        }
        if (n == 0) {
            *ended = true;
            break;
        }
    }
    return g_string_free(text, FALSE);
}

static void check_talk(const char *request, const char *answer, bool ends)
{
    autofd fd = dial();
    bool ended;
    g_autofree char *text = NULL;

    say(fd, request);
    text = hear(fd, &ended);
    ck_assert_str_eq(text, answer);
    ck_assert_int_eq(ended, ends);
}

START_TEST(requests_are_answered_in_order)
{
    check_talk("{\"execute\":\"echo\",\"arguments\":{\"x\":1},\"id\":1}\n\n"
               "{\"execute\":\"fail\",\"id\":\"b\"}\nnonsense\r\n"
               "{\"execute\":\"none\"}\n"
               "{\"execute\":\"echo\"}\n{\"execute\":\"now\"}\n",
               "{\"return\":{\"x\":1},\"id\":1}\n"
               "{\"error\":{\"class\":\"Refused\",\"desc\":\"not today\"},"
               "\"id\":\"b\"}\n"
               "{\"error\":{\"class\":\"BadRequest\",\"desc\":\"the line is "
               "not one JSON object\"}}\n"
               "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"the "
               "command 'none' is not known here\"}}\n"
               "{\"error\":{\"class\":\"BadArgument\",\"desc\":\"echo: 'x' "
               "is missing\"}}\n"
               "{\"return\":{}}\n", false);
}
END_TEST

START_TEST(a_long_line_ends_it)
{
    g_autofree char *line = g_strnfill(ADMIN_LINE_MAX + 1, ' ');
    g_autofree char *whole = g_strconcat(line, "\n", NULL);
    const char *answer = "{\"error\":{\"class\":\"BadRequest\",\"desc\":\"the "
                         "line is longer than 65536 bytes\"}}\n";

    check_talk(line, answer, true);
    check_talk(whole, answer, true);
    /* The longest one is fine. */
    line[ADMIN_LINE_MAX] = '\n';
    check_talk(line, "", false);
}
END_TEST

START_TEST(half_closed_is_answered)
{
    autofd fd = dial();
    g_autofree char *text = NULL;
    bool ended;

    say(fd, "{\"execute\":\"now\"}\n{\"execute\":\"now\"}");
    shutdown(fd, SHUT_WR);
    text = hear(fd, &ended);
    ck_assert_str_eq(text, "{\"return\":{}}\n{\"return\":{}}\n");
    ck_assert(ended);
}
END_TEST

/* A command may answer from within its start, any number in one read. */
START_TEST(many_at_once)
{
    GString *lines = g_string_new(NULL), *answers = g_string_new(NULL);

    for (int i = 0; i < 200; i++) {
        g_string_append(lines, "{\"execute\":\"now\"}\n");
        g_string_append(answers, "{\"return\":{}}\n");
    }
    check_talk(lines->str, answers->str, false);
    g_string_free(lines, TRUE);
    g_string_free(answers, TRUE);
}
END_TEST

START_TEST(later_holds_the_line)
{
    autofd fd = dial(), gone = dial();
    g_autofree char *none = NULL, *text = NULL;
    AdminRequest *of_gone;
    bool ended;

    say(fd, "{\"execute\":\"later\",\"id\":1}\n{\"execute\":\"now\","
            "\"id\":2}\n");
    none = hear(fd, &ended);
    ck_assert_str_eq(none, "");
    ck_assert_ptr_nonnull(waiting);
    admin_fail(waiting, g_error_new(G_FILE_ERROR, 0, "broken"));
    text = hear(fd, &ended);
    ck_assert_str_eq(text, "{\"error\":{\"class\":\"GenericError\","
                           "\"desc\":\"broken\"},\"id\":1}\n"
                           "{\"return\":{},\"id\":2}\n");

    /* Neither the client's end nor the server's is the request's. */
    say(gone, "{\"execute\":\"later\"}\n");
    spin();
    of_gone = waiting;
    close(fd_steal(&gone));
    say(fd, "{\"execute\":\"later\"}\n");
    spin();
    admin_return(of_gone, NULL);
    admin_server_free(server);
    server = NULL;
    admin_return(waiting, admin_node_new(json_object_new()));
}
END_TEST

START_TEST(who_does_not_read_waits)
{
    autofd fd = dial(), other = dial();
    g_autofree char *text = NULL, *big = NULL;
    bool ended;

    say(fd, "{\"execute\":\"big\"}\n{\"execute\":\"now\"}\n");
    spin();
    say(other, "{\"execute\":\"now\"}\n");
    text = hear(other, &ended);
    ck_assert_str_eq(text, "{\"return\":{}}\n");
    big = hear(fd, &ended);
    ck_assert_uint_gt(strlen(big), 4 << 20);
    ck_assert(g_str_has_suffix(big, "\n{\"return\":{}}\n"));
}
END_TEST

START_TEST(sockets_and_files)
{
    g_autofree char *file = g_build_filename(folder, "f", NULL);
    g_autofree char *stale = g_build_filename(folder, "stale", NULL);
    g_autofree char *longer = g_strnfill(200, 'x');
    g_autoptr(GError) error = NULL;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    autofd fd = socket(AF_UNIX, SOCK_STREAM, 0);
    AdminServer *second;
    struct stat st;

    /* Somebody listens. */
    ck_assert_ptr_null(admin_server_new(path, NULL, NULL, commands, NULL,
                                        &error));
    ck_assert_ptr_nonnull(strstr(error->message, "another daemon"));
    g_clear_error(&error);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);

    /* Not a socket. */
    ck_assert(g_file_set_contents(file, "x", 1, NULL));
    ck_assert_ptr_null(admin_server_new(file, NULL, NULL, commands, NULL,
                                        &error));
    g_clear_error(&error);
    ck_assert_int_eq(g_unlink(file), 0);

    /* Too long to be one, and a group that is none. */
    ck_assert_ptr_null(admin_server_new(longer, NULL, NULL, commands, NULL,
                                        NULL));
    ck_assert_ptr_null(admin_server_new(stale, "no-such-group", NULL, commands,
                                        NULL, NULL));

    /* Left behind by the dead. */
    g_strlcpy(addr.sun_path, stale, sizeof(addr.sun_path));
    ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
    close(fd_steal(&fd));
    second = admin_server_new(stale, "root", NULL, commands, NULL, &error);
    ck_assert_ptr_nonnull(second);
    ck_assert_int_eq(stat(stale, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0660);

    /* What has been replaced meanwhile is not ours to remove. */
    ck_assert_int_eq(g_unlink(stale), 0);
    ck_assert(g_file_set_contents(stale, "x", 1, NULL));
    admin_server_free(second);
    ck_assert_int_eq(g_unlink(stale), 0);
}
END_TEST

/* ---------------------------------------------------------------- client */

typedef struct Execution {
    const char *command;
    unsigned timeout_ms;
    JsonNode *answer;
    GError *error;
    int done;
} Execution;

static void *execute(void *opaque)
{
    Execution *e = opaque;

    e->answer = admin_execute(path, e->command, NULL, e->timeout_ms,
                              &e->error);
    g_atomic_int_set(&e->done, 1);
    return NULL;
}

static void run_client(Execution *e, const char *command, unsigned timeout_ms)
{
    GThread *thread;

    *e = (Execution) { .command = command, .timeout_ms = timeout_ms };
    thread = g_thread_new("client", execute, e);
    while (!g_atomic_int_get(&e->done)) {
        g_main_context_iteration(NULL, FALSE);
    }
    g_thread_join(thread);
}

START_TEST(client_gets_answers)
{
    Execution e;

    run_client(&e, "query-commands", 0);
    ck_assert_ptr_nonnull(e.answer);
    ck_assert_uint_eq(json_array_get_length(json_node_get_array(e.answer)),
                      6);
    json_node_unref(e.answer);
    run_client(&e, "big", 20000);
    ck_assert_uint_eq(strlen(json_node_get_string(e.answer)), 4 << 20);
    json_node_unref(e.answer);
    run_client(&e, "fail", 20000);
    ck_assert(g_error_matches(e.error, ADMIN_ERROR, ADMIN_ERROR_REFUSED));
    ck_assert_str_eq(e.error->message, "not today");
    g_error_free(e.error);
    run_client(&e, "later", 200);
    ck_assert(g_error_matches(e.error, ADMIN_ERROR, ADMIN_ERROR_TIMEOUT));
    g_error_free(e.error);
    admin_return(waiting, NULL);
}
END_TEST

START_TEST(client_without_daemon)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(admin_execute("/nowhere/at/all", "now", NULL, 100,
                                     &error));
    ck_assert(g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_NO_DAEMON));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin");
    TCase *pure = tcase_create("pure"), *live = tcase_create("live");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(pure, good_lines, 0, G_N_ELEMENTS(good));
    tcase_add_loop_test(pure, bad_lines, 0, G_N_ELEMENTS(bad));
    tcase_add_test(pure, deep_lines);
    tcase_add_test(pure, depth_is_limited);
    tcase_add_test(pure, arguments);
    tcase_add_test(pure, client_without_daemon);
    suite_add_tcase(s, pure);
    tcase_add_checked_fixture(live, set_up, tear_down);
    tcase_set_timeout(live, 30);
    tcase_add_test(live, requests_are_answered_in_order);
    tcase_add_test(live, a_long_line_ends_it);
    tcase_add_test(live, half_closed_is_answered);
    tcase_add_test(live, many_at_once);
    tcase_add_test(live, later_holds_the_line);
    tcase_add_test(live, who_does_not_read_waits);
    tcase_add_test(live, sockets_and_files);
    tcase_add_test(live, client_gets_answers);
    suite_add_tcase(s, live);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
