/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check's judge: on a host where all is well it finds nothing; each thing that
 * is wrong is found, alone, with a remedy that names what it is about; and
 * docs/checks.md has each of them.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/rcachectl/check-judge.h"
#include "arbiter/rcachectl/check-kinds.h"
#include "arbiter/rcachectl/check-print.h"
#include "check-fixture.h"
#include "common/host-checks.h"

#define GIB     (UINT64_C(1) << 30)
#define NOW     CHECK_FIXTURE_NOW

static CheckFacts facts;
static Findings *found;

static void set_up(void)
{
    check_fixture_init(&facts);
}

static void tear_down(void)
{
    findings_free(found);
    found = NULL;
    check_facts_clear(&facts);
}

static void judge(void)
{
    findings_free(found);
    found = findings_new();
    check_judge(&facts, found);
}

/* How many there are but of what is well, and of the clocks of two hosts,
 * which nobody knows. */
static unsigned nr_found(void)
{
    return findings_count(found) - findings_nr(found, FINDING_OK) - 1;
}

static unsigned nr_unseen(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < findings_count(found); i++) {
        const Finding *f = findings_at(found, i);

        if (f->id && !strcmp(f->id, "not-looked-at")) {
            ck_assert_ptr_nonnull(f->remedy);
            ck_assert_ptr_nonnull(strstr(f->what, "not looked at: "));
            n++;
        }
    }
    return n;
}

static void set_text(char **at, const char *text)
{
    g_free(*at);
    *at = g_strdup(text);
}

START_TEST(where_all_is_well_there_is_nothing)
{
    judge();
    ck_assert_uint_eq(nr_found(), 0);
    ck_assert_uint_gt(findings_nr(found, FINDING_OK), 12);
    ck_assert_ptr_nonnull(strstr(findings_find(found, "not-looked-at")->what,
                                 "clock skew"));
}
END_TEST

/* ------------------------------------------------------ something is not */

static CheckPath *path(void)
{
    return facts.paths->pdata[0];
}

static void no_daemon(void)
{
    CheckDaemon *d = &facts.daemon;

    set_text(&d->missing, "no daemon answers");
    g_clear_pointer(&d->host, g_free);
    d->expires = false;
    g_ptr_array_set_size(d->arbiters, 0);
    facts.process.known = false;
}

static void config_refused(void)
{
    set_text(&facts.config.refused, "rcached.conf:3: unknown key 'x'");
}

static void listen_loopback(void)
{
    set_text(&facts.daemon.listen, "127.0.0.1:9470");
}

static void no_arbiter(void)
{
    g_ptr_array_set_size(facts.daemon.arbiters, 0);
}

static void tls_none(void)
{
    set_text(&facts.daemon.tls, "none");
    set_text(&facts.config.tls, "none");
    facts.daemon.expires = false;
}

static void certificates_missing(void)
{
    facts.config.has_files = false;
    facts.config.expires = 0;
}

static void certificate_unusable(void)
{
    set_text(&facts.config.files_wrong, "TLS: server-cert.pem is for beta");
    facts.config.expires = 0;
}

static void certificate_lasts(int64_t seconds)
{
    facts.daemon.expires_s = seconds;
    facts.config.expires = NOW + seconds;
}

static void certificate_expired(void)
{
    certificate_lasts(-1);
}

static void certificate_urgent(void)
{
    certificate_lasts(3 * DAY);
}

static void certificate_expires(void)
{
    certificate_lasts(20 * DAY);
}

static void certificate_not_loaded(void)
{
    facts.config.expires += 400 * DAY;
}

static void clock_unsynchronised(void)
{
    facts.clock_synchronised = false;
}

static void daemon_stopped(void)
{
    no_daemon();
}

static void daemon_silent(void)
{
    set_text(&facts.daemon.missing, "admin.sock: no answer in time");
    facts.daemon.there = facts.daemon.broken = true;
    facts.daemon.expires = false;
}

static void daemon_failing(void)
{
    set_text(&facts.daemon.level, "failing");
    set_text(&facts.daemon.verdict, "failing: vm web has waited 9 s");
}

static void daemon_degraded(void)
{
    set_text(&facts.daemon.level, "degraded");
}

static void daemon_old(void)
{
    set_text(&facts.daemon.version, "0.0.9");
}

static void daemon_replaced(void)
{
    facts.process.replaced = true;
}

static void pagers_old(void)
{
    facts.daemon.pagers_to_replace = 2;
}

static void descriptors_few(void)
{
    /* 32768 connections, and 8 GiB in slabs of 64 MiB. */
    facts.process.descriptors = 32768 + 127;
}

static void tasks_few(void)
{
    facts.process.tasks = 1023;
}

