/* SPDX-License-Identifier: GPL-2.0-or-later */
/* figures: see figures.h. */
#include "arbiter/rcachectl/figures.h"

#include "common/admin-call.h"
#include "common/admin-client.h"
#include "common/admin.h"

bool figures_ask(Figures *figures, const char *path, GError **errp)
{
    static const char *const commands[] = { "status", "hosts", "vms" };
    JsonNode **const answers[] = {
        &figures->status, &figures->hosts, &figures->vms
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(GError) error = NULL;

        *answers[i] = admin_execute(path, commands[i], NULL,
                                    FIGURES_ANSWER_MS, &error);
        if (!*answers[i] && answers[i] == &figures->vms &&
            g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_REFUSED)) {
            /* Too many for a list: the hosts alone. */
            *answers[i] = json_node_new(JSON_NODE_NULL);
        }
        if (!*answers[i]) {
            g_propagate_error(errp, g_steal_pointer(&error));
            while (i--) {
                g_clear_pointer(answers[i], json_node_unref);
            }
            return false;
        }
    }
    return true;
}

JsonNode *figures_json(Figures *figures)
{
    JsonObject *o = json_object_new();

    json_object_set_member(o, "status", g_steal_pointer(&figures->status));
    json_object_set_member(o, "hosts", g_steal_pointer(&figures->hosts));
    json_object_set_member(o, "vms", g_steal_pointer(&figures->vms));
    return admin_node_new(o);
}
