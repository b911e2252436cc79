/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of tls-keeper: files that change under a daemon, and its status. */
#include "common/tls-keeper.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tls-material.h"
#include "tests/unit/tls-fixture.h"

static const char *const no_names[] = { NULL };
static char *path;
static PkiPair *ca;
static TlsSettings settings;

static void put(const char *name, const char *text)
{
    g_autofree char *file = g_build_filename(path, name, NULL);

    ck_assert(g_file_set_contents_full(file, text, -1,
                                       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void drop(const char *name)
{
    g_autofree char *file = g_build_filename(path, name, NULL);

    g_unlink(file);
}

/* Files of host a whose certificate is good for so long. */
static void put_all(int64_t seconds)
{
    PkiRequest request = tls_fixture_request("a");
    g_autoptr(TlsMaterial) m = NULL;

    request.until = g_get_real_time() / G_USEC_PER_SEC + seconds;
    m = tls_fixture_material(ca, "a", &request);
    put(TLS_FILE_CA, m->ca);
    put(TLS_FILE_SERVER_CERT, m->server_cert);
    put(TLS_FILE_SERVER_KEY, m->server_key);
}

static void set_up(void)
{
    path = g_dir_make_tmp("keeper-XXXXXX", NULL);
    ca = tls_fixture_authority();
    settings = (TlsSettings) {
        .directory = path, .arbiters = no_names, .priority = "NORMAL",
        .host = "a", .warn_ms = UINT64_C(28) * DAY * 1000,
    };
}

static void tear_down(void)
{
    drop(TLS_FILE_CA);
    drop(TLS_FILE_SERVER_CERT);
    drop(TLS_FILE_SERVER_KEY);
    g_rmdir(path);
    g_free(path);
    pki_pair_free(ca);
}

static TlsKeeper *keeper_new(void)
{
    g_autoptr(GError) error = NULL;
    TlsKeeper *keeper = tls_keeper_new(&settings, &error);

    ck_assert_msg(keeper != NULL, "%s", error ? error->message : "");
    return keeper;
}

/* What status says after @days. */
static char *status(const TlsKeeper *keeper, int64_t days, JsonObject *o)
{
    g_autoptr(Verdict) verdict = verdict_new();

    tls_keeper_set_status(keeper, g_get_real_time() / G_USEC_PER_SEC +
                          days * DAY, o, verdict);
    verdict_set(verdict, o, "fine");
    return g_strdup(json_object_get_string_member(o, "level"));
}

static bool noted(JsonObject *o, const char *list, const char *text)
{
    JsonArray *all = json_object_get_array_member(o, list);

    return json_array_get_length(all) == 1 &&
           strstr(json_array_get_string_element(all, 0), text);
}

START_TEST(nothing_is_nothing)
{
    g_autoptr(JsonObject) o = json_object_new();
    g_autofree char *level = NULL;
    TlsKeeper *keeper;

    /* The default, and no files: only this host is spoken to. */
    keeper = keeper_new();
    ck_assert_ptr_null(tls_keeper_credentials(keeper));
    ck_assert_int_eq(tls_keeper_fd(keeper), -1);
    ck_assert(!tls_keeper_reload(keeper));
    tls_keeper_free(keeper);
    /* Written down, it is a mistake. */
    settings.written = true;
    ck_assert_ptr_null(tls_keeper_new(&settings, NULL));
    settings.mode = TLS_MODE_NONE;
    keeper = keeper_new();
    ck_assert_ptr_null(tls_keeper_credentials(keeper));
    level = status(keeper, 0, o);
    ck_assert_str_eq(level, "ok");
    ck_assert_str_eq(json_object_get_string_member(o, "tls"), "none");
    ck_assert(json_object_get_null_member(o, "tls_expires_seconds"));
    ck_assert(noted(o, "notes", "neither encrypted nor authenticated"));
    tls_keeper_free(keeper);
}
END_TEST

START_TEST(good_files_replace_those_before)
{
    g_autoptr(TlsKeeper) keeper = NULL;
    TlsCredentials *first;
    int64_t expires;

    put_all(40 * DAY);
    keeper = keeper_new();
    first = tls_credentials_ref(tls_keeper_credentials(keeper));
    ck_assert_int_ge(tls_keeper_fd(keeper), 0);
    put_all(50 * DAY);
    ck_assert(tls_keeper_reload(keeper));
    ck_assert_ptr_ne(tls_keeper_credentials(keeper), first);
    expires = tls_credentials_expires(tls_keeper_credentials(keeper));
    ck_assert_int_gt(expires, tls_credentials_expires(first));
    tls_credentials_unref(first);
}
END_TEST

START_TEST(bad_files_change_nothing)
{
    static const char *const files[] = {
        TLS_FILE_CA, TLS_FILE_SERVER_CERT, TLS_FILE_SERVER_KEY,
    };
    g_autoptr(TlsKeeper) keeper = NULL;
    g_autoptr(JsonObject) o = json_object_new();
    g_autofree char *bad = NULL, *good = NULL;
    TlsCredentials *first;
    int fd;

    put_all(40 * DAY);
    keeper = keeper_new();
    first = tls_keeper_credentials(keeper);
    fd = tls_keeper_fd(keeper);
    put(files[_i], "no certificate and no key\n");
    ck_assert(!tls_keeper_reload(keeper));
    ck_assert_ptr_eq(tls_keeper_credentials(keeper), first);
    ck_assert_int_eq(tls_keeper_fd(keeper), fd);
    bad = status(keeper, 0, o);
    ck_assert_str_eq(bad, "degraded");
    ck_assert(noted(o, "problems", files[_i]));
    drop(files[_i]);
    ck_assert(!tls_keeper_reload(keeper));
    ck_assert_ptr_eq(tls_keeper_credentials(keeper), first);
    put_all(40 * DAY);
    ck_assert(tls_keeper_reload(keeper));
    good = status(keeper, 0, o);
    ck_assert_str_eq(good, "ok");
}
END_TEST

static void put_list(int64_t when)
{
    g_autofree char *list = pki_cert_revoke(ca, NULL, 0, 1, when,
                                            when + 100 * DAY, NULL);

    put(TLS_FILE_CRL, list);
}

/* While somebody replaces it, nobody who is revoked is let in. */
START_TEST(a_list_is_not_forgotten)
{
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(TlsKeeper) keeper = NULL;
    g_autoptr(JsonObject) o = json_object_new();
    g_autofree char *level = NULL;
    TlsCredentials *first;

    put_all(40 * DAY);
    keeper = keeper_new();
    put_list(now - 10);
    ck_assert(tls_keeper_reload(keeper));       /* the first one */
    put_list(now);
    ck_assert(tls_keeper_reload(keeper));
    ck_assert(tls_keeper_reload(keeper));       /* the same */
    first = tls_keeper_credentials(keeper);
    put_list(now - 10);
    ck_assert(!tls_keeper_reload(keeper));
    drop(TLS_FILE_CRL);
    ck_assert(!tls_keeper_reload(keeper));
    ck_assert_ptr_eq(tls_keeper_credentials(keeper), first);
    level = status(keeper, 0, o);
    ck_assert_str_eq(level, "degraded");
    ck_assert(noted(o, "problems", "would be let in again"));
    put_list(now + 10);
    ck_assert(tls_keeper_reload(keeper));
    drop(TLS_FILE_CRL);
}
END_TEST

START_TEST(the_end_is_told_in_time)
{
    static const struct {
        int days;               /* from now; it is good for 40 */
        const char *level, *text;
    } steps[] = {
        { 0, "ok", NULL },
        { 11, "ok", NULL },
        { 13, "ok", "expires in 27 days" },
        { 32, "ok", "expires in 8 days" },
        { 34, "degraded", "expires in 6 days" },
        { 38, "degraded", "expires in 2 days" },
        { 40, "degraded", "expires in 12.0 hours" },
        { 41, "degraded", "has expired" },
    };
    g_autoptr(TlsKeeper) keeper = NULL;

    put_all(40 * DAY + DAY / 2 + 60);
    keeper = keeper_new();
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(JsonObject) o = json_object_new();
        g_autofree char *level = status(keeper, steps[i].days, o);
        bool ok = !strcmp(steps[i].level, "ok");
        int64_t left;

        ck_assert_str_eq(level, steps[i].level);
        ck_assert(!steps[i].text || noted(o, ok ? "notes" : "problems",
                                          steps[i].text));
        ck_assert(steps[i].text || !json_array_get_length(
            json_object_get_array_member(o, "notes")));
        left = json_object_get_int_member(o, "tls_expires_seconds");
        ck_assert_int_lt(llabs(left - (40 - steps[i].days) * DAY - DAY / 2),
                         3600);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls-keeper");
    TCase *tc = tcase_create("tls-keeper");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, nothing_is_nothing);
    tcase_add_test(tc, good_files_replace_those_before);
    tcase_add_loop_test(tc, bad_files_change_nothing, 0, 3);
    tcase_add_test(tc, a_list_is_not_forgotten);
    tcase_add_test(tc, the_end_is_told_in_time);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
