/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-text: numbers in the texts of proc and of cgroups.  Pure. */
#ifndef RCACHE_PROC_TEXT_H
#define RCACHE_PROC_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * proc_text_number() - "KEY value" or "KEY: value" at the start of a line
 *
 * Return: false if there is no such line, or the value is no number or needs
 * more than 64 bits
 */
bool proc_text_number(const char *text, const char *key, uint64_t *out);

/**
 * proc_text_pressure() - the text of a pressure file
 * @some, @full: hundredths of a percent over the last ten seconds; a line
 *               that is missing counts as 0
 *
 * Return: false if there is no line "some"
 */
bool proc_text_pressure(const char *text, uint32_t *some, uint32_t *full);

#endif
