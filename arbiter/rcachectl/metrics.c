/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics: see metrics.h.
 *
 * Names and units are Prometheus's: base units (bytes, seconds, ratios of 1),
 * _total for what only grows, and no label but what tells one series from
 * another.  A figure that is a plain number, or yes or no, is a row of a table
 * here; the others of a VM are in metrics-vms.c.
 */
#include "arbiter/rcachectl/metrics.h"

#include <string.h>

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/metrics-vms.h"
#include "arbiter/rcachectl/prom-text.h"

#define PAGE            4096.0  /* bytes, in counts of pages */
#define PERCENT         0.01

typedef struct Metric {
    const char *name, *field, *help;
    bool counter;
    double unit;                /* what the field is one of; 0: 1 */
    bool of_dead;               /* holds of a host that is dead, too */
    bool of_silent;             /* and of a VM whose pager is still silent, */
    bool of_unmanaged;          /* or that has none, and needs none */
} Metric;

static const Metric status_metrics[] = {
    { "rcache_ok", "ok", "Whether the verdict of status is ok." },
    { "rcache_uptime_seconds", "uptime_seconds",
      "Time since the daemon that was asked was started." },
    { "rcache_tls_expires_seconds", "tls_expires_seconds",
      "Time until the certificate of the daemon that was asked expires." },
};

/* Of the daemon that was asked, if that is a host's. */
static const Metric own_metrics[] = {
    { "rcache_host_spill_size_bytes", "spill_size_bytes",
      "Room of the host's spill file; 0: there is none." },
    { "rcache_host_spill_stored_bytes", "spill_stored_bytes",
      "How much of the host's spill file is in use." },
    { "rcache_host_spill_errors_total", "spill_errors",
      "Reads and writes of the host's spill file that have failed.", true },
    { "rcache_host_own_disk_bytes", "own_stored_bytes",
      "Memory of the host's own VMs in its spill file, for want of other "
      "hosts." },
    { "rcache_host_pagers_refused_total", "pagers_refused",
      "How often a VM had no pager because of a limit.", true },
};

/* Of the daemon that was asked, where it did not list its VMs. */
static const Metric left_out[] = {
    { "rcache_vms_left_out", "vms",
      "VMs without figures, since they are more than the daemon lists." },
};

/* What only an arbiter knows of a host: rcached answers it, and so is there. */
static const Metric heard_metrics[] = {
    { "rcache_host_connected", "connected",
      "Whether the host is connected to the arbiter that was asked.",
      .of_dead = true },
    { "rcache_host_age_seconds", "age_seconds",
      "Time since the host's last heartbeat.", .of_dead = true },
};

static const Metric host_metrics[] = {
    { "rcache_host_lends", "lends", "Whether the host lends memory." },
    { "rcache_host_draining", "draining",
      "Whether the host is being drained.", .of_dead = true },
    { "rcache_host_certificate_expires_seconds",
      "certificate_expires_seconds",
      "Time until the host's certificate expires." },
    { "rcache_host_protocol_version", "protocol_version",
      "The version of the protocol that arbiter and host speak." },
    { "rcache_host_pagers_to_replace", "pagers_to_replace",
      "Pagers of the host that are of another build than its rcached." },
    { "rcache_host_vms", "vms", "VMs on the host.", .of_dead = true },
    { "rcache_host_memory_bytes", "mem_total_bytes",
      "All memory of the host." },
    { "rcache_host_available_bytes", "mem_available_bytes",
      "Memory of the host that can be had without swapping." },
    { "rcache_host_offered_bytes", "offered_bytes",
      "Memory that the host has lent or can lend." },
    { "rcache_host_leased_bytes", "leased_bytes",
      "Memory that the host has lent.", .of_dead = true },
    { "rcache_host_free_bytes", "free_bytes",
      "Memory that the host can still lend." },
    { "rcache_host_stored_bytes", "stored_bytes",
      "Lent memory that holds pages." },
    { "rcache_host_spilled_bytes", "spilled_bytes",
      "Lent memory that is in the host's spill file." },
    { "rcache_host_asked_back_bytes", "asked_back_bytes",
      "Lent memory that the host has asked back." },
    { "rcache_host_pressure_some_ratio", "psi_some_percent",
      "Memory pressure of the host (PSI some, ten seconds).", false,
      PERCENT },
    { "rcache_host_pressure_full_ratio", "psi_full_percent",
      "Memory pressure of the host (PSI full, ten seconds).", false,
      PERCENT },
};

