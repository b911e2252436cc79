/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service: in a build without libsystemd.  See service.h. */
#include "common/service.h"

#include <stddef.h>

void service_ready(void)
{
}

void service_stopping(void)
{
}

void service_extend(unsigned ms)
{
}

void service_extend_start(unsigned ms)
{
}

void service_status(const char *text)
{
}

bool service_keeps(void)
{
    return false;
}

unsigned service_keeps_most(void)
{
    return 0;
}

void service_keep(const char *name, int fd)
{
}

ServiceFd *service_kept(unsigned *n)
{
    *n = 0;
    return NULL;
}

void service_kept_free(ServiceFd *kept, unsigned n)
{
}
