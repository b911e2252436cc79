/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration: single values, files and drop-ins, and what is refused. */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "common/config-parse.h"
#include "common/config-reference.h"
#include "common/config.h"

static const ConfigKey keys[] = {
    { "net", "listen", CONFIG_STRING, "127.0.0.1:1", "Where to listen." },
    { "net", "tls", CONFIG_STRING, "", "Security.", .choices = "|none" },
    { "net", "peers", CONFIG_LIST, "", "The others." },
    { "mem", "reserve", CONFIG_SIZE, "10%", "Kept back.", .percent = true },
    { "mem", "slab", CONFIG_SIZE, "64M", "A unit.", .min = 4096,
      .max = 1 << 30 },
    { "mem", "count", CONFIG_INT, "3", "How many.", .min = 1, .max = 9 },
    { "mem", "fast", CONFIG_BOOL, "no", "Quicker." },
    { "mem", "period", CONFIG_TIME, "1s", "How often.", .min = 100 },
};

static Config *config;

static void set_up(void)
{
    config = config_new("test", keys, G_N_ELEMENTS(keys));
}

static void tear_down(void)
{
    config_free(config);
}

static const struct {
    const char *text;
    bool ok;
    uint64_t bytes;
    int percent;
} sizes[] = {
    { "0", true, 0, -1 },
    { "4096", true, 4096, -1 },
    { "512M", true, 512ull << 20, -1 },
    { "64g", true, 64ull << 30, -1 },
    { "3T", true, 3ull << 40, -1 },
    { "9223372036854775807", true, INT64_MAX, -1 },
    { "10%", true, 0, 1000 },
    { "2.5%", true, 0, 250 },
    { "0.05%", true, 0, 5 },
    { "100%", true, 0, 10000 },
    { "9223372036854775808", false },
    { "99999999999999999999", false },
    { "16777216T", false },
    { "101%", false },
    { "100.01%", false },
    { "1.234%", false },
    { "1.%", false },
    { "%", false },
    { "", false },
    { "M", false },
    { "-1", false },
    { "1.5G", false },
    { "1 G", false },
    { "1GB", false },
    { "0x10", false },
};

START_TEST(size_is_parsed)
{
    uint64_t bytes;
    int percent;
    bool ok = config_parse_size(sizes[_i].text, &bytes, &percent, NULL);

    ck_assert_msg(ok == sizes[_i].ok, "'%s'", sizes[_i].text);
    if (ok) {
        ck_assert_uint_eq(bytes, sizes[_i].bytes);
        ck_assert_int_eq(percent, sizes[_i].percent);
    }
    /* Where no share is taken, a share is no size. */
    ok = config_parse_size(sizes[_i].text, &bytes, NULL, NULL);
    ck_assert_int_eq(ok, sizes[_i].ok && sizes[_i].percent < 0);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    uint64_t ms;
} times[] = {
    { "0", true, 0 }, { "200ms", true, 200 }, { "5s", true, 5000 },
    { "10min", true, 600000 }, { "2h", true, 7200000 },
    { "1d", true, 86400000 }, { "5", false }, { "", false }, { "s", false },
    { "1.5s", false }, { "-1s", false }, { "5m", false },
    { "9223372036854775807d", false },
};

START_TEST(time_is_parsed)
{
    uint64_t ms;
    bool ok = config_parse_time(times[_i].text, &ms, NULL);

    ck_assert_msg(ok == times[_i].ok, "'%s'", times[_i].text);
    if (ok) {
        ck_assert_uint_eq(ms, times[_i].ms);
    }
}
END_TEST

