/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics-vms: see metrics-vms.h. */
#include "arbiter/rcachectl/metrics-vms.h"

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/prom-text.h"

static const char *text_of(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_is_text(node) ? json_node_get_string(node) : NULL;
}

static JsonObject *object_at(JsonArray *list, guint i)
{
    JsonNode *node = json_array_get_element(list, i);

    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static void append_label(GString *out, const char *name, JsonObject *o,
                         const char *field)
{
    const char *text = text_of(o, field);

    prom_label(out, name, text ? text : "");
}

static char *labels_of(JsonObject *o)
{
    GString *out = g_string_new("{");

    append_label(out, "vm", o, "name");
    g_string_append_c(out, ',');
    append_label(out, "uuid", o, "uuid");
    g_string_append_c(out, ',');
    append_label(out, "host", o, "host");
    return g_string_free(out, FALSE);
}

static bool is_gone(JsonObject *o)
{
    const char *state = text_of(o, "state");

    return !g_strcmp0(state, "host dead") || !g_strcmp0(state, "ended");
}

/* As wire_beat_is_known() has it: rcached was just started, say. */
static bool is_silent(JsonObject *o)
{
    JsonNode *guest = json_object_get_member(o, "guest_bytes");

    return cell_is_number(guest) && json_node_get_double(guest) <= 0;
}

static void vm_clear(void *opaque)
{
    MetricsVm *vm = opaque;

    g_free(vm->labels);
}

GArray *metrics_vms_list(JsonArray *vms)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(MetricsVm));
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    g_array_set_clear_func(list, vm_clear);
    for (guint i = 0; i < json_array_get_length(vms); i++) {
        MetricsVm vm = { .o = object_at(vms, i) };

        if (!vm.o || text_of(vm.o, "elsewhere")) {
            continue;
        }
        vm.labels = labels_of(vm.o);
        vm.gone = is_gone(vm.o);
        vm.silent = is_silent(vm.o);
        vm.unmanaged = !g_strcmp0(text_of(vm.o, "state"), "unmanaged");
        if (g_hash_table_contains(seen, vm.labels)) {
            g_free(vm.labels);
        } else {
            g_hash_table_add(seen, vm.labels);
            g_array_append_val(list, vm);
        }
    }
    return list;
}

/* ------------------------------------------------------ states, providers */

/* A line for the state that it is in, and none for the others. */
static void append_state(GString *out, const char *name, const MetricsVm *vm)
{
    if (text_of(vm->o, "state")) {
        g_string_append_printf(out, "%s%s,", name, vm->labels);
        append_label(out, "state", vm->o, "state");
        g_string_append_c(out, '}');
        prom_value(out, 1);
    }
}

typedef struct ProviderMetric {
    const char *name, *field, *help;    /* @field: a number; or, ... */
    const char *label;          /* ... with a label of the text, a text */
} ProviderMetric;

static const ProviderMetric provider_metrics[] = {
    { "rcache_vm_provider_stored_bytes", "stored_bytes",
      "Memory of the VM that the provider stores." },
    { "rcache_vm_provider_lost_bytes", "lost_bytes",
      "Memory of the VM that the provider has lost." },
    { "rcache_vm_provider_trouble", "trouble",
      "1 while the VM finds this wrong with the provider.", "trouble" },
};

static void append_provider(GString *out, const ProviderMetric *m,
                            const MetricsVm *vm, JsonObject *provider)
{
    JsonNode *node = json_object_get_member(provider, m->field);

    if (m->label ? !cell_is_text(node) : !cell_is_number(node)) {
        return;
    }
    g_string_append_printf(out, "%s%s,", m->name, vm->labels);
    append_label(out, "provider", provider, "host");
    if (m->label) {
        g_string_append_c(out, ',');
        append_label(out, m->label, provider, m->field);
    }
    g_string_append_c(out, '}');
    prom_value(out, m->label ? 1 : json_node_get_double(node));
}

