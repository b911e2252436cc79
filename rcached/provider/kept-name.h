/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kept-name: the names under which slabs are with the service manager.
 *
 * systemd hands all names to the next daemon in one variable, LISTEN_FDNAMES,
 * and the kernel takes no variable above 128 KiB: with more than that the
 * daemon can never be started again.  So a name is an "s" and the slab's
 * number, in hexadecimal digits.  An earlier daemon had "slab-" and decimal
 * digits; what it left stays under that name, for nothing can be renamed there
 * without a moment in which it is not kept.
 */
#ifndef RCACHED_KEPT_NAME_H
#define RCACHED_KEPT_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define KEPT_NAME_MAX   24u     /* bytes, with the NUL */

/** kept_name() - the name of slab @number; @old: as an earlier daemon has it */
void kept_name(uint32_t number, bool old, char name[KEPT_NAME_MAX]);

/**
 * kept_name_parse() - which slab is that?
 * @number: its number
 * @old: whether an earlier daemon named it
 *
 * Return: whether it is the name of a slab
 */
bool kept_name_parse(const char *name, uint32_t *number, bool *old);

/**
 * kept_slabs_most() - how many slabs can be kept and handed to the next daemon
 * @fds: descriptors that are kept in all, those of table, spill key and spill
 *       file among them
 * @old: how many slabs an earlier daemon has named
 */
unsigned kept_slabs_most(unsigned fds, unsigned old);

#endif