START_TEST(size_is_formatted)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0" }, { 4096, "4K" }, { 4097, "4097" }, { 64 << 20, "64M" },
        { 3ull << 40, "3T" }, { 1024ull << 40, "1024T" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = config_format_size(cases[i].bytes);

        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(defaults_hold)
{
    ck_assert_str_eq(config_string(config, "net", "listen"), "127.0.0.1:1");
    ck_assert_str_eq(config_string(config, "net", "tls"), "");
    ck_assert_ptr_null(config_list(config, "net", "peers")[0]);
    ck_assert_uint_eq(config_size(config, "mem", "reserve", 1000), 100);
    ck_assert_uint_eq(config_size(config, "mem", "slab", 0), 64 << 20);
    ck_assert_int_eq(config_int(config, "mem", "count"), 3);
    ck_assert(!config_bool(config, "mem", "fast"));
    ck_assert_uint_eq(config_time_ms(config, "mem", "period"), 1000);
    ck_assert(!config_is_set(config, "mem", "count"));
    /* A share of everything there is does not overflow. */
    ck_assert_uint_eq(config_size(config, "mem", "reserve", UINT64_MAX),
                      UINT64_MAX / 10);
}
END_TEST

static bool load(const char *text, GError **errp)
{
    return config_load_text(config, "f", text, strlen(text), errp);
}

START_TEST(text_is_read)
{
    g_autoptr(GError) error = NULL;
    const char *const *list;

    ck_assert(load("# a comment\n\n[mem]\n  count=4\r\nfast = Yes\n"
                   "slab = 2M\nreserve = 1G\n[net]\n"
                   "peers = a:1, [::1]:2,,c \n"
                   "listen = a\\tb \n[mem]\nperiod = 250ms", &error));
    ck_assert_int_eq(config_int(config, "mem", "count"), 4);
    ck_assert(config_bool(config, "mem", "fast"));
    ck_assert_uint_eq(config_size(config, "mem", "slab", 0), 2 << 20);
    ck_assert_uint_eq(config_size(config, "mem", "reserve", 5), 1 << 30);
    ck_assert_uint_eq(config_time_ms(config, "mem", "period"), 250);
    ck_assert_str_eq(config_string(config, "net", "listen"), "a\tb");
    list = config_list(config, "net", "peers");
    ck_assert_uint_eq(g_strv_length((char **)list), 3);
    ck_assert_str_eq(list[1], "[::1]:2");
    ck_assert_str_eq(list[2], "c");
    ck_assert(config_is_set(config, "mem", "count"));
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} refused[] = {
    { "[mem]\n\ncuont = 3\n", "f:3: unknown key 'cuont' in [mem]" },
    { "[mem]\nlisten = 3\n", "f:2: unknown key 'listen' in [mem]" },
    { "[mem]\ncount[de] = 3\n", "f:2: unknown key 'count[de]' in [mem]" },
    { "#\n[men]\ncount = 3\n", "f:2: unknown section [men]" },
    { "count = 3\n", "f:1: a key before the first [section]" },
    { "[mem]\ncount\n", "f:2: neither a [section], nor KEY = VALUE, "
      "nor a comment" },
    { "[mem\ncount = 3\n", "f:1: a section without its ']'" },
    { "[mem]\ncount = 3\ncount = 4\n", "f:3: 'count' is set a second time" },
    { "[mem]\ncount = x\n", "f:2: [mem] count: 'x' is not a whole number" },
    { "[mem]\ncount = 0\n", "f:2: [mem] count: '0' is not from 1 to 9" },
    { "[mem]\ncount = 10\n", "f:2: [mem] count: '10' is not from 1 to 9" },
    { "[mem]\ncount =\n", "f:2: [mem] count: '' is not a whole number" },
    { "[mem]\nslab = 10%\n",
      "f:2: [mem] slab: '10%' is not a size: write a number of bytes, or with "
      "K, M, G or T" },
    { "[mem]\nslab = 2G\n",
      "f:2: [mem] slab: '2G' is not from 4096 to 1073741824" },
    { "[mem]\nfast = maybe\n",
      "f:2: [mem] fast: 'maybe' is neither yes nor no" },
    { "[mem]\nperiod = 50ms\n",
      "f:2: [mem] period: '50ms' is below 100 ms" },
    { "[net]\ntls = tls\n", "f:2: [net] tls: 'tls' is not one of: , none" },
    { "[net]\nlisten = \\q\n", NULL },     /* GLib's words */
    { "[net]\nlisten = \xff\n", "f: it is not UTF-8 text" },
};

START_TEST(text_is_refused)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(!load(refused[_i].text, &error), "%s", refused[_i].text);
    if (refused[_i].error) {
        ck_assert_str_eq(error->message, refused[_i].error);
    }
    ck_assert_ptr_nonnull(strstr(error->message, "f:"));
}
END_TEST

START_TEST(bytes_after_nul_are_seen)
{
    ck_assert(!config_load_text(config, "f", "[mem]\n\0evil", 11, NULL));
}
END_TEST

static void write_file(const char *folder, const char *name,
                       const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    ck_assert(g_file_set_contents(path, text, -1, NULL));
}

START_TEST(drop_ins_come_in_order)
{
    g_autofree char *folder = g_dir_make_tmp("config-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "a.conf", NULL);
    g_autofree char *drop = g_build_filename(folder, "a.conf.d", NULL);
    g_autoptr(GError) error = NULL;
    const char *names[] = { "20-b.conf", "10-a.conf", "30-c.conf~" };

    ck_assert(!config_load(config, file, false, &error));
    g_clear_error(&error);
    ck_assert(config_load(config, file, true, &error));
    write_file(folder, "a.conf", "[mem]\ncount = 4\nfast = yes\n");
    ck_assert_int_eq(g_mkdir(drop, 0700), 0);
    write_file(drop, "20-b.conf", "[mem]\ncount = 6\n");
    write_file(drop, "10-a.conf", "[mem]\ncount = 5\nslab = 4096\n");
    write_file(drop, "30-c.conf~", "[mem]\ncount = 7\n");
    ck_assert(config_load(config, file, false, &error));
    ck_assert_int_eq(config_int(config, "mem", "count"), 6);
    ck_assert_uint_eq(config_size(config, "mem", "slab", 0), 4096);
    ck_assert(config_bool(config, "mem", "fast"));

    ck_assert(config_set(config, "mem", "count", "8", "--count", &error));
    ck_assert_int_eq(config_int(config, "mem", "count"), 8);
    ck_assert(!config_set(config, "mem", "count", "0", "--count", &error));
    ck_assert_str_eq(error->message,
                     "--count: [mem] count: '0' is not from 1 to 9");
    ck_assert_int_eq(config_int(config, "mem", "count"), 8);

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(drop, names[i], NULL);

        g_unlink(path);
    }
    g_rmdir(drop);
    g_unlink(file);
    g_rmdir(folder);
}
END_TEST

