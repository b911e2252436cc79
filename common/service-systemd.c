/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service: with libsystemd.  See service.h. */
#include "common/service.h"

#include <glib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* How long to wait for the manager to have read a notice. */
#define BARRIER_US      (5 * 1000 * 1000)
/* FileDescriptorStoreMax= in dist/rcached.service. */
#define STORE_MAX       16384u

void service_ready(void)
{
    sd_notify(0, "READY=1");
}

void service_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void service_extend(unsigned ms)
{
    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu", ms * 1000ull);
}

void service_extend_start(unsigned ms)
{
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", ms * 1000ull);
}

void service_status(const char *text)
{
    sd_notifyf(0, "STATUS=%s\nWATCHDOG=1", text);
}

bool service_keeps(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

unsigned service_keeps_most(void)
{
    const char *told = getenv("FDSTORE");       /* since systemd 254 */
    uint64_t most;

    return told && g_ascii_string_to_unsigned(told, 10, 0, UINT_MAX, &most,
                                              NULL) ? most : STORE_MAX;
}

void service_keep(const char *name, int fd)
{
    g_autofree char *text = NULL;
    int ret;

    if (!service_keeps()) {
        return;
    }
    if (fd < 0) {
        text = g_strdup_printf("FDSTOREREMOVE=1\nFDNAME=%s", name);
        ret = sd_notify(0, text);
    } else {
        text = g_strdup_printf("FDSTORE=1\nFDNAME=%s", name);
        ret = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
        if (ret > 0) {
            ret = sd_notify_barrier(0, BARRIER_US);
        }
    }
    if (ret < 0) {
        g_warning("the service manager does not keep '%s': %s", name,
                  g_strerror(-ret));
    }
}

ServiceFd *service_kept(unsigned *n)
{
    g_auto(GStrv) names = NULL;
    int got = sd_listen_fds_with_names(1, &names);
    ServiceFd *kept = g_new0(ServiceFd, MAX(got, 0) + 1);

    *n = MAX(got, 0);
    for (unsigned i = 0; i < *n; i++) {
        kept[i].name = g_strdup(names[i]);
        kept[i].fd = SD_LISTEN_FDS_START + i;
    }
    return kept;
}

void service_kept_free(ServiceFd *kept, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_free(kept[i].name);
    }
    g_free(kept);
}
