/* SPDX-License-Identifier: GPL-2.0-or-later */
/* print: a daemon's answers as tables for people. */
#ifndef RCACHECTL_PRINT_H
#define RCACHECTL_PRINT_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

/*
 * Each makes the text for what its command answers, new.  What is missing or
 * of another type is shown as "-": the daemon may be of another version.
 */
char *print_status(JsonNode *answer);
char *print_whatif(JsonNode *answer);
char *print_ok_to_stop(JsonNode *answer);

/** print_why() - of a VM in the answer of whatif: why it cannot move, or
 * NULL */
char *print_why(JsonNode *vm);

/* The answers of these commands; each returns a text, new. */
char *print_hosts(JsonNode *answer);
char *print_leases(JsonNode *answer);
char *print_vms(JsonNode *answer);
char *print_evict(JsonNode *answer);
char *print_set(JsonNode *answer);
char *print_drain(JsonNode *answer);

#endif
