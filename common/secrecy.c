/* SPDX-License-Identifier: GPL-2.0-or-later */
/* secrecy: keep a process's memory from others.  See secrecy.h. */
#include "common/secrecy.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void secrecy_begin(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
