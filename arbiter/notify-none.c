/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify: in a build without libsystemd.  See notify.h. */
#include "arbiter/notify.h"

void notify_ready(void)
{
}

void notify_stopping(void)
{
}
