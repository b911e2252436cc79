/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move: a slab goes from one provider to another (docs/protocol.rst, "The move
 * of a slab": the requester's part).  revoke.c says which and where, or
 * copies.c for one that gets a second place.
 *
 *   EXPECTING → WAITING → MOVING → CONFIRMING → CHECKING → one store in the
 *   slab table → the slab that it named until then, if it did, is spare, and is
 *   dropped when no GET is out on it
 *
 * A slab in which nothing is stored goes from EXPECTING to the store at once.
 * A stale place that is to go only waits, is CHECKING the other place, and is
 * cleared.
 *
 * From EXPECTING on the slab is frozen: no slot is taken in it, and those to
 * be freed are held.  It is WAITING until all PUTs and FREEs into it that were
 * sent before are answered: a provider may have read a PUT whose pages still
 * wait for its disk, and a push that begins then does not have them.  Until
 * the store the old provider has the bytes and serves them; from then on the
 * new one.  Anything that goes wrong before ends in move_abort(), after which
 * the slab is as it was and the spare one spare; then it begins anew, with
 * another token.  Who does not answer for too long loses its session: what was
 * asked for may still come about, and only the fence proves that it does not.
 *
 * No spare slab is used before an EXPECT has emptied it and ended what an older
 * move may still push into it: not for a move, and not to be put into the
 * table (WIPING).
 */
#include <string.h>
#include <sys/random.h>

#include "common/crash-point.h"
#include "common/wire-move.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define BUSY_NS         (50 * NS_PER_MS)
#define AGAIN_NS        NS_PER_SEC
#define PUSH_NS         (300 * NS_PER_SEC)      /* 64 MiB at 220 KiB/s */
#define UNREAD_NS       (60 * NS_PER_SEC)

_Static_assert(MOVES_MAX <= COMPARES_MAX, "a move compares by its own number");

void moves_init(Moves *moves)
{
    moves->avoid = avoid_new();
}

void moves_deinit(Moves *moves)
{
    g_array_free(moves->avoid, TRUE);
}

/* --------------------------------------------------------------- requests */

static void move_send_token(Pager *p, Move *m, uint8_t type)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .type = type, .lease = m->to->known.id,
                      .epoch = m->to->known.epoch };
    WireMoveToken token = { .slab = m->number };

    m->retry_at = 0;
    m->asked_at = pager_now();
    m->tag = tag_encode(TAG_MOVE, m - p->moves.entry, ++p->serial);
    head.tag = m->tag;
    memcpy(token.token, m->token, sizeof(token.token));
    wire_append_move_token(frame, &head, &token);
    data_conn_send_bytes(&m->to->remote->bulk, frame);
    if (m->state != MOVE_WIPING) {
        crash_point_sent(type == RCACHE_EXPECT ? "expect-sent"
                                               : "confirm-sent");
    }
}

/* The slab, as its source calls it. */
static uint32_t source_number(const Pager *p, const Move *m)
{
    const SlotSlab *s = &p->slots.slabs[m->slab];

    return s->place[slots_which(s, m->from->index)].number;
}

static void move_check(Pager *p, Move *m);

static void move_send_move(Pager *p, Move *m)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .lease = m->from->known.id,
                      .epoch = m->from->known.epoch };
    WireMove move = {
        .to_lease = m->to->known.id, .to_epoch = m->to->known.epoch,
        .to_slab = m->number, .to_session = m->to->remote->session,
        .slab = source_number(p, m),
    };

    m->state = MOVE_MOVING;
    m->asked_at = pager_now();
    m->tag = tag_encode(TAG_MOVE, m - p->moves.entry, ++p->serial);
    head.tag = m->tag;
    memcpy(move.token, m->token, sizeof(move.token));
    wire_text_copy(move.address, sizeof(move.address), m->to->remote->address);
    if (m->from->remote->features & RCACHE_FEATURE_NAMED) {
        wire_text_copy(move.host, sizeof(move.host), m->to->known.provider);
    }
    wire_append_move(frame, &head, &move);
    data_conn_send_bytes(&m->from->remote->bulk, frame);
    crash_point_sent("move-sent");
}

/* Nothing that changes the slab is under way any more: it can be pushed. */
static void move_go(Pager *p, Move *m)
{
    if (m->state == MOVE_WAITING && location_is_quiet(p, m->slab) &&
        !probe_is_out(p, m->slab)) {
        if (m->sheds) {
            move_check(p, m);
        } else {
            move_send_move(p, m);
        }
    }
}

