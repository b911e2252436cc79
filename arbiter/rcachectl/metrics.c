/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics: see metrics.h. */
#include "arbiter/rcachectl/metrics.h"

#include <string.h>

#include "arbiter/rcachectl/cell.h"

typedef struct Metric {
    const char *name, *field, *help;
    bool counter;
    double unit;                /* what the field is one of; 0: 1 */
} Metric;

static const Metric host_metrics[] = {
    { "rcache_host_connected", "connected",
      "Whether the host is connected to the arbiter." },
    { "rcache_host_lends", "lends", "Whether the host lends memory." },
    { "rcache_host_draining", "draining",
      "Whether the host is being drained." },
    { "rcache_host_certificate_expires_seconds",
      "certificate_expires_seconds",
      "Time until the host's certificate expires." },
    { "rcache_host_age_seconds", "age_seconds",
      "Time since the host's last heartbeat." },
    { "rcache_host_memory_bytes", "mem_total_bytes",
      "All memory of the host." },
    { "rcache_host_available_bytes", "mem_available_bytes",
      "Memory of the host that can be had without swapping." },
    { "rcache_host_offered_bytes", "offered_bytes",
      "Memory that the host has lent or can lend." },
    { "rcache_host_leased_bytes", "leased_bytes",
      "Memory that the host has lent." },
    { "rcache_host_free_bytes", "free_bytes",
      "Memory that the host can still lend." },
    { "rcache_host_stored_bytes", "stored_bytes",
      "Lent memory that holds pages." },
    { "rcache_host_pressure_some_percent", "psi_some_percent",
      "Memory pressure of the host (PSI some, ten seconds)." },
    { "rcache_host_pressure_full_percent", "psi_full_percent",
      "Memory pressure of the host (PSI full, ten seconds)." },
};

static const Metric vm_metrics[] = {
    { "rcache_vm_guest_bytes", "guest_bytes", "All memory of the VM." },
    { "rcache_vm_resident_bytes", "resident_bytes",
      "Memory of the VM that is on its own host." },
    { "rcache_vm_remote_bytes", "remote_bytes",
      "Memory of the VM that is on other hosts." },
    { "rcache_vm_zero_bytes", "zero_bytes",
      "Memory of the VM that is zero and stored nowhere." },
    { "rcache_vm_local_max_bytes", "local_max_bytes",
      "The most memory of the VM that may be on its own host." },
    { "rcache_vm_proactive_limit_bytes", "proactive_limit_bytes",
      "Memory of the VM that proactive mode wants on its own host." },
    { "rcache_vm_proactive_stall_ratio", "proactive_stall_percent",
      "What the VM's vCPUs waited, as proactive mode has it, as a share.",
      false, 0.01 },
    { "rcache_vm_stall_target_ratio", "stall_target_percent",
      "What they may wait under proactive mode, as a share.", false, 0.01 },
    { "rcache_vm_copies", "copies",
      "How many copies of a page the VM wants." },
    { "rcache_vm_one_copy_bytes", "one_copy_bytes",
      "Remote memory of the VM with one live copy or none." },
    { "rcache_vm_repairing_bytes", "repairing_bytes",
      "Remote memory of the VM that is still to be copied." },
    { "rcache_vm_size_bytes", "size_bytes",
      "The most memory of the VM that may be on other hosts." },
    { "rcache_vm_fault_p50_seconds", "fault_p50_seconds",
      "Half of the VM's last waits for a page were shorter." },
    { "rcache_vm_fault_p99_seconds", "fault_p99_seconds",
      "99 of 100 of the VM's last waits for a page were shorter." },
    { "rcache_vm_stall_seconds", "stall_seconds",
      "How long the VM has waited for the page it has waited for longest." },
    { "rcache_vm_vcpus", "vcpus", "vCPUs of the VM." },
    { "rcache_vm_wait_seconds_total", "vcpu_wait_seconds",
      "How long vCPUs of the VM have waited for pages that were away, all "
      "together.", true },
    { "rcache_vm_stalled_ratio", "stalled_percent",
      "That of the last minute, as a share of all the time of its vCPUs.",
      false, 0.01 },
    { "rcache_vm_figures_age_seconds", "figures_age_seconds",
      "Time since the VM's pager last reported." },
    { "rcache_vm_faults_total", "faults",
      "Pages that the VM has waited for.", true },
    { "rcache_vm_evicted_pages_total", "evicted_pages",
      "Pages of the VM that were sent to other hosts.", true },
    { "rcache_vm_lost_bytes", "lost_bytes",
      "Memory of the VM that was lost with a provider." },
    { "rcache_vm_wrong_pages_total", "wrong_pages",
      "Pages of the VM that came back with other bytes than were sent.", true },
    { "rcache_vm_pager_restarts_total", "pager_restarts",
      "How often the VM's pager was started again.", true },
};

