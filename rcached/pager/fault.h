/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault: what a fault asks for, decided from the page's word alone (rule 5).
 */
#ifndef PAGER_FAULT_H
#define PAGER_FAULT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/fetch-queue.h"
#include "rcached/pager/lost-wait.h"
#include "rcached/pager/room-queue.h"
#include "rcached/pager/stretch.h"

typedef struct Pager Pager;

/**
 * struct RoomWait - how long the queue for room has waited in vain
 * @since: ns, when there was a reason to wait on: it starts anew from there
 * @looked_at: ns, of the last look
 * @ns: the sum of the time between looks, of which each counts up to a limit
 */
typedef struct RoomWait {
    uint64_t since;
    uint64_t looked_at;
    uint64_t ns;
} RoomWait;

/**
 * struct Faults - faults that could not be answered at once
 * @room: they would take resident memory over local_max; report.c and evict.c
 *        read it
 * @room_wait: for how long they have; fault.c's
 * @fetch: their provider is asked for as many pages as it may be; report.c
 *         reads it
 * @retry: to be looked at again soon, or when page-errors.h says so
 * @lost: nobody has their bytes any more; report.c reads it
 * @stretch: there is no room anywhere, so local_max gives way
 */
typedef struct Faults {
    RoomQueue room;
    RoomWait room_wait;
    FetchQueue fetch;
    RoomQueue retry;
    LostWaits lost;
    Stretch stretch;
} Faults;

void faults_init(Faults *faults);
void faults_deinit(Faults *faults);

/** fault_poll() - take and answer all faults that are there */
void fault_poll(Pager *p);

/** fault_page() - answer a fault on @page, or see that it will be answered */
void fault_page(Pager *p, uint64_t page, uint64_t now);

/** fault_work() - answer who waited for room, or for a provider's turn */
void fault_work(Pager *p, uint64_t now);

/** fault_retry() - look again at pages whose answer met a passing error */
void fault_retry(Pager *p, uint64_t now);

#endif
