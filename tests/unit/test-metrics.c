/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures in Prometheus' text format. */
#include <check.h>
#include <string.h>

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/metrics.h"
#include "tests/unit/count-of.h"

static char *text_of(const char *answers)
{
    g_autoptr(JsonNode) node = json_from_string(answers, NULL);

    ck_assert_ptr_nonnull(node);
    return metrics_text(node);
}

static void expect(const char *text, const char *line)
{
    g_autofree char *whole = g_strconcat("\n", line, "\n", NULL);

    ck_assert_msg(strstr(text, whole) != NULL, "no %s in %s", line, text);
}

START_TEST(figures_and_labels)
{
    g_autofree char *text = text_of(
        "{\"status\":{\"ok\":false,\"level\":\"failing\",\"problems\":"
        "[\"x\",\"y\"],\"uptime_seconds\":1.5,\"limits\":["
        "{\"limit\":\"pings-per-host\",\"value\":4000,\"hits\":12,"
        "\"pace\":true,\"in_effect\":true,\"who\":[]},"
        "{\"limit\":\"hellos\",\"value\":4,\"hits\":2,\"pace\":false,"
        "\"in_effect\":true},{\"limit\":\"old\",\"in_effect\":true}]},"
        "\"hosts\":["
        "{\"name\":\"a\",\"connected\":true,\"free_bytes\":1073741824,"
        "\"psi_some_percent\":null},{\"name\":\"b\",\"connected\":false,"
        "\"free_bytes\":0}],\"vms\":[{\"name\":\"w\\\"e\\\\b\\n1\","
        "\"uuid\":\"u\",\"host\":\"a\",\"elsewhere\":null,"
        "\"faults\":12345678901},{\"name\":\"w\",\"uuid\":\"u\","
        "\"host\":\"b\",\"elsewhere\":\"a\",\"faults\":7}]}");

    ck_assert(g_str_has_prefix(text, "# HELP rcache_ok "));
    expect(text, "# TYPE rcache_ok gauge");
    expect(text, "rcache_ok 0");
    expect(text, "rcache_failing 1");
    expect(text, "rcache_problems 2");
    expect(text, "rcache_uptime_seconds 1.5");
    expect(text, "# TYPE rcache_limit_hits_total counter");
    expect(text, "rcache_limit_hits_total{limit=\"pings-per-host\"} 12");
    /* Who has to wait is refused nothing. */
    expect(text, "rcache_limit_pacing{limit=\"pings-per-host\"} 1");
    expect(text, "rcache_limit_in_effect{limit=\"hellos\"} 1");
    expect(text, "rcache_limit_in_effect{limit=\"old\"} 1");
    ck_assert_ptr_null(strstr(text, "in_effect{limit=\"pings"));
    ck_assert_ptr_null(strstr(text, "pacing{limit=\"hellos"));
    expect(text, "rcache_host_connected{host=\"a\"} 1");
    expect(text, "rcache_host_connected{host=\"b\"} 0");
    expect(text, "rcache_host_free_bytes{host=\"a\"} 1073741824");
    expect(text, "rcache_host_free_bytes{host=\"b\"} 0");
    expect(text, "# TYPE rcache_vm_faults_total counter");
    expect(text, "rcache_vm_faults_total{vm=\"w\\\"e\\\\b\\n1\",uuid=\"u\","
           "host=\"a\"} 12345678901");
    /* One VM, which was on another host that is dead. */
    ck_assert_ptr_null(strstr(text, "uuid=\"u\",host=\"b\""));
    /* What is not known is not zero. */
    ck_assert_ptr_null(strstr(text, "rcache_host_pressure_some_ratio{"));
    ck_assert_ptr_null(strstr(text, "rcache_vm_guest_bytes{"));
}
END_TEST

#define OF_W    "{vm=\"w\",uuid=\"u\",host=\"a\""

