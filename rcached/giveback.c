/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * giveback: how much of what is lent has to come back, as far as the whole
 * daemon decides it.  agent/pressure.h says how much, provider.h asks for it.
 */
#include "rcached/rcached.h"

/* In the run folder: an operator wants this host empty. */
#define DRAINING        "draining"

/*
 * No more is offered than the spill file could take; nothing, while it cannot
 * be written to.  Without one that is no limit.
 */
static void cap_by_spill(Rcached *r, const ProviderSnapshot *lent)
{
    if (lent->spill_size) {
        predict_cap(&r->prediction,
                    MAX(lent->spill_failing ? 0 : lent->spill_size,
                        r->leased), "spill file");
    }
}

/* What is short is asked back; what cannot be known is left as it was. */
void rcached_give_back(Rcached *r, const ProviderSnapshot *lent)
{
    PressureInput in = {
        .available = r->sample.available,
        .reserve = r->reserve,
        .leased = r->leased - r->spilled,
        .psi_some = r->sample.psi_some_avg10,
        .psi_full = r->sample.psi_full_avg10,
        .draining = r->draining,
    };
    uint64_t before = r->asked;

    if (r->sampled || r->draining) {
        r->keep = MIN(pressure_update(&r->pressure, &in), r->foreseen);
    }
    if (!r->provider) {
        return;
    }
    r->asked = provider_revoke(r->provider, r->keep,
                               r->sampled ? r->prediction.room : 0,
                               r->options->deadline_ms);
    if (!before != !r->asked) {
        g_message(r->asked ? "asking %" G_GUINT64_FORMAT " MiB of %"
                  G_GUINT64_FORMAT " MiB back: %s"
                  : "nothing is asked back any more (%" G_GUINT64_FORMAT
                  " of %" G_GUINT64_FORMAT " MiB)%s",
                  r->asked >> 20, r->leased >> 20,
                  !r->asked ? "" : r->draining ? "this host is drained"
                  : r->keep == PRESSURE_KEEP_ALL ? "it is in the spill file"
                  : "less than reserve and growth is available");
    }
    cap_by_spill(r, lent);
    if (r->divide.squeezed) {
        predict_cap(&r->prediction, r->leased, "own VMs");
    }
    if (r->keep != PRESSURE_KEEP_ALL) {
        predict_cap(&r->prediction, MAX(r->keep, r->leased),
                    r->draining ? "drained" : "asked back");
    }
    /* What is short is in memory; what is spilled is leased all the same. */
    provider_set_limit(r->provider,
                       MIN(r->prediction.offered,
                           r->keep == PRESSURE_KEEP_ALL
                               ? r->keep : r->keep + r->spilled));
}

void rcached_drain(Rcached *r, bool draining)
{
    g_autoptr(GError) error = NULL;
    ProviderSnapshot lent;

    r->draining = draining;
    if (!rundir_set_mark(r->dir, DRAINING, draining, &error)) {
        g_warning("the next daemon will not know that this host is %s: %s",
                  draining ? "drained" : "drained no more", error->message);
    }
    rcached_sample(r, &lent);
    provider_snapshot_clear(&lent);
}

void rcached_resume_drain(Rcached *r)
{
    r->draining = r->provider && rundir_has_mark(r->dir, DRAINING);
    if (r->draining) {
        g_message("this host is still being drained: an operator has said "
                  "so; \"rcachectl undrain\" lets it lend again");
    }
}

void rcached_told_to_drain(bool draining, void *opaque)
{
    Rcached *r = opaque;

    if (r->provider && draining != r->draining) {
        g_message("an arbiter says: %s", draining ? "drain" : "undrain");
        rcached_drain(r, draining);
    }
}
