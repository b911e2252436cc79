/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kept-name: what slabs are called while they are kept.  See kept-name.h. */
#include "rcached/provider/kept-name.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define PREFIX          "s"
#define OLD_PREFIX      "slab-"

/* The longest variable of an environment, MAX_ARG_STRLEN, and what is in it. */
#define NAMES_MAX       (128u << 10)
#define NAMES_OTHERS    sizeof("LISTEN_FDNAMES=leases:spill-key:spill-file:")
/* With a colon, and of numbers below 65536: slabs take the lowest. */
#define NAME_BYTES      6u
#define OLD_NAME_BYTES  11u
/* The table of leases, the spill key, the spill file. */
#define FDS_OTHERS      3u

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

unsigned kept_slabs_most(unsigned fds, unsigned old)
{
    unsigned room = NAMES_MAX - NAMES_OTHERS, longer;

    longer = MIN(old, room / OLD_NAME_BYTES) * (OLD_NAME_BYTES - NAME_BYTES);
    return MIN(fds - MIN(fds, FDS_OTHERS), (room - longer) / NAME_BYTES);
}
