/* SPDX-License-Identifier: GPL-2.0-or-later */
/* page-rows: see page-rows.h. */
#include "arbiter/exporter/page-rows.h"

#include <math.h>
#include <string.h>

#include "arbiter/exporter/lending.h"
#include "arbiter/exporter/page-value.h"
#include "arbiter/rcachectl/cell.h"

typedef enum Kind {
    KIND_BAD,
    KIND_WARN,
    KIND_OK,
    KIND_OFF                    /* nothing to judge */
} Kind;

static const char *const kind_names[] = { "bad", "warn", "ok", "off" };

/* A row while they are sorted. */
typedef struct Row {
    JsonObject *from;           /* the daemon's */
    Kind kind;
    double rate;                /* of a VM */
} Row;

static int compare_rows(gconstpointer a, gconstpointer b)
{
    const Row *left = a, *right = b;
    int names;

    if (left->kind != right->kind && (left->kind < KIND_OK ||
                                      right->kind < KIND_OK)) {
        return left->kind < right->kind ? -1 : 1;
    }
    names = strcmp(page_text_of(left->from, "name"),
                   page_text_of(right->from, "name"));
    return names ? names : strcmp(page_text_of(left->from, "host"),
                                  page_text_of(right->from, "host"));
}

/* Return: how many more there are than have a row */
static guint cut_rows(GArray *rows)
{
    guint more = rows->len > PAGE_ROWS_MAX ? rows->len - PAGE_ROWS_MAX : 0;

    g_array_sort(rows, compare_rows);
    g_array_set_size(rows, rows->len - more);
    return more;
}

static void set_clean(JsonObject *o, const char *name, const char *text,
                      unsigned max)
{
    g_autofree char *clean = page_clean(text, max);

    json_object_set_string_member(o, name, clean);
}

/* Null for what is no number; @from: NULL: nothing of it is known. */
static void set_figures(JsonObject *o, JsonObject *from,
                        const char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        page_set(o, names[i], from ? page_figure(from, names[i]) : NAN);
    }
}

/* @age: the member that says how old it is */
static void set_age(JsonObject *o, JsonObject *from, bool stale,
                    const char *age)
{
    json_object_set_boolean_member(o, "stale", stale);
    page_set(o, "age_seconds", stale ? page_amount(from, age) : NAN);
}

/* ------------------------------------------------------------------ hosts */

static Kind host_kind(JsonObject *o)
{
    const char *state = page_text_of(o, "state");

    if (!strcmp(state, "dead")) {
        return KIND_BAD;
    }
    return strcmp(state, "alive") || !cell_is_true(o, "connected") ||
           cell_is_true(o, "draining") || cell_is_true(o, "stale") ||
           *page_text_of(o, "implausible") || *page_text_of(o, "trouble")
               ? KIND_WARN : KIND_OK;
}

static JsonObject *host_row(const Row *row)
{
    static const char *const figures[] = {
        "mem_total_bytes", "mem_available_bytes", "offered_bytes",
        "leased_bytes", "free_bytes", "stored_bytes", "psi_some_percent",
        "vms"
    };
    JsonObject *o = json_object_new();
    g_autofree char *flags = cell_flags(row->from);
    g_auto(GStrv) parts = g_strsplit(flags, ",", -1);
    g_autofree char *note = g_strjoinv(", ", parts);

    set_clean(o, "name", page_text_of(row->from, "name"), PAGE_NAME_MAX);
    set_clean(o, "state", page_text_of(row->from, "state"), PAGE_NAME_MAX);
    json_object_set_string_member(o, "kind", kind_names[row->kind]);
    json_object_set_string_member(o, "note", note);
    set_age(o, row->from, page_host_is_stale(row->from), "age_seconds");
    set_figures(o, row->from, figures, G_N_ELEMENTS(figures));
    return o;
}

JsonArray *page_hosts(JsonArray *hosts, guint *omitted)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    JsonArray *list = json_array_new();

    for (guint i = 0; hosts && i < json_array_get_length(hosts); i++) {
        Row row = { .from = page_object_at(hosts, i) };

        if (row.from) {
            row.kind = host_kind(row.from);
            g_array_append_val(rows, row);
        }
    }
    *omitted = cut_rows(rows);
    for (guint i = 0; i < rows->len; i++) {
        json_array_add_object_element(list,
            host_row(&g_array_index(rows, Row, i)));
    }
    return list;
}

/* -------------------------------------------------------------------- VMs */

static bool is_unmanaged(JsonObject *o)
{
    return !strcmp(page_text_of(o, "state"), "unmanaged");
}

/* Its pager has not said anything yet to an rcached that was just started. */
static bool is_silent(JsonObject *o)
{
    return cell_is_number(json_object_get_member(o, "guest_bytes")) &&
           page_amount(o, "guest_bytes") <= 0;
}

static Kind vm_kind(JsonObject *o)
{
    static const char *const bad[] = {
        "waiting", "stuck", "no pager", "host dead", NULL
    };
    const char *state = page_text_of(o, "state");

    if (*page_text_of(o, "elsewhere") || is_unmanaged(o) ||
        !strcmp(state, "ended")) {
        return KIND_OFF;
    }
    if (g_strv_contains(bad, state) || page_amount(o, "lost_bytes") > 0) {
        return KIND_BAD;
    }
    return strcmp(state, "attached") || page_vm_is_stale(o) ||
           is_silent(o) ? KIND_WARN : KIND_OK;
}

