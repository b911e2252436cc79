/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of pki: the small authority, and that daemons take what it makes. */
#include "arbiter/rcachectl/pki.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/tls-credentials.h"

static const char *const no_names[] = { NULL };
static char *path;
static PkiOptions options;

static void set_up(void)
{
    path = g_dir_make_tmp("pki-XXXXXX", NULL);
    options = (PkiOptions) { .directory = path, .roles = TLS_ROLE_HOST };
    g_free(pki_init(&options, NULL));
}

static void remove_all(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(folder, name, NULL);

        if (g_file_test(file, G_FILE_TEST_IS_DIR)) {
            remove_all(file);
        } else {
            g_unlink(file);
        }
    }
    g_rmdir(folder);
}

static void tear_down(void)
{
    remove_all(path);
    g_free(path);
}

static void issue(const char *name, const char *other)
{
    const char *const names[] = { name, other, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *text = pki_issue(&options, names, &error);

    ck_assert_msg(text != NULL, "%s", error ? error->message : "");
    ck_assert(strstr(text, name) != NULL);
}

static TlsMaterial *files_of(const char *name)
{
    g_autofree char *folder = g_build_filename(path, "hosts", name, NULL);
    TlsSettings settings = {
        .directory = folder, .arbiters = no_names, .priority = "NORMAL",
        .host = name,
    };
    TlsMaterial *m = tls_material_read(&settings, NULL);

    ck_assert_ptr_nonnull(m);
    return m;
}

static mode_t mode_of(const char *name)
{
    g_autofree char *file = g_build_filename(path, name, NULL);
    struct stat st;

    ck_assert_int_eq(stat(file, &st), 0);
    return st.st_mode & 0777;
}

START_TEST(an_authority_is_made_once)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(pki_init(&options, &error));
    ck_assert(strstr(error->message, "already") != NULL);
    ck_assert_int_eq(mode_of("ca-key.pem"), 0600);
}
END_TEST

/* /etc/pki for example, where it is not there yet: daemons look into it. */
START_TEST(only_the_authority_is_closed)
{
    g_autofree char *directory = g_build_filename(path, "pki", "ca", NULL);
    PkiOptions other = { .directory = directory, .roles = TLS_ROLE_HOST };
    mode_t mask = umask(022);
    g_autofree char *text = pki_init(&other, NULL);

    umask(mask);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(mode_of("pki"), 0755);
    ck_assert_int_eq(mode_of("pki/ca"), 0700);
}
END_TEST

START_TEST(daemons_take_what_is_issued)
{
    g_autoptr(TlsMaterial) m = NULL;
    g_autoptr(TlsCredentials) creds = NULL;

    options.roles = TLS_ROLE_HOST | TLS_ROLE_ARBITER;
    options.valid_ms = UINT64_C(10) * 86400 * 1000;
    issue("a", "a.example.org");
    ck_assert_int_eq(mode_of("hosts/a/server-key.pem"), 0600);
    ck_assert_int_eq(mode_of("hosts/a/client-key.pem"), 0600);
    m = files_of("a");
    creds = tls_credentials_new(m, NULL);
    ck_assert_ptr_nonnull(creds);
    ck_assert_uint_eq(tls_credentials_roles(creds), options.roles);
    ck_assert_int_lt(llabs(tls_credentials_expires(creds) - 10 * 86400 -
                           g_get_real_time() / G_USEC_PER_SEC), 3600);
    ck_assert_int_eq(g_strcmp0(m->crl, NULL), 0);
}
END_TEST

START_TEST(names_are_checked)
{
    static const char *const bad[] = {
        "", ".", "a/b", "../a", "-a", "a b", "*.a",
        "0123456789012345678901234567890123456789012345678901234567890123",
    };
    const char *const names[] = { bad[_i], NULL };
    const char *const second[] = { "a", bad[_i], NULL };
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(pki_issue(&options, names, &error));
    ck_assert(error->domain == CONFIG_ERROR);
    ck_assert_ptr_null(pki_issue(&options, second, NULL));
}
END_TEST

