/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passage: do pages get through to a provider, and back?
 *
 * A way on which small frames pass and large ones do not (an MTU that is wrong
 * somewhere, a filter) lets PINGs, HELLO and CLAIM through, so none of them
 * says anything about pages.  Each direction is judged by its own pages alone:
 *
 *   unproven --a page came through--> proven
 *      ^                                |
 *      +-- the session ended -----------+
 *
 *   any --pages are out, and none has come through for PASSAGE_NS--> suspect
 *   any --PASSAGE_SESSIONS in a row have ended like that--> suspect
 *   suspect --a page came through in that direction--> well again
 *
 * That a provider is suspect outlives its sessions: a new HELLO proves nothing.
 * But one that no lease is left of cannot be tried, and is forgiven.
 *
 * Pure: time is an argument, in nanoseconds.
 */
#ifndef PAGER_PASSAGE_H
#define PAGER_PASSAGE_H

#include <stdbool.h>
#include <stdint.h>

#define PASSAGE_NS      UINT64_C(4000000000)
/* Something on the way may end a connection that large frames are sent on. */
#define PASSAGE_SESSIONS    3u

enum PassageWay {
    PASSAGE_PUT,
    PASSAGE_GET,
    PASSAGE_WAYS
};

/**
 * struct Passage - of one provider
 * @out: requests with pages that are not answered, by direction
 * @waiting: ns, pages have been out, and none has come through, since; 0: none
 *           are out
 * @asked: there was such a request in this session
 * @came: and pages have come through
 * @vain: sessions in a row that were asked in and that none came through in
 * @suspect: none came through for too long, or in too many sessions
 * @proven: a PUT has come through in this session
 * @since: ns, suspect since
 */
typedef struct Passage {
    unsigned out[PASSAGE_WAYS];
    uint64_t waiting[PASSAGE_WAYS];
    bool asked[PASSAGE_WAYS];
    bool came[PASSAGE_WAYS];
    unsigned vain[PASSAGE_WAYS];
    bool suspect[PASSAGE_WAYS];
    bool proven;
    uint64_t since;
} Passage;

/** passage_asked() - a PUT or GET has been sent */
void passage_asked(Passage *passage, enum PassageWay way, uint64_t now);

/**
 * passage_answered() - it has been answered
 * @pages: its pages have come through; false: it was refused
 *
 * Return: true if the provider was suspect and is not any more
 */
bool passage_answered(Passage *passage, enum PassageWay way, bool pages,
                      uint64_t now);

/**
 * passage_session_ended() - what was out never will be answered
 *
 * Return: true: the provider is suspect now, and was not before
 */
bool passage_session_ended(Passage *passage, uint64_t now);

/** passage_turn() - look at the time; true: the provider is suspect now, and
 * was not before */
bool passage_turn(Passage *passage, uint64_t now);

/** passage_waits() - have pages been out, and none come through, for @ns? */
static inline bool passage_waits(const Passage *passage, uint64_t now,
                                 uint64_t ns)
{
    for (unsigned way = 0; way < PASSAGE_WAYS; way++) {
        if (passage->waiting[way] && now > passage->waiting[way] + ns) {
            return true;
        }
    }
    return false;
}

/** passage_forget() - it is not suspect any more, although nothing proves it */
void passage_forget(Passage *passage);

/** passage_is_suspect() - pages are out in a direction, and none got through */
static inline bool passage_is_suspect(const Passage *passage)
{
    return passage->suspect[PASSAGE_PUT] || passage->suspect[PASSAGE_GET];
}

#endif
