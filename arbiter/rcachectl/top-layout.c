/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top-layout: see top-layout.h. */
#include "arbiter/rcachectl/top-layout.h"

#include <string.h>

#include "arbiter/rcachectl/cell.h"

#define NAME_MIN        12u     /* before a name is cut, columns go */
#define PROBLEMS_MAX    3u
#define ROWS_MIN        3u      /* a table's, as far as it has them */

/* A column of a table; the first one is the name and takes what is left. */
typedef struct TopColumn {
    const char *title;
    const char *field;
    CellKind kind;
    unsigned width;
    unsigned rank;              /* the highest goes first; 0: never */
    const char *phase;          /* its time for each page, in place of field */
} TopColumn;

static const TopColumn host_columns[] = {
    { "HOST", "name", CELL_TEXT, 0, 0 },
    { "STATE", NULL, CELL_TEXT, 8, 1 },
    { "TOTAL", "mem_total_bytes", CELL_BYTES, 6, 6 },
    { "AVAIL", "mem_available_bytes", CELL_BYTES, 6, 5 },
    { "OFFER", "offered_bytes", CELL_BYTES, 6, 4 },
    { "LEASED", "leased_bytes", CELL_BYTES, 6, 2 },
    { "STORED", "stored_bytes", CELL_BYTES, 6, 3 },
    { "FREE", "free_bytes", CELL_BYTES, 6, 1 },
    { "PSI", "psi_some_percent", CELL_PERCENT, 6, 3 },
    { "VMS", "vms", CELL_COUNT, 4, 7 },
    { "AGE", "age_seconds", CELL_SECONDS, 6, 8 },
    { "LABEL", "label", CELL_TEXT, 12, 9 },
};

static const TopColumn vm_columns[] = {
    { "VM", "name", CELL_TEXT, 0, 0 },
    { "HOST", "host", CELL_TEXT, 10, 4 },
    { "STATE", "state", CELL_TEXT, 8, 1 },
    { "GUEST", "guest_bytes", CELL_BYTES, 6, 5 },
    { "HERE", "resident_bytes", CELL_BYTES, 6, 2 },
    { "MAX", "local_max_bytes", CELL_BYTES, 6, 6 },
    { "REMOTE", "remote_bytes", CELL_BYTES, 6, 1 },
    { "ONECOPY", "one_copy_bytes", CELL_BYTES, 7, 6 },
    { "FAULT/S", "faults_rate", CELL_COUNT, 7, 2 },
    { "EVICT/S", "evicted_rate", CELL_COUNT, 7, 7 },
    { "P50", "fault_p50_seconds", CELL_SECONDS, 6, 8 },
    { "P99", "fault_p99_seconds", CELL_SECONDS, 6, 3 },
    { "STALL", "stall_seconds", CELL_SECONDS, 6, 2 },
    { "STALLED", "stalled_percent", CELL_PERCENT, 7, 3 },
    { "SLOWEST", "slowest_phase", CELL_TEXT, 8, 5 },
    { "HOLD", "hold", CELL_TEXT, 11, 9 },
    { "RESTARTS", "pager_restarts", CELL_COUNT, 8, 9 },
    { "PROVIDERS", "providers", CELL_PROVIDERS, 30, 10 },
};

/* What a page that was away took of late, on the average, phase by phase. */
static const TopColumn phase_columns[] = {
    { "VM", "name", CELL_TEXT, 0, 0 },
    { "HOST", "host", CELL_TEXT, 10, 5 },
    { "FAULT/S", "faults_rate", CELL_COUNT, 7, 4 },
    { "STALLED", "stalled_percent", CELL_PERCENT, 7, 3 },
    { "WHOLE", NULL, CELL_SECONDS, 6, 2, "whole" },
    { "READ", NULL, CELL_SECONDS, 6, 1, "read" },
    { "QUEUE", NULL, CELL_SECONDS, 6, 1, "queue" },
    { "SEND", NULL, CELL_SECONDS, 6, 1, "send" },
    { "NETWRK", NULL, CELL_SECONDS, 6, 1, "network" },
    { "PROVDR", NULL, CELL_SECONDS, 6, 1, "provider" },
    { "RECEIV", NULL, CELL_SECONDS, 6, 1, "receive" },
    { "CHECK", NULL, CELL_SECONDS, 6, 1, "check" },
    { "INSTAL", NULL, CELL_SECONDS, 6, 1, "install" },
};

/* A table's columns, as the user has chosen. */
typedef struct TopColumns {
    const TopColumn *column;
    unsigned n;
} TopColumns;

