/* SPDX-License-Identifier: GPL-2.0-or-later */
/* providers: the hosts that this VM has leases at.  See providers.h. */
#include "rcached/pager/providers.h"

#include <string.h>

#include "common/tls-material.h"
#include "rcached/pager/avoid.h"
#include "rcached/pager/pager.h"

/* Between two lines about the same. */
#define TOLD_NS             (60 * NS_PER_SEC)

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

/* At one address: whoever is there; but with TLS it has to be whom the arbiter
 * has named.  One that takes an address over is not asked by another's name,
 * and gets nothing that was meant for that. */
static bool is_same(const Pager *p, const Remote *r, const char *host)
{
    return !p->self.tls || !*host || !strcmp(r->host, host);
}

Remote *providers_get(Pager *p, const char *address, const char *host)
{
    Remote *r;

    for (guint i = 0; i < p->providers.remotes->len; i++) {
        r = g_ptr_array_index(p->providers.remotes, i);
        if (!strcmp(r->address, address) && is_same(p, r, host)) {
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

void providers_put_wrong(Remote *remote, const Pager *p)
{
    uint64_t now = pager_now();

    remote->wrong++;
    remote->wrong_at = now;
    if (remote->wrong_put_told &&
        now - remote->wrong_put_told < TOLD_NS) {
        return;
    }
    remote->wrong_put_told = now;
    g_warning("vm %s: provider %s confirmed other bytes than were sent to it: "
              "the pages stay here, and other providers are preferred for a "
              "minute; that provider's memory, the network or a network card "
              "changes bits", p->name,
              remote->host);
}

void providers_put_in_vain(Remote *remote, const Pager *p)
{
    uint64_t now = pager_now();

    if (remote->refuses_told && now - remote->refuses_told < TOLD_NS) {
        return;
    }
    remote->refuses_told = now;
    g_warning("vm %s: provider %s has stored nothing that was sent to it, "
              "several times in a row: pages go to other providers, and it is "
              "tried again in %u s", p->name, remote->host,
              (unsigned)(REMOTE_REFUSES_NS / NS_PER_SEC));
}

void providers_get_busy(Remote *remote, const Pager *p)
{
    uint64_t now = pager_now();

    remote->busy++;
    if (remote->busy_told && now - remote->busy_told < TOLD_NS) {
        return;
    }
    remote->busy_told = now;
    g_warning("vm %s: provider %s was too busy to send a page (%"
              G_GUINT64_FORMAT " times so far): it is asked again within "
              "0.1 s", p->name, remote->host, remote->busy);
}

/* Say what was left out, once its time is over. */
static void provider_log_tick(Remote *remote, const Pager *p, uint64_t now)
{
    unsigned left_out = log_limit_tick(&remote->log, now / NS_PER_MS);

    if (left_out) {
        g_message("vm %s: provider %s: %u more lines about it were not "
                  "written", p->name, remote->host, left_out);
    }
}

bool providers_may_tell(Remote *remote, const Pager *p)
{
    provider_log_tick(remote, p, pager_now());
    return log_limit_take(&remote->log);
}

bool providers_may_put(const Remote *remote)
{
    return remote->passage.proven || !remote->passage.out[PASSAGE_PUT];
}

bool providers_is_silent(const Pager *p, const Remote *remote, uint64_t now)
{
    const GPtrArray *remotes = p->providers.remotes;
    bool away = remote_is_away(remote, now), alone = true;
    uint64_t since;

    if (!away && !passage_waits(&remote->passage, now, PROVIDERS_SILENT_NS)) {
        return false;
    }
    for (guint i = 0; i < remotes->len; i++) {
        const Remote *other = remotes->pdata[i];

        if (other == remote || other->state != REMOTE_UP ||
            remote_trouble(other, now, &since)) {
            continue;
        }
        if (!passage_waits(&other->passage, now, PROVIDERS_SILENT_NS)) {
            return true;
        }
        alone = false;
    }
    return alone && !away;
}

static bool provider_is_used(const Pager *p, const Remote *remote)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote == remote) {
            return true;
        }
    }
    return remote_is_used(remote);
}

/* Has it been of no use for so long that it is to be forgotten? */
static bool provider_is_over(const Pager *p, Remote *remote, uint64_t now)
{
    if (provider_is_used(p, remote)) {
        remote->unused_at = 0;
        return false;
    }
    if (!remote->unused_at) {
        remote->unused_at = now;
    }
    return now - remote->unused_at >= PROVIDERS_KEEP_NS;
}

void providers_tick(Pager *p, uint64_t now)
{
    GPtrArray *remotes = p->providers.remotes;

    for (guint i = remotes->len; i-- > 0;) {
        Remote *r = remotes->pdata[i];

        provider_log_tick(r, p, now);
        if (!provider_is_over(p, r, now)) {
            remote_tick(r, now);
        } else if (r->state == REMOTE_DOWN) {
            avoid_forget(p->moves.avoid, r);
            g_ptr_array_remove_index(remotes, i);
            remote_free(r);
        } else {
            remote_close(r, "this VM has not used it for 10 minutes");
        }
    }
}

bool providers_set_tls(Pager *p, int fd, bool plain, GError **errp)
{
    g_autoptr(TlsMaterial) material = fd < 0 ? NULL
                                             : tls_material_from_fd(fd, errp);
    TlsCredentials *creds = material ? tls_credentials_new(material, errp)
                                     : NULL;

    if (fd >= 0 && !creds) {
        return false;
    }
    tls_credentials_unref(p->self.tls);
    p->self.tls = creds;
    p->self.plain = plain;
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        remote_recheck(g_ptr_array_index(p->providers.remotes, i));
    }
    return true;
}

void providers_close_all(Pager *p)
{
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        remote_close(g_ptr_array_index(p->providers.remotes, i),
                     "the pager is stopping");
    }
    for (guint i = 0; i < p->providers.remotes->len; i++) {
        Remote *r = g_ptr_array_index(p->providers.remotes, i);

        while (r->state != REMOTE_DOWN) {
            ring_run_once(p->ring, true);
        }
    }
}
