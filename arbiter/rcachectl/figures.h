/* SPDX-License-Identifier: GPL-2.0-or-later */
/* figures: ask a daemon for what "top" and the metrics show. */
#ifndef RCACHECTL_FIGURES_H
#define RCACHECTL_FIGURES_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

#define FIGURES_ANSWER_MS       3000u   /* of each of the three */

/* The answers to the commands of these names; all of them or none.  .vms is
 * JSON's null where there are more VMs than the daemon lists. */
typedef struct Figures {
    JsonNode *status, *hosts, *vms;
} Figures;

/**
 * figures_ask() - one after the other
 * @path: the admin socket
 *
 * Blocking, for three times FIGURES_ANSWER_MS at most.
 *
 * Return: false with @errp set, and nothing to clear
 */
bool figures_ask(Figures *figures, const char *path, GError **errp);

/** figures_json() - an object of the three, new; takes them */
JsonNode *figures_json(Figures *figures);

#endif
