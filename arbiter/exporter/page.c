/* SPDX-License-Identifier: GPL-2.0-or-later */
/* page: see page.h. */
#include "arbiter/exporter/page.h"

#include <math.h>

#include "arbiter/exporter/lending.h"
#include "arbiter/exporter/page-rows.h"
#include "arbiter/exporter/page-value.h"
#include "arbiter/exporter/svg-history.h"
#include "arbiter/exporter/svg-lending.h"
#include "arbiter/rcachectl/cell.h"

#define SENTENCES_MAX   20u     /* problems, and notes */

void page_init(Page *page)
{
    *page = (Page) { .body = NULL };
    rates_init(&page->rates);
}

void page_deinit(Page *page)
{
    rates_deinit(&page->rates);
    g_clear_pointer(&page->body, json_object_unref);
}

static JsonArray *array_of(JsonNode *node)
{
    return JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static void set_clean(JsonObject *o, const char *name, const char *text)
{
    g_autofree char *clean = page_clean(text, PAGE_WORDS_MAX);

    json_object_set_string_member(o, name, clean);
}

/* @svg: taken; NULL: there is no such picture */
static void set_svg(JsonObject *o, char *svg)
{
    if (svg) {
        json_object_set_string_member(o, "svg", svg);
    } else {
        json_object_set_null_member(o, "svg");
    }
    g_free(svg);
}

/* ----------------------------------------------------------------- status */

static void set_sentences(JsonObject *o, JsonObject *status,
                          const char *name)
{
    JsonArray *from = cell_array(status, name), *list = json_array_new();
    guint n = from ? json_array_get_length(from) : 0;

    for (guint i = 0; i < MIN(n, SENTENCES_MAX); i++) {
        g_autofree char *text = cell_value(json_array_get_element(from, i),
                                           CELL_TEXT);
        g_autofree char *clean = page_clean(text, PAGE_WORDS_MAX);

        json_array_add_string_element(list, clean);
    }
    if (n > SENTENCES_MAX) {
        g_autofree char *more = g_strdup_printf("and %u more",
                                                n - SENTENCES_MAX);

        json_array_add_string_element(list, more);
    }
    json_object_set_array_member(o, name, list);
}

/* The figures of status that the page shows, as they are. */
static JsonObject *totals_of(JsonObject *status, const PageSums *sums)
{
    static const char *const names[] = {
        "vms", "guest_bytes", "resident_bytes", "remote_bytes", "zero_bytes",
        "offered_bytes", "leased_bytes", "free_bytes", "stored_bytes"
    };
    JsonObject *o = json_object_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        page_set(o, names[i], page_figure(status, names[i]));
    }
    page_set(o, "faults_vms", sums->faults_vms);
    page_set(o, "faults_per_second", sums->faults);
    page_set(o, "stalled_percent", sums->stalled);
    return o;
}

static void set_status(JsonObject *o, JsonObject *status)
{
    set_clean(o, "level", page_text_of(status, "level"));
    set_clean(o, "verdict", page_text_of(status, "verdict"));
    set_clean(o, "summary", page_text_of(status, "summary"));
    set_clean(o, "version", page_text_of(status, "version"));
    set_sentences(o, status, "problems");
    set_sentences(o, status, "notes");
}

/* ---------------------------------------------------------------- answers */

static void remember(Page *page, JsonObject *status, const PageSums *sums,
                     int64_t now)
{
    const double value[HISTORY_KINDS] = {
        [HISTORY_REMOTE] = page_figure(status, "remote_bytes"),
        [HISTORY_LENT] = page_figure(status, "leased_bytes"),
        [HISTORY_FREE] = page_figure(status, "free_bytes"),
        [HISTORY_FAULTS] = sums->faults,
        [HISTORY_STALLED] = sums->stalled,
    };

    history_add(&page->history, now, value);
}

static void set_rows(JsonObject *o, const char *name, JsonArray *rows,
                     guint omitted)
{
    g_autofree char *more = g_strconcat(name, "_omitted", NULL);

    json_object_set_array_member(o, name, rows);
    json_object_set_int_member(o, more, omitted);
}