#define COLUMNS_MAX     MAX(G_N_ELEMENTS(host_columns), \
                            MAX(G_N_ELEMENTS(vm_columns), \
                                G_N_ELEMENTS(phase_columns)))

static TopColumns columns_of(const TopView *view, TopTable table)
{
    if (table == TOP_HOSTS) {
        return (TopColumns) { host_columns, G_N_ELEMENTS(host_columns) };
    }
    if (view->phases) {
        return (TopColumns) { phase_columns, G_N_ELEMENTS(phase_columns) };
    }
    return (TopColumns) { vm_columns, G_N_ELEMENTS(vm_columns) };
}

/* Orders: by name, or by a figure, the largest first. */
static const struct {
    const char *name, *field;
} orders[TOP_TABLES][4] = {
    { { "name", NULL }, { "leased", "leased_bytes" },
      { "free", "free_bytes" }, { "pressure", "psi_some_percent" } },
    { { "name", NULL }, { "remote", "remote_bytes" },
      { "faults", "faults_rate" }, { "stalled", "stalled_percent" } },
};

/* ------------------------------------------------------------------- text */

static unsigned char_columns(gunichar c)
{
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

unsigned top_columns(const char *text)
{
    unsigned columns = 0;

    for (; *text; text = g_utf8_next_char(text)) {
        columns += char_columns(g_utf8_get_char(text));
    }
    return columns;
}

/* As much as fits; a cut is shown by its last character. */
static void append_cut(GString *out, const char *text, unsigned width)
{
    unsigned columns = 0;
    bool fits = top_columns(text) <= width;

    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);

        if (columns + char_columns(c) + !fits > width) {
            break;
        }
        g_string_append_unichar(out, c);
        columns += char_columns(c);
    }
    if (!fits && width) {
        g_string_append_c(out, '~');
    }
}

static void append_padded(GString *out, const char *text, unsigned width,
                          bool right)
{
    unsigned columns = MIN(top_columns(text), width);

    for (unsigned i = columns; right && i < width; i++) {
        g_string_append_c(out, ' ');
    }
    append_cut(out, text, width);
    for (unsigned i = columns; !right && i < width; i++) {
        g_string_append_c(out, ' ');
    }
}

static void line_clear(void *line)
{
    g_free(((TopLine *)line)->text);
}

/* The lines while they are made. */
typedef struct Page {
    GArray *lines;
    unsigned width, height;
} Page;

static unsigned room(const Page *page)
{
    return page->height - page->lines->len;
}

static void put(Page *page, const char *text, TopStyle style)
{
    GString *cut = g_string_new(NULL);
    TopLine line = { .style = style };

    if (!room(page)) {
        g_string_free(cut, TRUE);
        return;
    }
    append_cut(cut, text, page->width);
    line.text = g_string_free(cut, FALSE);
    g_array_append_val(page->lines, line);
}

/* ----------------------------------------------------------------- the top */

static JsonObject *object_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

static JsonArray *array_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

static void put_title(Page *page, const TopModel *model, const TopView *view)
{
    JsonObject *o = object_of(model->status);
    g_autofree char *daemon = o ? cell_field(o, "daemon", CELL_TEXT)
                                : g_strdup("-");
    g_autofree char *uptime = o ? cell_field(o, "uptime_seconds",
                                             CELL_SECONDS) : g_strdup("-");
    g_autofree char *socket = cell_text(view->socket);
    g_autofree char *left = g_strdup_printf("rcachectl top: %s at %s, up %s",
                                            daemon, socket, uptime);
    unsigned clock = strlen(view->clock);
    GString *line = g_string_new(NULL);

    if (page->width > clock + NAME_MIN) {
        append_padded(line, left, page->width - clock - 1, false);
        g_string_append_printf(line, " %s", view->clock);
    } else {
        g_string_append(line, left);
    }
    put(page, line->str, TOP_PLAIN);
    g_string_free(line, TRUE);
}

static TopStyle level_style(JsonObject *o)
{
    g_autofree char *level = cell_field(o, "level", CELL_TEXT);

    return !strcmp(level, "failing") ? TOP_BAD
           : cell_is_true(o, "ok") ? TOP_GOOD : TOP_WARN;
}

static void put_problems(Page *page, JsonObject *o)
{
    JsonArray *list = cell_array(o, "problems");
    unsigned n = list ? json_array_get_length(list) : 0;

    /* The verdict's line names the first one; it may be cut, though. */
    for (unsigned i = 0; n > 1 && i < MIN(n, PROBLEMS_MAX); i++) {
        g_autofree char *text = cell_value(json_array_get_element(list, i),
                                           CELL_TEXT);
        g_autofree char *line = g_strdup_printf("  %s", text);

        put(page, line, TOP_WARN);
    }
    if (n > PROBLEMS_MAX) {
        g_autofree char *line = g_strdup_printf("  and %u more",
                                                n - PROBLEMS_MAX);

        put(page, line, TOP_FAINT);
    }
}