static void cgroup_limit(void)
{
    facts.daemon.mem_total = 4 * GIB;
}

static void arbiters_away(void)
{
    g_ptr_array_set_size(facts.daemon.arbiters, 0);
    check_fixture_link(&facts, "192.0.2.9:9471", "connection refused");
}

static void arbiter_away(void)
{
    check_fixture_link(&facts, "192.0.2.8:9471", "connection refused");
}

static void arbiter_silent(void)
{
    set_text(&facts.arbiter.missing, "arbiter.sock: no answer in time");
    facts.arbiter.broken = true;
}

static void arbiter_failing(void)
{
    set_text(&facts.arbiter.level, "failing");
}

static void arbiter_degraded(void)
{
    set_text(&facts.arbiter.level, "degraded");
}

static void arbiter_old(void)
{
    set_text(&facts.arbiter.version, "0.0.9");
}

static void versions_mixed(void)
{
    check_fixture_host(&facts, "gamma", "192.0.2.3:9470")->protocol = 0;
}

static void address_wrong(void)
{
    set_text(&path()->wrong, "'x' is not an address");
    path()->passage = CHECK_PASS_UNKNOWN;
}

static void peer_unreachable(void)
{
    path()->connect_err = ECONNREFUSED;
    path()->passage = CHECK_PASS_UNKNOWN;
}

static void mtu_vanish(void)
{
    path()->passage = CHECK_PASS_VANISH;
    path()->passes = 1500;
}

static void mtu_lower(void)
{
    path()->passage = CHECK_PASS_TOLD;
    path()->passes = 1500;
}

static void mtu_differs(void)
{
    path()->peer_mtu = path()->full = path()->passes = 1500;
}

static const struct {
    const char *id;
    void (*breaks)(void);
    const char *remedy;         /* is in it */
} cases[] = {
    { "config-refused", config_refused, "--check-config" },
    { "listen-loopback", listen_loopback, "listen = ADDRESS:9470" },
    { "no-arbiter", no_arbiter, "arbiters = ADDRESS:9471" },
    { "tls-none", tls_none, "pki issue alpha" },
    { "certificates-missing", certificates_missing, "/etc/pki/somewhere" },
    { "certificate-unusable", certificate_unusable, "/etc/pki/somewhere" },
    { "certificate-expired", certificate_expired, "pki issue alpha" },
    { "certificate-urgent", certificate_urgent, "pki issue alpha" },
    { "certificate-expires", certificate_expires, "pki issue alpha" },
    { "certificate-not-loaded", certificate_not_loaded, "systemctl reload" },
    { "clock-unsynchronised", clock_unsynchronised, "timedatectl" },
    { "daemon-stopped", daemon_stopped, "enable --now rcached" },
    { "daemon-silent", daemon_silent, "journalctl" },
    { "daemon-failing", daemon_failing, "--socket=/run/here/admin.sock" },
    { "daemon-degraded", daemon_degraded, "--socket=/run/here/admin.sock" },
    { "daemon-old", daemon_old, "upgrade alpha" },
    { "daemon-old", daemon_replaced, "upgrade alpha" },
    { "pagers-old", pagers_old, "upgrade alpha" },
    { "descriptors-few", descriptors_few, "LimitNOFILE" },
    { "tasks-few", tasks_few, "TasksMax" },
    { "cgroup-limit", cgroup_limit, "MemoryMax=infinity" },
    { "arbiters-away", arbiters_away, "systemctl status arbiter" },
    { "arbiter-away", arbiter_away, "systemctl status arbiter" },
    { "arbiter-silent", arbiter_silent, "journalctl" },
    { "arbiter-failing", arbiter_failing, "--socket=/run/here/arbiter.sock" },
    { "arbiter-degraded", arbiter_degraded,
      "--socket=/run/here/arbiter.sock" },
    { "arbiter-old", arbiter_old, "systemctl restart arbiter" },
    { "versions-mixed", versions_mixed, "upgrade gamma" },
    { "address-wrong", address_wrong, "rcachectl check" },
    { "peer-unreachable", peer_unreachable, "on beta" },
    { "mtu-vanish", mtu_vanish, "dev eth7 mtu 1500" },
    { "mtu-lower", mtu_lower, "dev eth7 mtu 1500" },
    { "mtu-differs", mtu_differs, "dev eth7 mtu 9000" },
};

/* Words in a remedy that something was to be put in place of; ADDRESS stands
 * where nobody but the operator knows it. */
