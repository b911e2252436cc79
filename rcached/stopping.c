/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stopping: see stopping.h. */
#include "rcached/stopping.h"

#include <inttypes.h>
#include <string.h>

#include "common/admin.h"
#include "common/log-event.h"
#include "common/service.h"
#include "common/verdict.h"
#include "common/wire-beat.h"
#include "rcached/manager-bus.h"
#include "rcached/stop-drain.h"

/* What systemd is asked for at each tick, which it then has to grant only if
 * there is no other: far more than a tick can be late. */
#define EXTEND_MS       (60 * 1000)
/* So that who has asked for a restart has the answer before it. */
#define ANSWER_MS       200

struct Stopping {
    StoppingConfig config;
    ShutdownWatch *watch;       /* or NULL */
    StopDrain drain;
    bool draining;
    bool foretold;              /* by logind: SIGTERM is still to come, */
    bool released;              /* and nothing more is done until then */
    bool over;
    guint restart;              /* the timer of stopping_restart(), or 0 */
};

/* ------------------------------------------------------------------ words */

/* What ends with this daemon, also of VMs here. */
static uint64_t stored(const ProviderSnapshot *lent)
{
    return lent->stored + lent->own_stored;
}

/* Of all that is stored, by lease: called with what is about to be lost. */
static void say_who(const ProviderSnapshot *lent, const char *what)
{
    char size[32];

    for (guint i = 0; i < lent->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(lent->leases, WireBeatLease,
                                                i);

        if (l->stored) {
            log_event_vm_of(G_LOG_LEVEL_WARNING, LOG_STOP_LOSES, l->name,
                            l->host, "lease %016" PRIx64 ": %s of vm %s on "
                            "host %s %s", l->lease,
                            verdict_size(l->stored, size), l->name, l->host,
                            what);
        }
    }
}

static char *drain_words(const Stopping *s, const ProviderSnapshot *lent,
                         int64_t now)
{
    unsigned still = stop_drain_still(&s->drain, now) / G_USEC_PER_SEC;
    GString *text = g_string_new("stopping");
    unsigned shown = 0;
    char size[32];

    g_string_append_printf(text, ": %s have to leave first",
                           verdict_size(stored(lent), size));
    for (guint i = 0; i < lent->leases->len && shown < 3; i++) {
        const WireBeatLease *l = &g_array_index(lent->leases, WireBeatLease,
                                                i);

        if (l->stored) {
            g_string_append_printf(text, "%s vm %s on %s",
                                   shown++ ? "," : ", of", l->name, l->host);
        }
    }
    if (still > 2) {
        g_string_append_printf(text, "; none has for %u s", still);
    }
    return g_string_free(text, FALSE);
}

/* -------------------------------------------------------------- the drain */

static void drain_begin(Stopping *s, const char *why)
{
    if (s->draining) {
        return;
    }
    g_message("%s: what is lent to other hosts has to leave first", why);
    s->draining = true;
    stop_drain_begin(&s->drain, s->config.limit_ms, g_get_monotonic_time());
    policy_stop(s->config.policy, true);
}

static void drain_over(Stopping *s, bool lost)
{
    if (s->foretold) {
        s->released = true;
        shutdown_watch_release(s->watch);
    } else if (!s->over) {
        s->over = true;
        s->config.over(lost, s->config.opaque);
    }
}

static void drain_give_up(Stopping *s, const ProviderSnapshot *lent,
                          const char *why)
{
    g_warning("%s: the end waits no longer", why);
    say_who(lent, "are lost now, unless it has another copy");
    drain_over(s, stored(lent) > 0);
}

static void drain_look(Stopping *s, const ProviderSnapshot *lent,
                       int64_t now)
{
    g_autofree char *why = NULL;

    switch (stop_drain_look(&s->drain, lent->leased + lent->own, stored(lent),
                            now)) {
    case STOP_WAITS:
        break;
    case STOP_STUCK:
        say_who(lent, "do not leave: no other host takes them, or theirs "
                "cannot be reached");
        break;
    case STOP_EMPTY:
        drain_over(s, false);
        break;
    case STOP_GIVEN_UP:
        why = g_strdup_printf("nothing has left this host for %" PRIu64 " s "
                              "(stop-timeout)", s->config.limit_ms / 1000);
        drain_give_up(s, lent, why);
        break;
    }
}

char *stopping_tick(Stopping *s, int64_t now)
{
    ProviderSnapshot lent;
    char *words;

    if (!s->draining) {
        return NULL;
    }
    provider_snapshot(s->config.provider, &lent);
    if (!s->over && !(s->foretold && s->released)) {
        drain_look(s, &lent, now);
    }
    words = drain_words(s, &lent, now);
    provider_snapshot_clear(&lent);
    if (!s->foretold) {
        service_extend(EXTEND_MS);
    }
    return words;
}

/* ------------------------------------------------------------------ asked */

/* Is another daemon to follow, with what the service manager has kept? */
static bool is_kept(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *job = NULL;

    if (!service_keeps()) {
        return false;
    }
    job = manager_job(&error);
    if (!job) {
        g_message("cannot ask whether this is a restart, and so treat it as "
                  "an end: %s", error->message);
    }
    return job && strcmp(job, "stop");
}

static void give_up_at_once(Stopping *s)
{
    ProviderSnapshot lent;

    provider_snapshot(s->config.provider, &lent);
    drain_give_up(s, &lent, "told to end for the second time");
    provider_snapshot_clear(&lent);
}

void stopping_asked(Stopping *s)
{
    if (s->draining && !s->foretold) {
        give_up_at_once(s);
        return;
    }
    s->foretold = false;
    if (!s->config.provider) {
        drain_over(s, false);
    } else if (!s->draining && is_kept()) {
        g_message("what is lent stays with the service manager for the next "
                  "daemon");
        drain_over(s, false);
    } else {
        drain_begin(s, "told to end");
        g_free(stopping_tick(s, g_get_monotonic_time()));
    }
}

static gboolean restart_now(gpointer opaque)
{
    Stopping *s = opaque;

    s->restart = 0;
    if (!s->draining) {
        g_message("ending, so that the installed daemon is started");
        drain_over(s, false);
    }
    return G_SOURCE_REMOVE;
}

bool stopping_restart(Stopping *s, GError **errp)
{
    if (!service_keeps()) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED, "no service "
                    "manager would start this daemon again and keep what it "
                    "lends");
        return false;
    }
    if (s->draining) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                    "this daemon is about to stop");
        return false;
    }
    if (!s->restart) {
        s->restart = g_timeout_add(ANSWER_MS, restart_now, s);
    }
    return true;
}

static void shutdown_soon(bool soon, void *opaque)
{
    Stopping *s = opaque;

    if (soon) {
        s->foretold = !s->draining;
        drain_begin(s, "this host is about to shut down");
    } else if (s->foretold) {
        g_message("the shutdown was called off: this host lends again");
        s->foretold = s->released = s->draining = false;
        policy_stop(s->config.policy, false);
    }
}

/* ------------------------------------------------------------------- life */

Stopping *stopping_new(const StoppingConfig *config)
{
    Stopping *s = g_new0(Stopping, 1);

    s->config = *config;
    if (config->provider && service_keeps()) {
        s->watch = shutdown_watch_new(shutdown_soon, s);
    }
    return s;
}

void stopping_free(Stopping *s)
{
    if (s) {
        g_clear_handle_id(&s->restart, g_source_remove);
        shutdown_watch_free(s->watch);
        g_free(s);
    }
}