/* Base units, and what is no number: states, providers, builds, arbiters. */
START_TEST(units_and_states)
{
    g_autofree char *text = text_of(
        "{\"status\":{\"daemon\":\"rcached\",\"version\":\"1.2.3\","
        "\"host\":\"a\",\"ok\":true,\"level\":\"degraded\",\"problems\":[],"
        "\"spill_size_bytes\":8192,\"spill_errors\":3,\"arbiters\":["
        "{\"address\":\"x:1\",\"connected\":true},"
        "{\"address\":\"x:1\",\"connected\":false},"
        "{\"address\":\"y:1\",\"connected\":false}]},\"hosts\":["
        "{\"name\":\"a\",\"connected\":true,\"age_seconds\":0,"
        "\"psi_some_percent\":12.5,\"shunned\":false,"
        "\"trouble\":\"as one says\",\"implausible\":null},"
        "{\"name\":\"b\",\"shunned\":true},"
        "{\"name\":\"c\",\"shunned\":false,\"implausible\":\"no\"},"
        "{\"name\":\"d\",\"trouble\":\"no\"}],"
        "\"vms\":[{\"name\":\"w\",\"uuid\":\"u\","
        "\"host\":\"a\",\"state\":\"no pager\",\"evicted_pages\":2,"
        "\"providers\":[{\"host\":\"b\",\"stored_bytes\":4096,"
        "\"lost_bytes\":0,\"trouble\":\"is slow\"},"
        "{\"host\":\"c\",\"trouble\":null},7]}]}");

    expect(text, "rcache_failing 0");
    expect(text, "rcache_problems 0");
    expect(text, "rcache_build_info{daemon=\"rcached\",version=\"1.2.3\"} 1");
    expect(text, "rcache_arbiter_connected{arbiter=\"x:1\"} 1");
    expect(text, "rcache_arbiter_connected{arbiter=\"y:1\"} 0");
    ck_assert_ptr_null(strstr(text, "{arbiter=\"x:1\"} 0"));
    expect(text, "rcache_host_spill_size_bytes{host=\"a\"} 8192");
    expect(text, "# TYPE rcache_host_spill_errors_total counter");
    expect(text, "rcache_host_pressure_some_ratio{host=\"a\"} 0.125");
    /* It answers; that is no word of an arbiter. */
    ck_assert_ptr_null(strstr(text, "rcache_host_connected"));
    ck_assert_ptr_null(strstr(text, "rcache_host_age_seconds"));
    expect(text, "rcache_host_unusable{host=\"a\"} 0");
    expect(text, "rcache_host_unusable{host=\"b\"} 1");
    expect(text, "rcache_host_unusable{host=\"c\"} 1");
    ck_assert_ptr_null(strstr(text, "rcache_host_unusable{host=\"d\"}"));
    expect(text, "rcache_vm_state" OF_W ",state=\"no pager\"} 1");
    expect(text, "rcache_vm_evicted_bytes_total" OF_W "} 8192");
    expect(text, "rcache_vm_provider_stored_bytes" OF_W
           ",provider=\"b\"} 4096");
    expect(text, "rcache_vm_provider_lost_bytes" OF_W ",provider=\"b\"} 0");
    expect(text, "rcache_vm_provider_trouble" OF_W
           ",provider=\"b\",trouble=\"is slow\"} 1");
    ck_assert_ptr_null(strstr(text, "provider=\"c\""));
}
END_TEST

/* What a host said last before it died is not what there is. */
START_TEST(who_is_dead_says_nothing)
{
    g_autofree char *text = text_of(
        "{\"hosts\":[{\"name\":\"d\",\"state\":\"dead\",\"connected\":false,"
        "\"age_seconds\":60,\"draining\":true,\"leased_bytes\":4096,"
        "\"vms\":1,\"free_bytes\":7,\"offered_bytes\":7,"
        "\"psi_some_percent\":99,\"spilled_bytes\":7,\"lends\":true,"
        "\"pagers_to_replace\":1,\"shunned\":true},"
        "{\"name\":\"s\",\"state\":\"suspect\",\"free_bytes\":7}],"
        "\"vms\":[{\"name\":\"w\",\"uuid\":\"u\",\"host\":\"d\","
        "\"state\":\"host dead\",\"guest_bytes\":8,\"lost_bytes\":8,"
        "\"stall_seconds\":9,\"wrong_pages\":3,\"providers\":["
        "{\"host\":\"s\",\"stored_bytes\":8,"
        "\"trouble\":\"cannot be reached\"}],\"delays\":{\"le_seconds\":[],"
        "\"whole\":{\"total_seconds\":3.0,\"counts\":[1]}}},"
        "{\"name\":\"e\",\"uuid\":\"u\",\"host\":\"s\",\"state\":\"ended\","
        "\"guest_bytes\":8,\"lost_bytes\":8}]}");

    expect(text, "rcache_host_connected{host=\"d\"} 0");
    expect(text, "rcache_host_age_seconds{host=\"d\"} 60");
    expect(text, "rcache_host_draining{host=\"d\"} 1");
    expect(text, "rcache_host_leased_bytes{host=\"d\"} 4096");
    expect(text, "rcache_host_vms{host=\"d\"} 1");
    ck_assert_uint_eq(count_of(text, "{host=\"d\"}"), 5);
    expect(text, "rcache_host_free_bytes{host=\"s\"} 7");
    expect(text, "rcache_vm_state{vm=\"w\",uuid=\"u\",host=\"d\","
           "state=\"host dead\"} 1");
    expect(text, "rcache_vm_state{vm=\"e\",uuid=\"u\",host=\"s\","
           "state=\"ended\"} 1");
    ck_assert_uint_eq(count_of(text, "vm=\""), 2);
}
END_TEST

