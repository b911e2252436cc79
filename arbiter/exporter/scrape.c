/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scrape: see scrape.h. */
#include "arbiter/exporter/scrape.h"

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/figures.h"
#include "arbiter/rcachectl/metrics.h"
#include "arbiter/rcachectl/prom-text.h"
#include "common/admin.h"
#include "common/log-event.h"

/* What it says may be another program's: nothing that a terminal acts upon. */
static void scrape_failed(Scrape *scrape, const GError *error)
{
    g_autofree char *why = cell_text(error->message);

    if (!g_strcmp0(scrape->said, why)) {
        return;
    }
    log_event_daemon(
        G_LOG_LEVEL_WARNING, LOG_NO_FIGURES, scrape->daemon,
        "%s gives no figures: %s%s", scrape->daemon, why,
        g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_REFUSED)
            ? "; name a group of this program's user as [admin] read-group of "
              "that daemon" : "");
    g_free(scrape->said);
    scrape->said = g_steal_pointer(&why);
}

static void scrape_answered(Scrape *scrape)
{
    if (scrape->said) {
        g_message("%s gives figures again", scrape->daemon);
        g_clear_pointer(&scrape->said, g_free);
    }
}

static void append_own(GString *out, const Scrape *scrape, bool up,
                       int64_t took)
{
    const struct {
        const char *name, *help;
        double value;
    } own[] = {
        { "rcache_up", "Whether the daemon has answered.", up },
        { "rcache_exporter_scrape_duration_seconds",
          "How long the daemon took to answer.", took / 1e6 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(own); i++) {
        prom_head(out, own[i].name, "gauge", own[i].help);
        g_string_append_printf(out, "%s{", own[i].name);
        prom_label(out, "daemon", scrape->daemon);
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

char *scrape_text(void *opaque, int64_t *took)
{
    Scrape *scrape = opaque;
    int64_t began = g_get_monotonic_time();
    GString *out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Figures figures;
    bool up = figures_ask(&figures, scrape->socket, &error);

    *took = g_get_monotonic_time() - began;
    append_own(out, scrape, up, *took);
    if (up) {
        g_autoptr(JsonNode) all = figures_json(&figures);
        g_autofree char *text = metrics_text(all);

        scrape_answered(scrape);
        g_string_append(out, text);
    } else {
        scrape_failed(scrape, error);
    }
    return g_string_free(out, FALSE);
}

void scrape_deinit(Scrape *scrape)
{
    g_clear_pointer(&scrape->said, g_free);
}
