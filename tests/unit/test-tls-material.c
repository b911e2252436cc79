/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of tls-config, tls-material and tls-credentials: files, what is
 * wrong with them, and what a pager is given of them.
 */
#include "common/tls-credentials.h"

#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tls-fixture.h"

/* Of 16 bytes; so are all others that begin with it. */
#define KEY     "000102030405060708090a0b0c0d0e0f"

static const char *const no_names[] = { NULL };

static TlsSettings settings(const char *directory, TlsMode mode)
{
    return (TlsSettings) {
        .mode = mode, .directory = directory, .arbiters = no_names,
        .priority = "NORMAL", .host = "a",
    };
}

static char *folder_new(void)
{
    char *path = g_dir_make_tmp("tls-XXXXXX", NULL);

    ck_assert_ptr_nonnull(path);
    return path;
}

static void folder_free(char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_unlink(file);
    }
    g_dir_close(dir);
    g_rmdir(path);
    g_free(path);
}

static void put(const char *path, const char *name, const char *text)
{
    g_autofree char *file = g_build_filename(path, name, NULL);

    ck_assert(g_file_set_contents_full(file, text, -1,
                                       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void put_all(const char *path, const TlsMaterial *m)
{
    put(path, "ca-cert.pem", m->ca);
    put(path, "server-cert.pem", m->server_cert);
    put(path, "server-key.pem", m->server_key);
    put(path, "client-cert.pem", m->client_cert);
    put(path, "client-key.pem", m->client_key);
}

/* Reading and checking fails, and the reason has @text in it. */
static void assert_refused(const TlsSettings *s, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TlsMaterial) m = tls_material_read(s, &error);
    g_autoptr(TlsCredentials) creds = m ? tls_credentials_new(m, &error)
                                        : NULL;

    ck_assert_ptr_null(creds);
    ck_assert_msg(strstr(error->message, text) != NULL, "'%s' is not in '%s'",
                  text, error->message);
}

START_TEST(files_are_read)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) a = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) got = NULL;
    g_autoptr(TlsCredentials) creds = NULL;
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_REQUIRED);

    ck_assert(!tls_config_present(&s));
    put_all(path, a);
    ck_assert(tls_config_present(&s));
    got = tls_material_read(&s, NULL);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->server_key, a->server_key);
    ck_assert_ptr_null(got->crl);
    creds = tls_credentials_new(got, NULL);
    ck_assert_ptr_nonnull(creds);
    ck_assert_uint_eq(tls_credentials_roles(creds), TLS_ROLE_HOST);
    ck_assert(!tls_credentials_is_psk(creds));
    folder_free(path);
}
END_TEST

/* QEMU's servers often have no client's certificate. */
START_TEST(one_certificate_serves_for_both)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) a = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) got = NULL;
    g_autofree char *client = NULL;
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_REQUIRED);

    put_all(path, a);
    client = g_build_filename(path, "client-cert.pem", NULL);
    g_unlink(client);
    got = tls_material_read(&s, NULL);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->client_cert, a->server_cert);
    ck_assert_str_eq(got->client_key, a->server_key);
    folder_free(path);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(PkiPair) other = tls_fixture_authority();
    g_autoptr(TlsMaterial) a = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) b = tls_fixture_material(ca, "b", NULL);
    g_autoptr(TlsMaterial) foreign = tls_fixture_material(other, "a", NULL);
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_REQUIRED);

    assert_refused(&s, "ca-cert.pem");
    put(path, "ca-cert.pem", a->ca);
    assert_refused(&s, "server-cert.pem");
    put_all(path, a);
    put(path, "client-key.pem", b->client_key);
    assert_refused(&s, "client-cert.pem and client-key.pem");
    put_all(path, b);
    assert_refused(&s, "is for b, and this host is called a");
    put_all(path, foreign);
    put(path, "ca-cert.pem", a->ca);
    assert_refused(&s, "does not go with ca-cert.pem");
    put_all(path, a);
    put(path, "ca-cert.pem", "nothing of the kind\n");
    assert_refused(&s, "ca-cert.pem");
    put_all(path, a);
    put(path, "ca-crl.pem", "nothing of the kind\n");
    assert_refused(&s, "ca-crl.pem");
    folder_free(path);
}
END_TEST

