/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report-event: what an operator should know.  See report-event.h. */
#include "rcached/pager/report-event.h"

#include <stdarg.h>
#include <stdio.h>

#include "rcached/pager/pager.h"

void report_event(Pager *p, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    struct RcacheVmmEventMsg msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_EVENT,
                 .size = sizeof(msg) },
        .event = event,
    };
    GuestBlock *b = page == REPORT_NO_PAGE
                        ? NULL : guest_block_of_page(&p->guest, page);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg.text, sizeof(msg.text), fmt, ap);
    va_end(ap);
    if (b) {
        msg.block = b - p->guest.block;
        msg.offset = (page - b->first) * RCACHE_PAGE_SIZE;
        g_message("vm %s: block %s offset 0x%" G_GINT64_MODIFIER "x: %s",
                  p->name, b->name, msg.offset, msg.text);
    } else {
        g_message("vm %s: %s", p->name, msg.text);
    }
    seqsock_send(&p->vmm.sock, &msg, sizeof(msg), -1);
}
