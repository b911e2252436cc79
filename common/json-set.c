/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json-set: see json-set.h. */
#include "common/json-set.h"

#include "common/uuid.h"

void json_set_int(JsonObject *o, const char *name, uint64_t value)
{
    json_object_set_int_member(o, name, MIN(value, INT64_MAX));
}

void json_set_known(JsonObject *o, const char *name, bool known,
                    uint64_t value)
{
    if (known) {
        json_set_int(o, name, value);
    } else {
        json_object_set_null_member(o, name);
    }
}

void json_set_seconds(JsonObject *o, const char *name, double value)
{
    json_object_set_double_member(o, name, value);
}

void json_set_text(JsonObject *o, const char *name, const char *text)
{
    if (text) {
        json_object_set_string_member(o, name, text);
    } else {
        json_object_set_null_member(o, name);
    }
}

void json_set_uuid(JsonObject *o, const char *name, const uint8_t *uuid)
{
    char text[UUID_TEXT_LEN];

    uuid_format(uuid, text);
    json_object_set_string_member(o, name, text);
}