static const Metric vm_metrics[] = {
    { "rcache_vm_guest_bytes", "guest_bytes", "All memory of the VM.",
      .of_unmanaged = true },
    { "rcache_vm_resident_bytes", "resident_bytes",
      "Memory of the VM that is on its own host.", .of_unmanaged = true },
    { "rcache_vm_remote_bytes", "remote_bytes",
      "Memory of the VM that is on other hosts." },
    { "rcache_vm_zero_bytes", "zero_bytes",
      "Memory of the VM that is zero and stored nowhere." },
    { "rcache_vm_local_max_bytes", "local_max_bytes",
      "The most memory of the VM that may be on its own host." },
    { "rcache_vm_copies", "copies",
      "How many copies of a page the VM wants." },
    { "rcache_vm_one_copy_bytes", "one_copy_bytes",
      "Remote memory of the VM with one live copy or none." },
    { "rcache_vm_repairing_bytes", "repairing_bytes",
      "Remote memory of the VM that is still to be copied." },
    { "rcache_vm_held", "held",
      "Whether an operator holds the VM: nothing more of it goes." },
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
      false, PERCENT },
    { "rcache_vm_figures_age_seconds", "figures_age_seconds",
      "Time since the VM's pager last reported.", .of_silent = true },
    { "rcache_vm_faults_total", "faults",
      "Pages that the VM has waited for.", true },
    { "rcache_vm_evicted_bytes_total", "evicted_pages",
      "Memory of the VM that was sent to other hosts.", true, PAGE },
    { "rcache_vm_read_ahead_bytes_total", "read_ahead_pages",
      "Memory of the VM that was brought back before it was asked for.", true,
      PAGE },
    { "rcache_vm_read_ahead_wasted_bytes_total", "read_ahead_wasted_pages",
      "Of that, what left again without having been used.", true, PAGE },
    { "rcache_vm_lost_bytes", "lost_bytes",
      "Memory of the VM that was lost with a provider." },
    { "rcache_vm_wrong_pages_total", "wrong_pages",
      "Pages of the VM that came back with other bytes than were sent.", true },
    { "rcache_vm_pager_restarts_total", "pager_restarts",
      "How often the VM's pager was started again.", true,
      .of_silent = true },
};

static const Metric limit_metrics[] = {
    { "rcache_limit_hits_total", "hits",
      "How often somebody has run into the limit.", true },
};

/* Of limits that refuse something, and of those that make who asks too fast
 * wait, as they should: status has that as a note, and no alert is for it. */
static const Metric refusing_metrics[] = {
    { "rcache_limit_in_effect", "in_effect",
      "Whether somebody is refused something by the limit now." },
};
static const Metric pacing_metrics[] = {
    { "rcache_limit_pacing", "in_effect",
      "Whether the limit makes somebody wait now who asks too fast." },
};

static const Metric arbiter_metrics[] = {
    { "rcache_arbiter_connected", "connected",
      "Whether the daemon that was asked is connected to that arbiter." },
};

