/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kept-name: what slabs are called while they are kept.  See kept-name.h. */
#include "rcached/provider/kept-name.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define PREFIX          "s"
#define OLD_PREFIX      "slab-"

void kept_name(uint32_t number, bool old, char name[KEPT_NAME_MAX])
{
    if (old) {
        g_snprintf(name, KEPT_NAME_MAX, OLD_PREFIX "%" PRIu32, number);
    } else {
        g_snprintf(name, KEPT_NAME_MAX, PREFIX "%" PRIx32, number);
    }
}

bool kept_name_parse(const char *name, uint32_t *number, bool *old)
{
    const char *prefix;
    uint64_t value;

    *old = g_str_has_prefix(name, OLD_PREFIX);
    prefix = *old ? OLD_PREFIX : PREFIX;
    if (!g_str_has_prefix(name, prefix) ||
        !g_ascii_string_to_unsigned(name + strlen(prefix), *old ? 10 : 16, 0,
                                    UINT32_MAX, &value, NULL)) {
        return false;
    }
    *number = value;
    return true;
}
