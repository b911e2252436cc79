/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uuid: 16 bytes and their text, "8-4-4-4-12" in hexadecimal. */
#ifndef RCACHE_UUID_H
#define RCACHE_UUID_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define UUID_LEN        16u
#define UUID_TEXT_LEN   37u     /* with its NUL */

/** uuid_format() - the text of a uuid, in small letters */
void uuid_format(const uint8_t uuid[UUID_LEN], char text[UUID_TEXT_LEN]);

/** uuid_parse() - a text to a uuid; false, with @uuid unchanged, if not one */
bool uuid_parse(const char *text, uint8_t uuid[UUID_LEN]);

/** uuid_hash(), uuid_equal() - for a GHashTable whose keys are uuids */
guint uuid_hash(gconstpointer uuid);
gboolean uuid_equal(gconstpointer a, gconstpointer b);

#endif
