/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config-parse: sizes and times as people write them; pure. */
#ifndef RCACHE_CONFIG_PARSE_H
#define RCACHE_CONFIG_PARSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * config_parse_size() - "4096", "512M", "64G", "10%"
 * @bytes: if it is a size
 * @percent: hundredths of a percent if it is a share, else -1; NULL if no
 *           share is taken
 *
 * K, M, G and T are powers of 1024.
 */
bool config_parse_size(const char *text, uint64_t *bytes, int *percent,
                       GError **errp);

/** config_parse_time() - "200ms", "5s", "10min", "2h", "1d"; "0" is 0 */
bool config_parse_time(const char *text, uint64_t *ms, GError **errp);

/** config_format_size() - the shortest text that parses to @bytes, new */
char *config_format_size(uint64_t bytes);

/** config_format_time() - the same for @ms */
char *config_format_time(uint64_t ms);

#endif