static const char *word_left(const Finding *f)
{
    static const char *const words[] = {
        "HOST", "SOCKET", "DIRECTORY", "FILE", "PEER", "FULL", "PASSES",
        "BYTES", "COUNT", "GROUP", "USER", "DEVICE",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *word = g_strdup_printf("\\b%s\\b", words[i]);

        if (g_regex_match_simple(word, f->remedy, 0, 0) ||
            g_regex_match_simple(word, f->wanted, 0, 0)) {
            return words[i];
        }
    }
    return NULL;
}

START_TEST(what_is_wrong_is_found_alone_with_its_remedy)
{
    const Finding *f;

    cases[_i].breaks();
    judge();
    f = findings_find(found, cases[_i].id);
    ck_assert_msg(f != NULL, "no %s", cases[_i].id);
    /* Beside it there is only what that keeps from being looked at. */
    ck_assert_msg(nr_found() + 1 - nr_unseen() == 1, "%s is one of %u", f->id,
                  nr_found());
    ck_assert_msg(strstr(f->remedy, cases[_i].remedy) != NULL, "%s: %s",
                  f->id, f->remedy);
    ck_assert_msg(!word_left(f), "%s: %s: %s", f->id, word_left(f),
                  f->remedy);
    ck_assert_ptr_nonnull(f->why);
}
END_TEST

START_TEST(each_kind_has_a_case)
{
    for (unsigned k = 0; k < CHECK_NR_KINDS; k++) {
        bool there = false;

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
            there |= !strcmp(check_kind(k)->id, cases[i].id);
        }
        ck_assert_msg(there, "%s", check_kind(k)->id);
    }
}
END_TEST

/* ----------------------------------------------------- at the limits */

START_TEST(what_is_just_enough_is_no_finding)
{
    facts.process.descriptors = 32768 + 128;
    facts.process.tasks = 1024;
    facts.daemon.mem_total = 8 * GIB - (1 << 20) + 1;
    certificate_lasts(28 * DAY + 1);
    path()->loopback = true;
    path()->peer_mtu = 1500;
    judge();
    ck_assert_uint_eq(nr_found(), 0);
}
END_TEST

START_TEST(a_limit_that_is_configured_is_none)
{
    cgroup_limit();
    set_text(&facts.config.memory_source, "cgroup:/sys/fs/cgroup/machine");
    judge();
    ck_assert_uint_eq(nr_found(), 0);
}
END_TEST

START_TEST(a_host_that_lends_nothing_needs_no_address)
{
    g_clear_pointer(&facts.daemon.listen, g_free);
    facts.config.lends = facts.config.has_files = false;
    facts.config.expires = 0;
    judge();
    ck_assert_uint_eq(nr_found(), 0);
}
END_TEST

/* Whoever is dead says nothing of versions. */
START_TEST(versions_of_dead_hosts_do_not_count)
{
    check_fixture_host(&facts, "gamma", "")->alive = false;
    judge();
    ck_assert_uint_eq(nr_found(), 0);
}
END_TEST

/* ---------------------------------------------- what is not looked at */

START_TEST(without_daemons_the_host_is_looked_at)
{
    no_daemon();
    set_text(&facts.arbiter.missing, "no daemon answers at arbiter.sock");
    set_text(&facts.config.missing, "there is no rcached");
    g_ptr_array_set_size(facts.paths, 0);
    facts.config.expires = 0;
    facts.host.huge = "always";
    facts.host.huge_file = g_strdup("/sys/x");
    judge();
    ck_assert_ptr_nonnull(findings_find(found, "shmem-huge"));
    /* rcached, its limits, its configuration, other hosts, MTU, clock skew */
    ck_assert_uint_eq(nr_unseen(), 6);
    ck_assert_uint_eq(nr_found(), 6);
}
END_TEST

START_TEST(without_a_daemon_its_configuration_is_judged)
{
    no_daemon();
    facts.config.arbiters = 0;
    set_text(&facts.config.listen, "localhost");
    facts.config.expires = NOW - 1;
    judge();
    ck_assert_ptr_nonnull(findings_find(found, "no-arbiter"));
    ck_assert_ptr_nonnull(findings_find(found, "listen-loopback"));
    ck_assert_ptr_nonnull(findings_find(found, "certificate-expired"));
}
END_TEST

START_TEST(other_things_that_cannot_be_seen)
{
    bool skipped = false;

    facts.clock_known = false;
    g_clear_pointer(&facts.arbiter.level, g_free);
    set_text(&facts.config.files_unseen, "cannot read server-key.pem");
    facts.config.expires = 0;
    facts.process.known = false;
    path()->passage = CHECK_PASS_UNKNOWN;
    check_fixture_path(&facts, "gamma", "192.0.2.3:9470")->skipped = true;
    check_fixture_path(&facts, "delta", "192.0.2.4:9470")->skipped = true;
    judge();
    ck_assert_uint_eq(nr_unseen(), 7);
    ck_assert_uint_eq(nr_found(), 6);
    for (unsigned i = 0; i < findings_count(found); i++) {
        const char *what = findings_at(found, i)->what;

        skipped |= strstr(what, "for gamma (192.0.2.3:9470) and for 1 more: "
                          "there was no time left") != NULL;
    }
    ck_assert(skipped);
}
END_TEST

