/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-where: see provider-where.h. */
#include "rcached/provider/provider-where.h"

#include "rcached/provider/provider-internal.h"

void provider_found(Provider *provider, uint64_t ticket,
                    const WireWhere *found)
{
    ServerFound *answer = g_new0(ServerFound, 1);

    answer->ticket = ticket;
    answer->status = found->status;
    wire_text_copy(answer->host, sizeof(answer->host), found->host);
    wire_text_copy(answer->address, sizeof(answer->address), found->address);
    pthread_mutex_lock(&provider->lock);
    g_queue_push_tail(&provider->found, answer);
    pthread_mutex_unlock(&provider->lock);
    provider_wake(provider);
}
