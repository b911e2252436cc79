/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config-reference: what a manual says of each key of a configuration. */
#ifndef RCACHE_CONFIG_REFERENCE_H
#define RCACHE_CONFIG_REFERENCE_H

#include "common/config.h"

/**
 * config_reference() - all keys, as reStructuredText: sections
 * underlined with '-', and of each key what it takes, its default, an example,
 * and what follows when it is changed
 *
 * Return: the text, new
 */
char *config_reference(const Config *config);

#endif
