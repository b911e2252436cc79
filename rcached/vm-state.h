/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-state: the state memfd of a VM, as this daemon keeps it.
 *
 * A pager sends it along when it connects.  It is kept for one thing: if the
 * VM ends when no pager is there to say farewell, what the VM has leased stands
 * in it, with all that is needed to give it back (farewells.h).  Nothing of it
 * is mapped or changed here, and it is closed when a pager has left no lease in
 * it.
 */
#ifndef RCACHED_VM_STATE_H
#define RCACHED_VM_STATE_H

#include <stdbool.h>
#include <stdint.h>

/** vm_state_is_sealed() - is it a memfd, and one that does not get shorter?
 * What is not may be any file, which may make who reads it wait. */
bool vm_state_is_sealed(int fd);

/** vm_state_version() - of its layout; 0: it is no state memfd */
uint32_t vm_state_version(int fd);

/** vm_state_leases() - how many leases stand in it; 0 also if it is -1, of
 * another version than ours, or makes no sense */
unsigned vm_state_leases(int fd);

/**
 * vm_state_close() - close it, if there is one; *@fd is -1 then
 *
 * Who closes it last frees its memory, which for a large VM takes long: that
 * happens in a thread of its own.
 */
void vm_state_close(int *fd);

#endif
