/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider-fixture.h"

#include <string.h>

#include "common/wire-control.h"
#include "tls-fixture.h"

Provider *provider;
ProviderConfig config;

static TlsCredentials *others;  /* NULL: without TLS */

/* The same tests once more, all of their connections with TLS. */
static void speak_tls(void)
{
    static TlsCredentials *ours, *theirs;

    if (!ours) {
        g_autoptr(PkiPair) ca = tls_fixture_authority();

        ours = tls_fixture_credentials(ca, "lender", NULL);
        theirs = tls_fixture_credentials(ca, "req", NULL);
        others = tls_fixture_credentials(ca, "other", NULL);
    }
    config.tls = ours;
    client_default_tls(theirs);
}

static void config_for_tests(void)
{
    provider_config_init(&config);
    config.listen = "127.0.0.1:0";
    config.host = "lender";
    config.slab_size = SLAB;
    config.limit = 64 * SLAB;
    config.hello_ms = 600;
    config.stall_ms = 600;
    if (g_getenv("RCACHED_TEST_TLS")) {
        speak_tls();
    }
}

void fixture_start(void)
{
    g_autoptr(GError) error = NULL;

    provider = provider_new(&config, &error);
    ck_assert_msg(provider != NULL, "%s", error ? error->message : "?");
}

void fixture_set_up(void)
{
    config_for_tests();
    fixture_start();
}

void fixture_tear_down(void)
{
    provider_free(provider);
}

/* Without TLS a host is its address. */
Client as_other_host(void)
{
    Client c = client_connect_from(provider_address(provider), "127.0.0.2:0");

    ck_assert(!others || client_try_tls(&c, others));
    c.host = "other";
    return c;
}

const char *our_host(void)
{
    return others ? "req" : "127.0.0.1";
}

WireGrantAck give(uint64_t id, uint8_t vm, uint64_t slabs)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = 5000, .bytes = slabs * SLAB,
        .name = "vm", .host = "req",
    };
    WireGrantAck ack;

    memset(grant.vm, vm, sizeof(grant.vm));
    memset(grant.token, id, sizeof(grant.token));
    provider_grant(provider, &grant, &ack);
    return ack;
}

Client leased(uint64_t session, uint64_t slabs)
{
    Client c = client_session(provider_address(provider), VM_A, session);

    ck_assert_uint_eq(give(1, VM_A, slabs).bytes, slabs * SLAB);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    return c;
}

void still_serves(void)
{
    Client c = client_session(provider_address(provider), VM_B, 1);

    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
    client_close(&c);
}

ProviderSnapshot snapshot(void)
{
    ProviderSnapshot snap;

    provider_snapshot(provider, &snap);
    provider_snapshot_clear(&snap);
    return snap;
}
