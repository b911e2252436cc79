/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top-look: see top-look.h. */
#include "arbiter/rcachectl/top-look.h"

#include "arbiter/rcachectl/figures.h"
#include "arbiter/rcachectl/rcachectl.h"

bool top_look(TopModel *model, const char *path, GError **errp)
{
    Figures figures;

    if (!figures_ask(&figures, path, errp)) {
        return false;
    }
    top_model_update(model, figures.status, figures.hosts, figures.vms,
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
