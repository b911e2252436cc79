/* SPDX-License-Identifier: GPL-2.0-or-later */
/* site: see site.h. */
#include "arbiter/exporter/site.h"

#include "arbiter/exporter/scrape.h"
#include "web-resource.h"

#define HTML            "text/html; charset=utf-8"

static unsigned refresh(void *opaque)
{
    return answers_refresh(opaque);
}

static char *make_metrics(void *opaque)
{
    return scrape_text(opaque);
}

static char *make_page(void *opaque)
{
    return answers_page(opaque);
}

/* The first one is there without a page, too. */
static const HttpMade made[] = {
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", make_metrics },
    { "/api/page", "application/json", make_page },
};

/* Without a page. */
static const char plain[] =
    "<!DOCTYPE html>\n<title>rcache-exporter</title>\n"
    "<p>Figures of rcached or its arbiter, for Prometheus: "
    "<a href=\"/metrics\">/metrics</a></p>\n";

static const HttpFile plain_files[] = {
    { "/", HTML, plain, sizeof(plain) - 1 },
};

/* With one: a path and what the resource calls it. */
static const struct {
    const char *path, *name, *type;
} web_files[SITE_FILES] = {
    { "/", "index.html", HTML },
    { "/icon.svg", "icon.svg", "image/svg+xml" },
    { "/page.css", "page.css", "text/css; charset=utf-8" },
    { "/page.js", "page.js", "text/javascript; charset=utf-8" },
};

static void add_file(Site *site, unsigned nr)
{
    g_autofree char *name = g_strconcat("/rcached/web/", web_files[nr].name,
                                        NULL);
    HttpFile *file = &site->files[nr];

    /* It is part of the program: it is there. */
    site->bytes[nr] = g_resource_lookup_data(web_get_resource(), name,
                                             G_RESOURCE_LOOKUP_FLAGS_NONE,
                                             NULL);
    file->path = web_files[nr].path;
    file->type = web_files[nr].type;
    file->data = g_bytes_get_data(site->bytes[nr], &file->size);
}

void site_init(Site *site, Answers *answers)
{
    *site = (Site) {
        .http = {
            .made = made, .nr_made = answers->paged ? G_N_ELEMENTS(made) : 1,
            .files = plain_files, .nr_files = G_N_ELEMENTS(plain_files),
            .refresh = refresh, .opaque = answers,
        },
    };
    if (!answers->paged) {
        return;
    }
    for (unsigned i = 0; i < SITE_FILES; i++) {
        add_file(site, i);
    }
    site->http.files = site->files;
    site->http.nr_files = SITE_FILES;
}

void site_deinit(Site *site)
{
    for (unsigned i = 0; i < SITE_FILES; i++) {
        g_clear_pointer(&site->bytes[i], g_bytes_unref);
    }
}