/* ------------------------------------------------------------------ shown */

START_TEST(shown_the_worst_first)
{
    g_autofree char *text = NULL;
    const char *error, *warning, *note, *ok;

    arbiter_away();
    mtu_vanish();
    set_text(&path()->name, "be\033[31mta");
    judge();
    text = check_print_text(found);
    ck_assert(g_str_has_prefix(text, "1 error, 1 warning, 1 note\n"));
    error = strstr(text, "\nerror    packets of 9000 bytes do not arrive");
    warning = strstr(text, "\nwarning  arbiter 192.0.2.8:9471 is not");
    note = strstr(text, "\nnote     not looked at: clock skew: ");
    ok = strstr(text, "\nok       kernel: 6.12.1\n");
    ck_assert(error && warning && note && ok);
    ck_assert(error < warning && warning < note && note < ok);
    ck_assert_ptr_nonnull(strstr(text, "\n         remedy: one MTU"));
    ck_assert_ptr_null(strchr(text, '\033'));
}
END_TEST

START_TEST(shown_to_programs)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *o, *first;

    mtu_vanish();
    judge();
    node = check_print_json(found);
    o = json_node_get_object(node);
    ck_assert(!json_object_get_boolean_member(o, "ok"));
    ck_assert_int_eq(json_object_get_int_member(o, "errors"), 1);
    ck_assert_int_eq(json_object_get_int_member(o, "warnings"), 0);
    ck_assert_int_eq(json_object_get_int_member(o, "notes"), 1);
    first = json_array_get_object_element(
        json_object_get_array_member(o, "findings"), 0);
    ck_assert_str_eq(json_object_get_string_member(first, "id"), "mtu-vanish");
    ck_assert_str_eq(json_object_get_string_member(first, "severity"),
                     "error");
    ck_assert_str_eq(json_object_get_string_member(first, "check"), "mtu");
    for (const char *const *name = (const char *const []) {
            "what", "found", "wanted", "why", "remedy", NULL }; *name;
         name++) {
        ck_assert_ptr_nonnull(json_object_get_string_member(first, *name));
    }
}
END_TEST

/* --------------------------------------------------------- docs/checks.md */

static void assert_row(const char *text, const FindingKind *kind)
{
    g_autofree char *row = g_strdup_printf(
        "\n| `%s` | %s | %s | %s | %s | %s |\n", kind->id,
        finding_level_name(kind->level), kind->check, kind->wanted, kind->why,
        kind->remedy);

    ck_assert_msg(strstr(text, row) != NULL,
                  "docs/checks.md lacks this line:%s", row);
}

START_TEST(the_manual_has_each_kind)
{
    g_autofree char *text = NULL;
    unsigned n, rows = 0;
    const FindingKind *kinds = host_check_kinds(&n);

    ck_assert(g_file_get_contents(DOCS "/checks.md", &text, NULL, NULL));
    for (unsigned i = 0; i < n; i++) {
        assert_row(text, &kinds[i]);
    }
    for (unsigned k = 0; k < CHECK_NR_KINDS; k++) {
        assert_row(text, check_kind(k));
    }
    for (const char *at = text; (at = strstr(at, "\n| `")); at++) {
        rows++;
    }
    ck_assert_uint_eq(rows, n + CHECK_NR_KINDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *tc = tcase_create("check");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, where_all_is_well_there_is_nothing);
    tcase_add_loop_test(tc, what_is_wrong_is_found_alone_with_its_remedy, 0,
                        G_N_ELEMENTS(cases));
    tcase_add_test(tc, each_kind_has_a_case);
    tcase_add_test(tc, what_is_just_enough_is_no_finding);
    tcase_add_test(tc, a_limit_that_is_configured_is_none);
    tcase_add_test(tc, a_host_that_lends_nothing_needs_no_address);
    tcase_add_test(tc, versions_of_dead_hosts_do_not_count);
    tcase_add_test(tc, without_daemons_the_host_is_looked_at);
    tcase_add_test(tc, without_a_daemon_its_configuration_is_judged);
    tcase_add_test(tc, other_things_that_cannot_be_seen);
    tcase_add_test(tc, shown_the_worst_first);
    tcase_add_test(tc, shown_to_programs);
    tcase_add_test(tc, the_manual_has_each_kind);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
