/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmm-refuse: see vmm-refuse.h. */
#include "common/vmm-refuse.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/wire.h"
#include "rcache/vmm.h"

void vmm_refuse(int fd, int status, const char *text)
{
    struct RcacheVmmHelloAck ack = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_HELLO_ACK,
                 .size = sizeof(ack) },
        .version = RCACHE_VMM_VERSION,
        .status = status,
    };
    char unread;

    /*
     * Closing a socket whose queue is not empty is an error at the other
     * end, which would come before the answer.
     */
    recv(fd, &unread, sizeof(unread), MSG_DONTWAIT);
    wire_text_copy(ack.text, sizeof(ack.text), text);
    /* One that does not even read this has not asked for long. */
    send(fd, &ack, sizeof(ack), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}
