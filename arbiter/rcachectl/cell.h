/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cell: a figure of an answer as text for people.
 *
 * What is missing or of another type than expected is "-": the daemon may be
 * of another version.  Nothing that a terminal would act upon comes out.
 */
#ifndef RCACHECTL_CELL_H
#define RCACHECTL_CELL_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum CellKind {
    CELL_TEXT,
    CELL_COUNT,
    CELL_BYTES,
    CELL_SECONDS,
    CELL_PERCENT,
    CELL_FLAGS,                 /* of a host */
    CELL_STATE,                 /* of a host or a VM */
    CELL_PROVIDERS              /* of a VM */
} CellKind;

/* Each of the next returns a new text. */

/** cell_bytes() - "1.5G" */
char *cell_bytes(double bytes);

/** cell_seconds() - "35us", "1.5s", "12min" */
char *cell_seconds(double s);

/** cell_text() - without what a terminal would act upon */
char *cell_text(const char *text);

/** cell_flags() - "lends,draining,away", of a host */
char *cell_flags(JsonObject *o);

/** cell_state() - "alive", and where its figures are old: "alive, 14.0s ago" */
char *cell_state(JsonObject *o);

/** cell_value() - @node may be NULL */
char *cell_value(JsonNode *node, CellKind kind);

/** cell_field() - a member of @o, which may be missing */
char *cell_field(JsonObject *o, const char *field, CellKind kind);

/** cell_words() - a member of @o that is a text; "" if there is none */
char *cell_words(JsonObject *o, const char *field);

/**
 * cell_whole() - a member of @o that is a number, as a whole one
 * @value: the nearest from -INT64_MAX to INT64_MAX; 0 if there is none
 *
 * Return: false: there is no such member, or it is no number
 */
bool cell_whole(JsonObject *o, const char *field, int64_t *value);

/** cell_object(), cell_array() - a member of @o; NULL: there is no such one */
JsonObject *cell_object(JsonObject *o, const char *field);
JsonArray *cell_array(JsonObject *o, const char *field);

/** cell_is_number(), cell_is_text() - NULL is neither */
bool cell_is_number(JsonNode *node);
bool cell_is_text(JsonNode *node);

/** cell_is_true() - is there such a member, and is it true? */
bool cell_is_true(JsonObject *o, const char *field);

#endif
