/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill-file: the file on a local disk that slabs go to when nobody takes
 * them.
 *
 * It has no name: nothing of it is left when the last descriptor closes.  Its
 * room is set aside when it is made, so that no write fails for want of it,
 * and it is divided into areas of a slab each.  It is read and written past
 * the page cache (O_DIRECT): a host that is short of memory must not fill the
 * cache to get some.
 */
#ifndef RCACHED_PROVIDER_SPILL_FILE_H
#define RCACHED_PROVIDER_SPILL_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/provider/spill-key.h"

#define SPILL_NO_AREA   UINT32_MAX

typedef struct SpillFile SpillFile;

/**
 * spill_file_new() - make one
 * @dir: on a file system that is on a disk
 * @size: bytes to set aside; what is not a whole area is left out
 * @area_bytes: of a slab's pages
 *
 * Return: the file, or NULL with @errp set
 */
SpillFile *spill_file_new(const char *dir, uint64_t size,
                          uint64_t area_bytes, GError **errp);

/** spill_file_adopt() - that of the previous daemon; @fd stays the caller's */
SpillFile *spill_file_adopt(int fd, uint64_t area_bytes, GError **errp);

/**
 * spill_file_is_like() - would spill_file_new() make one of this size there?
 *
 * Return: true if @dir is on the file system that @file is on, and @size comes
 * to as many areas
 */
bool spill_file_is_like(const SpillFile *file, const char *dir, uint64_t size);

void spill_file_free(SpillFile *file);

/** spill_file_fd() - its descriptor; stays the file's */
int spill_file_fd(const SpillFile *file);

/** spill_file_size() - bytes of slabs that it has room for in all */
uint64_t spill_file_size(const SpillFile *file);

/**
 * spill_file_check() - write and read a little of it
 * @guard: for the buffer
 * @rate: bytes written in a second
 * @why: set to why the disk takes nothing now, which may pass, or to NULL
 *
 * Return: false, with @errp set, if what was read back is not what was written
 */
bool spill_file_check(SpillFile *file, SpillKey *key, SlabGuard guard,
                      uint64_t *rate, const char **why, GError **errp);

/** spill_file_take() - an area nobody has, or SPILL_NO_AREA */
uint32_t spill_file_take(SpillFile *file);

/** spill_file_take_this() - that one; false: there is none, or it is taken */
bool spill_file_take_this(SpillFile *file, uint32_t area);

/** spill_file_give() - it is nobody's again */
void spill_file_give(SpillFile *file, uint32_t area);

/** spill_file_used() - areas that are taken */
uint32_t spill_file_used(const SpillFile *file);

/** spill_file_offset() - where @page of @area is */
uint64_t spill_file_offset(const SpillFile *file, uint32_t area,
                           uint32_t page);

#endif