void move_answered(Pager *p)
{
    for (unsigned i = 0; i < MOVES_MAX && p->moves.nr; i++) {
        move_go(p, &p->moves.entry[i]);
    }
}

/* ------------------------------------------------------ it begins and ends */

static Move *move_alloc(Pager *p)
{
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        if (!p->moves.entry[i].state) {
            p->moves.nr++;
            return &p->moves.entry[i];
        }
    }
    return NULL;
}

static void move_free(Pager *p, Move *m)
{
    compare_end(p, m - p->moves.entry);
    *m = (Move) { 0 };
    p->moves.nr--;
}

/* What is empty is not expected, but only emptied: a token of zeros. */
static void move_start(Pager *p, const Move *what)
{
    Move *m = move_alloc(p);

    *m = *what;
    m->state = MOVE_EXPECTING;
    m->empty = !p->slots.slabs[m->slab].nr_used;
    location_freeze(p, m->slab);
    if (!m->empty &&
        getrandom(m->token, sizeof(m->token), 0) != sizeof(m->token)) {
        g_error("the kernel gave no random bytes (getrandom)");
    }
    move_send_token(p, m, RCACHE_EXPECT);
}

void move_begin(Pager *p, Lease *from, uint32_t slab, Lease *to,
                uint32_t number)
{
    Move move = {
        .slab = slab, .number = number, .from = from, .to = to,
        .leaves = from,
        .which = slots_which(&p->slots.slabs[slab], from->index),
    };

    move_start(p, &move);
}

void move_copy(Pager *p, uint32_t slab, unsigned which, Lease *to,
               uint32_t number)
{
    Move move = {
        .slab = slab, .number = number, .to = to, .which = which,
        .from = leases_of(&p->leases, &p->slots.slabs[slab], !which),
    };

    g_assert(!slots_counts(&p->slots.slabs[slab], which) && move.from);
    move_start(p, &move);
}

void move_shed(Pager *p, uint32_t slab, unsigned which, Lease *to)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    Move *m = move_alloc(p);

    *m = (Move) {
        .state = MOVE_WAITING, .slab = slab, .which = which, .sheds = true,
        .number = s->place[which].number, .to = to,
        .from = leases_of(&p->leases, s, !which),
    };
    location_freeze(p, slab);
    move_go(p, m);
}

/* The slab stays where it is, for now. */
static void move_abort(Pager *p, Move *m, const char *why)
{
    g_message("vm %s: a slab stays at %s for now: %s", p->name,
              m->from->remote->host, why);
    location_thaw(p, m->slab);
    m->from->move_at = pager_now() + AGAIN_NS;
    if (!m->sheds) {
        revoke_spare(m->to, m->number, 0);
    }
    move_free(p, m);
}

/*
 * It has not come to the new provider, or not whole: too often, and another one
 * is asked.  Whose fault it is need not be known: this pair does not do it.
 */
static void move_failed(Pager *p, Move *m, const char *why)
{
    uint64_t now = pager_now();
    uint64_t until = avoid_failed(p->moves.avoid, m->from->remote,
                                  m->to->remote, now);

    if (until > now) {
        g_warning("vm %s: provider %s cannot move slabs to %s (%s): not tried "
                  "again for %u s", p->name, m->from->remote->host,
                  m->to->remote->host, why,
                  (unsigned)((until - now) / NS_PER_SEC));
    }
    move_abort(p, m, why);
}

/*
 * The old provider cannot read some of it.  Nothing is known against the new
 * one, nor is any page lost: the slab stays until others have what can be read.
 */
static void move_unread(Pager *p, Move *m)
{
    Moves *moves = &p->moves;
    uint32_t slab = m->slab, number = source_number(p, m);
    const char *host = m->from->remote->host;

    move_abort(p, m, "some of it cannot be read there");
    if (!compare_keeps_off(p, slab)) {
        moves->put_off[moves->next_put_off++ % MOVES_PUT_OFF] =
            (MovePutOff) { slab, pager_now() + UNREAD_NS };
        g_warning("vm %s: slab %u at provider %s cannot be read as a whole: "
                  "it stays there, and is tried again in %u s", p->name,
                  number, host, (unsigned)(UNREAD_NS / NS_PER_SEC));
    }
}

