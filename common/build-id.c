/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * build-id: from the notes of the program that are in memory, since its file
 * may be another one by now, or out of reach.
 */
#include "common/build-id.h"

#include <glib.h>
#include <link.h>
#include <string.h>

#define ALIGN_4(n)      (((n) + 3) & ~3u)

static bool notes_find(const uint8_t *at, size_t left, uint8_t *id)
{
    while (left >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)at;
        uint64_t name = sizeof(*note);
        uint64_t desc = name + ALIGN_4((uint64_t)note->n_namesz);
        uint64_t end = desc + ALIGN_4((uint64_t)note->n_descsz);

        if (end > left) {
            return false;
        }
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            !memcmp(at + name, "GNU", 4)) {
            memcpy(id, at + desc, MIN(note->n_descsz, BUILD_ID_LEN));
            return true;
        }
        at += end;
        left -= end;
    }
    return false;
}

/* The first object is the program itself. */
static int object_look(struct dl_phdr_info *info, size_t size, void *opaque)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_NOTE &&
            notes_find((const uint8_t *)(info->dlpi_addr + p->p_vaddr),
                       p->p_memsz, opaque)) {
            return 1;
        }
    }
    return -1;
}

bool build_id_read(uint8_t id[BUILD_ID_LEN])
{
    memset(id, 0, BUILD_ID_LEN);
    return dl_iterate_phdr(object_look, id) == 1;
}
