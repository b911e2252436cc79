/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-listen: where a provider takes connections.
 */
#ifndef RCACHED_PROVIDER_LISTEN_H
#define RCACHED_PROVIDER_LISTEN_H

#include "rcached/provider/provider-internal.h"

/**
 * provider_listen() - listen where @config says
 *
 * Sets listen_fd and address.  Return: false with @errp set
 */
bool provider_listen(Provider *provider, const ProviderConfig *config,
                     GError **errp);

/** provider_raise_nofile() - slabs and connections take a descriptor each */
void provider_raise_nofile(void);

#endif
