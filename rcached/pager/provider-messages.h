/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-messages: what providers say, handed to who deals with it; and what
 * becomes of everything that was asked of one whose session has ended.
 */
#ifndef PAGER_PROVIDER_MESSAGES_H
#define PAGER_PROVIDER_MESSAGES_H

#include "rcached/pager/remote.h"

/* What a Remote tells its owner, the Pager. */
extern const RemoteOps provider_ops;

#endif
