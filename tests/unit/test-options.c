/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options: the command line over the file, and what is refused. */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rcached/options.h"

#define GIB     (UINT64_C(1) << 30)

static char *file;

static void set_up(void)
{
    int fd = g_file_open_tmp("test-options-XXXXXX", &file, NULL);

    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void tear_down(void)
{
    g_remove(file);
    g_clear_pointer(&file, g_free);
}

static Options *parse(GError **errp, const char *line)
{
    g_autofree char *all = g_strdup_printf("rcached --config=%s %s", file,
                                           line);
    g_auto(GStrv) argv = g_strsplit(g_strchomp(all), " ", -1);
    unsigned argc = g_strv_length(argv);
    g_autofree char **copy = g_memdup2(argv, (argc + 1) * sizeof(*argv));

    return options_new(argc, copy, errp);
}

static void put(const char *text)
{
    ck_assert(g_file_set_contents(file, text, -1, NULL));
}

static void expect_error(const char *line, const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) o = parse(&error, line);

    ck_assert_msg(o == NULL, "'%s' was taken", line);
    ck_assert_msg(strstr(error->message, word) != NULL, "'%s' says '%s'",
                  line, error->message);
}

START_TEST(defaults_are_safe)
{
    g_autoptr(Options) o = parse(NULL, "");

    ck_assert_ptr_nonnull(o);
    ck_assert_int_eq(o->action, COMMAND_LINE_RUN);
    ck_assert_str_eq(o->host, g_get_host_name());
    ck_assert_str_eq(o->run_dir, "/run/rcached");
    ck_assert_str_eq(o->listen, "127.0.0.1:9470");
    ck_assert_int_eq(o->tls.mode, TLS_MODE_REQUIRED);
    ck_assert(!o->tls.written && !o->debug_commands);
    ck_assert_uint_eq(o->slab_size, 64u << 20);
    ck_assert_str_eq(o->memory_source, "host");
    ck_assert_str_eq(o->vmm_group, "kvm");
    ck_assert_str_eq(o->vmm_mode, "0660");
    ck_assert_str_eq(o->vmm_owner, "");
    ck_assert(o->vmm_group_wished);
    ck_assert_uint_eq(o->pagers_max, 1024);
    ck_assert_uint_eq(o->pagers_per_user_max, 512);
    ck_assert_ptr_null(o->arbiters[0]);
    ck_assert_uint_eq(options_lend(o, 100 * GIB), 100 * GIB);
    ck_assert_uint_eq(options_reserve(o, 100 * GIB), 10 * GIB);
}
END_TEST

START_TEST(proactive_mode)
{
    g_autoptr(Options) o = parse(NULL, "");

    ck_assert(!o->pager.proactive);
    ck_assert_uint_eq(o->pager.stall_target, 1000);
    ck_assert_uint_eq(o->pager.proactive_ms, 6000);
    ck_assert_uint_eq(o->pager.proactive_kib, 64 * 1024);
    ck_assert_uint_eq(o->pager.proactive_min, 1000);
    options_free(g_steal_pointer(&o));
    put("[pager]\nproactive = yes\nstall-target = 2.5%\n"
        "proactive-interval = 300ms\nproactive-rate = 1M\n"
        "proactive-min = 0%\n");
    o = parse(NULL, "");
    ck_assert(o->pager.proactive);
    ck_assert_uint_eq(o->pager.stall_target, 25000);
    ck_assert_uint_eq(o->pager.proactive_ms, 300);
    ck_assert_uint_eq(o->pager.proactive_kib, 1024);
    ck_assert_uint_eq(o->pager.proactive_min, 0);
    /* Shares of what only a pager knows. */
    put("[pager]\nstall-target = 0%\n");
    expect_error("", "stall-target");
    put("[pager]\nstall-target = 4096\n");
    expect_error("", "stall-target");
    put("[pager]\nproactive-min = 64M\n");
    expect_error("", "proactive-min");
}
END_TEST

START_TEST(the_command_line_has_the_last_word)
{
    g_autoptr(Options) o = NULL;

    put("[host]\nname = file\nlabel = rack1\n[provider]\nlend = 1G\n"
        "[agent]\narbiters = 127.0.0.1:1, [::1]:2\n");
    o = parse(NULL, "");
    ck_assert_str_eq(o->host, "file");
    ck_assert_str_eq(o->arbiters[1], "[::1]:2");
    ck_assert_uint_eq(options_lend(o, 8 * GIB), GIB);
    options_free(o);
    o = parse(NULL, "--host line --lend 25% --reserve=1% --poll-us 50 "
              "--arbiter 127.0.0.1:3 --arbiter=127.0.0.1:4 --run-dir /tmp/x "
              "--slab-size 1M --memory-source cgroup:/c "
              "--enable-debug-commands");
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(o->host, "line");
    ck_assert_str_eq(o->label, "rack1");
    ck_assert_uint_eq(options_lend(o, 8 * GIB), 2 * GIB);
    ck_assert_uint_eq(options_reserve(o, 100 * GIB), GIB);
    ck_assert_uint_eq(o->pager.poll_us, 50);
    ck_assert_uint_eq(o->provider_poll_us, 50);
    ck_assert_str_eq(o->arbiters[0], "127.0.0.1:3");
    ck_assert_str_eq(o->arbiters[1], "127.0.0.1:4");
    ck_assert_ptr_null(o->arbiters[2]);
    ck_assert_uint_eq(o->slab_size, 1u << 20);
    ck_assert(o->debug_commands);
}
END_TEST

