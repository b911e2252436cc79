/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uplink-messages: what rcached says on the link, handed to who deals with it.
 * What the pager says there is uplink.c.
 */
#ifndef PAGER_UPLINK_MESSAGES_H
#define PAGER_UPLINK_MESSAGES_H

#include "rcached/pager/seqsock.h"

/* What the connection tells its owner, the Pager. */
extern const SeqSockOps uplink_ops;

#endif
