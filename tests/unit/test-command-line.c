/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command line: options over a file, in their order, and what is asked. */
#include <check.h>
#include <string.h>

#include "common/command-line.h"

static const ConfigKey keys[] = {
    { "net", "listen", CONFIG_STRING, "here", "Where." },
    { "net", "peers", CONFIG_LIST, "first", "The others." },
    { "net", "spin", CONFIG_INT, "0", "How long.", .max = 9 },
    { "mem", "spin", CONFIG_INT, "0", "How long.", .max = 9 },
    { "mem", "period", CONFIG_TIME, "1s", "How often.", .min = 100 },
};

static const CommandLineOption options[] = {
    { "listen", "Where", "TEXT", .section = "net", .key = "listen" },
    { "peer", "Another", "TEXT", .section = "net", .key = "peers",
      .list = true },
    { "spin", "How long", "N", .section = "net", .key = "spin",
      .section2 = "mem" },
    { "period", "How often", "MS", .section = "mem", .key = "period",
      .unit = "ms" },
};

static const CommandLine line = {
    .program = "test", .summary = "A test.", .file = "/nowhere/test.conf",
    .options = options, .nr_options = G_N_ELEMENTS(options),
};

static Config *config;
static CommandLineAction action;

static void set_up(void)
{
    config = config_new("test", keys, G_N_ELEMENTS(keys));
}

static void tear_down(void)
{
    config_free(config);
}

/* NULL, or why not; to be freed. */
static char *parse(const char *text)
{
    g_autofree char *all = g_strconcat("test ", text, NULL);
    g_auto(GStrv) argv = g_strsplit(g_strchomp(all), " ", -1);
    unsigned argc = g_strv_length(argv);
    g_autofree char **copy = g_memdup2(argv, (argc + 1) * sizeof(*argv));
    g_autoptr(GError) error = NULL;

    return command_line_parse(&line, argc, copy, config, &action, &error)
               ? NULL : g_strdup(error->message);
}

START_TEST(options_set_keys)
{
    ck_assert_ptr_null(parse("--listen a --spin 3 --listen=b --period 200"));
    ck_assert_int_eq(action, COMMAND_LINE_RUN);
    ck_assert_str_eq(config_string(config, "net", "listen"), "b");
    ck_assert_int_eq(config_int(config, "net", "spin"), 3);
    ck_assert_int_eq(config_int(config, "mem", "spin"), 3);
    ck_assert_uint_eq(config_time_ms(config, "mem", "period"), 200);
    ck_assert_str_eq(config_list(config, "net", "peers")[0], "first");
}
END_TEST

/* The items given are the list; those of the file are not in it. */
START_TEST(options_that_are_repeated)
{
    const char *const *peers;

    ck_assert_ptr_null(parse("--peer a --check-config --peer b"));
    ck_assert_int_eq(action, COMMAND_LINE_CHECK);
    peers = config_list(config, "net", "peers");
    ck_assert_str_eq(peers[0], "a");
    ck_assert_str_eq(peers[1], "b");
    ck_assert_ptr_null(peers[2]);
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "--other", "--other" },
        { "--spin", "--spin" },
        { "more", "unexpected argument 'more'" },
        { "--spin 10", "--spin: [net] spin: '10' is not from 0 to 9" },
        { "--period 5s", "'5sms' is not a time" },
        { "--config /nowhere/other", "/nowhere/other" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *why = parse(bad[i].text);

        ck_assert_msg(why && strstr(why, bad[i].why), "'%s' says '%s'",
                      bad[i].text, why);
    }
}
END_TEST

/* These need no configuration that is in order. */
START_TEST(what_reads_no_file)
{
    ck_assert_ptr_null(parse("--version --config /nowhere/other"));
    ck_assert_int_eq(action, COMMAND_LINE_VERSION);
    ck_assert_ptr_null(parse("--example-config --spin 10"));
    ck_assert_int_eq(action, COMMAND_LINE_EXAMPLE);
    ck_assert_ptr_null(parse("--config-reference --config /nowhere/other"));
    ck_assert_int_eq(action, COMMAND_LINE_REFERENCE);
    ck_assert(!command_line_answer(&line, config, COMMAND_LINE_RUN));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command-line");
    TCase *tcase = tcase_create("command-line");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, options_set_keys);
    tcase_add_test(tcase, options_that_are_repeated);
    tcase_add_test(tcase, what_is_refused);
    tcase_add_test(tcase, what_reads_no_file);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
