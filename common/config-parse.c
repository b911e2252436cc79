/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config-parse: the grammar of single values.  See config-parse.h. */
#include "common/config-parse.h"

#include <string.h>

#include "common/config-internal.h"

typedef struct Unit {
    const char *name;
    uint64_t factor;
} Unit;

static const Unit size_units[] = {
    { "", 1 },
    { "K", 1ull << 10 }, { "k", 1ull << 10 },
    { "M", 1ull << 20 }, { "m", 1ull << 20 },
    { "G", 1ull << 30 }, { "g", 1ull << 30 },
    { "T", 1ull << 40 }, { "t", 1ull << 40 },
};

static const Unit time_units[] = {
    { "ms", 1 },
    { "s", 1000 },
    { "min", 60 * 1000 },
    { "h", 60 * 60 * 1000 },
    { "d", 24 * 60 * 60 * 1000 },
};

/* The digits at *@text, of which there must be one; moves on behind them. */
static bool parse_digits(const char **text, uint64_t *number)
{
    const char *at = *text;

    *number = 0;
    while (g_ascii_isdigit(*at)) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, *at - '0', number)) {
            return false;
        }
        at++;
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    return true;
}

/* A number and a unit, within 63 bits: what a config holds is signed. */
static bool parse_with_unit(const char *text, const Unit *units, unsigned n,
                            uint64_t *out)
{
    uint64_t number;

    if (!parse_digits(&text, &number)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(text, units[i].name)) {
            return !__builtin_mul_overflow(number, units[i].factor, out) &&
                   *out <= INT64_MAX;
        }
    }
    return false;
}

/* "10%", "2.5%", "0.25%": in hundredths of a percent, up to 100 %. */
static bool parse_percent(const char *text, int *percent)
{
    uint64_t whole, part = 0;
    const char *start;

    if (!parse_digits(&text, &whole) || whole > 100) {
        return false;
    }
    if (*text == '.') {
        start = ++text;
        if (!parse_digits(&text, &part) || text - start > 2) {
            return false;
        }
        part *= text - start == 1 ? 10 : 1;
    }
    *percent = whole * 100 + part;
    return !strcmp(text, "%") && *percent <= 10000;
}

bool config_parse_size(const char *text, uint64_t *bytes, int *percent,
                       GError **errp)
{
    if (percent) {
        *percent = -1;
        if (parse_percent(text, percent)) {
            *bytes = 0;
            return true;
        }
        *percent = -1;
    }
    if (parse_with_unit(text, size_units, G_N_ELEMENTS(size_units), bytes)) {
        return true;
    }
    g_set_error(errp, CONFIG_ERROR, 0, "'%s' is not a size: write a number of "
                "bytes, or with K, M, G or T%s", text,
                percent ? ", or a share such as 10%" : "");
    return false;
}

bool config_parse_time(const char *text, uint64_t *ms, GError **errp)
{
    if (!strcmp(text, "0")) {
        *ms = 0;
        return true;
    }
    if (parse_with_unit(text, time_units, G_N_ELEMENTS(time_units), ms)) {
        return true;
    }
    g_set_error(errp, CONFIG_ERROR, 0, "'%s' is not a time: write a number "
                "with ms, s, min, h or d", text);
    return false;
}

char *config_format_size(uint64_t bytes)
{
    static const char units[] = "KMGT";
    char unit = 0;

    for (unsigned i = 0; units[i] && bytes && bytes % 1024 == 0; i++) {
        bytes /= 1024;
        unit = units[i];
    }
    return unit ? g_strdup_printf("%" G_GUINT64_FORMAT "%c", bytes, unit)
                : g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
}

char *config_format_time(uint64_t ms)
{
    const Unit *unit = time_units;

    for (unsigned i = 1; i < G_N_ELEMENTS(time_units); i++) {
        if (ms && ms % time_units[i].factor == 0) {
            unit = &time_units[i];
        }
    }
    return ms ? g_strdup_printf("%" G_GUINT64_FORMAT "%s", ms / unit->factor,
                                unit->name)
              : g_strdup("0");
}

static bool parse_bool(const char *text, ConfigValue *value, GError **errp)
{
    static const char *const words[] = {
        "no", "yes", "off", "on", "false", "true",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!g_ascii_strcasecmp(text, words[i])) {
            value->number = i & 1;
            return true;
        }
    }
    g_set_error(errp, CONFIG_ERROR, 0, "'%s' is neither yes nor no", text);
    return false;
}

static bool parse_int(const char *text, ConfigValue *value, GError **errp)
{
    uint64_t number;
    const char *at = text;

    if (!parse_digits(&at, &number) || *at || number > INT64_MAX) {
        g_set_error(errp, CONFIG_ERROR, 0, "'%s' is not a whole number", text);
        return false;
    }
    value->number = number;
    return true;
}

static bool parse_choice(const ConfigKey *key, const char *text,
                         GError **errp)
{
    g_auto(GStrv) choices = NULL;
    g_autofree char *all = NULL;

    if (!key->choices) {
        return true;
    }
    choices = g_strsplit(key->choices, "|", -1);
    if (g_strv_contains((const char *const *)choices, text)) {
        return true;
    }
    all = g_strjoinv(", ", choices);
    g_set_error(errp, CONFIG_ERROR, 0, "'%s' is not one of: %s", text, all);
    return false;
}

static char **parse_list(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    GPtrArray *list = g_ptr_array_new();

    for (char **at = parts; *at; at++) {
        g_strstrip(*at);
        if (**at) {
            g_ptr_array_add(list, g_strdup(*at));
        }
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

static bool check_range(const ConfigKey *key, const ConfigValue *value,
                        GError **errp)
{
    if (value->percent >= 0 ||
        (value->number >= key->min &&
         (!key->max || value->number <= key->max))) {
        return true;
    }
    if (key->max) {
        g_set_error(errp, CONFIG_ERROR, 0, "'%s' is not from %"
                    G_GINT64_FORMAT " to %" G_GINT64_FORMAT "%s",
                    value->text, key->min, key->max,
                    key->type == CONFIG_TIME ? " ms" : "");
    } else {
        g_set_error(errp, CONFIG_ERROR, 0, "'%s' is below %" G_GINT64_FORMAT
                    "%s", value->text, key->min,
                    key->type == CONFIG_TIME ? " ms" : "");
    }
    return false;
}

bool config_value_parse(const ConfigKey *key, ConfigValue *value,
                        GError **errp)
{
    uint64_t number = 0;

    value->percent = -1;
    switch (key->type) {
    case CONFIG_STRING:
        return parse_choice(key, value->text, errp);
    case CONFIG_LIST:
        value->list = parse_list(value->text);
        return true;
    case CONFIG_BOOL:
        return parse_bool(value->text, value, errp);
    case CONFIG_INT:
        return parse_int(value->text, value, errp) &&
               check_range(key, value, errp);
    case CONFIG_SIZE:
        if (!config_parse_size(value->text, &number,
                               key->percent ? &value->percent : NULL, errp)) {
            return false;
        }
        break;
    case CONFIG_TIME:
        if (!config_parse_time(value->text, &number, errp)) {
            return false;
        }
        break;
    }
    value->number = number;
    return check_range(key, value, errp);
}