/* The new provider has it all: from this store on it is the slab's. */
static void move_flip(Pager *p, Move *m)
{
    SlotPlace old = p->slots.slabs[m->slab].place[m->which];
    Lease *left = leases_at(&p->leases, old.lease);

    if (!m->empty) {
        avoid_worked(p->moves.avoid, m->from->remote, m->to->remote);
    }
    location_set(p, m->slab, m->which, m->to, m->number);
    crash_point(m->leaves ? "location-replaced" : m->empty
                ? "location-added-empty" : "location-added");
    if (left) {
        revoke_spare(left, old.number, m->slab + 1);
    }
    if (m->leaves) {
        g_message("vm %s: a slab has moved from %s to %s", p->name,
                  m->from->remote->host, m->to->remote->host);
    } else if (!m->empty) {
        g_message("vm %s: a slab at %s has a second copy at %s now", p->name,
                  m->from->remote->host, m->to->remote->host);
    }
    move_free(p, m);
}

/* The place that stays has what it should: the stale one is spare. */
static void move_clear(Pager *p, Move *m)
{
    location_clear(p, m->slab, m->which);
    crash_point("stale-dropped");
    revoke_spare(m->to, m->number, m->slab + 1);
    location_thaw(p, m->slab);
    move_free(p, m);
}

static void move_compared(Pager *p, unsigned i, enum CompareVerdict verdict)
{
    Move *m = &p->moves.entry[i];

    if (m->unread) {
        move_unread(p, m);
    } else if (verdict == COMPARE_BAD_COPY) {
        move_failed(p, m, "other bytes have arrived than were sent");
    } else if (verdict == COMPARE_NOT_YET) {
        move_abort(p, m, "some of its pages are not what was stored");
    } else if (m->sheds) {
        move_clear(p, m);
    } else {
        move_flip(p, m);
    }
}

/* Is what is there what was stored?  Rot must not be copied as truth (C4). */
static void move_check(Pager *p, Move *m)
{
    ComparePlace at = { m->to, m->number };

    if (m->sheds || m->unread) {
        at = (ComparePlace) { m->from, source_number(p, m) };
    }
    m->state = MOVE_CHECKING;
    if (compare_is_possible(at.lease)) {
        compare_begin(p, m - p->moves.entry, m->slab, at, m->from,
                      m->unread, move_compared);
    } else {
        move_compared(p, m - p->moves.entry, COMPARE_RIGHT);
    }
}

void move_wipe(Pager *p, Lease *l, uint32_t number)
{
    Move *m = move_alloc(p);

    *m = (Move) { .state = MOVE_WIPING, .number = number, .to = l };
    move_send_token(p, m, RCACHE_EXPECT);
}

/* A spare slab is empty now, and nothing else writes to it: use it. */
static void move_list(Pager *p, Move *m)
{
    location_add(p, m->to, m->number);
    move_free(p, m);
}

/* --------------------------------------------------------------- messages */

/* EXPECT is answered: nothing else writes to the spare slab any more. */
static void expect_answer(Pager *p, Move *m, uint16_t status)
{
    if (status == RCACHE_E_BUSY) {
        m->retry_at = pager_now() + BUSY_NS;
    } else if (m->state == MOVE_WIPING && !status) {
        move_list(p, m);
    } else if (m->state == MOVE_WIPING) {
        move_free(p, m);        /* the next claim knows better */
    } else if (status) {
        move_failed(p, m, wire_status_name(status));
    } else if (m->empty) {
        crash_point("expected-empty");
        move_flip(p, m);
    } else {
        crash_point("expected");
        m->state = MOVE_WAITING;
        move_go(p, m);
    }
}

static void moved_answer(Pager *p, Move *m, const WireHead *head,
                         const void *payload)
{
    WireMoved moved;

    if (head->status ||
        wire_moved_decode(payload, head->length, &moved)) {
        if (m->state == MOVE_MOVING && head->status == RCACHE_E_SLOT) {
            m->unread = true;
            move_check(p, m);
        } else {
            move_failed(p, m, wire_status_name(head->status));
        }
    } else if (m->state == MOVE_MOVING) {
        crash_point("moved");
        m->moved = moved;
        m->state = MOVE_CONFIRMING;
        move_send_token(p, m, RCACHE_CONFIRM);
    } else if (moved.pages != m->moved.pages ||
               moved.digest != m->moved.digest) {
        move_failed(p, m, "the two disagree about what was moved");
    } else {
        crash_point("move-confirmed");
        move_check(p, m);
    }
}

