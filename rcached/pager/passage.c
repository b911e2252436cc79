/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passage: do pages get through to a provider, and back?  See passage.h. */
#include "rcached/pager/passage.h"

void passage_asked(Passage *passage, enum PassageWay way, uint64_t now)
{
    passage->asked[way] = true;
    if (!passage->out[way]++) {
        passage->waiting[way] = now;
    }
}

bool passage_answered(Passage *passage, enum PassageWay way, bool pages,
                      uint64_t now)
{
    bool before = passage_is_suspect(passage);

    passage->out[way] -= passage->out[way] > 0;
    if (!passage->out[way]) {
        passage->waiting[way] = 0;
    }
    if (!pages) {
        return false;
    }
    if (passage->out[way]) {
        passage->waiting[way] = now;
    }
    passage->came[way] = true;
    passage->vain[way] = 0;
    passage->suspect[way] = false;
    passage->proven |= way == PASSAGE_PUT;
    return before && !passage_is_suspect(passage);
}

/* None have come through for too long, or too often: from @since on. */
static void passage_suspect(Passage *passage, unsigned way, uint64_t since)
{
    if (!passage_is_suspect(passage)) {
        passage->since = since;
    }
    passage->suspect[way] = true;
}

bool passage_session_ended(Passage *passage, uint64_t now)
{
    bool before = passage_is_suspect(passage);

    for (unsigned way = 0; way < PASSAGE_WAYS; way++) {
        passage->vain[way] += passage->asked[way] && !passage->came[way];
        if (passage->vain[way] >= PASSAGE_SESSIONS) {
            passage_suspect(passage, way, now);
        }
        passage->asked[way] = passage->came[way] = false;
        passage->out[way] = 0;
        passage->waiting[way] = 0;
    }
    passage->proven = false;
    return !before && passage_is_suspect(passage);
}

void passage_forget(Passage *passage)
{
    for (unsigned way = 0; way < PASSAGE_WAYS; way++) {
        passage->suspect[way] = false;
        passage->vain[way] = 0;
    }
}

bool passage_turn(Passage *passage, uint64_t now)
{
    bool before = passage_is_suspect(passage);

    for (unsigned way = 0; way < PASSAGE_WAYS; way++) {
        uint64_t since = passage->waiting[way];

        /* @since may be newer: something was sent after @now was read. */
        if (!since || now < since + PASSAGE_NS || passage->suspect[way]) {
            continue;
        }
        passage_suspect(passage, way, since);
        passage->proven = false;
    }
    return !before && passage_is_suspect(passage);
}