static void put_verdict(Page *page, const TopModel *model)
{
    JsonObject *o = object_of(model->status);

    if (model->error) {
        g_autofree char *text = cell_text(model->error);
        g_autofree char *line = g_strdup_printf("no answer: %s", text);

        put(page, line, TOP_BAD);
    }
    if (o) {
        g_autofree char *verdict = cell_field(o, "verdict", CELL_TEXT);

        put(page, verdict, model->error ? TOP_FAINT : level_style(o));
        if (!cell_is_true(o, "ok")) {
            g_autofree char *summary = cell_field(o, "summary", CELL_TEXT);

            put(page, summary, TOP_PLAIN);
        }
        put_problems(page, o);
    }
}

/* ----------------------------------------------------------------- tables */

static double figure(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_is_number(node) ? json_node_get_double(node) : -1;
}

static int compare(gconstpointer a, gconstpointer b, void *field)
{
    JsonObject *left = *(JsonObject *const *)a;
    JsonObject *right = *(JsonObject *const *)b;
    double l = field ? figure(left, field) : 0;
    double r = field ? figure(right, field) : 0;
    g_autofree char *left_name = NULL, *right_name = NULL;

    if (l != r) {
        return l > r ? -1 : 1;
    }
    left_name = cell_field(left, "name", CELL_TEXT);
    right_name = cell_field(right, "name", CELL_TEXT);
    return strcmp(left_name, right_name);
}

static GPtrArray *sorted_rows(JsonNode *answer, const char *field)
{
    GPtrArray *rows = g_ptr_array_new();
    JsonArray *list = array_of(answer);

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonObject *o = object_of(json_array_get_element(list, i));

        if (o) {
            g_ptr_array_add(rows, o);
        }
    }
    g_ptr_array_sort_with_data(rows, compare, (void *)field);
    return rows;
}

/* Which columns there is room for, and how wide the name is then. */
static unsigned fit(TopColumns columns, unsigned width, bool *shown)
{
    const TopColumn *column = columns.column;

    for (unsigned i = 0; i < columns.n; i++) {
        shown[i] = true;
    }
    for (;;) {
        unsigned taken = 0, worst = 0;

        for (unsigned i = 1; i < columns.n; i++) {
            taken += shown[i] ? column[i].width + 1 : 0;
            if (shown[i] && (!worst || column[i].rank > column[worst].rank)) {
                worst = i;
            }
        }
        if (!worst || taken + NAME_MIN <= width) {
            return width > taken ? MIN(width - taken, 4 * NAME_MIN) : 0;
        }
        shown[worst] = false;
    }
}

/* Of a host: what an operator has to know first. */
static char *host_state(JsonObject *o)
{
    g_autofree char *state = cell_field(o, "state", CELL_TEXT);

    if (strcmp(state, "alive")) {
        return g_steal_pointer(&state);
    }
    return g_strdup(!cell_is_true(o, "connected") ? "away"
                    : cell_is_true(o, "draining") ? "draining"
                    : cell_is_true(o, "lends") ? "alive" : "no lend");
}

static TopStyle row_style(JsonObject *o, TopTable table)
{
    g_autofree char *state = table == TOP_HOSTS
                                 ? host_state(o)
                                 : cell_field(o, "state", CELL_TEXT);

    if (!strcmp(state, "dead") || !strcmp(state, "host dead") ||
        !strcmp(state, "no pager") || !strcmp(state, "waiting") ||
        !strcmp(state, "stuck")) {
        return TOP_BAD;
    }
    return !strcmp(state, "suspect") || !strcmp(state, "away") ||
           !strcmp(state, "draining") ? TOP_WARN : TOP_PLAIN;
}

/* The part of a VM's "delays" with that name; NULL: its daemon tells none. */
static JsonObject *part_of(JsonObject *delays, const char *name)
{
    JsonArray *list = cell_array(delays, "phases");

    if (!strcmp(name, "whole")) {
        return cell_object(delays, name);
    }
    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonObject *part = object_of(json_array_get_element(list, i));
        g_autofree char *phase = part ? cell_words(part, "phase") : NULL;

        if (phase && !strcmp(phase, name)) {
            return part;
        }
    }
    return NULL;
}