/* @vms: NULL: they are more than the daemon lists */
static void set_vms(Page *page, JsonObject *o, JsonArray *hosts,
                    JsonArray *vms, PageSums *sums, int64_t now)
{
    g_autoptr(GArray) lending = lending_list(hosts, vms);
    JsonArray *rows;
    guint omitted;

    rows = page_vms(vms, &page->rates, now, sums, &omitted);
    json_object_set_boolean_member(o, "vms_listed", vms != NULL);
    set_rows(o, "vms", rows, omitted);
    rows = page_lending(lending, &omitted);
    set_rows(o, "lending", rows, omitted);
    set_svg(o, svg_lending(lending));
}

void page_answered(Page *page, JsonNode *status, JsonNode *hosts,
                   JsonNode *vms, int64_t now)
{
    g_autoptr(JsonObject) none = json_object_new();
    JsonObject *said = JSON_NODE_HOLDS_OBJECT(status)
                           ? json_node_get_object(status) : none;
    JsonObject *o = json_object_new();
    JsonArray *rows;
    PageSums sums;
    guint omitted;

    set_status(o, said);
    rows = page_hosts(array_of(hosts), &omitted);
    set_rows(o, "hosts", rows, omitted);
    set_vms(page, o, array_of(hosts), array_of(vms), &sums, now);
    json_object_set_object_member(o, "totals", totals_of(said, &sums));
    remember(page, said, &sums, now);
    g_clear_pointer(&page->body, json_object_unref);
    page->body = o;
    page->answered = now;
}

/* ------------------------------------------------------------------- text */

static char *format_rate(double value)
{
    return g_strdup_printf(value < 10 ? "%.1f/s" : "%.0f/s", value);
}

/* Of percents; a hundredth of a second is ten milliseconds. */
static char *format_stall(double value)
{
    return g_strdup_printf(value < 1 ? "%.1f ms/s" : "%.0f ms/s", value * 10);
}

static JsonArray *charts_of(const Page *page, int64_t now)
{
    static const struct {
        HistoryKind kind;
        const char *figure;     /* of the totals, which has the newest value */
        const char *title;
        char *(*format)(double value);
    } charts[] = {
        { HISTORY_REMOTE, "remote_bytes",
          "VMs' memory on other hosts", page_bytes },
        { HISTORY_LENT, "leased_bytes",
          "Lent by hosts", page_bytes },
        { HISTORY_FREE, "free_bytes",
          "Free to lend", page_bytes },
        { HISTORY_FAULTS, "faults_per_second",
          "Pages waited for", format_rate },
        { HISTORY_STALLED, "stalled_percent",
          "Stall per vCPU second", format_stall },
    };
    JsonArray *list = json_array_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(charts); i++) {
        JsonObject *o = json_object_new();

        json_object_set_string_member(o, "title", charts[i].title);
        json_object_set_string_member(o, "figure", charts[i].figure);
        set_svg(o, svg_history(&page->history, charts[i].kind, now,
                               charts[i].title, charts[i].format));
        json_array_add_object_element(list, o);
    }
    return list;
}

char *page_text(const Page *page, const char *daemon, const char *error,
                int64_t now)
{
    JsonObject *o = json_object_new();
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(root, o);
    json_object_set_string_member(o, "daemon", daemon);
    json_object_set_string_member(o, "exporter_version", RCACHED_VERSION);
    json_object_set_int_member(o, "poll_seconds", PAGE_POLL_S);
    if (error) {
        set_clean(o, "error", error);
    } else {
        json_object_set_null_member(o, "error");
    }
    if (page->body) {
        page_set(o, "age_seconds", (now - page->answered) / 1e6);
        json_object_set_object_member(o, "answer",
                                      json_object_ref(page->body));
    } else {
        json_object_set_null_member(o, "age_seconds");
        json_object_set_null_member(o, "answer");
    }
    json_object_set_array_member(o, "charts", charts_of(page, now));
    return json_to_string(root, FALSE);
}
