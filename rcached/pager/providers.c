/* SPDX-License-Identifier: GPL-2.0-or-later */
/* providers: the hosts that this VM has leases at.  See providers.h. */
#include "rcached/pager/providers.h"

#include <string.h>

#include "rcached/pager/pager.h"

void providers_init(Providers *providers, const RemoteOps *ops)
{
    providers->ops = ops;
    providers->remotes = g_ptr_array_new();
}

void providers_deinit(Providers *providers)
{
    for (guint i = 0; i < providers->remotes->len; i++) {
        remote_free(g_ptr_array_index(providers->remotes, i));
    }
    g_ptr_array_free(providers->remotes, TRUE);
}

Remote *providers_get(Pager *p, const char *address, const char *host)
{
    Remote *r;

    for (guint i = 0; i < p->providers.remotes->len; i++) {
        r = g_ptr_array_index(p->providers.remotes, i);
        if (!strcmp(r->address, address)) {
            return r;
        }
        if (*host && !strcmp(r->host, host)) {
            if (r->state == REMOTE_DOWN) {
                wire_text_copy(r->address, sizeof(r->address), address);
            }
            return r;
        }
    }
    r = remote_new(p->ring, p->providers.ops, p, &p->self, address, host);
    g_ptr_array_add(p->providers.remotes, r);
    return r;
}

void providers_pages(Remote *remote, enum PassageWay way, bool good,
                     const Pager *p)
{
    if (passage_answered(&remote->passage, way, good, pager_now())) {
        g_message("vm %s: provider %s: pages come through again", p->name,
                  remote->host);
    }
}

bool providers_may_put(const Remote *remote)
{
    return remote->passage.proven || !remote->passage.out[PASSAGE_PUT];
}

void providers_tick(Providers *providers, uint64_t now)
{
    for (guint i = 0; i < providers->remotes->len; i++) {
        remote_tick(g_ptr_array_index(providers->remotes, i), now);
    }
}

void providers_close_all(Pager *p)
{
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        remote_close(g_ptr_array_index(p->providers.remotes, i),
                     "the pager ends");
    }
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        Remote *r = g_ptr_array_index(p->providers.remotes, i);

        while (r->state != REMOTE_DOWN) {
            ring_run_once(p->ring, true);
        }
    }
}