/* "-" also where no page has come of late. */
static char *phase_text(JsonObject *vm, const char *name)
{
    JsonObject *delays = cell_object(vm, "delays");
    JsonObject *part = delays ? part_of(delays, name) : NULL;
    double faults = delays ? figure(delays, "recent_faults") : 0;
    double seconds = part ? figure(part, "recent_seconds") : -1;

    return faults > 0 && seconds >= 0 ? cell_seconds(seconds / faults)
                                      : g_strdup("-");
}

/* @o: NULL for the head. */
static char *cell_of(const TopColumn *c, JsonObject *o)
{
    return !o ? g_strdup(c->title) : c->phase ? phase_text(o, c->phase)
           : c->field ? cell_field(o, c->field, c->kind) : host_state(o);
}

/* @o: NULL for the head. */
static char *row_text(TopColumns columns, const bool *shown, unsigned name,
                      JsonObject *o)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < columns.n; i++) {
        const TopColumn *c = &columns.column[i];
        g_autofree char *cell = cell_of(c, o);

        if (shown[i]) {
            bool right = c->kind != CELL_TEXT && c->kind != CELL_PROVIDERS;

            g_string_append(out, i ? " " : "");
            append_padded(out, cell, i ? c->width : name, right);
        }
    }
    return g_string_free(out, FALSE);
}

static void put_table(Page *page, TopView *view, TopTable table,
                      const GPtrArray *rows, unsigned height)
{
    TopColumns columns = columns_of(view, table);
    bool shown[COLUMNS_MAX];
    unsigned name = fit(columns, page->width, shown);
    unsigned fits = height ? height - 1 : 0;
    unsigned *first = &view->first[table];
    g_autofree char *head = row_text(columns, shown, name, NULL);

    if (!height) {
        return;
    }
    *first = MIN(*first, rows->len > fits ? rows->len - fits : 0);
    if (table == view->focus) {
        view->page = fits;
    }
    put(page, head, table == view->focus ? TOP_HEAD_FOCUS : TOP_HEAD);
    for (unsigned i = 0; i < fits && *first + i < rows->len; i++) {
        JsonObject *o = rows->pdata[*first + i];
        g_autofree char *text = row_text(columns, shown, name, o);

        put(page, text, row_style(o, table));
    }
}

static void put_keys(Page *page, const TopView *view,
                     GPtrArray *const rows[TOP_TABLES])
{
    const GPtrArray *shown = rows[view->focus];
    unsigned first = view->first[view->focus];
    g_autofree char *line = g_strdup_printf(
        "q quit  Tab other table  arrows scroll (%u-%u of %u)  s sort: %s  "
        "w %s", shown->len ? first + 1 : 0,
        MIN(first + view->page, shown->len), shown->len,
        orders[view->focus][view->sort[view->focus] % 4].name,
        view->phases ? "figures" : "waits");

    put(page, line, TOP_FAINT);
}

/* How many lines the hosts get of @all; the VMs get the others. */
static unsigned share_of_hosts(unsigned hosts, unsigned vms, unsigned all)
{
    unsigned want = hosts + 1, others = MAX(vms, ROWS_MIN) + 1;

    if (want + others <= all) {
        return want;
    }
    return MIN(want, MAX(all / 2, all > others ? all - others : 0));
}

GArray *top_layout(const TopModel *model, TopView *view, unsigned width,
                   unsigned height)
{
    Page page = { g_array_new(FALSE, FALSE, sizeof(TopLine)), width, height };
    JsonNode *answers[TOP_TABLES] = { model->hosts, model->vms };
    GPtrArray *rows[TOP_TABLES];
    unsigned left, hosts;

    g_array_set_clear_func(page.lines, line_clear);
    if (width < TOP_WIDTH_MIN || height < TOP_HEIGHT_MIN) {
        put(&page, "too small", TOP_BAD);
        return page.lines;
    }
    for (unsigned t = 0; t < TOP_TABLES; t++) {
        rows[t] = sorted_rows(answers[t], orders[t][view->sort[t] % 4].field);
    }
    put_title(&page, model, view);
    page.height = height > 16 ? height - 8 : 3;     /* for the verdict */
    put_verdict(&page, model);
    page.height = height;
    left = room(&page) - 1;
    hosts = share_of_hosts(rows[TOP_HOSTS]->len, rows[TOP_VMS]->len, left);
    put_table(&page, view, TOP_HOSTS, rows[TOP_HOSTS], hosts);
    put_table(&page, view, TOP_VMS, rows[TOP_VMS], room(&page) - 1);
    while (room(&page) > 1) {
        put(&page, "", TOP_PLAIN);
    }
    put_keys(&page, view, rows);
    g_ptr_array_unref(rows[TOP_HOSTS]);
    g_ptr_array_unref(rows[TOP_VMS]);
    return page.lines;
}
