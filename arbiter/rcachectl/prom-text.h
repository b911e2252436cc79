/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prom-text: the lines of Prometheus' text format, version 0.0.4.
 *
 *     # HELP rcache_vm_guest_bytes All memory of the VM.
 *     # TYPE rcache_vm_guest_bytes gauge
 *     rcache_vm_guest_bytes{vm="web",uuid="...",host="a"} 536870912
 *
 * The head comes once for each name, before all of its lines.  Values are
 * written with all their digits and a point, whatever the locale.
 */
#ifndef RCACHECTL_PROM_TEXT_H
#define RCACHECTL_PROM_TEXT_H

#include <glib.h>

/**
 * prom_head() - the two comment lines
 * @type: "counter", "gauge" or "histogram"
 * @help: a sentence, without a line end or a backslash
 */
void prom_head(GString *out, const char *name, const char *type,
               const char *help);

/** prom_label() - NAME="TEXT", escaped; the caller has braces and commas */
void prom_label(GString *out, const char *name, const char *text);

/** prom_value() - what ends a line: a blank, @value, and the line end */
void prom_value(GString *out, double value);

#endif
