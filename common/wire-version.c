/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire-version: see wire-version.h. */
#include "common/wire-version.h"

#include <glib.h>

void wire_version_offer(WireHello *hello)
{
    hello->version_min = RCACHE_VERSION_MIN;
    hello->version_max = RCACHE_VERSION;
}

uint16_t wire_version_choose(const WireHello *hello)
{
    uint16_t highest = MIN(hello->version_max, RCACHE_VERSION);
    uint16_t lowest = MAX(hello->version_min, RCACHE_VERSION_MIN);

    return highest >= lowest ? highest : 0;
}

bool wire_version_spoken(uint16_t version)
{
    return version >= RCACHE_VERSION_MIN && version <= RCACHE_VERSION;
}

uint16_t wire_version_highest(void)
{
    return RCACHE_VERSION;
}

void wire_version_refuse(const WireHello *hello, const char *who, char *text,
                         size_t size)
{
    g_snprintf(text, size, "no protocol version in common: %s speaks %u to "
               "%u, %s speaks %u to %u", who, RCACHE_VERSION_MIN,
               RCACHE_VERSION, hello->host, hello->version_min,
               hello->version_max);
}
