/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config: what stands in a daemon's .conf file and its drop-ins.
 *
 * A daemon has one table of keys: section, key, type, default, and a text for
 * the person who reads the file.  Everything comes from that table: what is
 * known (anything else is refused, with file and line), what it may be, what
 * --print-config prints, the example file with every key commented at its
 * default, and the reference of all keys in the manual.
 *
 * FILE is read first, then FILE.d/NAME.conf in the order of their names, then
 * come the options of the command line; the last one wins.  Every value is
 * checked when it is read, so that the getters cannot fail: asking for a key
 * that is not in the table, or as another type, is a bug.
 */
#ifndef RCACHE_CONFIG_H
#define RCACHE_CONFIG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ConfigType {
    CONFIG_STRING,      /* any text; see .choices */
    CONFIG_INT,         /* a whole number from .min to .max */
    CONFIG_BOOL,        /* yes, no, on, off, true, false */
    CONFIG_SIZE,        /* bytes: 4096, 512M, 64G; 10% only where .percent */
    CONFIG_TIME,        /* 200ms, 5s, 10min, 2h, 1d */
    CONFIG_LIST,        /* texts, between commas */
} ConfigType;

typedef struct ConfigKey {
    const char *section;
    const char *key;
    ConfigType type;
    const char *fallback;       /* as it would stand in the file; never NULL */
    const char *doc;            /* sentences, for a person */
    int64_t min;                /* INT; SIZE in bytes; TIME in ms */
    int64_t max;                /* the same; 0: no limit */
    const char *choices;        /* STRING: "a|b", nothing else is taken */
    bool percent;               /* SIZE: a share may be given instead */

    /* For config-reference.h. */
    const char *unit;           /* what it is counted in, or what a text is;
                                 * NULL: the type says it */
    const char *example;        /* a value that somebody may want */
    const char *change;         /* what a change does to what is there: a
                                 * sentence without its subject; or NULL */
} ConfigKey;

typedef struct Config Config;

#define CONFIG_ERROR config_error_quark()
GQuark config_error_quark(void);

/**
 * config_new() - everything at its default
 * @program: heads what is printed
 * @keys: @n of them, of one section one after the other; must outlive it
 */
Config *config_new(const char *program, const ConfigKey *keys, unsigned n);
void config_free(Config *config);

/**
 * config_load() - read a file and its drop-ins
 * @file: need not exist if @optional; then its drop-ins are read all the same
 *
 * Return: false with @errp set, which names file and line
 */
bool config_load(Config *config, const char *file, bool optional,
                 GError **errp);

/**
 * config_load_text() - the same for a text in memory
 * @name: what errors call it
 */
bool config_load_text(Config *config, const char *name, const char *text,
                      size_t len, GError **errp);

/**
 * config_set() - one value, as an option of the command line
 * @option: what errors call it ("--listen")
 */
bool config_set(Config *config, const char *section, const char *key,
                const char *value, const char *option, GError **errp);

/** config_is_set() - does it stand anywhere, even if at its default? */
bool config_is_set(const Config *config, const char *section,
                   const char *key);

/* Values. Texts and lists belong to the configuration. */
const char *config_string(const Config *config, const char *section,
                          const char *key);
int64_t config_int(const Config *config, const char *section,
                   const char *key);
bool config_bool(const Config *config, const char *section, const char *key);
/* Of a CONFIG_SIZE, in hundredths of a percent; -1: it is no share. */
int config_percent(const Config *config, const char *section, const char *key);
/* @total: bytes that 100 % are; not used for a key without .percent */
uint64_t config_size(const Config *config, const char *section,
                     const char *key, uint64_t total);
uint64_t config_time_ms(const Config *config, const char *section,
                        const char *key);
const char *const *config_list(const Config *config, const char *section,
                               const char *key);

/**
 * config_print() - a file that says all of this
 * @example: every key commented, at its default, with its text; else every
 *           key at its value, with a note where it comes from
 *
 * Return: the text, new
 */
char *config_print(const Config *config, bool example);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

#endif
