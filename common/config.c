/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config: the table of keys, where their values come from, and how all of it
 * is printed.  config-parse.c has the grammar of single values, and
 * config-reference.c what a manual says of the keys.
 *
 * GKeyFile reads the text but does not say on which line something stands,
 * nor does it mind keys that nobody knows.  So the lines are walked first:
 * that finds what is no configuration at all, and the line of every key.
 */
#include "common/config.h"

#include <stdarg.h>
#include <string.h>

#include "common/config-internal.h"

G_DEFINE_QUARK(rcache-config-error-quark, config_error)

struct Config {
    const char *program;
    const ConfigKey *keys;
    unsigned n;
    ConfigValue *values;        /* one a key */
};

static const ConfigKey *key_find(const Config *config, const char *section,
                                 const char *key)
{
    for (unsigned i = 0; i < config->n; i++) {
        if (!strcmp(config->keys[i].section, section) &&
            !strcmp(config->keys[i].key, key)) {
            return &config->keys[i];
        }
    }
    return NULL;
}

static bool section_known(const Config *config, const char *section)
{
    for (unsigned i = 0; i < config->n; i++) {
        if (!strcmp(config->keys[i].section, section)) {
            return true;
        }
    }
    return false;
}

static ConfigValue *value_of(const Config *config, const ConfigKey *key)
{
    return &config->values[key - config->keys];
}

static void value_clear(ConfigValue *value)
{
    g_free(value->text);
    g_strfreev(value->list);
    g_free(value->from);
    *value = (ConfigValue) { 0 };
}

/* Check and keep a value; @from is where it stands, NULL for a default. */
static bool value_set(Config *config, const ConfigKey *key, const char *text,
                      const char *from, GError **errp)
{
    ConfigValue value = { 0 };
    GError *error = NULL;

    value.text = g_strstrip(g_strdup(text));
    if (!config_value_parse(key, &value, &error)) {
        g_set_error(errp, CONFIG_ERROR, 0, "%s: [%s] %s: %s", from,
                    key->section, key->key, error->message);
        g_error_free(error);
        value_clear(&value);
        return false;
    }
    value.from = g_strdup(from);
    value_clear(value_of(config, key));
    *value_of(config, key) = value;
    return true;
}

Config *config_new(const char *program, const ConfigKey *keys, unsigned n)
{
    Config *config = g_new0(Config, 1);

    config->program = program;
    config->keys = keys;
    config->n = n;
    config->values = g_new0(ConfigValue, n);
    for (unsigned i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;

        /* A default that is not allowed is a bug in the table. */
        if (!value_set(config, &keys[i], keys[i].fallback, NULL, &error)) {
            g_error("%s", error->message);
        }
    }
    return config;
}

void config_free(Config *config)
{
    if (!config) {
        return;
    }
    for (unsigned i = 0; i < config->n; i++) {
        value_clear(&config->values[i]);
    }
    g_free(config->values);
    g_free(config);
}

const ConfigKey *config_keys(const Config *config, unsigned *n)
{
    *n = config->n;
    return config->keys;
}

/* ---------------------------------------------------------------- reading */

/*
 * The walk over the lines of one text: once without the file, to see that
 * every line makes sense, and once with it, to take the values.
 */
typedef struct Walk {
    Config *config;
    GKeyFile *file;             /* NULL the first time */
    const char *name;
    char *section;
    GHashTable *seen;           /* keys, for the first time */
    unsigned line;
} Walk;

G_GNUC_PRINTF(3, 4)
static bool walk_fail(const Walk *walk, GError **errp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(errp, CONFIG_ERROR, 0, "%s:%u: %s", walk->name, walk->line,
                text);
    return false;
}

static bool walk_section(Walk *walk, const char *line, GError **errp)
{
    size_t len = strlen(line);

    if (line[len - 1] != ']') {
        return walk_fail(walk, errp, "a section without its ']'");
    }
    g_free(walk->section);
    walk->section = g_strndup(line + 1, len - 2);
    return section_known(walk->config, walk->section) ||
           walk_fail(walk, errp, "unknown section [%s]", walk->section);
}

