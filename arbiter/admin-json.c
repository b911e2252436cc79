/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-json: see admin-json.h. */
#include "arbiter/admin-json.h"

#include <string.h>

#include "common/admin.h"
#include "common/uuid.h"

#define ROWS_MAX        20000u

void admin_json_int(JsonObject *o, const char *name, uint64_t value)
{
    json_object_set_int_member(o, name, MIN(value, INT64_MAX));
}

void admin_json_seconds(JsonObject *o, const char *name, double value)
{
    json_object_set_double_member(o, name, value);
}

void admin_json_uuid(JsonObject *o, const char *name, const uint8_t *uuid)
{
    char text[UUID_TEXT_LEN];

    uuid_format(uuid, text);
    json_object_set_string_member(o, name, text);
}

uint64_t admin_json_free(const PlacementHost *view)
{
    return view->alive && view->connected && view->lends && !view->draining
               ? view->free : 0;
}

const char *admin_json_only(JsonObject *args)
{
    return json_object_get_string_member_with_default(args, "host", NULL);
}

bool admin_json_is_asked(const char *only, const char *name)
{
    return !only || !strcmp(only, name);
}

bool admin_json_rows(unsigned rows, const char *what, GError **errp)
{
    if (rows <= ROWS_MAX) {
        return true;
    }
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED, "there are %u %s, and "
                "no more than %u are listed at once: name a host", rows, what,
                ROWS_MAX);
    return false;
}