/* Return: "" if it is no text. */
static const char *text_of(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_is_text(node) ? json_node_get_string(node) : "";
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

static void append_head(GString *out, const Metric *m)
{
    prom_head(out, m->name, m->counter ? "counter" : "gauge", m->help);
}

/* One line, if there is such a figure; @label: NULL: without any. */
static void append_one(GString *out, const Metric *m, JsonObject *o,
                       const char *label, const char *text)
{
    double value;

    if (!value_of(o, m->field, &value)) {
        return;
    }
    g_string_append(out, m->name);
    if (label) {
        g_string_append_c(out, '{');
        prom_label(out, label, text);
        g_string_append_c(out, '}');
    }
    prom_value(out, m->unit > 0 ? value * m->unit : value);
}

/* What a dead host said last is old, and status does not judge by it.  But what
 * it had lent, and ran, says who waits for it. */
static bool is_told(const Metric *m, JsonObject *o)
{
    return m->of_dead || strcmp(text_of(o, "state"), "dead") != 0;
}

/* A line for each object of a list, with @label, which is its @field.  Each
 * text of it once: what is there twice is no series. */
static void append_list(GString *out, const Metric *metrics, unsigned n,
                        JsonArray *list, const char *label, const char *field)
{
    for (unsigned i = 0; list && i < n; i++) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash,
                                                      g_str_equal);

        append_head(out, &metrics[i]);
        for (guint j = 0; j < json_array_get_length(list); j++) {
            JsonNode *node = json_array_get_element(list, j);
            JsonObject *o = JSON_NODE_HOLDS_OBJECT(node)
                                ? json_node_get_object(node) : NULL;

            if (o && g_hash_table_add(seen, (char *)text_of(o, field)) &&
                is_told(&metrics[i], o)) {
                append_one(out, &metrics[i], o, label, text_of(o, field));
            }
        }
    }
}

/* What is 0 only since nobody has said anything is not known: a counter that
 * came back from there would count all of it again.  And a VM without rcached
 * has no limits: what there is instead is the balloon's. */
static bool is_known(const Metric *m, const MetricsVm *vm)
{
    return !vm->gone && (!vm->silent || m->of_silent) &&
           (!vm->unmanaged || m->of_unmanaged);
}

static void append_vms(GString *out, JsonArray *answer)
{
    g_autoptr(GArray) vms = metrics_vms_list(answer);

    for (unsigned i = 0; i < G_N_ELEMENTS(vm_metrics); i++) {
        const Metric *m = &vm_metrics[i];

        append_head(out, m);
        for (guint j = 0; j < vms->len; j++) {
            const MetricsVm *vm = &g_array_index(vms, MetricsVm, j);
            double value;

            if (is_known(m, vm) && value_of(vm->o, m->field, &value)) {
                g_string_append_printf(out, "%s%s}", m->name, vm->labels);
                prom_value(out, m->unit > 0 ? value * m->unit : value);
            }
        }
    }
    metrics_vms(out, vms);
}

/* ----------------------------------------------------------------- status */

/* The verdict beyond yes or no. */
static void append_verdict(GString *out, JsonObject *status)
{
    JsonArray *problems = cell_array(status, "problems");

    if (!problems) {
        return;
    }
    prom_head(out, "rcache_problems", "gauge",
              "How many problems status names.");
    g_string_append(out, "rcache_problems");
    prom_value(out, json_array_get_length(problems));
    prom_head(out, "rcache_failing", "gauge",
              "Whether the verdict of status is failing.");
    g_string_append(out, "rcache_failing");
    prom_value(out, !strcmp(text_of(status, "level"), "failing"));
}

static void append_build(GString *out, JsonObject *status)
{
    if (!*text_of(status, "version")) {
        return;
    }
    prom_head(out, "rcache_build_info", "gauge",
              "1; which daemon was asked, and of which version it is.");
    g_string_append(out, "rcache_build_info{");
    prom_label(out, "daemon", text_of(status, "daemon"));
    g_string_append_c(out, ',');
    prom_label(out, "version", text_of(status, "version"));
    g_string_append_c(out, '}');
    prom_value(out, 1);
}

/* Those with that member true, or not; new. */
static JsonArray *those_with(JsonArray *list, const char *field, bool is)
{
    JsonArray *some = json_array_new();

    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);

        if (JSON_NODE_HOLDS_OBJECT(node) &&
            cell_is_true(json_node_get_object(node), field) == is) {
            json_array_add_element(some, json_node_copy(node));
        }
    }
    return some;
}