static bool walk_value(Walk *walk, const ConfigKey *key, GError **errp)
{
    g_autofree char *value = NULL, *from = NULL;
    g_autoptr(GError) error = NULL;

    value = g_key_file_get_string(walk->file, key->section, key->key, &error);
    if (error) {                /* a wrong escape: there is a value as well */
        return walk_fail(walk, errp, "%s", error->message);
    }
    from = g_strdup_printf("%s:%u", walk->name, walk->line);
    return value_set(walk->config, key, value, from, errp);
}

static bool walk_key(Walk *walk, const char *line, GError **errp)
{
    const char *equals = strchr(line, '=');
    g_autofree char *name = NULL;
    const ConfigKey *key;

    if (!equals) {
        return walk_fail(walk, errp, "neither a [section], nor KEY = VALUE, "
                         "nor a comment");
    }
    if (!walk->section) {
        return walk_fail(walk, errp, "a key before the first [section]");
    }
    name = g_strchomp(g_strndup(line, equals - line));
    key = key_find(walk->config, walk->section, name);
    if (!key) {
        return walk_fail(walk, errp, "unknown key '%s' in [%s]", name,
                         walk->section);
    }
    if (walk->file) {
        return walk_value(walk, key, errp);
    }
    return g_hash_table_add(walk->seen, (void *)key) ||
           walk_fail(walk, errp, "'%s' is set a second time", name);
}

static bool walk_lines(Walk *walk, const char *text, GError **errp)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    walk->line = 0;
    g_clear_pointer(&walk->section, g_free);
    for (char **at = lines; *at; at++) {
        char *line = g_strstrip(*at);

        walk->line++;
        if (!*line || *line == '#') {
            continue;
        }
        if (*line == '[' ? !walk_section(walk, line, errp)
                         : !walk_key(walk, line, errp)) {
            return false;
        }
    }
    return true;
}

bool config_load_text(Config *config, const char *name, const char *text,
                      size_t len, GError **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autofree char *copy = g_strndup(text, len);
    Walk walk = { .config = config, .name = name, .seen = seen };
    GError *error = NULL;
    bool ok;

    if (strlen(copy) != len || !g_utf8_validate(text, len, NULL)) {
        g_set_error(errp, CONFIG_ERROR, 0, "%s: it is not UTF-8 text", name);
        return false;
    }
    ok = walk_lines(&walk, copy, errp);
    if (ok && len &&
        !g_key_file_load_from_data(file, copy, len, 0, &error)) {
        g_set_error(errp, CONFIG_ERROR, 0, "%s: %s", name, error->message);
        g_error_free(error);
        ok = false;
    }
    if (ok) {
        walk.file = file;
        ok = walk_lines(&walk, copy, errp);
    }
    g_free(walk.section);
    return ok;
}

static bool load_file(Config *config, const char *file, bool optional,
                      GError **errp)
{
    g_autofree char *text = NULL;
    GError *error = NULL;
    gsize len;

    if (!g_file_get_contents(file, &text, &len, &error)) {
        if (optional &&
            g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            g_error_free(error);
            return true;
        }
        g_propagate_error(errp, error);
        return false;
    }
    return config_load_text(config, file, text, len, errp);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool config_load(Config *config, const char *file, bool optional,
                 GError **errp)
{
    g_autofree char *folder = g_strconcat(file, ".d", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    GDir *dir;
    const char *name;

    if (!load_file(config, file, optional, errp)) {
        return false;
    }
    dir = g_dir_open(folder, 0, &error);
    if (!dir) {
        if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            return true;
        }
        g_propagate_error(errp, g_steal_pointer(&error));
        return false;
    }
    while ((name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".conf") && *name != '.') {
            g_ptr_array_add(names, g_build_filename(folder, name, NULL));
        }
    }
    g_dir_close(dir);
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        if (!load_file(config, names->pdata[i], false, errp)) {
            return false;
        }
    }
    return true;
}

