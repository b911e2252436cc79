/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-adopt: what an earlier daemon left, and what is lacking of it. */
#ifndef RCACHED_PROVIDER_ADOPT_H
#define RCACHED_PROVIDER_ADOPT_H

#include "rcached/provider/provider-internal.h"

/** kept_slab_pages() - the size that slabs will have: that of those kept */
uint32_t kept_slab_pages(const ProviderConfig *config);

/** provider_adopt() - take over what an earlier daemon left, and make what is
 * lacking; the store is empty */
bool provider_adopt(Provider *provider, const ProviderConfig *config,
                    GError **errp);

#endif
