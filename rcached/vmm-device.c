/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmm-device: see vmm-device.h. */
#include "rcached/vmm-device.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/wire.h"
#include "rcached/seqpacket.h"

#define DEVICE          "/dev/userfaultfd"

bool vmm_device_is(const struct RcacheVmmHdr *hdr, size_t len)
{
    return len == sizeof(*hdr) && hdr->magic == RCACHE_VMM_MAGIC &&
           hdr->type == RCACHE_VMM_DEVICE && hdr->size == len;
}

int vmm_device_answer(int fd, const char *refused)
{
    struct RcacheVmmHelloAck ack = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_DEVICE_ACK,
                 .size = sizeof(ack) },
        .version = RCACHE_VMM_VERSION,
    };
    autofd device = refused ? -1 : open(DEVICE, O_RDWR | O_CLOEXEC);
    struct RcacheVmmHdr unread;

    if (refused) {
        ack.status = -EBUSY;
        wire_text_copy(ack.text, sizeof(ack.text), refused);
    } else if (device < 0) {
        g_autofree char *why = NULL;

        ack.status = -errno;
        why = g_strdup_printf("rcached cannot open " DEVICE " either: %s",
                              g_strerror(errno));
        wire_text_copy(ack.text, sizeof(ack.text), why);
    }
    /* As vmm_refuse(): what is in the queue would make an error of the end. */
    recv(fd, &unread, sizeof(unread), MSG_DONTWAIT);
    seq_send(fd, &ack, sizeof(ack), device);
    shutdown(fd, SHUT_WR);
    return ack.status;
}

bool vmm_device_is_taken(int fd)
{
    int unread = 0;

    return ioctl(fd, SIOCOUTQ, &unread) || !unread;
}
