/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json-set: members of the objects that admin sockets answer with, in the forms
 * that rcachectl(1) promises.
 */
#ifndef RCACHE_JSON_SET_H
#define RCACHE_JSON_SET_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/** json_set_int() - JSON's integers are signed here, and what does not fit
 * becomes the largest */
void json_set_int(JsonObject *o, const char *name, uint64_t value);

/** json_set_known() - the same, or null where it is not known */
void json_set_known(JsonObject *o, const char *name, bool known,
                    uint64_t value);

/** json_set_seconds() - a number of seconds, with its fraction */
void json_set_seconds(JsonObject *o, const char *name, double value);

/** json_set_text() - @text, copied; NULL becomes null */
void json_set_text(JsonObject *o, const char *name, const char *text);

/** json_set_uuid() - 16 bytes in the usual form */
void json_set_uuid(JsonObject *o, const char *name, const uint8_t *uuid);

#endif
