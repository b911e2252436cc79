/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach: what a new pager finds, page by page (rule 2).
 */
#ifndef PAGER_ATTACH_H
#define PAGER_ATTACH_H

#include <glib.h>
#include <stdbool.h>

typedef struct Pager Pager;

/** attach_tables() - tables and leases from the state memfd */
bool attach_tables(Pager *p, GError **error);

/** attach_words() - every page by rule 2, then WAKE */
void attach_words(Pager *p);

#endif
