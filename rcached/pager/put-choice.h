/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * put-choice: which slabs get the next pages.
 *
 * A PUT goes to slabs whose places are at the same leases (slots.h, a group).
 * Of the groups all of whose leases can take one now it is the one whose leases
 * are used least, but one with a slow provider only if there is no other, then
 * one with a lease that is wanted back: what goes there has to move again; then
 * one of a provider where bytes were changed lately; then one of a provider
 * that no pages get through to, and only if no group is without such a one.
 * This host's own disk comes behind all other hosts, and is not put to at all
 * while one without it has room for as many copies, though it be busy; nor
 * when it is wanted back, since it is about to end then.  Slabs of which all
 * places are wanted back as a whole get nothing while others, this host's own
 * disk among them, have room for as many copies, though they be busy: the
 * provider may be about to end.  Where nobody else has room they do, since it
 * may as well be short of memory, which takes nothing from those slabs.
 * Slots that are kept for pages which are here count as room of their group, as
 * they are given up before the last free one is taken (kept.h): as long as
 * there are any nothing goes to a disk or to one place for lack of others.
 * Last comes one with fewer copies than the VM wants, when there has been none
 * with enough for a quarter of a second (C8).
 */
#ifndef PAGER_PUT_CHOICE_H
#define PAGER_PUT_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

#define PUT_NOWHERE     UINT32_MAX

/** put_choose() - a group that one more PUT can be sent to, or PUT_NOWHERE */
uint32_t put_choose(const Pager *p, uint64_t now);

/** put_room() - free slots of groups with enough copies that are well, not
 * wanted back as a whole, and without this host's own disk */
uint64_t put_room(const Pager *p, uint64_t now);

/**
 * put_is_room() - is a slot of a group that becomes free room for pages?
 * @copies: it has so many, at least
 *
 * As put_room() says it; and all of its providers answer.
 */
bool put_is_room(const Pager *p, uint32_t group, unsigned copies,
                 uint64_t now);

/** put_kept() - slots that are kept (kept.h) in groups that are room for all
 * copies */
uint64_t put_kept(const Pager *p, uint64_t now);

/** put_choice_tick() - note whether there is room with enough copies */
void put_choice_tick(Pager *p, uint64_t now);

#endif
