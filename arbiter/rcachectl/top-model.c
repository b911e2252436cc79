/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top-model: see top-model.h. */
#include "arbiter/rcachectl/top-model.h"

#include "arbiter/rcachectl/cell.h"

typedef struct Counts {
    int64_t at;
    double faults, evicted;
} Counts;

void top_model_init(TopModel *model)
{
    *model = (TopModel) {
        .counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                        g_free),
    };
}

static void forget(JsonNode **node)
{
    g_clear_pointer(node, json_node_unref);
}

void top_model_deinit(TopModel *model)
{
    forget(&model->status);
    forget(&model->hosts);
    forget(&model->vms);
    g_hash_table_unref(model->counts);
    g_free(model->error);
}

static double number(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);

    return cell_is_number(node) ? json_node_get_double(node) : 0;
}

static void set_rate(JsonObject *o, const char *name, double more, double s)
{
    /* A count that has fallen was begun anew. */
    if (more >= 0) {
        json_object_set_double_member(o, name, more / s);
    }
}

static void add_rates(TopModel *model, JsonObject *vm, GHashTable *next,
                      int64_t now)
{
    JsonNode *uuid = json_object_get_member(vm, "uuid");
    const Counts *last;
    Counts *counts;

    if (!cell_is_text(uuid)) {
        return;
    }
    if (!cell_is_number(json_object_get_member(vm, "faults"))) {
        return;                 /* its rcached was just started */
    }
    last = g_hash_table_lookup(model->counts, json_node_get_string(uuid));
    counts = g_new(Counts, 1);
    *counts = (Counts) { now, number(vm, "faults"),
                         number(vm, "evicted_pages") };
    if (last && now > last->at) {
        double seconds = (now - last->at) / 1e6;

        set_rate(vm, "faults_rate", counts->faults - last->faults, seconds);
        set_rate(vm, "evicted_rate", counts->evicted - last->evicted,
                 seconds);
    }
    g_hash_table_replace(next, g_strdup(json_node_get_string(uuid)), counts);
}

void top_model_update(TopModel *model, JsonNode *status, JsonNode *hosts,
                      JsonNode *vms, int64_t now)
{
    GHashTable *next = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             g_free);
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(vms) ? json_node_get_array(vms)
                                                 : NULL;

    forget(&model->status);
    forget(&model->hosts);
    forget(&model->vms);
    g_clear_pointer(&model->error, g_free);
    model->status = status;
    model->hosts = hosts;
    model->vms = vms;
    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *vm = json_array_get_element(list, i);

        if (JSON_NODE_HOLDS_OBJECT(vm)) {
            add_rates(model, json_node_get_object(vm), next, now);
        }
    }
    g_hash_table_unref(model->counts);
    model->counts = next;
}

void top_model_fail(TopModel *model, const char *why)
{
    g_free(model->error);
    model->error = g_strdup(why);
}

JsonNode *top_model_json(const TopModel *model)
{
    JsonObject *o = json_object_new();
    JsonNode *root = json_node_new(JSON_NODE_OBJECT);

    json_object_set_member(o, "status", json_node_copy(model->status));
    json_object_set_member(o, "hosts", json_node_copy(model->hosts));
    json_object_set_member(o, "vms", json_node_copy(model->vms));
    json_node_take_object(root, o);
    return root;
}
