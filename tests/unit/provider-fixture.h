/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A provider for tests: small slabs, short times, on a free port of
 * loopback.  For libcheck's checked fixtures: its thread must start in the
 * process that runs the test.
 */
#ifndef TESTS_PROVIDER_FIXTURE_H
#define TESTS_PROVIDER_FIXTURE_H

#include <check.h>

#include "provider-client.h"
#include "common/wire-control.h"
#include "rcached/provider/provider.h"

#define PAGES   256u
#define SLAB    (PAGES * (uint64_t)WIRE_PAGE_SIZE)
#define VM_A    0xa1
#define VM_B    0xb2

extern Provider *provider;
extern ProviderConfig config;   /* change it, then fixture_start() again */

void fixture_set_up(void);
void fixture_tear_down(void);
void fixture_start(void);

/** give() - grant lease @id of @slabs slabs to VM @vm */
WireGrantAck give(uint64_t id, uint8_t vm, uint64_t slabs);

/** leased() - a session of VM_A that has claimed lease 1, of @slabs slabs */
Client leased(uint64_t session, uint64_t slabs);

/** as_other_host() - connect as a host other than that of all else */
Client as_other_host(void);

/** our_host() - what the provider takes that one for */
const char *our_host(void);

/** still_serves() - another connection finds that all is well */
void still_serves(void);

/** snapshot() - provider_snapshot() without the list */
ProviderSnapshot snapshot(void);

/* Wait for something that another thread does; fail after 30 s. */
#define WAIT_FOR(cond) do { \
        int tries_ = 0; \
        while (!(cond)) { \
            ck_assert_msg(tries_++ < 6000, "never: %s", #cond); \
            g_usleep(5000); \
        } \
    } while (0)

#endif
