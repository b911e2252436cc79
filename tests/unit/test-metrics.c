/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures in Prometheus' text format. */
#include <check.h>
#include <string.h>

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/metrics.h"

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
        "{\"status\":{\"ok\":false,\"uptime_seconds\":1.5,\"limits\":["
        "{\"limit\":\"pings-per-host\",\"value\":4000,\"hits\":12,"
        "\"in_effect\":true,\"who\":[]}]},\"hosts\":["
        "{\"name\":\"a\",\"connected\":true,\"free_bytes\":1073741824,"
        "\"psi_some_percent\":null},{\"name\":\"b\",\"connected\":false,"
        "\"free_bytes\":0}],\"vms\":[{\"name\":\"w\\\"e\\\\b\\n1\","
        "\"uuid\":\"u\",\"host\":\"a\",\"elsewhere\":null,"
        "\"faults\":12345678901},{\"name\":\"w\",\"uuid\":\"u\","
        "\"host\":\"b\",\"elsewhere\":\"a\",\"faults\":7}]}");

    ck_assert(g_str_has_prefix(text, "# HELP rcache_ok "));
    expect(text, "# TYPE rcache_ok gauge");
    expect(text, "rcache_ok 0");
    expect(text, "rcache_uptime_seconds 1.5");
    expect(text, "# TYPE rcache_limit_hits_total counter");
    expect(text, "rcache_limit_hits_total{limit=\"pings-per-host\"} 12");
    expect(text, "rcache_limit_in_effect{limit=\"pings-per-host\"} 1");
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
    ck_assert_ptr_null(strstr(text, "rcache_host_pressure_some_percent{"));
    ck_assert_ptr_null(strstr(text, "rcache_vm_guest_bytes{"));
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
        "\"proactive_limit_bytes\":4096,\"stall_target_percent\":12.5,"
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
    expect(text, "rcache_vm_proactive_limit_bytes{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 4096");
    expect(text, "rcache_vm_stall_target_ratio{vm=\"w\",uuid=\"u\","
           "host=\"a\"} 0.125");
    ck_assert_ptr_null(strstr(text, "odd"));
    ck_assert_ptr_null(strstr(text, "vm=\"old\""));
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
    tcase_add_test(tc, histograms);
    tcase_add_test(tc, odd_answers);
    tcase_add_test(tc, cells_of_tables);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