bool config_set(Config *config, const char *section, const char *key,
                const char *value, const char *option, GError **errp)
{
    const ConfigKey *k = key_find(config, section, key);

    g_assert(k);
    return value_set(config, k, value, option, errp);
}

/* ---------------------------------------------------------------- getters */

static const ConfigValue *get(const Config *config, const char *section,
                              const char *key, ConfigType type)
{
    const ConfigKey *k = key_find(config, section, key);

    g_assert(k && k->type == type);
    return value_of(config, k);
}

bool config_is_set(const Config *config, const char *section, const char *key)
{
    const ConfigKey *k = key_find(config, section, key);

    g_assert(k);
    return value_of(config, k)->from;
}

const char *config_string(const Config *config, const char *section,
                          const char *key)
{
    return get(config, section, key, CONFIG_STRING)->text;
}

int64_t config_int(const Config *config, const char *section, const char *key)
{
    return get(config, section, key, CONFIG_INT)->number;
}

bool config_bool(const Config *config, const char *section, const char *key)
{
    return get(config, section, key, CONFIG_BOOL)->number;
}

uint64_t config_size(const Config *config, const char *section,
                     const char *key, uint64_t total)
{
    const ConfigValue *value = get(config, section, key, CONFIG_SIZE);

    if (value->percent < 0) {
        return value->number;
    }
    /* Divided first: a total of any size stays within 64 bits. */
    return total / 10000 * value->percent +
           total % 10000 * value->percent / 10000;
}

int config_percent(const Config *config, const char *section, const char *key)
{
    return get(config, section, key, CONFIG_SIZE)->percent;
}

uint64_t config_time_ms(const Config *config, const char *section,
                        const char *key)
{
    return get(config, section, key, CONFIG_TIME)->number;
}

const char *const *config_list(const Config *config, const char *section,
                               const char *key)
{
    return (const char *const *)get(config, section, key, CONFIG_LIST)->list;
}

/* --------------------------------------------------------------- printing */

/* @text in lines of comment, at most 76 columns wide where words allow. */
static void print_comment(GString *out, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    size_t column = 0;

    for (char **word = words; *word; word++) {
        size_t len = strlen(*word);

        if (!column || column + 1 + len > 76) {
            g_string_append(out, column ? "\n# " : "# ");
            column = 2;
        } else {
            g_string_append_c(out, ' ');
            column++;
        }
        g_string_append(out, *word);
        column += len;
    }
    g_string_append_c(out, '\n');
}

/* What g_key_file_get_string() reads back as the same text. */
static void print_value(GString *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\') {
            g_string_append(out, "\\\\");
        } else if (*text == '\n') {
            g_string_append(out, "\\n");
        } else {
            g_string_append_c(out, *text);
        }
    }
    g_string_append_c(out, '\n');
}

static void print_key(GString *out, const Config *config,
                      const ConfigKey *key, bool example)
{
    const ConfigValue *value = value_of(config, key);

    print_comment(out, key->doc);
    if (example) {
        g_string_append_printf(out, "#%s =%s", key->key,
                               *key->fallback ? " " : "");
        print_value(out, key->fallback);
        return;
    }
    g_string_append_printf(out, "# (%s)\n%s =%s",
                           value->from ? value->from : "default", key->key,
                           *value->text ? " " : "");
    print_value(out, value->text);
}

char *config_print(const Config *config, bool example)
{
    GString *out = g_string_new(NULL);
    const char *section = "";

    if (example) {
        g_string_append_printf(out, "# The configuration of %s, see its "
                               "manual. Every key is shown at its\n"
                               "# default. Sizes: 4096, 512M, 64G. "
                               "Times: 200ms, 5s, 10min, 2h, 1d.\n",
                               config->program);
    } else {
        g_string_append_printf(out, "# %s\n", config->program);
    }
    for (unsigned i = 0; i < config->n; i++) {
        const ConfigKey *key = &config->keys[i];

        g_string_append_c(out, '\n');
        if (strcmp(section, key->section)) {
            section = key->section;
            g_string_append_printf(out, "[%s]\n\n", section);
        }
        print_key(out, config, key, example);
    }
    return g_string_free(out, FALSE);
}
