/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top-look: see top-look.h. */
#include "arbiter/rcachectl/top-look.h"

#include "arbiter/rcachectl/rcachectl.h"
#include "common/admin-call.h"
#include "common/admin-client.h"
#include "common/admin.h"

#define ANSWER_MS       3000u

bool top_look(TopModel *model, const char *path, GError **errp)
{
    static const char *const commands[] = { "status", "hosts", "vms" };
    JsonNode *answers[G_N_ELEMENTS(commands)] = { NULL };

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(GError) error = NULL;

        answers[i] = admin_execute(path, commands[i], NULL, ANSWER_MS,
                                   &error);
        if (!answers[i] && i == 2 &&
            g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_REFUSED)) {
            /* Too many for a list: the hosts alone. */
            answers[i] = admin_node_new_array(json_array_new());
        }
        if (!answers[i]) {
            g_propagate_error(errp, g_steal_pointer(&error));
            while (i--) {
                json_node_unref(answers[i]);
            }
            return false;
        }
    }
    top_model_update(model, answers[0], answers[1], answers[2],
                     g_get_monotonic_time());
    return true;
}

int top_once(const char *path, char *(*print)(JsonNode *answers))
{
    g_autoptr(GError) error = NULL;
    TopModel model;
    int status;

    top_model_init(&model);
    if (top_look(&model, path, &error)) {
        g_autoptr(JsonNode) all = top_model_json(&model);
        g_autofree char *text = print ? print(all) : NULL;

        status = rcachectl_put(all, text);
    } else {
        status = rcachectl_fail(error);
    }
    top_model_deinit(&model);
    return status;
}
