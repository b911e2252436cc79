/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real arbiter with fake hosts: leases, failures, restarts. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/admin-client.h"
#include "common/admin.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "tests/integration/fake-host.h"

#define MIB     (1ull << 20)

static ArbiterProcess arbiter;
static FakeHost me, a, b;

static void set_up(void)
{
    arbiter_start(&arbiter, 100);
    fake_host_init(&me, "me", 0);
    fake_host_init(&a, "a", 1024 * MIB);
    fake_host_init(&b, "b", 1024 * MIB);
    me.vm = true;
}

static void tear_down(void)
{
    fake_host_deinit(&me);
    fake_host_deinit(&a);
    fake_host_deinit(&b);
    arbiter_stop(&arbiter);
}

static void join_all(void)
{
    fake_host_join(&me, &arbiter);
    fake_host_join(&a, &arbiter);
    fake_host_join(&b, &arbiter);
}

static gint64 host_int(const char *name, const char *field)
{
    g_autoptr(JsonObject) o = arbiter_host(&arbiter, name);

    ck_assert_ptr_nonnull(o);
    return json_object_get_int_member(o, field);
}

static bool host_is(const char *name, const char *state)
{
    g_autoptr(JsonObject) o = arbiter_host(&arbiter, name);

    return o ? !strcmp(json_object_get_string_member(o, "state"), state)
             : !strcmp(state, "forgotten");
}

static bool text_has(const char *command, const char *part)
{
    g_autofree char *text = arbiter_text(&arbiter, command);

    return strstr(text, part);
}

static const WireLeaseGrant *granted_by(const char *host)
{
    for (unsigned i = 0; i < me.reply.nr_grants; i++) {
        if (!strcmp(me.reply.grant[i].host, host)) {
            return &me.reply.grant[i];
        }
    }
    return NULL;
}

START_TEST(a_request_is_split)
{
    /* So little that 64 MiB more or less outweigh the chance in a score. */
    a.offered = b.offered = 512 * MIB;
    join_all();
    ck_assert_uint_eq(me.ack.heartbeat_ms, 100);
    ck_assert_uint_eq(me.ack.version, RCACHE_VERSION);
    fake_host_request(&me, 77, 384 * MIB, 1);
    fake_wait(me.replies);
    ck_assert_uint_eq(me.reply_tag, 77);
    ck_assert_uint_eq(me.reply.status, RCACHE_OK);
    ck_assert_uint_eq(me.reply.bytes, 384 * MIB);
    ck_assert_str_eq(me.reply.text, "");
    ck_assert_uint_eq(me.reply.nr_grants, 2);
    ck_assert_uint_eq(granted_by("a")->bytes, 192 * MIB);
    ck_assert_uint_eq(granted_by("b")->bytes, 192 * MIB);
    ck_assert_str_eq(granted_by("a")->address, "127.0.0.1:9470");
    ck_assert_uint_eq(granted_by("a")->ttl_ms, 30000);
    /* Both sides were told the same secret, and not each other's. */
    ck_assert_mem_eq(granted_by("a")->token, a.grant.token, RCACHE_TOKEN_LEN);
    ck_assert_mem_eq(granted_by("b")->token, b.grant.token, RCACHE_TOKEN_LEN);
    ck_assert_mem_ne(a.grant.token, b.grant.token, RCACHE_TOKEN_LEN);
    ck_assert_uint_ne(a.grant.lease, b.grant.lease);
    ck_assert_str_eq(a.grant.host, "me");
    ck_assert_str_eq(a.grant.name, "vm");

    /* Gone at once, and the provider's own figure once it lists it. */
    ck_assert_int_eq(host_int("a", "pending_bytes"), 192 * MIB);
    ck_assert_int_eq(host_int("a", "free_bytes"), 320 * MIB);
    ck_assert_int_eq(host_int("a", "leased_bytes"), 0);
    ck_assert(text_has("leases", "\"state\" : \"pending\""));
    a.nr_listed = b.nr_listed = 1;
    fake_wait(host_int("a", "leased_bytes") == 192 * MIB);
    ck_assert_int_eq(host_int("a", "pending_bytes"), 0);
    ck_assert_int_eq(host_int("a", "free_bytes"), 320 * MIB);
    fake_wait(!text_has("leases", "\"state\" : \"pending\""));
    ck_assert(text_has("leases", "\"state\" : \"granted\""));
    ck_assert(text_has("vms", "\"host\" : \"b\""));
    ck_assert(text_has("vms", "\"bytes\" : 201326592"));
    ck_assert(text_has("vms", "\"balloon_free_bytes\" : 41943040"));
    ck_assert(text_has("vms", "\"seal\" : \"off\""));
    /* 2^64-1 means that the guest does not say. */
    ck_assert(text_has("vms", "\"balloon_available_bytes\" : null"));

    /* The next one goes by what each has already. */
    fake_host_request(&me, 78, 64 * MIB, 1);
    fake_wait(me.replies == 2);
    fake_host_request(&me, 79, 64 * MIB, 1);
    fake_wait(me.replies == 3);
    ck_assert_uint_eq(a.grants, 2);
    ck_assert_uint_eq(b.grants, 2);
}
END_TEST