/* A count that is 0 until the pager has said how much it is would be a new
 * one. */
START_TEST(who_has_said_nothing_yet_has_no_figures)
{
    g_autofree char *text = text_of(
        "{\"vms\":[{\"name\":\"w\",\"uuid\":\"u\",\"host\":\"a\","
        "\"state\":\"no pager\",\"guest_bytes\":0,\"resident_bytes\":0,"
        "\"faults\":0,\"wrong_pages\":0,\"lost_bytes\":0,\"providers\":[],"
        "\"pager_restarts\":2,\"figures_age_seconds\":0.5}]}");

    expect(text, "rcache_vm_state{vm=\"w\",uuid=\"u\",host=\"a\","
           "state=\"no pager\"} 1");
    expect(text, "rcache_vm_pager_restarts_total{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 2");
    expect(text, "rcache_vm_figures_age_seconds{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 0.5");
    ck_assert_uint_eq(count_of(text, "vm=\""), 3);
}
END_TEST

/* Its local-max is what the balloon leaves it, and no limit of ours. */
START_TEST(who_has_no_pager_has_no_limits)
{
    g_autofree char *text = text_of(
        "{\"vms\":[{\"name\":\"w\",\"uuid\":\"u\",\"host\":\"a\","
        "\"state\":\"unmanaged\",\"guest_bytes\":8,\"resident_bytes\":7,"
        "\"local_max_bytes\":4,\"size_bytes\":0,\"copies\":1,"
        "\"faults\":0}]}");

    expect(text, "rcache_vm_state{vm=\"w\",uuid=\"u\",host=\"a\","
           "state=\"unmanaged\"} 1");
    expect(text, "rcache_vm_guest_bytes{vm=\"w\",uuid=\"u\",host=\"a\"} 8");
    expect(text, "rcache_vm_resident_bytes{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 7");
    ck_assert_uint_eq(count_of(text, "vm=\""), 3);
}
END_TEST

#define BUCKET  "rcache_vm_fault_phase_seconds_bucket{vm=\"w\",uuid=\"u\"," \
                "host=\"a\",phase=\"network\",le="

/* As Prometheus has histograms: each bucket has what is below as well, the last
 * is +Inf and agrees with the count. */
START_TEST(histograms)
{
    g_autofree char *text = text_of(
        "{\"vms\":[{\"name\":\"w\",\"uuid\":\"u\",\"host\":\"a\","
        "\"vcpus\":2,\"vcpu_wait_seconds\":1.5,\"stalled_percent\":12.5,"
        "\"delays\":{\"le_seconds\":[1e-6,0.0002,10.0],\"whole\":"
        "{\"total_seconds\":3.0,\"counts\":[1,0,2,4]},\"phases\":["
        "{\"phase\":\"network\",\"total_seconds\":2.5,"
        "\"counts\":[2,3,0,1]},{\"phase\":\"odd\",\"counts\":[1]}]}},"
        "{\"name\":\"old\",\"vcpus\":null,\"stalled_percent\":null,"
        "\"delays\":null}]}");

    expect(text, "# TYPE rcache_vm_fault_seconds histogram");
    expect(text, "rcache_vm_fault_seconds_bucket{vm=\"w\",uuid=\"u\","
           "host=\"a\",le=\"0.0002\"} 1");
    expect(text, "rcache_vm_fault_seconds_sum{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 3");
    expect(text, "# TYPE rcache_vm_fault_phase_seconds histogram");
    expect(text, BUCKET "\"1e-06\"} 2");
    expect(text, BUCKET "\"0.0002\"} 5");
    expect(text, BUCKET "\"10\"} 5");
    expect(text, BUCKET "\"+Inf\"} 6");
    expect(text, "rcache_vm_fault_phase_seconds_count{vm=\"w\",uuid=\"u\","
           "host=\"a\",phase=\"network\"} 6");
    expect(text, "rcache_vm_fault_phase_seconds_sum{vm=\"w\",uuid=\"u\","
           "host=\"a\",phase=\"network\"} 2.5");
    expect(text, "rcache_vm_vcpus{vm=\"w\",uuid=\"u\",host=\"a\"} 2");
    expect(text, "# TYPE rcache_vm_wait_seconds_total counter");
    expect(text, "rcache_vm_wait_seconds_total{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 1.5");
    expect(text, "rcache_vm_stalled_ratio{vm=\"w\",uuid=\"u\",host=\"a\"} "
           "0.125");
    ck_assert_ptr_null(strstr(text, "odd"));
    ck_assert_ptr_null(strstr(text, "vm=\"old\""));
}
END_TEST