/* Does a daemon of host b take the certificate in @m? */
static bool taken(const TlsMaterial *m)
{
    g_autoptr(TlsMaterial) mine = NULL;
    g_autoptr(TlsCredentials) creds = NULL;
    gnutls_datum_t pem = { (void *)m->client_cert, strlen(m->client_cert) };
    gnutls_datum_t der;
    gnutls_x509_crt_t cert;
    TlsIdentity *identity;
    char why[300];

    issue("b", NULL);           /* with the list as it is now */
    mine = files_of("b");
    creds = tls_credentials_new(mine, NULL);
    ck_assert_ptr_nonnull(creds);
    gnutls_x509_crt_init(&cert);
    gnutls_x509_crt_import(cert, &pem, GNUTLS_X509_FMT_PEM);
    gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_DER, &der);
    identity = tls_credentials_judge(creds, &der, 1, TLS_CLIENT, why,
                                     sizeof(why));
    ck_assert(identity || strstr(why, "revoked"));
    gnutls_x509_crt_deinit(cert);
    gnutls_free(der.data);
    tls_identity_free(identity);
    return identity;
}

START_TEST(all_of_a_host_are_revoked)
{
    g_autoptr(TlsMaterial) first = NULL, second = NULL, other = NULL;
    g_autoptr(TlsMaterial) third = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    issue("a", NULL);
    first = files_of("a");
    issue("a", NULL);
    second = files_of("a");
    issue("a.7", NULL);         /* another host, called much the same */
    other = files_of("a.7");
    ck_assert(taken(first) && taken(second) && taken(other));
    text = pki_revoke(&options, "a", NULL);
    ck_assert(g_str_has_prefix(text, "2 of a: "));
    ck_assert(!taken(first) && !taken(second) && taken(other));
    ck_assert_ptr_null(pki_revoke(&options, "a", &error));
    /* It may come back, and be revoked again with those before. */
    issue("a", NULL);
    third = files_of("a");
    ck_assert(taken(third));
    g_free(text);
    text = pki_revoke(&options, "a", NULL);
    ck_assert(g_str_has_prefix(text, "1 of a: "));
    ck_assert(!taken(first) && !taken(second) && !taken(third));
    ck_assert(taken(other));
}
END_TEST

/* No room for the list: nobody takes the host for revoked until it is. */
START_TEST(what_fails_can_be_done_again)
{
    g_autofree char *crl = g_build_filename(path, TLS_FILE_CRL, NULL);
    g_autoptr(TlsMaterial) m = NULL;
    g_autofree char *text = NULL;

    issue("a", NULL);
    m = files_of("a");
    g_mkdir(crl, 0700);
    ck_assert_ptr_null(pki_revoke(&options, "a", NULL));
    g_rmdir(crl);
    text = pki_revoke(&options, "a", NULL);
    ck_assert_ptr_nonnull(text);
    ck_assert(!taken(m));
}
END_TEST

START_TEST(nothing_without_an_authority)
{
    g_autoptr(GError) error = NULL;
    const char *const names[] = { "a", NULL };

    options.directory = "/nonexistent";
    ck_assert_ptr_null(pki_issue(&options, names, &error));
    ck_assert(strstr(error->message, "pki init") != NULL);
    ck_assert_ptr_null(pki_revoke(&options, "a", NULL));
    ck_assert(!pki_parse_role("king", &options.roles));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pki");
    TCase *tc = tcase_create("pki");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_authority_is_made_once);
    tcase_add_test(tc, only_the_authority_is_closed);
    tcase_add_test(tc, daemons_take_what_is_issued);
    tcase_add_loop_test(tc, names_are_checked, 0, 8);
    tcase_add_test(tc, all_of_a_host_are_revoked);
    tcase_add_test(tc, what_fails_can_be_done_again);
    tcase_add_test(tc, nothing_without_an_authority);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
