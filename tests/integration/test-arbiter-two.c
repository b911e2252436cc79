/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two arbiters that know nothing of each other, and one real provider: what
 * both promise of it at once is never more than it offers.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/fake-host.h"

#define MIB     (1ull << 20)
#define LEND    (64 * MIB)
#define SLAB    (4 * MIB)
#define ASKS    16u             /* of each requester: as much as there is */

static ArbiterProcess arbiter[2];
static FakeHost me[2];
static GSubprocess *provider;
static char *folder;

static void set_up(void)
{
    g_autofree char *run_dir = NULL;

    for (unsigned i = 0; i < 2; i++) {
        arbiter_start(&arbiter[i], 200);
        fake_host_init(&me[i], i ? "other" : "one", 0);
        me[i].vm = true;
        fake_host_join(&me[i], &arbiter[i]);
    }
    folder = g_dir_make_tmp("two-arbiters-XXXXXX", NULL);
    run_dir = g_strconcat("--run-dir=", folder, NULL);
    provider = g_subprocess_new(
        G_SUBPROCESS_FLAGS_NONE, NULL, g_getenv("RCACHED"),
        "--config=/dev/null", run_dir, "--host=lender",
        "--listen=127.0.0.1:0", "--lend=64M", "--slab-size=4M", "--arbiter",
        arbiter[0].listen, "--arbiter", arbiter[1].listen, NULL);
    ck_assert_ptr_nonnull(provider);
}

static void tear_down(void)
{
    g_subprocess_send_signal(provider, SIGTERM);
    g_subprocess_wait(provider, NULL, NULL);
    g_clear_object(&provider);
    g_rmdir(folder);
    g_clear_pointer(&folder, g_free);
    for (unsigned i = 0; i < 2; i++) {
        fake_host_deinit(&me[i]);
        arbiter_stop(&arbiter[i]);
    }
}

static uint64_t lender_int(unsigned i, const char *field)
{
    g_autoptr(JsonObject) o = arbiter_host(&arbiter[i], "lender");

    return o ? json_object_get_int_member(o, field) : 0;
}

static void ask_for_all(FakeHost *h)
{
    for (unsigned i = 0; i < ASKS; i++) {
        fake_host_request(h, i, SLAB, 1);
    }
}

START_TEST(never_more_than_is_offered)
{
    for (unsigned i = 0; i < 2; i++) {
        fake_wait(lender_int(i, "free_bytes") == LEND);
    }
    for (unsigned i = 0; i < 2; i++) {
        ask_for_all(&me[i]);
    }
    fake_wait(me[0].replies == ASKS && me[1].replies == ASKS);
    /* Each would have had it all; less if the provider answered late. */
    ck_assert_uint_le(me[0].granted + me[1].granted, LEND);
    for (unsigned i = 0; i < 2; i++) {
        fake_wait(lender_int(i, "leased_bytes") == LEND);
        ck_assert_uint_eq(lender_int(i, "offered_bytes"), LEND);
        ck_assert_uint_eq(lender_int(i, "free_bytes"), 0);
    }
    /* And now both know that there is no more. */
    for (unsigned i = 0; i < 2; i++) {
        fake_host_request(&me[i], 99, SLAB, 1);
        fake_wait(me[i].replies == ASKS + 1);
        ck_assert_uint_eq(me[i].reply.status, RCACHE_E_NO_ROOM);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arbiter-two");
    TCase *tc = tcase_create("arbiter-two");
    SRunner *r = srunner_create(s);
    int failed;

    if (!g_getenv("ARBITER") || !g_getenv("RCACHED")) {
        puts("skipped: ARBITER or RCACHED does not name the program");
        return 77;
    }
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, never_more_than_is_offered);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
