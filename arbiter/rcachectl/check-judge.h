/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-judge: what of all that is known hurts, or will.  Pure.
 *
 * What a daemon says of itself is taken before its configuration, which may
 * have changed since it was started.
 */
#ifndef RCACHECTL_CHECK_JUDGE_H
#define RCACHECTL_CHECK_JUDGE_H

#include "arbiter/rcachectl/check-facts.h"
#include "common/finding.h"

/** check_judge() - judge all, those of host-checks.h too; the worst first */
void check_judge(const CheckFacts *facts, Findings *findings);

#endif
