/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-fixture: what rcachectl check knows of a host where all is well. */
#ifndef TESTS_CHECK_FIXTURE_H
#define TESTS_CHECK_FIXTURE_H

#include "arbiter/rcachectl/check-facts.h"

#define DAY                     INT64_C(86400)
#define CHECK_FIXTURE_NOW       (20000 * DAY)

/** check_fixture_init() - host alpha with a daemon and an arbiter, which know
 * host beta */
void check_fixture_init(CheckFacts *facts);

/** check_fixture_link() - one more arbiter; @error NULL: connected */
void check_fixture_link(CheckFacts *facts, const char *address,
                        const char *error);

/** check_fixture_host() - one more host that the arbiter knows */
CheckHost *check_fixture_host(CheckFacts *facts, const char *name,
                              const char *address);

/** check_fixture_path() - one more way on which all arrives */
CheckPath *check_fixture_path(CheckFacts *facts, const char *name,
                              const char *address);

#endif