START_TEST(a_pager_gets_what_it_needs)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) a = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) got = NULL;
    g_autoptr(TlsCredentials) creds = NULL;
    int fd;

    a->crl = pki_cert_revoke(ca, NULL, 0, 1, 1, INT64_C(4000000000), NULL);
    g_strfreev(a->arbiters);
    a->arbiters = g_strsplit("x,y", ",", -1);
    fd = tls_material_to_fd(a, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "x", 1), -1);
    got = tls_material_from_fd(fd, NULL);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->host, "a");
    ck_assert_str_eq(got->ca, a->ca);
    ck_assert_str_eq(got->crl, a->crl);
    ck_assert_str_eq(got->client_cert, a->client_cert);
    ck_assert_str_eq(got->client_key, a->client_key);
    ck_assert_str_eq(got->arbiters[1], "y");
    ck_assert_ptr_null(got->server_key);
    ck_assert_ptr_null(got->server_cert);
    creds = tls_credentials_new(got, NULL);
    ck_assert_ptr_nonnull(creds);
    close(fd);
}
END_TEST

START_TEST(a_pager_gets_its_own_key_only)
{
    TlsMaterial m = {
        .host = (char *)"a", .priority = (char *)"NORMAL",
        .arbiters = (char **)no_names,
        .psk = (char *)"aa:" KEY "01\nb:" KEY "02\na:" KEY "03\n",
    };
    g_autoptr(TlsMaterial) got = NULL;
    g_autoptr(TlsCredentials) creds = NULL;
    int fd = tls_material_to_fd(&m, NULL);

    got = tls_material_from_fd(fd, NULL);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->psk, "a:" KEY "03");
    creds = tls_credentials_new(got, NULL);
    ck_assert_ptr_nonnull(creds);
    ck_assert(tls_credentials_is_psk(creds));
    close(fd);
}
END_TEST

/* Is it anywhere on the heap, freed or not? */
static bool on_the_heap(const char *text, size_t len)
{
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    bool found = false;

    ck_assert(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *end;
        uint8_t *from = (uint8_t *)(uintptr_t)g_ascii_strtoull(*line, &end, 16);
        uint8_t *to = *end ? (uint8_t *)(uintptr_t)
                             g_ascii_strtoull(end + 1, NULL, 16) : from;

        if (g_str_has_suffix(*line, "[heap]")) {
            found = found || memmem(from, to - from, text, len);
        }
    }
    return found;
}

/* A core, or the swap of a host whose memory is not locked, has it. */
START_TEST(no_copy_of_a_key_is_left)
{
    char key[] = "0fcc3ad1aec8be52d6a4e1f70b9d2c85";     /* not on the heap */
    size_t len = sizeof(key) - 1;
    TlsMaterial *m = g_new0(TlsMaterial, 1), *got;
    int fd;

    m->host = g_strdup("a");
    m->priority = g_strdup("NORMAL");
    m->arbiters = g_new0(char *, 1);
    if (_i == 0) {
        m->psk = g_strdup_printf("b:" KEY "\n a:%s\n", key);
    } else {
        m->ca = g_strdup("ca");
        m->client_cert = g_strdup("certificate");
        m->client_key = g_strdup(key);
    }
    fd = tls_material_to_fd(m, NULL);
    got = tls_material_from_fd(fd, NULL);
    ck_assert_ptr_nonnull(got);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert(on_the_heap(key, len));
#endif
    tls_material_free(got);
    tls_material_free(m);
    ck_assert(!on_the_heap(key, len));
    close(fd);
}
END_TEST