static void append_limits(GString *out, JsonArray *limits)
{
    g_autoptr(JsonArray) refusing = NULL, pacing = NULL;

    if (!limits) {
        return;
    }
    refusing = those_with(limits, "pace", false);
    pacing = those_with(limits, "pace", true);
    append_list(out, limit_metrics, G_N_ELEMENTS(limit_metrics), limits,
                "limit", "limit");
    append_list(out, refusing_metrics, G_N_ELEMENTS(refusing_metrics),
                refusing, "limit", "limit");
    append_list(out, pacing_metrics, G_N_ELEMENTS(pacing_metrics), pacing,
                "limit", "limit");
}

static void append_status(GString *out, JsonObject *status)
{
    double value;

    for (unsigned i = 0; i < G_N_ELEMENTS(status_metrics); i++) {
        if (value_of(status, status_metrics[i].field, &value)) {
            append_head(out, &status_metrics[i]);
            append_one(out, &status_metrics[i], status, NULL, NULL);
        }
    }
    append_verdict(out, status);
    append_build(out, status);
    append_limits(out, cell_array(status, "limits"));
    append_list(out, arbiter_metrics, G_N_ELEMENTS(arbiter_metrics),
                cell_array(status, "arbiters"), "arbiter", "address");
    for (unsigned i = 0; *text_of(status, "host") &&
                         i < G_N_ELEMENTS(own_metrics); i++) {
        append_head(out, &own_metrics[i]);
        append_one(out, &own_metrics[i], status, "host",
                   text_of(status, "host"));
    }
}

/* ------------------------------------------------------------------ hosts */

/* Whether a host is asked for nothing, because of what it says or does.  What
 * single hosts find wrong with it, "trouble", keeps only these from it. */
static void append_unusable(GString *out, JsonArray *hosts)
{
    static const char name[] = "rcache_host_unusable";

    prom_head(out, name, "gauge", "Whether the host is asked for nothing, "
              "because of what it says or what most others find wrong with "
              "it.");
    for (guint i = 0; i < json_array_get_length(hosts); i++) {
        JsonNode *node = json_array_get_element(hosts, i);
        JsonObject *o = JSON_NODE_HOLDS_OBJECT(node)
                            ? json_node_get_object(node) : NULL;

        if (o && json_object_has_member(o, "shunned") &&
            strcmp(text_of(o, "state"), "dead") != 0) {
            g_string_append_printf(out, "%s{", name);
            prom_label(out, "host", text_of(o, "name"));
            g_string_append_c(out, '}');
            prom_value(out, cell_is_true(o, "shunned") ||
                            *text_of(o, "implausible"));
        }
    }
}

/* @vms: NULL: they were not listed */
static void append_left_out(GString *out, JsonObject *status, JsonArray *vms)
{
    append_head(out, left_out);
    if (vms) {
        g_string_append(out, left_out->name);
        prom_value(out, 0);
    } else {
        append_one(out, left_out, status, NULL, NULL);
    }
}

char *metrics_text(JsonNode *answers)
{
    GString *out = g_string_new(NULL);
    JsonObject *o = json_node_get_object(answers);
    JsonObject *status = cell_object(o, "status");
    JsonArray *hosts = cell_array(o, "hosts");
    JsonArray *vms = cell_array(o, "vms");

    if (status) {
        append_status(out, status);
    }
    if (status && json_object_has_member(o, "vms")) {
        append_left_out(out, status, vms);
    }
    if (!status || strcmp(text_of(status, "daemon"), "rcached") != 0) {
        append_list(out, heard_metrics, G_N_ELEMENTS(heard_metrics), hosts,
                    "host", "name");
    }
    append_list(out, host_metrics, G_N_ELEMENTS(host_metrics), hosts, "host",
                "name");
    if (hosts) {
        append_unusable(out, hosts);
    }
    if (vms) {
        append_vms(out, vms);
    }
    return g_string_free(out, FALSE);
}
