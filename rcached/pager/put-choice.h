/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * put-choice: which lease gets the next pages.
 *
 * The one that is used least, but one of a slow provider only if there is no
 * other, then one that is wanted back: what goes there has to move again; then
 * one of a provider where bytes were changed lately; and last one of a provider
 * that no pages get through to.
 */
#ifndef PAGER_PUT_CHOICE_H
#define PAGER_PUT_CHOICE_H

#include <stdint.h>

#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/** put_choose() - a lease that one more PUT can be sent to now, or NULL */
Lease *put_choose(const Pager *p, uint64_t now);

#endif
