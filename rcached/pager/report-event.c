/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report-event: what an operator should know.  See report-event.h. */
#include "rcached/pager/report-event.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/log-event.h"
#include "rcached/pager/pager.h"

/* The number of its line in the log; NULL: nothing to look for. */
static const char *event_id(enum RcacheVmmEvent event)
{
    switch (event) {
    case RCACHE_EVENT_WAITING:
        return LOG_VM_WAITING;
    case RCACHE_EVENT_DEGRADED:
        return LOG_VM_DEGRADED;
    case RCACHE_EVENT_RECOVERED:
        return LOG_VM_RECOVERED;
    case RCACHE_EVENT_PAGE_LOST:
        return LOG_VM_LOST;
    case RCACHE_EVENT_ATTACHED:
        break;
    }
    return NULL;
}

/* What hurts the guest is found by priority, too. */
static GLogLevelFlags event_level(enum RcacheVmmEvent event)
{
    return event == RCACHE_EVENT_WAITING || event == RCACHE_EVENT_PAGE_LOST
        ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE;
}

static void event_log(const Pager *p, enum RcacheVmmEvent event,
                      const char *where, const char *text)
{
    if (event_id(event)) {
        log_event_vm(event_level(event), event_id(event), p->name,
                     "vm %s: %s%s", p->name, where, text);
    } else {
        g_message("vm %s: %s%s", p->name, where, text);
    }
}

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
    g_autofree char *where = NULL;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg.text, sizeof(msg.text), fmt, ap);
    va_end(ap);
    if (b) {
        msg.block = b - p->guest.block;
        msg.offset = (page - b->first) * RCACHE_PAGE_SIZE;
        where = g_strdup_printf("block %s offset 0x%" G_GINT64_MODIFIER
                                "x: ", b->name, msg.offset);
    }
    event_log(p, event, where ? where : "", msg.text);
    seqsock_send(&p->vmm.sock, &msg, sizeof(msg), -1);
}