/* Each once, as with VMs. */
static void append_providers(GString *out, const ProviderMetric *m,
                             const MetricsVm *vm)
{
    JsonArray *list = vm->gone ? NULL : cell_array(vm->o, "providers");
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonObject *provider = object_at(list, i);
        const char *host = provider ? text_of(provider, "host") : NULL;

        if (host && g_hash_table_add(seen, (char *)host)) {
            append_provider(out, m, vm, provider);
        }
    }
}

/* ------------------------------------------------------------- histograms */

typedef struct DelayMetric {
    const char *name, *help;
    bool whole;                 /* else: each phase */
} DelayMetric;

static const DelayMetric delay_metrics[] = {
    { "rcache_vm_fault_seconds",
      "How long faults on pages that were away took, until the guest was "
      "woken.", true },
    { "rcache_vm_fault_phase_seconds",
      "How long such faults were in each phase; the phases add up to the "
      "whole." },
};

static double number_at(JsonArray *list, guint i)
{
    JsonNode *node = list && i < json_array_get_length(list)
                         ? json_array_get_element(list, i) : NULL;

    return cell_is_number(node) ? json_node_get_double(node) : 0;
}

/* One line; @le: NULL: it is no bucket. */
static void append_part(GString *out, const DelayMetric *m, const char *part,
                        const MetricsVm *vm, JsonObject *delay,
                        const char *le, double value)
{
    g_string_append_printf(out, "%s_%s%s", m->name, part, vm->labels);
    if (json_object_has_member(delay, "phase")) {
        g_string_append_c(out, ',');
        append_label(out, "phase", delay, "phase");
    }
    if (le) {
        g_string_append_printf(out, ",le=\"%s\"", le);
    }
    g_string_append_c(out, '}');
    prom_value(out, value);
}

/* @edges: of all buckets but the last; in the text each has what is below. */
static void append_histogram(GString *out, const DelayMetric *m,
                             const MetricsVm *vm, JsonArray *edges,
                             JsonObject *delay)
{
    JsonArray *counts = delay ? cell_array(delay, "counts") : NULL;
    JsonNode *total = delay ? json_object_get_member(delay, "total_seconds")
                            : NULL;
    guint n = edges ? json_array_get_length(edges) : 0;
    double so_far = 0;

    if (!counts || json_array_get_length(counts) != n + 1 ||
        !cell_is_number(total)) {
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
    append_part(out, m, "sum", vm, delay, NULL, json_node_get_double(total));
    append_part(out, m, "count", vm, delay, NULL, so_far);
}

static void append_delays(GString *out, const DelayMetric *m,
                          const MetricsVm *vm)
{
    JsonObject *delays = vm->gone ? NULL : cell_object(vm->o, "delays");
    JsonArray *edges, *phases;

    if (!delays) {
        return;
    }
    edges = cell_array(delays, "le_seconds");
    phases = cell_array(delays, "phases");
    if (m->whole) {
        append_histogram(out, m, vm, edges, cell_object(delays, "whole"));
        return;
    }
    for (guint i = 0; phases && i < json_array_get_length(phases); i++) {
        JsonObject *phase = object_at(phases, i);

        if (phase) {
            append_histogram(out, m, vm, edges, phase);
        }
    }
}

/* -------------------------------------------------------------------- all */

/* Without a VM the data of an array is NULL, to which nothing may be added. */
#define FOR_VMS(vm, vms)                                                    \
    for (const MetricsVm *vm = (const void *)(vms)->data,                   \
                         *vms_end = vm ? vm + (vms)->len : NULL;            \
         vm != vms_end; vm++)

void metrics_vms(GString *out, const GArray *vms)
{
    static const char state[] = "rcache_vm_state";

    prom_head(out, state, "gauge", "1 for the state that the VM is in.");
    FOR_VMS(vm, vms) {
        append_state(out, state, vm);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(provider_metrics); i++) {
        const ProviderMetric *m = &provider_metrics[i];

        prom_head(out, m->name, "gauge", m->help);
        FOR_VMS(vm, vms) {
            append_providers(out, m, vm);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(delay_metrics); i++) {
        const DelayMetric *m = &delay_metrics[i];

        prom_head(out, m->name, "histogram", m->help);
        FOR_VMS(vm, vms) {
            append_delays(out, m, vm);
        }
    }
}
