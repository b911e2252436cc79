/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics: the daemon's figures in Prometheus' text format, version
 * 0.0.4, for a collector of text files.
 */
#ifndef RCACHECTL_METRICS_H
#define RCACHECTL_METRICS_H

#include <json-glib/json-glib.h>

/**
 * metrics_text() - of an object of "status", "hosts" and "vms", which is null
 * where there are more of them than the daemon lists
 *
 * A figure that is not known is left out.
 *
 * Return: the text, new
 */
char *metrics_text(JsonNode *answers);

#endif