/* More than a daemon lists: it is told how many have no figures. */
START_TEST(vms_that_are_not_listed)
{
    g_autofree char *many = text_of("{\"status\":{\"vms\":20001},\"hosts\":"
                                    "[],\"vms\":null}");
    g_autofree char *few = text_of("{\"status\":{\"vms\":7},\"hosts\":[],"
                                   "\"vms\":[]}");

    expect(many, "# TYPE rcache_vms_left_out gauge");
    expect(many, "rcache_vms_left_out 20001");
    expect(few, "rcache_vms_left_out 0");
}
END_TEST

START_TEST(odd_answers)
{
    g_autofree char *none = text_of("{}");
    g_autofree char *odd = text_of("{\"status\":{\"limits\":[3,{}]},"
                                   "\"hosts\":{},"
                                   "\"vms\":[7,{\"faults\":\"x\"}]}");

    ck_assert_str_eq(none, "");
    ck_assert_ptr_null(strchr(odd, '{'));
}
END_TEST

/* A host that names something twice spoils nobody's text. */
START_TEST(nothing_is_there_twice)
{
    g_autofree char *text = text_of(
        "{\"hosts\":[{\"name\":\"a\",\"vms\":1},{\"name\":\"a\",\"vms\":2}],"
        "\"vms\":[{\"name\":\"w\",\"uuid\":\"u\",\"host\":\"a\",\"faults\":1,"
        "\"state\":\"x\",\"providers\":[{\"host\":\"b\",\"lost_bytes\":1},"
        "{\"host\":\"b\",\"lost_bytes\":2}]},{\"name\":\"w\",\"uuid\":\"u\","
        "\"host\":\"a\",\"faults\":2,\"state\":\"y\",\"providers\":[]}]}");

    ck_assert_uint_eq(count_of(text, "\nrcache_host_vms{"), 1);
    ck_assert_uint_eq(count_of(text, "\nrcache_vm_faults_total{"), 1);
    ck_assert_uint_eq(count_of(text, "\nrcache_vm_state{"), 1);
    ck_assert_uint_eq(count_of(text, "\nrcache_vm_provider_lost_bytes{"), 1);
}
END_TEST

static void expect_cell(char *got, const char *text)
{
    g_autofree char *cell = got;

    ck_assert_str_eq(cell, text);
}

/* Figures that are old, and what providers have cost a VM. */
START_TEST(cells_of_tables)
{
    g_autoptr(JsonNode) node = json_from_string(
        "{\"state\":\"alive\",\"age_seconds\":14.0,\"stale\":false,"
        "\"lends\":true,\"connected\":true,\"trouble\":\"no\","
        "\"implausible\":null,\"providers\":["
        "{\"host\":\"b\",\"stored_bytes\":1048576,\"lost_bytes\":0,"
        "\"wrong_pages\":0},{\"host\":\"c\",\"stored_bytes\":0,"
        "\"lost_bytes\":1048576,\"wrong_pages\":2}]}", NULL);
    JsonObject *o = json_node_get_object(node);

    expect_cell(cell_state(o), "alive");
    json_object_set_boolean_member(o, "stale", TRUE);
    expect_cell(cell_state(o), "alive, 14.0s ago");
    expect_cell(cell_flags(o), "lends,unusable");
    expect_cell(cell_field(o, "providers", CELL_PROVIDERS),
                "b:1.0M c:0B(lost 1.0M, 2 wrong)");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *tc = tcase_create("metrics");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, figures_and_labels);
    tcase_add_test(tc, units_and_states);
    tcase_add_test(tc, who_is_dead_says_nothing);
    tcase_add_test(tc, who_has_said_nothing_yet_has_no_figures);
    tcase_add_test(tc, who_has_no_pager_has_no_limits);
    tcase_add_test(tc, nothing_is_there_twice);
    tcase_add_test(tc, histograms);
    tcase_add_test(tc, vms_that_are_not_listed);
    tcase_add_test(tc, odd_answers);
    tcase_add_test(tc, cells_of_tables);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
