/* SPDX-License-Identifier: GPL-2.0-or-later */
/* giveback: how much may stay lent.  See giveback.h. */
#include "rcached/giveback.h"

#include "common/saturate.h"

void giveback_init(GiveBack *giveback, uint32_t psi_some_max,
                   uint32_t psi_full_max)
{
    *giveback = (GiveBack) {
        .keep = PRESSURE_KEEP_ALL, .here = PRESSURE_KEEP_ALL,
        .foreseen = PRESSURE_KEEP_ALL,
    };
    pressure_init(&giveback->pressure, psi_some_max, psi_full_max);
}

void giveback_update(GiveBack *giveback, const GiveBackInput *in,
                     const PredictOutput *predicted)
{
    uint64_t lent = in->leased - in->spilled;
    PressureInput pressure = {
        .available = in->sample->available,
        .reserve = in->reserve,
        .leased = lent,
        .psi_some = in->sample->psi_some_avg10,
        .psi_full = in->sample->psi_full_avg10,
    };

    if (!in->unsettled) {
        giveback->foreseen = predicted->keep < lent ? predicted->keep
                                                    : PRESSURE_KEEP_ALL;
    }
    if (in->sampled) {
        giveback->here = MIN(pressure_update(&giveback->pressure, &pressure),
                             giveback->foreseen);
    }
    giveback->keep = in->draining ? 0 : giveback->here;
}

void giveback_cap(const GiveBack *giveback, const GiveBackInput *in,
                  PredictOutput *predicted)
{
    /* No more than the spill file could take; nothing while it fails. */
    if (in->spill_size) {
        uint64_t room = in->spill_size - MIN(in->own, in->spill_size);

        predict_cap(predicted, MAX(in->spill_failing ? 0 : room, in->leased),
                    "spill file");
    }
    predict_cap(predicted, MAX(in->keepable, in->leased), "kept slabs");
    if (in->squeezed) {
        predict_cap(predicted, in->leased, "own VMs");
    }
    if (giveback->keep != PRESSURE_KEEP_ALL) {
        predict_cap(predicted, MAX(giveback->keep, in->leased),
                    in->draining ? "drained" : "asked back");
    }
}

uint64_t giveback_limit(const GiveBack *giveback, const GiveBackInput *in,
                        uint64_t offered)
{
    return MIN(offered, saturating_add(giveback->keep, in->spilled));
}
