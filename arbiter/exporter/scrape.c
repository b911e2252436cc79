/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scrape: see scrape.h. */
#include "arbiter/exporter/scrape.h"

#include "arbiter/rcachectl/metrics.h"
#include "arbiter/rcachectl/prom-text.h"

static void append_own(GString *out, const Answers *answers)
{
    const struct {
        const char *name, *help;
        double value;
    } own[] = {
        { "rcache_up", "Whether the daemon has answered.",
          answers->all != NULL },
        { "rcache_exporter_scrape_duration_seconds",
          "How long the daemon took to answer.", answers->took / 1e6 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(own); i++) {
        prom_head(out, own[i].name, "gauge", own[i].help);
        g_string_append_printf(out, "%s{", own[i].name);
        prom_label(out, "daemon", answers->daemon);
        g_string_append_c(out, '}');
        prom_value(out, own[i].value);
    }
    prom_head(out, "rcache_exporter_build_info", "gauge",
              "1; the version of rcache-exporter.");
    g_string_append(out, "rcache_exporter_build_info{");
    prom_label(out, "version", RCACHED_VERSION);
    g_string_append_c(out, '}');
    prom_value(out, 1);
}

char *scrape_text(const Answers *answers)
{
    GString *out = g_string_new(NULL);

    append_own(out, answers);
    if (answers->all) {
        g_autofree char *text = metrics_text(answers->all);

        g_string_append(out, text);
    }
    return g_string_free(out, FALSE);
}
