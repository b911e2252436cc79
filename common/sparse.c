/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sparse: see sparse.h. */
#include "common/sparse.h"

#include <sys/mman.h>

void *sparse_new(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }
    /* Refused where the kernel has no huge pages: so much the better. */
    madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

void sparse_free(void *memory, size_t size)
{
    if (memory) {
        munmap(memory, size);
    }
}
