/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a provider is forgotten.  Its sessions are played here. */
#include <check.h>
#include <string.h>

#include "rcached/pager/avoid.h"
#include "rcached/pager/pager.h"

static Pager *p;
static unsigned nr_ticks, nr_closed, nr_freed;
static struct RcacheLease entry;

Remote *remote_new(Ring *ring, const RemoteOps *ops, void *owner,
                   const RemoteSelf *self, const char *address,
                   const char *host)
{
    Remote *r = g_new0(Remote, 1);

    g_strlcpy(r->address, address, sizeof(r->address));
    g_strlcpy(r->host, host, sizeof(r->host));
    return r;
}

void remote_free(Remote *r)
{
    ck_assert_int_eq(r->state, REMOTE_DOWN);
    g_free(r);
    nr_freed++;
}

void remote_tick(Remote *r, uint64_t now)
{
    r->state = REMOTE_UP;
    nr_ticks++;
}

void remote_recheck(Remote *remote)
{
}

void remote_close(Remote *r, const char *reason)
{
    r->state = REMOTE_CLOSING;
    nr_closed++;
}

enum RcacheCause remote_trouble(const Remote *remote, uint64_t now,
                                uint64_t *since)
{
    return RCACHE_CAUSE_NONE;
}

static void set_up(void)
{
    p = g_new0(Pager, 1);
    providers_init(&p->providers, NULL);
    moves_init(&p->moves);
    nr_ticks = nr_closed = nr_freed = 0;
}

static void tear_down(void)
{
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        ((Remote *)p->providers.remotes->pdata[i])->state = REMOTE_DOWN;
    }
    leases_deinit(&p->leases);
    moves_deinit(&p->moves);
    providers_deinit(&p->providers);
    g_free(p);
}

START_TEST(one_that_nobody_uses_is_forgotten)
{
    Remote *r = providers_get(p, "192.0.2.1:1", "a");

    avoid_failed(p->moves.avoid, r, NULL, 1);
    avoid_failed(p->moves.avoid, NULL, r, 1);
    providers_tick(p, 1);
    providers_tick(p, PROVIDERS_KEEP_NS);
    ck_assert_uint_eq(nr_ticks, 2);
    ck_assert_uint_eq(nr_closed, 0);
    providers_tick(p, PROVIDERS_KEEP_NS + 1);
    ck_assert_uint_eq(nr_closed, 1);
    ck_assert_uint_eq(nr_freed, 0);     /* not before it is quiet */
    r->state = REMOTE_DOWN;
    providers_tick(p, PROVIDERS_KEEP_NS + 2);
    ck_assert_uint_eq(nr_freed, 1);
    ck_assert_uint_eq(nr_ticks, 2);     /* and it was not connected again */
    ck_assert_uint_eq(p->providers.remotes->len, 0);
    ck_assert_uint_eq(p->moves.avoid->len, 0);
}
END_TEST

START_TEST(one_with_a_lease_is_kept)
{
    Remote *r = providers_get(p, "192.0.2.1:1", "a");
    Remote *other = providers_get(p, "192.0.2.2:1", "b");

    p->leases.entry[5] = lease_new(5, &entry, r, 1);
    p->locations.gets.nr_counted = other->gets = 1;  /* a page is waited for */
    providers_tick(p, 1);
    providers_tick(p, 3 * PROVIDERS_KEEP_NS);
    ck_assert_uint_eq(nr_ticks, 4);
    ck_assert_uint_eq(nr_closed, 0);
    lease_free(p->leases.entry[5]);
    p->leases.entry[5] = NULL;
    providers_tick(p, 4 * PROVIDERS_KEEP_NS);   /* from now on */
    ck_assert_uint_eq(nr_closed, 0);
    providers_tick(p, 5 * PROVIDERS_KEEP_NS);
    ck_assert_uint_eq(nr_closed, 1);
    ck_assert_int_eq(other->state, REMOTE_UP);
}
END_TEST

/* Without TLS nobody can tell; with it a lease at b is at nobody but b. */
START_TEST(one_that_takes_an_address_over_is_another)
{
    Remote *a = providers_get(p, "192.0.2.1:1", "a"), *b;

    ck_assert_ptr_eq(providers_get(p, "192.0.2.1:1", "b"), a);
    p->self.tls = (TlsCredentials *)p;      /* it is not looked at */
    b = providers_get(p, "192.0.2.1:1", "b");
    ck_assert_ptr_ne(b, a);
    ck_assert_str_eq(b->host, "b");
    ck_assert_ptr_eq(providers_get(p, "192.0.2.1:1", "a"), a);
    ck_assert_ptr_eq(providers_get(p, "192.0.2.1:1", "b"), b);
    ck_assert_ptr_eq(providers_get(p, "192.0.2.1:1", ""), a);
    p->self.tls = NULL;
}
END_TEST

