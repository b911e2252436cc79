/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passage: do pages get through to a provider, and back?  See passage.h. */
#include "rcached/pager/passage.h"

void passage_asked(Passage *passage, enum PassageWay way, uint64_t now)
{
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
    passage->suspect[way] = false;
    passage->proven |= way == PASSAGE_PUT;
    return before && !passage_is_suspect(passage);
}

void passage_session_ended(Passage *passage)
{
    for (unsigned way = 0; way < PASSAGE_WAYS; way++) {
        passage->out[way] = 0;
        passage->waiting[way] = 0;
    }
    passage->proven = false;
}

void passage_forget(Passage *passage)
{
    passage->suspect[PASSAGE_PUT] = passage->suspect[PASSAGE_GET] = false;
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
        if (!passage_is_suspect(passage)) {
            passage->since = since;
        }
        passage->suspect[way] = true;
        passage->proven = false;
    }
    return !before && passage_is_suspect(passage);
}
