/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turns: whose turn it is on the provider's thread.  See turns.h. */
#include "rcached/provider/turns.h"

void turns_init(Turns *turns)
{
    *turns = (Turns) { 0 };
    for (int i = 0; i < NR_TURN_CLASSES; i++) {
        g_queue_init(&turns->fresh[i]);
        g_queue_init(&turns->others[i]);
    }
}

void turns_host_init(TurnsHost *host)
{
    for (int i = 0; i < NR_TURN_CLASSES; i++) {
        host->lane[i] = (TurnsLane) { .host = host };
        host->lane[i].link.data = &host->lane[i];
        g_queue_init(&host->lane[i].ready);
    }
}

static void lane_move(TurnsLane *lane, GQueue *to)
{
    if (lane->in) {
        g_queue_unlink(lane->in, &lane->link);
    }
    lane->in = to;
    if (to) {
        g_queue_push_tail_link(to, &lane->link);
    }
}

void turns_host_deinit(TurnsHost *host)
{
    for (int i = 0; i < NR_TURN_CLASSES; i++) {
        g_assert(!host->lane[i].ready.length);
        lane_move(&host->lane[i], NULL);
    }
}

void turns_add(Turns *turns, Turn *turn, TurnsHost *host, TurnClass which)
{
    TurnsLane *lane = &host->lane[which];

    if (turn->lane) {
        return;
    }
    turn->link.data = turn;
    turn->lane = lane;
    g_queue_push_tail_link(&lane->ready, &turn->link);
    turns->waiting[which]++;
    if (!lane->in) {
        /* What it owes it still owes. */
        lane->credit = MIN(lane->credit, 0) + TURNS_QUANTUM;
        lane_move(lane, lane->credit > 0 ? &turns->fresh[which]
                                         : &turns->others[which]);
    }
}

/* The class that a lane is of. */
static int lane_class(const TurnsLane *lane)
{
    return lane - lane->host->lane;
}

void turns_remove(Turns *turns, Turn *turn)
{
    if (turn->lane) {
        turns->waiting[lane_class(turn->lane)]--;
        g_queue_unlink(&turn->lane->ready, &turn->link);
        turn->lane = NULL;
    }
}

/* Who has nothing more to be done goes behind the others first: else it would
 * be as good as new the next time, and so at once. */
static void lane_is_empty(Turns *turns, TurnsLane *lane, int which)
{
    bool was_fresh = lane->in == &turns->fresh[which];

    lane_move(lane, was_fresh && turns->others[which].length
              ? &turns->others[which] : NULL);
}

static Turn *next_of(Turns *turns, int which, TurnsLane **out)
{
    GQueue *fresh = &turns->fresh[which], *others = &turns->others[which];

    while (turns->waiting[which]) {
        TurnsLane *lane = (fresh->head ? fresh->head : others->head)->data;
        GList *link;

        if (lane->credit <= 0) {
            lane->credit += TURNS_QUANTUM;
            lane_move(lane, others);
            continue;
        }
        link = g_queue_pop_head_link(&lane->ready);
        if (link) {
            Turn *turn = link->data;

            turn->lane = NULL;
            turns->waiting[which]--;
            *out = lane;
            return turn;
        }
        lane_is_empty(turns, lane, which);
    }
    return NULL;
}

Turn *turns_next(Turns *turns, TurnsLane **lane)
{
    Turn *turn = NULL;

    if (turns->faults >= TURNS_FAULTS) {
        turns->faults = 0;
        turn = next_of(turns, TURN_BULK, lane);
    }
    for (int i = 0; i < NR_TURN_CLASSES && !turn; i++) {
        turn = next_of(turns, i, lane);
    }
    return turn;
}

void turns_charge(Turns *turns, TurnsLane *lane, unsigned pages,
                  uint64_t now_ms)
{
    lane->credit -= pages;
    if (lane_class(lane) == TURN_BULK) {
        turns->faults = 0;
    } else if (turns->waiting[TURN_BULK]) {
        turns->faults += pages;
    }
    if (turns->last && turns->last != lane->host) {
        turns->together_ms = now_ms;
    }
    turns->last = lane->host;
}

bool turns_wait(const Turns *turns)
{
    return turns->waiting[TURN_FAULT] || turns->waiting[TURN_BULK];
}

bool turns_compete(const Turns *turns, uint64_t now_ms)
{
    return turns->together_ms && now_ms - turns->together_ms < TURNS_TOGETHER;
}