static void append_label(GString *out, const char *name, JsonObject *o,
                         const char *field)
{
    JsonNode *node = json_object_get_member(o, field);
    const char *text = cell_is_text(node) ? json_node_get_string(node) : "";

    g_string_append_printf(out, "%s=\"", name);
    for (; *text; text++) {
        if (*text == '\n') {
            g_string_append(out, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}

/* All but the brace at the end. */
static void append_labels(GString *out, JsonObject *o, bool vm)
{
    g_string_append_c(out, '{');
    if (vm) {
        append_label(out, "vm", o, "name");
        g_string_append_c(out, ',');
        append_label(out, "uuid", o, "uuid");
        g_string_append_c(out, ',');
        append_label(out, "host", o, "host");
    } else {
        append_label(out, "host", o, "name");
    }
}

/* Return: false if there is no such figure. */
static bool value_of(JsonObject *o, const char *field, double *value)
{
    JsonNode *node = json_object_get_member(o, field);

    if (cell_is_number(node)) {
        *value = json_node_get_double(node);
        return true;
    }
    *value = cell_is_true(o, field);
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN;
}

static void append_value(GString *out, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(out, " %s\n", g_ascii_dtostr(text, sizeof(text),
                                                        value));
}

static void append_head(GString *out, const Metric *m)
{
    g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name,
                           m->help, m->name, m->counter ? "counter"
                                                        : "gauge");
}

/* One that runs elsewhere is told from there. */
static bool is_told(JsonNode *node)
{
    return JSON_NODE_HOLDS_OBJECT(node) &&
           !cell_is_text(json_object_get_member(json_node_get_object(node),
                                                "elsewhere"));
}

static void append_metric(GString *out, const Metric *m, JsonArray *list,
                          bool vm)
{
    append_head(out, m);
    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        double value;

        if (is_told(node) &&
            value_of(json_node_get_object(node), m->field, &value)) {
            g_string_append(out, m->name);
            append_labels(out, json_node_get_object(node), vm);
            g_string_append_c(out, '}');
            append_value(out, m->unit > 0 ? value * m->unit : value);
        }
    }
}

static void append_table(GString *out, JsonObject *answers, const char *name,
                         const Metric *metrics, unsigned n, bool vm)
{
    JsonNode *node = json_object_get_member(answers, name);

    for (unsigned i = 0; node && JSON_NODE_HOLDS_ARRAY(node) && i < n; i++) {
        append_metric(out, &metrics[i], json_node_get_array(node), vm);
    }
}

/* ------------------------------------------------------------- histograms */

static const Metric whole_metric = {
    "rcache_vm_fault_seconds", NULL,
    "How long faults on pages that were away took, until the guest was woken."
};
static const Metric phase_metric = {
    "rcache_vm_fault_phase_seconds", NULL,
    "How long such faults were in each phase; the phases add up to the whole."
};

static JsonArray *array_member(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

static JsonObject *object_member(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

static double number_at(JsonArray *list, guint i)
{
    JsonNode *node = list && i < json_array_get_length(list)
                         ? json_array_get_element(list, i) : NULL;

    return cell_is_number(node) ? json_node_get_double(node) : 0;
}

/* One line; @le: NULL: it is no bucket. */
static void append_part(GString *out, const Metric *m, const char *part,
                        JsonObject *vm, JsonObject *delay, const char *le,
                        double value)
{
    g_string_append_printf(out, "%s_%s", m->name, part);
    append_labels(out, vm, true);
    if (json_object_has_member(delay, "phase")) {
        g_string_append_c(out, ',');
        append_label(out, "phase", delay, "phase");
    }
    if (le) {
        g_string_append_printf(out, ",le=\"%s\"", le);
    }
    g_string_append_c(out, '}');
    append_value(out, value);
}

/* @edges: of all buckets but the last; in the text each has what is below. */
static void append_histogram(GString *out, const Metric *m, JsonObject *vm,
                             JsonArray *edges, JsonObject *delay)
{
    JsonArray *counts = delay ? array_member(delay, "counts") : NULL;
    guint n = edges ? json_array_get_length(edges) : 0;
    double so_far = 0, total;

    if (!counts || json_array_get_length(counts) != n + 1 ||
        !value_of(delay, "total_seconds", &total)) {
        return;
    }
    for (guint i = 0; i <= n; i++) {
        char le[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";

        so_far += number_at(counts, i);
        if (i < n) {
            g_ascii_formatd(le, sizeof(le), "%.6g", number_at(edges, i));
        }
        append_part(out, m, "bucket", vm, delay, le, so_far);
    }
    append_part(out, m, "sum", vm, delay, NULL, total);
    append_part(out, m, "count", vm, delay, NULL, so_far);
}

static void append_delays(GString *out, const Metric *m, JsonNode *node,
                          bool whole)
{
    JsonObject *vm = is_told(node) ? json_node_get_object(node) : NULL;
    JsonObject *delays = vm ? object_member(vm, "delays") : NULL;
    JsonArray *edges, *phases;

    if (!delays) {
        return;
    }
    edges = array_member(delays, "le_seconds");
    phases = array_member(delays, "phases");
    if (whole) {
        append_histogram(out, m, vm, edges, object_member(delays, "whole"));
    }
    for (guint i = 0; !whole && phases && i < json_array_get_length(phases);
         i++) {
        JsonNode *phase = json_array_get_element(phases, i);

        if (JSON_NODE_HOLDS_OBJECT(phase)) {
            append_histogram(out, m, vm, edges, json_node_get_object(phase));
        }
    }
}

static void append_histograms(GString *out, JsonObject *answers)
{
    const Metric *const metrics[] = { &whole_metric, &phase_metric };
    JsonArray *vms = array_member(answers, "vms");

    for (unsigned i = 0; vms && i < G_N_ELEMENTS(metrics); i++) {
        g_string_append_printf(out, "# HELP %s %s\n# TYPE %s histogram\n",
                               metrics[i]->name, metrics[i]->help,
                               metrics[i]->name);
        for (guint k = 0; k < json_array_get_length(vms); k++) {
            append_delays(out, metrics[i], json_array_get_element(vms, k),
                          metrics[i] == &whole_metric);
        }
    }
}

/* Of the daemon that was asked. */
static void append_limits(GString *out, JsonObject *status)
{
    static const Metric hits = { "rcache_limit_hits_total", "hits",
                                 "How often somebody has run into the limit.",
                                 true };
    static const Metric bites = { "rcache_limit_in_effect", "in_effect",
                                  "Whether somebody runs into the limit now." };
    const Metric *const metrics[] = { &hits, &bites };
    JsonNode *node = json_object_get_member(status, "limits");

    for (unsigned i = 0; node && JSON_NODE_HOLDS_ARRAY(node) &&
                         i < G_N_ELEMENTS(metrics); i++) {
        JsonArray *list = json_node_get_array(node);

        append_head(out, metrics[i]);
        for (guint j = 0; j < json_array_get_length(list); j++) {
            JsonNode *limit = json_array_get_element(list, j);
            double value;

            if (JSON_NODE_HOLDS_OBJECT(limit) &&
                value_of(json_node_get_object(limit), metrics[i]->field,
                         &value)) {
                g_string_append_printf(out, "%s{", metrics[i]->name);
                append_label(out, "limit", json_node_get_object(limit),
                             "limit");
                g_string_append_c(out, '}');
                append_value(out, value);
            }
        }
    }
}

char *metrics_text(JsonNode *answers)
{
    static const Metric ok = { "rcache_ok", "ok",
                               "Whether the verdict of status is ok." };
    static const Metric uptime = { "rcache_uptime_seconds", "uptime_seconds",
                                   "Time since the daemon that was asked "
                                   "was started." };
    static const Metric expires = { "rcache_tls_expires_seconds",
                                    "tls_expires_seconds",
                                    "Time until the certificate of the daemon "
                                    "that was asked expires." };
    const Metric *const of_status[] = { &ok, &uptime, &expires };
    GString *out = g_string_new(NULL);
    JsonObject *o = json_node_get_object(answers);
    JsonNode *status = json_object_get_member(o, "status");

    for (unsigned i = 0; i < G_N_ELEMENTS(of_status); i++) {
        double value;

        if (status && JSON_NODE_HOLDS_OBJECT(status) &&
            value_of(json_node_get_object(status), of_status[i]->field,
                     &value)) {
            append_head(out, of_status[i]);
            g_string_append(out, of_status[i]->name);
            append_value(out, value);
        }
    }
    if (status && JSON_NODE_HOLDS_OBJECT(status)) {
        append_limits(out, json_node_get_object(status));
    }
    append_table(out, o, "hosts", host_metrics, G_N_ELEMENTS(host_metrics),
                 false);
    append_table(out, o, "vms", vm_metrics, G_N_ELEMENTS(vm_metrics), true);
    append_histograms(out, o);
    return g_string_free(out, FALSE);
}
