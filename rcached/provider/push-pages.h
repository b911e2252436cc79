/* SPDX-License-Identifier: GPL-2.0-or-later */
/* push-pages: the pages of a slab that is pushed, for push.c. */
#ifndef RCACHED_PROVIDER_PUSH_PAGES_H
#define RCACHED_PROVIDER_PUSH_PAGES_H

#include "rcached/provider/push.h"

/** push_pages_send() - as many as may be out; behind the last one, PUSHED */
void push_pages_send(Push *push);

/**
 * push_pages_answered() - a PUT has been answered
 * @tag: of its answer
 *
 * Return: false: it is one that was not sent
 */
bool push_pages_answered(Push *push, uint64_t tag);

/** push_pages_reading() - are some being read from the spill file? */
bool push_pages_reading(const Push *push);

/** push_pages_drop() - its buffers; none is being read into */
void push_pages_drop(Push *push);

#endif
