/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pressure: how much of what is lent a host must have back. */
#include "rcached/agent/pressure.h"

void pressure_init(Pressure *pressure, uint32_t psi_some_max,
                   uint32_t psi_full_max)
{
    *pressure = (Pressure) {
        .psi_some_max = psi_some_max, .psi_full_max = psi_full_max,
    };
}

uint64_t pressure_update(Pressure *pressure, const PressureInput *in)
{
    bool pressed = in->psi_some > pressure->psi_some_max ||
                   in->psi_full > pressure->psi_full_max;
    uint64_t target = in->reserve + in->reserve / (pressed ? 2 : 8);
    uint64_t least = pressed ? target : in->reserve;
    uint64_t need;

    if (in->available < least) {
        pressure->asking = true;
    } else if (in->available >= target) {
        pressure->asking = false;
    }
    if (!pressure->asking) {
        return PRESSURE_KEEP_ALL;
    }
    need = target - in->available;
    return need < in->leased ? in->leased - need : 0;
}
