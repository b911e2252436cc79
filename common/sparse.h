/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sparse: memory that is zero and takes up only what has been touched.
 *
 * An allocator may write to what it gives out (glibc's calloc() does with
 * MALLOC_PERTURB_ set), and transparent huge pages take 2 MiB for one byte.
 * A table that is as large as a VM may ever be can afford neither.
 */
#ifndef RCACHE_SPARSE_H
#define RCACHE_SPARSE_H

#include <stddef.h>

/**
 * sparse_new() - so many bytes, above 0, for sparse_free()
 *
 * Return: the memory, or NULL if there is none
 */
void *sparse_new(size_t size);

/** sparse_free() - @size as it was given to sparse_new(); NULL is nothing */
void sparse_free(void *memory, size_t size);

#endif
