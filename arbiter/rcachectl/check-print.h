/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-print: what was found, for people and for programs.  Pure. */
#ifndef RCACHECTL_CHECK_PRINT_H
#define RCACHECTL_CHECK_PRINT_H

#include <json-glib/json-glib.h>

#include "common/finding.h"

/** check_print_text() - for people, new: a line that counts, then each
 * finding, then what is well */
char *check_print_text(const Findings *findings);

/** check_print_json() - rcachectl(1) has its members; new */
JsonNode *check_print_json(const Findings *findings);

#endif
