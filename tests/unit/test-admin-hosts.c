/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the arbiter answers about hosts and their VMs. */
#include <check.h>
#include <string.h>

#include "arbiter/admin-hosts.h"
#include "arbiter/admin-vms.h"
#include "arbiter/arbiter.h"
#include "tests/unit/hosts-fixture.h"

static Arbiter arbiter;
static Host *a, *b, *p;
static HostsSaid said;

static void set_up(void)
{
    static const GrantsConfig config;

    memset(&arbiter, 0, sizeof(arbiter));
    hosts_fixture_init(&arbiter.hosts);
    grants_init(&arbiter.grants, &config);
    shunned_init(&arbiter.shunned);
    a = hosts_fixture_add(&arbiter.hosts, "a");
    b = hosts_fixture_add(&arbiter.hosts, "b");
    p = hosts_fixture_add(&arbiter.hosts, "p");
    said = hosts_fixture_said();
}

static void tear_down(void)
{
    shunned_deinit(&arbiter.shunned);
    grants_deinit(&arbiter.grants);
    hosts_deinit(&arbiter.hosts);
}

/* Return: of those that are listed, the one of that name, new */
static JsonObject *listed(AdminRun *run, const char *name)
{
    g_autoptr(JsonObject) args = json_object_new();
    g_autoptr(JsonNode) answer = run(args, &arbiter, NULL);
    JsonArray *list = json_node_get_array(answer);

    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonObject *o = json_array_get_object_element(list, i);

        if (!strcmp(json_object_get_string_member(o, "name"), name)) {
            return json_object_ref(o);
        }
    }
    ck_abort_msg("%s is not listed", name);
    return NULL;
}

/* As the verdict has it, and what is free. */
START_TEST(an_offer_is_what_is_allowed)
{
    g_autoptr(JsonObject) all = NULL, cut = NULL, none = NULL;

    hosts_fixture_beat(&arbiter.hosts, p, &said, arbiter_now());
    all = listed(admin_hosts_run, "p");
    ck_assert_int_eq(json_object_get_int_member(all, "offered_bytes"),
                     512 * MIB);
    arbiter.hosts.config.max_offer = 100 * MIB;
    cut = listed(admin_hosts_run, "p");
    ck_assert_int_eq(json_object_get_int_member(cut, "offered_bytes"),
                     100 * MIB);
    said.host.offered = UINT64_C(1) << 50;
    hosts_fixture_beat(&arbiter.hosts, p, &said, arbiter_now());
    none = listed(admin_hosts_run, "p");
    ck_assert_int_eq(json_object_get_int_member(none, "offered_bytes"), 0);
}
END_TEST

/* What one finds wrong with it keeps nobody else from it; what most do does. */
START_TEST(who_is_shunned)
{
    g_autoptr(JsonObject) by_one = NULL, by_all = NULL;
    HostsSaid lends = hosts_fixture_said();
    Host *hosts[] = { a, b };

    hosts_fixture_lease(&lends, "web", 1, "a", MIB, 0);
    hosts_fixture_lease(&lends, "db", 2, "b", MIB, 0);
    hosts_fixture_beat(&arbiter.hosts, p, &lends, arbiter_now());
    said.nr_troubles = 1;
    said.trouble[0] = (WireBeatTrouble) {
        .vm = { 1 }, .name = "web", .host = "p",
        .cause = RCACHE_CAUSE_UNREACHABLE,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(hosts); i++) {
        JsonObject *o;

        hosts_fixture_beat(&arbiter.hosts, hosts[i], &said, arbiter_now());
        shunned_beat(&arbiter.shunned, &arbiter.hosts, hosts[i],
                     arbiter_now());
        o = listed(admin_hosts_run, "p");
        ck_assert(!json_object_get_null_member(o, "trouble"));
        *(i ? &by_all : &by_one) = o;
    }
    ck_assert(!json_object_get_boolean_member(by_one, "shunned"));
    ck_assert(json_object_get_boolean_member(by_all, "shunned"));
}
END_TEST

/* Its rcached was just started, and has not heard of its pager. */
START_TEST(counts_that_nobody_has_told)
{
    static const char *const counts[] = {
        "faults", "evicted_pages", "lost_bytes", "wrong_pages",
    };
    WireBeatGuest *g = hosts_fixture_guest(&said, "web", 1);
    g_autoptr(JsonObject) before = NULL, after = NULL;

    g->guest = 0;
    hosts_fixture_beat(&arbiter.hosts, a, &said, arbiter_now());
    before = listed(admin_vms_run, "web");
    g->guest = 256 * MIB;
    hosts_fixture_beat(&arbiter.hosts, a, &said, arbiter_now());
    after = listed(admin_vms_run, "web");
    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        ck_assert_msg(json_object_get_null_member(before, counts[i]), "%s",
                      counts[i]);
        ck_assert_msg(!json_object_get_null_member(after, counts[i]), "%s",
                      counts[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin-hosts");
    TCase *tc = tcase_create("admin-hosts");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_offer_is_what_is_allowed);
    tcase_add_test(tc, who_is_shunned);
    tcase_add_test(tc, counts_that_nobody_has_told);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