#define TEXT(text) text, sizeof(text) - 1

START_TEST(nonsense_from_a_daemon_is_refused)
{
    static const struct {
        const char *text;
        size_t len;
        bool good;
    } texts[] = {
        { TEXT("host\0a\0priority\0NORMAL\0psk\0a:00\0"), true },
        { TEXT("other\0x\0host\0a\0priority\0N\0psk\0a:00\0"), true },
        { TEXT("host\0a\0priority\0NORMAL\0psk\0a:00"), false },
        { TEXT("host\0a\0priority\0NORMAL\0psk\0a:00\0crl\0"), false },
        { TEXT("host\0a\0psk\0a:00\0"), false },
        { TEXT("nonsense"), false },
    };
    int fd = open("/dev/null", O_RDONLY);
    TlsMaterial *got = NULL;
    FILE *file = tmpfile();

    ck_assert_ptr_null(tls_material_from_fd(fd, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        ck_assert_int_eq(ftruncate(fileno(file), 0), 0);
        rewind(file);
        fwrite(texts[i].text, texts[i].len, 1, file);
        fflush(file);
        got = tls_material_from_fd(fileno(file), NULL);
        ck_assert_msg(!got == !texts[i].good, "text %u", i);
        g_clear_pointer(&got, tls_material_free);
    }
    fclose(file);
    close(fd);
}
END_TEST

START_TEST(keys_are_read)
{
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_PSK);

    assert_refused(&s, "keys.psk");
    put(path, "keys.psk", "b:" KEY "\n");
    assert_refused(&s, "has no key for this host");
    put(path, "keys.psk", "# ours\n\na:" KEY "\nnonsense\n");
    assert_refused(&s, "line 4");
    /* The daemon would take one, and its pagers the other. */
    put(path, "keys.psk", "a:" KEY "\nb:" KEY "\n a:" KEY "02\n");
    assert_refused(&s, "line 3: remove the one that is old: a second key for "
                   "'a'");
    /* Whose key is empty, or short, can be anybody; that b is somebody else
     * makes it no better. */
    put(path, "keys.psk", "a:" KEY "\nb:\n");
    assert_refused(&s, "as the key of 'b'");
    put(path, "keys.psk", "a:" KEY "\nb:0123456789abcdef0123456789abcd\n");
    assert_refused(&s, "line 2: less than 16 bytes");
    put(path, "keys.psk", "a:" KEY "\nb:" KEY "0g\n");
    assert_refused(&s, "as the key of 'b'");
    folder_free(path);
}
END_TEST

static void set_mode(const char *path, const char *name, int mode)
{
    g_autofree char *file = g_build_filename(path, name, NULL);

    ck_assert_int_eq(chmod(file, mode), 0);
}

/* Whoever can read or write a key can be this host. */
START_TEST(keys_are_for_nobody_else)
{
    static const int open_to_others[] = { 0644, 0604, 0602, 0620, 0601 };
    static const char *const names[] = { "server-key.pem", "client-key.pem" };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) a = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) got = NULL;
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_REQUIRED);

    put_all(path, a);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(open_to_others); j++) {
            g_autofree char *words = g_strdup_printf(
                "(mode %04o), and so be this host: chmod g-w,o= %s/%s",
                open_to_others[j], path, names[i]);

            set_mode(path, names[i], open_to_others[j]);
            assert_refused(&s, words);
        }
        set_mode(path, names[i], 0640);
    }
    /* A group may be the daemon's, and certificates are no secret. */
    set_mode(path, "server-cert.pem", 0644);
    got = tls_material_read(&s, NULL);
    ck_assert_ptr_nonnull(got);
    put(path, "keys.psk", "a:" KEY "\n");
    set_mode(path, "keys.psk", 0644);
    s.mode = TLS_MODE_PSK;
    assert_refused(&s, "chmod g-w,o=");
    folder_free(path);
}
END_TEST

