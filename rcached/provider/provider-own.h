/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-own: what VMs on this host have on its own disk. */
#ifndef RCACHED_PROVIDER_OWN_H
#define RCACHED_PROVIDER_OWN_H

#include "rcached/provider/provider.h"

/**
 * provider_grant_own() - give a VM on this host a lease on its own disk
 * @out: the answer, whole: also when it is no
 *
 * All that is stored in it goes to the spill file; it takes no memory.  It is
 * refused where nobody keeps descriptors for the next daemon: there a daemon
 * that is killed would take pages of VMs on its own host with it.  On the
 * thread of provider_grant().
 */
void provider_grant_own(Provider *provider, const WireGrant *grant,
                        WireGrantAck *out);

#endif