START_TEST(one_that_is_used_again_begins_anew)
{
    Remote *r = providers_get(p, "192.0.2.1:1", "a");

    providers_tick(p, 1);
    p->leases.entry[0] = lease_new(0, &entry, r, 1);
    providers_tick(p, PROVIDERS_KEEP_NS);
    lease_free(p->leases.entry[0]);
    p->leases.entry[0] = NULL;
    providers_tick(p, PROVIDERS_KEEP_NS + 5);
    ck_assert_uint_eq(nr_closed, 0);
}
END_TEST

START_TEST(one_that_sends_no_pages_while_others_do_is_silent)
{
    Remote *r = providers_get(p, "192.0.2.1:1", "a");
    Remote *other = providers_get(p, "192.0.2.2:1", "b");
    uint64_t now = 100 * NS_PER_SEC, late = now + PROVIDERS_SILENT_NS + 1;

    r->state = other->state = REMOTE_UP;
    ck_assert(!providers_is_silent(p, r, late));        /* nothing is out */
    passage_asked(&r->passage, PASSAGE_PUT, now);
    ck_assert(!providers_is_silent(p, r, late - 1));
    ck_assert(providers_is_silent(p, r, late));
    ck_assert(!providers_is_silent(p, other, late));
    /* Where nobody answers it may be this host. */
    passage_asked(&other->passage, PASSAGE_GET, now);
    ck_assert(!providers_is_silent(p, r, late));
    passage_answered(&other->passage, PASSAGE_GET, true, now);
    /* Where there is no other, another host is asked. */
    other->state = REMOTE_DOWN;
    ck_assert(providers_is_silent(p, r, late));
    other->state = REMOTE_UP;
    ck_assert(providers_is_silent(p, r, late));
    passage_answered(&r->passage, PASSAGE_PUT, true, late);
    ck_assert(!providers_is_silent(p, r, late));
}
END_TEST

START_TEST(one_without_a_session_while_others_have_one_is_silent)
{
    Remote *r = providers_get(p, "192.0.2.1:1", "a");
    Remote *other = providers_get(p, "192.0.2.2:1", "b");
    uint64_t now = 100 * NS_PER_SEC, late = now + REMOTE_AWAY_NS + 1;

    r->state = REMOTE_CONNECTING;
    r->away_at = now;
    other->state = REMOTE_UP;
    ck_assert(!providers_is_silent(p, r, late - 1));
    ck_assert(providers_is_silent(p, r, late));
    ck_assert(!providers_is_silent(p, other, late));
    /* Where there is no other, it may be the one that has room. */
    other->state = REMOTE_DOWN;
    ck_assert(!providers_is_silent(p, r, late));
}
END_TEST

static unsigned nr_lines;
static char last_line[256];

static void count_line(const gchar *domain, GLogLevelFlags level,
                       const gchar *text, gpointer opaque)
{
    nr_lines++;
    g_strlcpy(last_line, text, sizeof(last_line));
}

START_TEST(lines_about_one_are_bounded)
{
    Remote *r = providers_get(p, "192.0.2.1:1", "a");
    Remote *other = providers_get(p, "192.0.2.2:1", "b");
    unsigned told = 0;

    g_log_set_default_handler(count_line, NULL);
    for (unsigned i = 0; i < 100; i++) {
        told += providers_may_tell(r, p);
    }
    ck_assert_uint_eq(told, LOG_LIMIT_LINES);
    ck_assert_uint_eq(nr_lines, 0);
    ck_assert(providers_may_tell(other, p));
    providers_tick(p, pager_now() + 2 * LOG_LIMIT_MS * NS_PER_MS);
    ck_assert_uint_eq(nr_lines, 1);
    ck_assert_ptr_nonnull(strstr(last_line, "90 more lines"));
    ck_assert_ptr_nonnull(strstr(last_line, "provider a"));
    g_log_set_default_handler(g_log_default_handler, NULL);
}
END_TEST

static Suite *providers_suite(void)
{
    Suite *s = suite_create("providers");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, one_that_nobody_uses_is_forgotten);
    tcase_add_test(t, one_with_a_lease_is_kept);
    tcase_add_test(t, one_that_takes_an_address_over_is_another);
    tcase_add_test(t, one_that_is_used_again_begins_anew);
    tcase_add_test(t, one_that_sends_no_pages_while_others_do_is_silent);
    tcase_add_test(t, one_without_a_session_while_others_have_one_is_silent);
    tcase_add_test(t, lines_about_one_are_bounded);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(providers_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