START_TEST(keys_of_other_users_are_refused)
{
    g_autofree char *words = NULL, *file = NULL;
    g_autoptr(TlsMaterial) got = NULL;
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_PSK);

    put(path, "keys.psk", "a:" KEY "\n");
    got = tls_material_read(&s, NULL);
    ck_assert_ptr_nonnull(got);
    file = g_build_filename(path, "keys.psk", NULL);
    if (chown(file, 12345, -1) == 0) {      /* who runs tests may not be root */
        words = g_strdup_printf("%s belongs to user 12345", file);
        assert_refused(&s, words);
        assert_refused(&s, "chown root");
    }
    folder_free(path);
}
END_TEST

/* What is no file holds nobody up. */
START_TEST(only_files_are_read)
{
    g_autofree char *file = NULL;
    char *path = folder_new();
    TlsSettings s = settings(path, TLS_MODE_PSK);

    file = g_build_filename(path, "keys.psk", NULL);
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    assert_refused(&s, "keys.psk is not a text");
    g_unlink(file);
    ck_assert(g_file_set_contents_full(file, "a:01\0b", 6,
                                       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    assert_refused(&s, "keys.psk is not a text");
    folder_free(path);
}
END_TEST

/* ------------------------------------------------------------- settings */

static const ConfigKey keys[] = {
    { .section = "host", .key = "tls", .type = CONFIG_STRING,
      .fallback = "required", .choices = TLS_CONFIG_CHOICES, .doc = "" },
    TLS_CONFIG_KEYS,
};

START_TEST(nothing_leaves_the_host_unsaid)
{
    g_autoptr(Config) config = config_new("test", keys, G_N_ELEMENTS(keys));
    char *path = folder_new();
    g_autoptr(GError) error = NULL;
    TlsSettings s;

    config_set(config, "tls", "directory", path, "", NULL);
    tls_config_view(config, "host", "a", &s);
    ck_assert_int_eq(s.mode, TLS_MODE_REQUIRED);
    ck_assert_str_eq(s.directory, path);
    ck_assert_uint_eq(s.warn_ms, UINT64_C(28) * 86400 * 1000);
    ck_assert(tls_config_check(&s, "listen", "127.0.0.1", true, NULL));
    ck_assert(!tls_config_check(&s, "listen", "192.0.2.1", false, &error));
    ck_assert(strstr(error->message, "listen 192.0.2.1") != NULL);
    ck_assert(strstr(error->message, "tls=none") != NULL);
    put(path, "ca-cert.pem", "");
    ck_assert(tls_config_check(&s, "listen", "192.0.2.1", false, NULL));
    config_set(config, "host", "tls", "psk", "", NULL);
    tls_config_view(config, "host", "a", &s);
    ck_assert(!tls_config_check(&s, "listen", "192.0.2.1", false, NULL));
    config_set(config, "host", "tls", "none", "", NULL);
    tls_config_view(config, "host", "a", &s);
    ck_assert_int_eq(s.mode, TLS_MODE_NONE);
    ck_assert(tls_config_check(&s, "listen", "192.0.2.1", false, NULL));
    folder_free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls-material");
    TCase *tc = tcase_create("tls-material");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, files_are_read);
    tcase_add_test(tc, one_certificate_serves_for_both);
    tcase_add_test(tc, what_is_wrong_is_named);
    tcase_add_test(tc, a_pager_gets_what_it_needs);
    tcase_add_test(tc, a_pager_gets_its_own_key_only);
    tcase_add_loop_test(tc, no_copy_of_a_key_is_left, 0, 2);
    tcase_add_test(tc, nonsense_from_a_daemon_is_refused);
    tcase_add_test(tc, keys_are_read);
    tcase_add_test(tc, keys_are_for_nobody_else);
    tcase_add_test(tc, keys_of_other_users_are_refused);
    tcase_add_test(tc, only_files_are_read);
    tcase_add_test(tc, nothing_leaves_the_host_unsaid);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
