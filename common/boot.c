/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot: this boot's id and clock.  See boot.h. */
#include "common/boot.h"

#include <gio/gio.h>
#include <time.h>

#define BOOT_ID_FILE    "/proc/sys/kernel/random/boot_id"

bool boot_id_read(uint8_t out[UUID_LEN], GError **errp)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(BOOT_ID_FILE, &text, NULL, errp)) {
        return false;
    }
    if (!uuid_parse(g_strchomp(text), out)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the kernel's boot id '%s' is not a uuid", text);
        return false;
    }
    return true;
}

uint64_t boottime_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 * 1000 * 1000 + t.tv_nsec;
}

uint64_t boottime_ms(void)
{
    return boottime_ns() / 1000 / 1000;
}