static char *vm_note(JsonObject *o)
{
    g_autofree char *host = page_clean(page_text_of(o, "elsewhere"),
                                       PAGE_NAME_MAX);
    g_autofree char *lost = page_bytes(page_amount(o, "lost_bytes"));

    if (*host) {
        return g_strdup_printf("runs on %s", host);
    }
    if (page_amount(o, "lost_bytes") > 0) {
        return g_strdup_printf("%s lost", lost);
    }
    return g_strdup(is_silent(o) ? "no figures yet" : "");
}

static JsonObject *vm_row(const Row *row)
{
    static const char *const memory[] = {
        "guest_bytes", "resident_bytes"
    };
    static const char *const managed[] = {
        "remote_bytes", "zero_bytes", "local_max_bytes",
        "fault_p99_seconds"
    };
    /* Of the last minute: when it is old, that is not this one. */
    static const char *const recent[] = { "stalled_percent" };
    JsonObject *from = row->from, *o = json_object_new();
    bool silent = is_silent(from), stale = page_vm_is_stale(from);
    bool old = cell_is_true(from, "stale") ||
               !strcmp(page_text_of(from, "state"), "host dead");
    g_autofree char *note = vm_note(from);

    set_clean(o, "name", page_text_of(from, "name"), PAGE_NAME_MAX);
    set_clean(o, "host", page_text_of(from, "host"), PAGE_NAME_MAX);
    set_clean(o, "state", page_text_of(from, "state"), PAGE_NAME_MAX);
    json_object_set_string_member(o, "kind", kind_names[row->kind]);
    json_object_set_string_member(o, "note", note);
    set_age(o, from, stale, old ? "age_seconds" : "figures_age_seconds");
    set_figures(o, silent ? NULL : from, memory, G_N_ELEMENTS(memory));
    set_figures(o, silent || is_unmanaged(from) ? NULL : from, managed,
                G_N_ELEMENTS(managed));
    set_figures(o, silent || stale || is_unmanaged(from) ? NULL : from,
                recent, G_N_ELEMENTS(recent));
    page_set(o, "faults_per_second", row->rate);
    return o;
}

/* What counts, and only that: NAN for all that is old or not known. */
static double vm_rate(JsonObject *o, Rates *rates, int64_t now)
{
    double faults = page_figure(o, "faults");

    if (isnan(faults) || page_vm_is_stale(o) || is_silent(o) ||
        is_unmanaged(o) || *page_text_of(o, "elsewhere")) {
        return NAN;
    }
    return rates_next(rates, page_text_of(o, "uuid"), page_text_of(o, "host"),
                      faults, now);
}

typedef struct Stall {
    double time, vcpus;
} Stall;

static void sum_vm(PageSums *sums, Stall *stall, JsonObject *o, double rate)
{
    double stalled = page_figure(o, "stalled_percent");
    double vcpus = page_amount(o, "vcpus");

    if (!isnan(rate)) {
        sums->faults = sums->faults_vms ? sums->faults + rate : rate;
        sums->faults_vms++;
    }
    if (!isnan(stalled) && vcpus > 0 && !page_vm_is_stale(o) &&
        !is_silent(o) && !*page_text_of(o, "elsewhere")) {
        stall->time += stalled * vcpus;
        stall->vcpus += vcpus;
    }
}

JsonArray *page_vms(JsonArray *vms, Rates *rates, int64_t now,
                    PageSums *sums, guint *omitted)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    JsonArray *list = json_array_new();
    Stall stall = { 0 };

    *sums = (PageSums) { NAN, NAN, 0 };
    rates_begin(rates);
    for (guint i = 0; vms && i < json_array_get_length(vms); i++) {
        Row row = { .from = page_object_at(vms, i) };

        if (row.from) {
            row.kind = vm_kind(row.from);
            row.rate = vm_rate(row.from, rates, now);
            sum_vm(sums, &stall, row.from, row.rate);
            g_array_append_val(rows, row);
        }
    }
    rates_end(rates);
    if (stall.vcpus > 0) {
        sums->stalled = stall.time / stall.vcpus;
    }
    *omitted = cut_rows(rows);
    for (guint i = 0; i < rows->len; i++) {
        json_array_add_object_element(list,
            vm_row(&g_array_index(rows, Row, i)));
    }
    return list;
}

/* ---------------------------------------------------------------- lending */

JsonArray *page_lending(const GArray *list, guint *omitted)
{
    JsonArray *rows = json_array_new();
    guint n = MIN(list->len, PAGE_ROWS_MAX);

    *omitted = list->len - n;
    for (guint i = 0; i < n; i++) {
        const Lending *lending = &g_array_index(list, Lending, i);
        JsonObject *o = json_object_new();

        set_clean(o, "provider", lending->provider, PAGE_NAME_MAX);
        set_clean(o, "requester", lending->requester, PAGE_NAME_MAX);
        json_object_set_boolean_member(o, "own", !strcmp(lending->provider,
                                                  lending->requester));
        page_set(o, "stored_bytes", lending->stored);
        page_set(o, "leased_bytes", lending->leased);
        json_object_set_int_member(o, "vms", lending->vms);
        json_object_set_boolean_member(o, "stale", lending->stale);
        set_clean(o, "trouble", lending->trouble ? lending->trouble : "",
                  PAGE_WORDS_MAX);
        json_array_add_object_element(rows, o);
    }
    return rows;
}