/* Whatever is written, a host does not have more than its memory. */
START_TEST(sizes_above_the_memory_are_all_of_it)
{
    g_autoptr(Options) o = parse(NULL, "--lend 1024T --reserve 2048T");

    ck_assert_ptr_nonnull(o);
    ck_assert_uint_eq(options_lend(o, 8 * GIB), 8 * GIB);
    ck_assert_uint_eq(options_reserve(o, 8 * GIB), 8 * GIB);
}
END_TEST

START_TEST(beyond_loopback_needs_a_word)
{
    g_autoptr(Options) o = NULL;

    put("[tls]\ndirectory = /nonexistent\n");

    expect_error("--listen 0.0.0.0:9470", "tls=none");
    expect_error("--listen [::]:9470", "tls=none");
    expect_error("--listen 192.0.2.1", "tls=none");
    expect_error("--arbiter 192.0.2.1:9471", "tls=none");
    expect_error("--listen 192.0.2.1 --tls required", "tls=none");
    o = parse(NULL, "--listen 192.0.2.1 --arbiter 192.0.2.2 --tls none");
    ck_assert_ptr_nonnull(o);
    ck_assert_int_eq(o->tls.mode, TLS_MODE_NONE);
    ck_assert(o->tls.written);
    g_clear_pointer(&o, options_free);
    o = parse(NULL, "--listen [::1]:0 --arbiter 127.8.8.8");
    ck_assert_ptr_nonnull(o);
}
END_TEST

static const struct {
    const char *line, *word;
} bad[] = {
    { "--listen here:1", "address" },
    { "--listen 127.0.0.1:99999", "address" },
    { "--arbiter nonsense", "arbiter" },
    { "--lend much", "--lend" },
    { "--lend 101%", "--lend" },
    { "--slab-size 3M", "power of two" },
    { "--slab-size 128M", "--slab-size" },
    { "--slab-size 1K", "--slab-size" },
    { "--slab-size 5000", "power of two" },
    { "--poll-us -1", "--poll-us" },
    { "--tls maybe", "none" },
    { "--host a\tb", "host name" },
    { "--host 0123456789012345678901234567890123456789"
      "012345678901234567890123", "host name" },
    { "--no-such-option", "no-such-option" },
    { "one-too-many", "one-too-many" },
};

START_TEST(what_makes_no_sense_is_refused_by_name)
{
    expect_error(bad[_i].line, bad[_i].word);
}
END_TEST

START_TEST(files_are_refused_with_their_line)
{

    put("[provider]\nlend = 1G\nlends = 2G\n");
    expect_error("", "lends");
    expect_error("", ":3");
    put("[host]\nname = a b\n");
    expect_error("", "host name");
    g_remove(file);
    expect_error("", file);             /* named, and not there */
}
END_TEST

START_TEST(what_is_printed_can_be_read_again)
{
    g_autoptr(Options) o = parse(NULL, "--print-config --lend 25% "
                                 "--arbiter 127.0.0.1:3");
    g_autoptr(Options) again = NULL;
    g_autofree char *text = NULL, *example = NULL;

    ck_assert_int_eq(o->action, COMMAND_LINE_PRINT);
    text = config_print(o->config, false);
    put(text);
    again = parse(NULL, "--check-config");
    ck_assert_ptr_nonnull(again);
    ck_assert_int_eq(again->action, COMMAND_LINE_CHECK);
    ck_assert_uint_eq(options_lend(again, 8 * GIB), 2 * GIB);
    ck_assert_str_eq(again->arbiters[0], "127.0.0.1:3");
    example = config_print(o->config, true);
    put(example);
    g_clear_pointer(&again, options_free);
    again = parse(NULL, "");
    ck_assert_uint_eq(options_lend(again, 8 * GIB), 8 * GIB);
}
END_TEST

START_TEST(version_needs_no_configuration)
{
    g_autoptr(Options) o = NULL;

    put("nonsense");
    o = parse(NULL, "--version");
    ck_assert_ptr_nonnull(o);
    ck_assert_int_eq(o->action, COMMAND_LINE_VERSION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, defaults_are_safe);
    tcase_add_test(tc, proactive_mode);
    tcase_add_test(tc, the_command_line_has_the_last_word);
    tcase_add_test(tc, sizes_above_the_memory_are_all_of_it);
    tcase_add_test(tc, beyond_loopback_needs_a_word);
    tcase_add_loop_test(tc, what_makes_no_sense_is_refused_by_name, 0,
                        G_N_ELEMENTS(bad));
    tcase_add_test(tc, files_are_refused_with_their_line);
    tcase_add_test(tc, what_is_printed_can_be_read_again);
    tcase_add_test(tc, version_needs_no_configuration);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
