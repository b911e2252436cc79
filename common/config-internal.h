/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of config share; for nobody else. */
#ifndef RCACHE_CONFIG_INTERNAL_H
#define RCACHE_CONFIG_INTERNAL_H

#include "common/config.h"

typedef struct ConfigValue {
    char *text;                 /* as it was written */
    char **list;                /* LIST */
    int64_t number;             /* INT, BOOL, SIZE, TIME */
    int percent;                /* SIZE: hundredths of a percent, or -1 */
    char *from;                 /* where it stands; NULL: default */
} ConfigValue;

/** config_keys() - the table; @n: how many they are */
const ConfigKey *config_keys(const Config *config, unsigned *n);

/**
 * config_value_parse() - fill in a value from its text
 *
 * Return: false with @errp set: what is wrong with it, without the place
 */
bool config_value_parse(const ConfigKey *key, ConfigValue *value,
                        GError **errp);

#endif