/*
 * A tag can be guessed: an answer of one provider must not move a slab
 * between two others.
 */
static bool was_asked(const Move *m, const Remote *remote)
{
    const Lease *l = m->state == MOVE_MOVING ? m->from : m->to;

    return l->remote == remote;
}

void move_answer(Pager *p, const Remote *remote, const WireHead *head,
                 const void *payload)
{
    static const uint8_t asked[] = {
        [MOVE_EXPECTING] = RCACHE_EXPECT_ACK,
        [MOVE_WAITING] = 0,     /* nothing is asked */
        [MOVE_MOVING] = RCACHE_MOVE_ACK,
        [MOVE_CONFIRMING] = RCACHE_CONFIRM_ACK,
        [MOVE_CHECKING] = 0,
        [MOVE_WIPING] = RCACHE_EXPECT_ACK,
    };
    uint32_t i = tag_decode(head->tag).index;
    Move *m = i < MOVES_MAX ? &p->moves.entry[i] : NULL;

    if (head->type == RCACHE_DROP_ACK) {
        revoke_dropped(p, remote, head);
    } else if (!m || !m->state || m->tag != head->tag || m->retry_at ||
               asked[m->state] != head->type || !was_asked(m, remote)) {
        return;                 /* of a move that has been given up */
    } else if (head->type == RCACHE_EXPECT_ACK) {
        expect_answer(p, m, head->status);
    } else {
        moved_answer(p, m, head, payload);
    }
    revoke_tick(p, pager_now());
}

/* Is the place that was copied from not needed any more? */
static bool pushed(const Move *m)
{
    return !m->sheds && !m->unread &&
           (m->state == MOVE_CONFIRMING || m->state == MOVE_CHECKING);
}

void move_remote_down(Pager *p, const Remote *remote)
{
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        Move *m = &p->moves.entry[i];

        if (m->state == MOVE_WIPING && m->to->remote == remote) {
            move_free(p, m);
        } else if (m->state && m->state != MOVE_WIPING &&
                   (m->to->remote == remote ||
                    (m->from->remote == remote && !pushed(m)))) {
            move_abort(p, m, "a provider cannot be reached");
        }
    }
}

void move_lease_gone(Pager *p, const Lease *l)
{
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        Move *m = &p->moves.entry[i];

        if (m->state == MOVE_WIPING && m->to == l) {
            move_free(p, m);
        } else if (m->state && m->state != MOVE_WIPING &&
                   (m->to == l || m->from == l)) {
            move_abort(p, m, "the lease ends");
        }
    }
    compare_lease_gone(p, l);
}

void move_source_gone(Pager *p, uint32_t slab, const Lease *l)
{
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        Move *m = &p->moves.entry[i];

        if (m->state && m->state != MOVE_WIPING && m->slab == slab &&
            m->from == l) {
            move_abort(p, m, "its bytes there are gone");
        }
    }
}

bool move_names(const Pager *p, const Lease *to, uint32_t number)
{
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        const Move *m = &p->moves.entry[i];

        if (m->state && m->to == to && m->number == number) {
            return true;
        }
    }
    return false;
}

/* Who has been asked and has not answered for too long; NULL: nobody. */
static Remote *move_hung(const Move *m, uint64_t now)
{
    switch (m->state) {
    case MOVE_MOVING:
        return now >= m->asked_at + PUSH_NS ? m->from->remote : NULL;
    case MOVE_EXPECTING:
    case MOVE_CONFIRMING:
    case MOVE_WIPING:
        return !m->retry_at && now >= m->asked_at + PROVIDERS_ANSWER_NS
                   ? m->to->remote : NULL;
    default:
        return NULL;
    }
}

void move_retry(Pager *p, uint64_t now)
{
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        Move *m = &p->moves.entry[i];
        Remote *hung = move_hung(m, now);

        if (hung) {
            remote_close(hung, "no answer about a slab that moves");
        }
        if (m->state && m->retry_at && now >= m->retry_at) {
            move_send_token(p, m, RCACHE_EXPECT);
        }
        move_go(p, m);          /* some answers have come to nothing */
    }
}