/* What is printed says the same when it is read again. */
START_TEST(printed_is_readable)
{
    g_autoptr(Config) again = config_new("test", keys, G_N_ELEMENTS(keys));
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL, *example = NULL;

    ck_assert(load("[net]\nlisten = a\\\\b\\nc\npeers = x,y\n"
                   "[mem]\nreserve = 0.5%\n", &error));
    text = config_print(config, false);
    ck_assert_ptr_nonnull(strstr(text, "# (f:2)\nlisten = a\\\\b\\nc\n"));
    ck_assert_ptr_nonnull(strstr(text, "# (default)\ncount = 3\n"));
    ck_assert(config_load_text(again, "again", text, strlen(text), &error));
    ck_assert_str_eq(config_string(again, "net", "listen"), "a\\b\nc");
    ck_assert_uint_eq(config_size(again, "mem", "reserve", 20000), 100);
    ck_assert_str_eq(config_list(again, "net", "peers")[1], "y");

    example = config_print(config, true);
    ck_assert_ptr_nonnull(strstr(example, "\n#reserve = 10%\n"));
    ck_assert_ptr_null(strstr(example, "\nreserve"));
}
END_TEST

static const ConfigKey described[] = {
    { "a", "text", CONFIG_STRING, "", "A *star* of x_y.", .unit = "a name|s",
      .example = "x", .change = "names stay." },
    { "a", "mode", CONFIG_STRING, "on", "Which.", .choices = "on|auto|off" },
    { "b", "many", CONFIG_INT, "3", "How many.", .min = 1, .max = 9,
      .unit = "hosts" },
    { "b", "slab", CONFIG_SIZE, "10%", "A unit.", .min = 4096,
      .percent = true },
    { "b", "wait", CONFIG_TIME, "1s", "How long.", .max = 7200 * 1000 },
};

/* What a manual says of keys is what the table says. */
START_TEST(reference_says_it_all)
{
    g_autoptr(Config) c = config_new("test", described,
                                     G_N_ELEMENTS(described));
    g_autofree char *text = config_reference(c);

    ck_assert_str_eq(text,
        "[a]\n---\n"
        "\n**text**\n    A \\*star\\* of x\\_y.\n\n"
        "    :Takes: a name\\|s\n    :Default: empty\n"
        "    :Example: ``text = x``\n"
        "    :Change: takes effect when the daemon is started again; names "
        "stay.\n"
        "\n**mode**\n    Which.\n\n"
        "    :Takes: ``on``, ``auto`` or ``off``\n    :Default: ``on``\n"
        "    :Change: takes effect when the daemon is started again.\n"
        "\n[b]\n---\n"
        "\n**many**\n    How many.\n\n"
        "    :Takes: a whole number of hosts, from 1 to 9\n"
        "    :Default: ``3``\n"
        "    :Change: takes effect when the daemon is started again.\n"
        "\n**slab**\n    A unit.\n\n"
        "    :Takes: bytes, 4K or more, or a share from 0% to 100%\n"
        "    :Default: ``10%``\n"
        "    :Change: takes effect when the daemon is started again.\n"
        "\n**wait**\n    How long.\n\n"
        "    :Takes: a time, from 0 to 2h\n    :Default: ``1s``\n"
        "    :Change: takes effect when the daemon is started again.\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *tc = tcase_create("config");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, size_is_parsed, 0, G_N_ELEMENTS(sizes));
    tcase_add_loop_test(tc, time_is_parsed, 0, G_N_ELEMENTS(times));
    tcase_add_test(tc, size_is_formatted);
    tcase_add_test(tc, defaults_hold);
    tcase_add_test(tc, text_is_read);
    tcase_add_loop_test(tc, text_is_refused, 0, G_N_ELEMENTS(refused));
    tcase_add_test(tc, bytes_after_nul_are_seen);
    tcase_add_test(tc, drop_ins_come_in_order);
    tcase_add_test(tc, printed_is_readable);
    tcase_add_test(tc, reference_says_it_all);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
