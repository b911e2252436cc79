/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arbiter-answers: see arbiter-answers.h and arbiter-client.h. */
#include "rcached/agent/arbiter-answers.h"

bool arbiter_send_bytes(ControlConn *frames, GByteArray *bytes)
{
    bool sent = control_conn_send(frames, bytes);

    g_byte_array_unref(bytes);
    return sent;
}

void arbiter_clients_unref(ArbiterClients *clients)
{
    if (--clients->refs == 0) {
        g_free(clients->host);
        g_free(clients->provider);
        tls_credentials_unref(clients->config.tls);
        g_free(clients->arbiter);
        g_free(clients);
    }
}

ArbiterAsked *arbiter_asked_new(Arbiter *a, uint64_t tag)
{
    ArbiterAsked *asked = g_new0(ArbiterAsked, 1);

    a->clients->refs++;
    asked->clients = a->clients;
    asked->index = a->index;
    asked->connection = a->connection;
    asked->tag = tag;
    return asked;
}

/* Takes both. */
static void asked_answer(ArbiterAsked *asked, GByteArray *bytes)
{
    ArbiterClients *clients = asked->clients;
    Arbiter *a = clients->alive ? &clients->arbiter[asked->index] : NULL;

    if (a && a->greeted && a->connection == asked->connection) {
        arbiter_send_bytes(a->frames, bytes);
    } else {
        g_byte_array_unref(bytes);
    }
    arbiter_clients_unref(clients);
    g_free(asked);
}

void arbiter_grant_answer(ArbiterAsked *request, const WireGrantAck *ack)
{
    GByteArray *bytes = g_byte_array_new();

    wire_append_grant_ack(bytes, request->tag, ack);
    asked_answer(request, bytes);
}

void arbiter_evict_answer(ArbiterAsked *request, const WireEvictAck *ack)
{
    GByteArray *bytes = g_byte_array_new();

    wire_append_evict_ack(bytes, request->tag, ack);
    asked_answer(request, bytes);
}

void arbiter_upgrade_answer(ArbiterAsked *request, const WireUpgradeAck *ack)
{
    GByteArray *bytes = g_byte_array_new();

    wire_append_upgrade_ack(bytes, request->tag, ack);
    asked_answer(request, bytes);
}

unsigned arbiter_clients_count(const ArbiterClients *clients)
{
    return clients->nr_arbiters;
}

unsigned arbiter_clients_connected(const ArbiterClients *clients)
{
    unsigned n = 0;

    for (unsigned i = 0; i < clients->nr_arbiters; i++) {
        n += clients->arbiter[i].greeted;
    }
    return n;
}

void arbiter_clients_status(const ArbiterClients *clients, unsigned i,
                            ArbiterStatus *out)
{
    const Arbiter *a = &clients->arbiter[i];

    *out = (ArbiterStatus) {
        .address = a->address,
        .host = a->host,
        .connected = a->greeted,
        .error = a->error ? a->error : "",
        .beats = a->beats,
        .version = a->greeted ? a->version : 0,
    };
}
