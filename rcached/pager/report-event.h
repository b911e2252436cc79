/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report-event: what an operator should know, at the moment it happens: an
 * EVENT to the VMM, and a line in the log.
 */
#ifndef PAGER_REPORT_EVENT_H
#define PAGER_REPORT_EVENT_H

#include <glib.h>
#include <stdint.h>

#include "rcache/vmm.h"

typedef struct Pager Pager;

#define REPORT_NO_PAGE  UINT64_MAX

/**
 * report_event() - tell the VMM, and the log
 * @page: that it is about, or REPORT_NO_PAGE
 */
void report_event(Pager *p, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...) G_GNUC_PRINTF(4, 5);

#endif
