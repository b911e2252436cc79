/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-answers: what a daemon answers rcachectl, as tables and figures.
 *
 * The input is one line: an answer to any command, of any release, or no
 * answer at all.  Whatever it is there is a text, in UTF-8.
 */
#include <string.h>

#include "arbiter/rcachectl/check-daemons.h"
#include "arbiter/rcachectl/explain.h"
#include "arbiter/rcachectl/metrics.h"
#include "arbiter/rcachectl/print.h"
#include "arbiter/rcachectl/top-layout.h"
#include "arbiter/rcachectl/top-model.h"
#include "common/admin-call.h"
#include "fuzz.h"

static void check_text(char *text)
{
    g_assert(text && g_utf8_validate(text, -1, NULL));
    g_free(text);
}

/* The text of an object's member, or of all of it. */
static JsonNode *part(JsonNode *answer, const char *name)
{
    JsonObject *o = json_node_get_object(answer);

    return json_object_has_member(o, name) ? json_object_get_member(o, name)
                                           : answer;
}

static void check_print(JsonNode *answer)
{
    static char *(*const prints[])(JsonNode *) = {
        print_status, print_whatif, print_ok_to_stop, print_hosts,
        print_leases, print_vms, print_evict, print_drain, metrics_text,
        explain_print,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(prints); i++) {
        check_text(prints[i](answer));
    }
    g_free(print_why(answer));
}

static void check_explain(JsonNode *answer)
{
    g_autoptr(GError) error = NULL;
    JsonNode *host = explain_find(answer, "a", &error);

    g_assert(!host == !!error);
    if (host) {
        check_text(explain_print(host));
    }
}

static void check_top(JsonNode *answer)
{
    TopView view = { .socket = "socket", .clock = "12:00" };
    TopModel model;

    top_model_init(&model);
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GArray) lines = NULL;
        g_autoptr(JsonNode) json = NULL;

        top_model_update(&model, json_node_copy(part(answer, "status")),
                         json_node_copy(part(answer, "hosts")),
                         json_node_copy(part(answer, "vms")), i * 1000000);
        lines = top_layout(&model, &view, 80, 24);
        json = top_model_json(&model);
        g_assert(lines->len <= 24 && json);
        view = (TopView) { .socket = "s", .clock = "", .focus = TOP_VMS,
                           .first = { 9, 9 }, .sort = { 1, 2 } };
    }
    top_model_deinit(&model);
}

/* What "check" takes of both daemons' answers. */
static void check_daemons(JsonNode *answer)
{
    g_auto(CheckFacts) facts = { 0 };
    JsonNode *status = part(answer, "status"), *hosts = part(answer, "hosts");

    check_facts_init(&facts);
    if (JSON_NODE_HOLDS_OBJECT(status)) {
        JsonObject *o = json_node_get_object(status);

        check_daemons_take_rcached(o, &facts.daemon);
        check_daemons_take_arbiter(o, JSON_NODE_HOLDS_ARRAY(hosts)
                                   ? json_node_get_array(hosts) : NULL,
                                   &facts.arbiter);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(JsonNode) answer = admin_line_parse((const char *)data, size,
                                                  NULL);

    if (answer) {
        check_print(answer);
        check_explain(answer);
        check_top(answer);
        check_daemons(answer);
    }
    return 0;
}
