/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager-loop: what every part may ask of the loop.  See pager-loop.h. */
#include "rcached/pager/pager-loop.h"

#include <stdarg.h>

#include "common/boot.h"
#include "rcached/pager/pager.h"

uint64_t pager_now(void)
{
    return boottime_ns();
}

void pager_quit(Pager *p, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    if (p->done) {
        return;
    }
    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_message("vm %s: pager ends: %s", p->name, why);
    p->done = true;
}

uint64_t pager_resident(const Pager *p)
{
    uint64_t table = table_resident(&p->table);

    /* Not all words are counted: the memfds know, as of a moment ago. */
    return p->takeover.managed
               ? table
               : MAX(table, p->takeover.block_bytes / RCACHE_PAGE_SIZE +
                                p->takeover.arrived);
}

void pager_soon(Pager *p)
{
    if (!ring_op_busy(&p->soon_op)) {
        ring_timeout(p->ring, &p->soon_op, NS_PER_MS);
    }
}