/* A VM that ends before it claims what it was granted: given back at once. */
START_TEST(grants_of_vms_that_end)
{
    a.features = b.features = RCACHE_FEATURE_WITHDRAW;
    join_all();
    fake_host_request(&me, 77, 384 * MIB, 1);
    fake_wait(me.replies);
    a.nr_listed = b.nr_listed = 1;
    a.lease[0].expires_ms = b.lease[0].expires_ms = 30000;
    fake_wait(host_int("a", "leased_bytes") == 192 * MIB);
    /* As long as it is there, it may claim them. */
    a.lease[0].expires_ms = 29000;
    fake_spin(500);
    ck_assert_uint_eq(a.withdrawn, 0);
    me.vm = false;
    fake_wait(a.withdrawn);
    ck_assert_uint_eq(a.withdrawn, a.lease[0].lease);
    /* Granted just now: its host may not have reported the VM yet. */
    ck_assert_uint_eq(b.withdrawn, 0);
}
END_TEST

/* Nor is what is claimed, or what an old provider cannot be told. */
START_TEST(grants_that_are_not_withdrawn)
{
    a.features = RCACHE_FEATURE_WITHDRAW;
    join_all();
    fake_host_request(&me, 77, 384 * MIB, 1);
    fake_wait(me.replies);
    a.nr_listed = b.nr_listed = 1;
    a.lease[0].state = RCACHE_LEASE_CLAIMED;
    a.lease[0].expires_ms = b.lease[0].expires_ms = 20000;
    me.vm = false;
    fake_spin(600);
    ck_assert_uint_eq(a.withdrawn, 0);
    ck_assert_uint_eq(b.withdrawn, 0);
}
END_TEST

START_TEST(refusals)
{
    fake_host_join(&me, &arbiter);
    fake_host_request(&me, 1, MIB, 1);
    fake_wait(me.replies == 1);
    ck_assert_uint_eq(me.reply.status, RCACHE_E_NO_ROOM);
    ck_assert_str_eq(me.reply.text,
                     "no host has room: 1 the requester itself");
    fake_host_request(&me, 2, MIB, 3);
    fake_wait(me.replies == 2);
    ck_assert_uint_eq(me.reply.status, RCACHE_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(me.reply.text, "one copy or two"));

    a.answer = FAKE_NO;
    fake_host_join(&a, &arbiter);
    fake_host_request(&me, 3, MIB, 1);
    fake_wait(me.replies == 3);
    ck_assert_uint_eq(me.reply.status, RCACHE_E_NO_ROOM);
    ck_assert_str_eq(me.reply.text, "a: just lent");
    ck_assert_int_eq(host_int("a", "pending_bytes"), 0);

    fake_host_join(&b, &arbiter);
    fake_host_request(&me, 4, 512 * MIB, 1);
    fake_wait(me.replies == 4);
    ck_assert_uint_eq(me.reply.status, RCACHE_OK);
    /* What one refuses the other is asked for. */
    ck_assert_uint_eq(me.reply.bytes, 512 * MIB);
    ck_assert_uint_eq(me.reply.nr_grants, 2);
    ck_assert_str_eq(me.reply.grant[0].host, "b");
    ck_assert_str_eq(me.reply.grant[1].host, "b");
    ck_assert_str_eq(me.reply.text, "");

    b.answer = FAKE_NO;
    fake_host_request(&me, 5, 128 * MIB, 1);
    fake_wait(me.replies == 5);
    ck_assert_uint_eq(me.reply.status, RCACHE_E_NO_ROOM);
    ck_assert_ptr_nonnull(strstr(me.reply.text, ": just lent"));
}
END_TEST

/*
 * An arbiter that has just started does not know who lends: what it cannot
 * grant in full waits for that, and is refused only then.
 */
