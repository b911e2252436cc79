/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-json: see admin-json.h. */
#include "arbiter/admin-json.h"

#include <string.h>

#include "common/admin.h"

#define ROWS_MAX        20000u

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
