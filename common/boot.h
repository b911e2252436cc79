/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot: which boot of this host it is, and the time since then.
 *
 * The clock is CLOCK_BOOTTIME: it goes on while the host sleeps, never steps,
 * and means the same in every process of this boot.
 */
#ifndef RCACHE_BOOT_H
#define RCACHE_BOOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/uuid.h"

/**
 * boot_id_read() - the kernel's random id of this boot
 *
 * Return: false with @errp set; @out is then unchanged
 */
bool boot_id_read(uint8_t out[UUID_LEN], GError **errp);

/** boottime_ns() - nanoseconds since this host was booted */
uint64_t boottime_ns(void);

/** boottime_ms() - the same in milliseconds */
uint64_t boottime_ms(void);

#endif