START_TEST(a_young_arbiter_waits_for_hosts)
{
    arbiter_kill(&arbiter);
    arbiter_start(&arbiter, 1300);
    fake_host_join(&me, &arbiter);
    fake_host_request(&me, 1, 128 * MIB, 1);
    fake_spin(300);
    ck_assert_uint_eq(me.replies, 0);
    fake_host_join(&a, &arbiter);
    fake_wait(me.replies == 1);
    ck_assert_uint_eq(me.reply.bytes, 128 * MIB);
    fake_host_request(&me, 2, 64 * 1024 * MIB, 1);
    fake_wait(me.replies == 2);
    ck_assert_uint_gt(me.reply.bytes, 0);
    ck_assert_ptr_nonnull(strstr(me.reply.text, "is all that"));
    /* No longer young, it answers at once. */
    a.answer = FAKE_NO;
    fake_host_request(&me, 3, MIB, 1);
    fake_wait(me.replies == 3);
    ck_assert_uint_eq(me.reply.status, RCACHE_E_NO_ROOM);
}
END_TEST

START_TEST(silent_and_leaving_providers)
{
    gint64 start;

    a.answer = FAKE_SILENT;
    join_all();
    start = g_get_monotonic_time();
    fake_host_request(&me, 1, 128 * MIB, 1);
    fake_wait(me.replies == 1);
    ck_assert_int_ge(g_get_monotonic_time() - start, 250000);
    ck_assert_uint_eq(me.reply.bytes, 64 * MIB);
    ck_assert_str_eq(me.reply.text, "a did not answer in time");
    ck_assert_int_eq(host_int("a", "pending_bytes"), 64 * MIB);

    a.answer = FAKE_LEAVES;
    fake_host_request(&me, 2, 256 * MIB, 1);
    fake_wait(me.replies == 2);
    ck_assert_uint_eq(me.reply.bytes, 256 * MIB);
    ck_assert_uint_eq(me.reply.nr_grants, 2);
    ck_assert_ptr_null(granted_by("a"));
}
END_TEST

/* One heartbeat now, by hand. */
static void beat(FakeHost *h)
{
    g_autoptr(GByteArray) out = fake_host_frame(h);

    ck_assert(control_conn_send(h->frames, out));
}

static bool says(const char *const *commands, char *const *texts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *now = arbiter_text(&arbiter, commands[i]);

        if (strcmp(now, texts[i])) {
            return false;
        }
    }
    return true;
}

/* Does the requester hold all that providers have given? */
static bool all_are_held(void)
{
    g_autofree char *text = arbiter_text(&arbiter, "leases");

    return strstr(text, "\"held\" : true") && !strstr(text, "\"held\" : false");
}

/*
 * All of it is back when each host has sent two heartbeats, and they send no
 * more; the period is long enough for nobody to be missed meanwhile.
 */
START_TEST(a_restart_forgets_nothing_for_long)
{
    static const char *const commands[] = { "hosts", "leases", "vms",
                                            "status" };
    FakeHost *const hosts[] = { &me, &a, &b };
    char *before[4];

    arbiter_stop(&arbiter);
    arbiter_start(&arbiter, 10000);
    join_all();
    fake_host_request(&me, 1, 384 * MIB, 1);
    fake_wait(me.replies);
    a.nr_listed = b.nr_listed = 1;
    me.holds = true;
    beat(&a);
    beat(&b);
    beat(&me);
    fake_wait(host_int("a", "leased_bytes") && host_int("b", "leased_bytes") &&
              all_are_held());
    for (unsigned i = 0; i < 4; i++) {
        before[i] = arbiter_text(&arbiter, commands[i]);
    }

    arbiter_kill(&arbiter);
    for (unsigned i = 0; i < 3; i++) {
        fake_wait(!hosts[i]->frames);
        hosts[i]->beats = false;
    }
    arbiter_start(&arbiter, 10000);
    for (unsigned i = 0; i < 3; i++) {
        fake_host_connect(hosts[i], &arbiter);
        fake_wait(hosts[i]->welcome);
        beat(hosts[i]);
        beat(hosts[i]);
    }
    fake_wait(says(commands, before, 4));
    for (unsigned i = 0; i < 4; i++) {
        g_free(before[i]);
    }
}
END_TEST

