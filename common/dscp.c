/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dscp: the mark of packets.  See dscp.h. */
#include "common/dscp.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

void dscp_mark(int fd, unsigned dscp)
{
    int class = dscp << 2;      /* the two bits below are ECN's, not ours */

    if (!dscp) {
        return;
    }
    /* A socket of IPv6 may speak IPv4, too, and has both. */
    (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &class, sizeof(class));
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
}
