/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build-id: which build of the program this process runs, as its linker has
 * named it. */
#ifndef RCACHE_BUILD_ID_H
#define RCACHE_BUILD_ID_H

#include <stdbool.h>
#include <stdint.h>

#define BUILD_ID_LEN    20u

/**
 * build_id_read() - the id of the program that runs
 * @id: zeros behind one that is shorter
 *
 * Return: false, with zeros, if it has none
 */
bool build_id_read(uint8_t id[BUILD_ID_LEN]);

#endif
