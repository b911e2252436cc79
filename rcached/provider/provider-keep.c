/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-keep: slabs that are kept for the next daemon.
 *
 * old_names has the numbers of those that an earlier daemon named.  It is set
 * up before the provider serves, and then only looked at and changed with the
 * lock held.
 */
#include "rcached/provider/provider-keep.h"

#include "rcached/provider/kept-name.h"

void provider_keep_slab(Provider *provider, const Slab *slab)
{
    char name[KEPT_NAME_MAX];

    if (provider->keep) {
        kept_name(slab->number, false, name);
        provider->keep(name, slab->fd, provider->keep_opaque);
    }
}

void provider_bound(Provider *provider)
{
    if (provider->keep && provider->keep_max) {
        store_set_most(provider->store,
                       kept_slabs_most(provider->keep_max,
                                       g_hash_table_size(
                                           provider->old_names)));
    }
}

void provider_let_go(Provider *provider, uint32_t number)
{
    bool old = g_hash_table_remove(provider->old_names,
                                   GUINT_TO_POINTER(number));
    char name[KEPT_NAME_MAX];

    if (provider->keep) {
        kept_name(number, old, name);
        provider->keep(name, -1, provider->keep_opaque);
    }
    if (old) {
        provider_bound(provider);
    }
}
