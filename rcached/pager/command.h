/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command: resize and evict, one at a time, and bringing pages home.
 */
#ifndef PAGER_COMMAND_H
#define PAGER_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

typedef struct Pager Pager;

enum CommandKind {
    COMMAND_NONE,
    COMMAND_EVICT_BYTES,
    COMMAND_EVICT_TARGET,
    COMMAND_RESIZE
};

/**
 * struct Command - a command that has not been answered; private to command.c,
 *                  but that pager.c and limit.c look at @kind
 * @from_link: rcached has sent it, not the VMM
 * @id: the sender's, for the answer
 * @goal: pages to go, or resident pages to come down to
 * @done: pages that went
 * @swept: the clock's figure when an evict could begin to pick pages
 * @total: for PROGRESS: pages to deal with
 * @told: for PROGRESS: pages dealt with
 * @deadline: ns, moved on by progress
 * @seen: what progress is measured by
 * @old_size: pages, to roll back to
 * @old_local_max: the same
 * @old_copies: the same
 * @old_auto_least: the same; 0: local_max was not rcached's to choose
 */
typedef struct Command {
    enum CommandKind kind;
    bool from_link;
    uint64_t id;
    uint64_t goal;
    uint64_t done;
    uint64_t swept;
    uint64_t total, told;
    uint64_t deadline;
    uint64_t seen;
    uint64_t old_size, old_local_max;
    unsigned old_copies;
    uint64_t old_auto_least;
} Command;

/**
 * struct Commands - one command at a time
 * @active: the one that is under way
 * @homing: more is away than may be: size has been lowered, or the VM is held
 * @home_at: index of the next word to look at for a page to bring home
 * @home_fruitless: looks since the last page that was found there
 */
typedef struct Commands {
    Command active;
    bool homing;
    uint64_t home_at;
    uint64_t home_fruitless;
} Commands;

/** command_resize() - RESIZE of the VMM; answered now or when it is done */
void command_resize(Pager *p, const struct RcacheVmmResize *msg);

/**
 * command_evict() - evict now; answered now or when it is done
 * @from_link: rcached asks, not the VMM
 * @id: for the answer
 * @what: RCACHE_EVICT_BYTES or RCACHE_EVICT_TARGET, unchecked
 */
void command_evict(Pager *p, bool from_link, uint64_t id, uint32_t what,
                   uint64_t bytes);

/** command_cancel() - give up the VMM's command @id, if it is under way */
void command_cancel(Pager *p, uint64_t id);

/** command_progress() - tell the VMM how far its command has come */
void command_progress(Pager *p);

/** command_wants() - pages a command still wants to go */
uint64_t command_wants(const Pager *p);

/** command_evicted() - @n pages have gone to providers */
void command_evicted(Pager *p, unsigned n);

/** command_tick() - is it done, or has it given up? */
void command_tick(Pager *p, uint64_t now);

/**
 * command_size_set() - change size; what is away above it comes home
 * @size: pages
 */
void command_size_set(Pager *p, uint64_t size);

/** command_home_work() - the next pages that come home; true: more at once */
bool command_home_work(Pager *p, uint64_t now);

#endif
