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
    host->parts = 0;
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

void turns_add(Turns *turns, Turn *turn, TurnsHost *host, TurnClass which,
               int64_t now_us)
{
    TurnsLane *lane = &host->lane[which];

    if (turn->lane) {
        return;
    }
    turn->link.data = turn;
    turn->lane = lane;
    g_queue_push_tail_link(&lane->ready, &turn->link);
    turns->waiting[which]++;
    lane->fresh = &turns->fresh[which];
    if (!lane->in) {
        /* What it owes it still owes, but for the time it asked for nothing:
         * one that always asks is not new each time. */
        lane->credit += MIN((now_us - lane->idle_us) / TURNS_PAUSE,
                            TURNS_QUANTUM - lane->credit);
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

static Turn *next_of(Turns *turns, int which, TurnsLane **out)
{
    GQueue *fresh = &turns->fresh[which], *others = &turns->others[which];

    while (turns->waiting[which]) {
        TurnsLane *lane = (fresh->head ? fresh->head : others->head)->data;
        GList *link;

        if (lane->credit <= 0) {
            lane->credit += TURNS_QUANTUM * MAX(1, lane->host->parts);
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
        lane_move(lane, NULL);  /* it has nothing more to be done */
    }
    return NULL;
}

Turn *turns_next(Turns *turns, TurnsLane **lane)
{
    Turn *turn = NULL;

    if (turns->faults >= TURNS_FAULTS) {
        turn = next_of(turns, TURN_BULK, lane);
    }
    for (int i = 0; i < NR_TURN_CLASSES && !turn; i++) {
        turn = next_of(turns, i, lane);
    }
    return turn;
}

/* Has it used more than a quantum without a pause? */
static bool asks_much(const TurnsLane *lane)
{
    return lane->in && lane->in != lane->fresh;
}

/* A turn for a fault, of a host that asks for little. */
static void note_fault(Turns *turns, const TurnsHost *host, int64_t now_us)
{
    if (now_us - turns->window_us >= TURNS_DENSE_US) {
        turns->dense = turns->few >= TURNS_DENSE &&
                       now_us - turns->window_us < 2 * TURNS_DENSE_US;
        turns->few = 0;
        turns->window_us = now_us;
    }
    turns->few++;
    turns->host = host;
}

void turns_charge(Turns *turns, TurnsLane *lane, unsigned pages, bool fault,
                  int64_t now_us)
{
    lane->credit -= pages;
    if (lane_class(lane) == TURN_BULK) {
        turns->faults = 0;
    } else if (turns->waiting[TURN_BULK]) {
        turns->faults += pages;
    }
    if (fault && !asks_much(lane)) {
        note_fault(turns, lane->host, now_us);
    }
    if (!lane->ready.length) {
        lane->idle_us = now_us;
        lane_move(lane, NULL);  /* it has nothing more to be done */
    }
}

bool turns_wait(const Turns *turns)
{
    return turns->waiting[TURN_FAULT] || turns->waiting[TURN_BULK];
}

bool turns_compete(const Turns *turns, const TurnsHost *host, int64_t now_us)
{
    return turns->dense && turns->host != host &&
           now_us - turns->window_us < 2 * TURNS_DENSE_US;
}