START_TEST(states_and_boots)
{
    FakeHost again;

    join_all();
    ck_assert(host_is("a", "alive"));
    a.beats = false;
    fake_wait(host_is("a", "suspect"));
    ck_assert_int_eq(host_int("a", "free_bytes"), 0);
    ck_assert(text_has("status", "host a is suspect"));
    fake_wait(!a.frames);
    fake_wait(host_is("a", "dead"));
    ck_assert(host_is("b", "alive"));
    fake_wait(host_is("a", "forgotten"));

    /* Two hosts of one name: the one that is known stays. */
    fake_host_init(&again, "b", 64 * MIB);
    again.boot_id[15] = 1;
    fake_host_connect(&again, &arbiter);
    fake_wait(again.ack_status);
    ck_assert_uint_eq(again.ack_status, RCACHE_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(again.ack.text,
                                 "there is a host b already, at 127.0.0.1"));
    ck_assert_ptr_nonnull(strstr(again.ack.text, "with another boot id"));
    fake_host_deinit(&again);
    ck_assert_ptr_nonnull(b.frames);

    /* Another boot of b, while the old connection still seems to live. */
    b.nr_leases = b.nr_listed = 1;
    b.lease[0] = (WireBeatLease) { .lease = 5, .epoch = 1, .bytes = MIB,
                                   .state = RCACHE_LEASE_CLAIMED,
                                   .name = "vm", .host = "me" };
    fake_wait(host_int("b", "leased_bytes") == MIB);
    b.beats = false;
    fake_wait(host_is("b", "suspect"));
    fake_host_init(&again, "b", 64 * MIB);
    again.boot_id[15] = 1;
    fake_host_join(&again, &arbiter);
    fake_wait(!b.frames);
    fake_spin(200);
    ck_assert_ptr_nonnull(again.frames);
    ck_assert_int_eq(host_int("b", "leased_bytes"), 0);
    ck_assert_int_eq(host_int("b", "offered_bytes"), 64 * MIB);
    fake_host_deinit(&again);
}
END_TEST

/* Every name of every object stands in the manual. */
static void check_names(JsonNode *node, const char *manual)
{
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *list = json_node_get_array(node);

        ck_assert_uint_gt(json_array_get_length(list), 0);
        check_names(json_array_get_element(list, 0), manual);
    } else if (JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *o = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(o);

        for (GList *at = names; at; at = at->next) {
            g_autofree char *name = g_strdup_printf("``%s``",
                                                    (char *)at->data);

            ck_assert_msg(strstr(manual, name), "%s", name);
            /* Lists of texts, and one that nobody has run into here. */
            if (strcmp(at->data, "problems") && strcmp(at->data, "notes") &&
                strcmp(at->data, "runs") && strcmp(at->data, "limits")) {
                check_names(json_object_get_member(o, at->data), manual);
            }
        }
    }
}

START_TEST(every_field_is_documented)
{
    static const char *const commands[] = { "status", "hosts", "leases",
                                            "vms" };
    g_autoptr(JsonObject) args = json_object_new();
    g_autoptr(JsonNode) answer = NULL, stop = NULL;
    g_autofree char *manual = NULL;
    const char *lender;

    ck_assert(g_file_get_contents(g_getenv("MANUAL"), &manual, NULL, NULL));
    join_all();
    fake_host_request(&me, 1, 64 * MIB, 1);
    fake_wait(me.replies);
    a.nr_listed = a.nr_leases;
    b.nr_listed = b.nr_leases;
    fake_wait(text_has("vms", "stored_bytes"));
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(JsonNode) each = arbiter_ask(&arbiter, commands[i]);

        check_names(each, manual);
    }
    /* One of them was asked, whichever. */
    lender = a.nr_leases ? "a" : "b";
    fake_wait(host_int(lender, "leased_bytes") > 0);
    json_object_set_string_member(args, "host", lender);
    answer = admin_execute(arbiter.socket, "whatif", args, 5000, NULL);
    ck_assert_ptr_nonnull(answer);
    check_names(answer, manual);
    ck_assert_uint_eq(json_array_get_length(json_object_get_array_member(
        json_node_get_object(answer), "vms")), 1);
    stop = admin_execute(arbiter.socket, "ok-to-stop", args, 5000, NULL);
    ck_assert_ptr_nonnull(stop);
    check_names(stop, manual);
    ck_assert(!json_object_get_boolean_member(json_node_get_object(stop),
                                              "ok"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arbiter");
    TCase *tc = tcase_create("arbiter");
    SRunner *r = srunner_create(s);
    int failed;

    if (!g_getenv("ARBITER")) {
        puts("skipped: ARBITER does not name the program");
        return 77;
    }
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_request_is_split);
    tcase_add_test(tc, grants_of_vms_that_end);
    tcase_add_test(tc, grants_that_are_not_withdrawn);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, a_young_arbiter_waits_for_hosts);
    tcase_add_test(tc, silent_and_leaving_providers);
    tcase_add_test(tc, a_restart_forgets_nothing_for_long);
    tcase_add_test(tc, states_and_boots);
    tcase_add_test(tc, every_field_is_documented);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
