/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proactive-text: how it stands with a VM that is to be shrunk, in words; QEMU
 * gets them from the pager, and admin sockets have them too.  Pure.
 */
#ifndef RCACHE_PROACTIVE_TEXT_H
#define RCACHE_PROACTIVE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/** proactive_name() - of an enum RcacheProactiveState, for programs */
const char *proactive_name(uint32_t state);

/**
 * proactive_text() - where it stands and why, for a person
 * @state: an enum RcacheProactiveState
 * @stall, @target: of the vCPUs' time, in millionths
 * @text: "stall 0.30 % over the target of 0.10 %: growing"
 */
void proactive_text(uint32_t state, uint32_t stall, uint32_t target,
                    char *text, size_t size);

#endif
