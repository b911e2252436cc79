/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move: a slab goes from one provider to another (docs/protocol.rst, "The
 * move of a slab"): requester, old provider, new provider, and kills of each.
 *
 * A place that can hold the slab (the memory of the two providers, what a push
 * has looked at, what it has sent) has one bit: "whatever the page words name
 * is here, and right".  A PUT that is acknowledged makes every other place
 * wrong; one that is called off names nothing, so it changes nothing.
 *
 * A provider reads requests in the order they were sent in, but a PUT may be
 * answered long after it was read: its pages can wait for the provider's disk.
 * A MOVE that comes meanwhile finds nothing stored of them.
 *
 * Memory and the slab table outlive a kill; connections, tokens and what a
 * process knows do not.  Bytes that a cut push had sent may lie in the new
 * provider's socket for a while yet.
 *
 * Checked: what is read is right, nothing is asked of a slab that has been
 * dropped, and every move can end (no invalid end state).
 */
#ifndef NK
#define NK 2                    /* kills */
#endif
#ifndef NPUT
#define NPUT 2
#endif

#define OLD 0
#define NEW 1

mtype = { settled, expecting, moving, confirming };

/* what outlives processes */
bool right[2];
bool there[2] = true;
bit at = OLD;                   /* the slab table */

/* the requester, and what is on its way to and from it */
mtype state = settled;
byte token, move_token, puts, kills;
bool put_out, get_out;
bool writing;                   /* the PUT has been read, and is not answered */
bit put_to, get_to;
bool expect_q, expect_a, move_q, move_a, confirm_q, confirm_a;

/* the new provider's expectation */
bool expected, taken, done;
byte expected_token;

/* the old one's push; bytes on their way, and those of a push that was cut */
bool pushing, accepted, sent, push_right;
byte push_token;
bool data_q, data_right, stale_q, stale_right;

inline forget_answers() {
    expect_q = false; expect_a = false; move_q = false; move_a = false;
    confirm_q = false; confirm_a = false
}

inline cut_push() {
    if
    :: data_q -> stale_q = true; stale_right = data_right
    :: else
    fi;
    data_q = false; pushing = false; accepted = false; sent = false;
    data_right = false; push_right = false
}

inline stored(where) {
    right[1 - where] = false; push_right = false; data_right = false;
    stale_right = false
}

proctype requester()
{
    do
    :: atomic { (puts < NPUT && !put_out && !writing
#ifndef NO_FREEZE
                 && state == settled
#endif
                ) -> puts++; put_out = true; put_to = at }
    :: atomic { !get_out && !put_out && !writing ->
                get_out = true; get_to = at }
    :: atomic { state == settled && at == OLD ->
                token++; state = expecting; expect_q = true }
    :: atomic { (state == expecting && expect_a
#ifndef NO_BEHIND
                 && !put_out    /* one connection, in order */
#ifndef NO_ANSWERED
                 && !writing
#endif
#endif
                ) -> expect_a = false; state = moving; move_q = true;
                move_token = token;
#ifdef NO_CONFIRM
                at = NEW; state = settled; expected = false
#endif
              }
    :: atomic { state == moving && move_a ->
                move_a = false; state = confirming; confirm_q = true }
    :: atomic { state == confirming && confirm_a ->
                confirm_a = false; state = settled; at = NEW }
    :: atomic { (at == NEW && there[OLD]
#ifndef NO_GETS
                 && !(get_out && get_to == OLD)
#endif
                 && !pushing) -> there[OLD] = false; right[OLD] = false }
    /* an answer will not come, or is a refusal: thaw, and begin again */
    :: atomic { (state == expecting && !expect_q && !expect_a) ||
                (state == moving && !move_q && !move_a && !pushing) ||
                (state == confirming && !confirm_q && !confirm_a) ->
                state = settled }
#ifdef NO_EXPECT
    /* the spare slab takes what is evicted anew, after a move was given up */
    :: atomic { state == settled && at == OLD && token && !put_out &&
                !writing && !get_out && !pushing ->
                at = NEW; right[NEW] = true; stored(NEW); expected = false }
#endif
    :: at == NEW && !there[OLD] && !put_out && !writing && !get_out &&
       puts == NPUT -> break
    od
}

proctype old()
{
end:
    do
    :: atomic { put_out && put_to == OLD && !writing ->
                assert(there[OLD]); put_out = false; writing = true }
    :: atomic { writing && put_to == OLD ->
                assert(there[OLD]); stored(OLD); writing = false }
    :: atomic { get_out && get_to == OLD ->
                assert(there[OLD]); assert(right[OLD] || at == NEW);
                get_out = false }
    /* what is stored is looked at when MOVE comes; with BUSY it is refused
       before that, and asked again, which is as if it came later */
    :: atomic { (move_q
#ifdef BUSY
                 && !(writing && put_to == OLD)
#endif
                ) ->
                if
                :: pushing -> cut_push()
                :: else
                fi;
                move_q = false; pushing = true; push_token = move_token;
                push_right = right[OLD] }
    :: atomic { (pushing && !accepted && expected && !taken
#ifndef NO_TOKEN
                 && push_token == expected_token
#endif
                ) -> accepted = true; taken = true }
    :: atomic { pushing && accepted && !sent ->
                sent = true; data_q = true; data_right = push_right }
    :: atomic { pushing && sent && !data_q && done ->
                cut_push(); move_a = state == moving }
    /* refused */
    :: atomic { pushing && !accepted &&
                !(expected && !taken && push_token == expected_token) ->
                cut_push() }
    :: atomic { pushing && sent && !data_q && !done -> cut_push() }
    od
}

proctype new()
{
end:
    do
    :: atomic { put_out && put_to == NEW && !writing ->
                put_out = false; writing = true }
    :: atomic { writing && put_to == NEW -> stored(NEW); writing = false }
    :: atomic { get_out && get_to == NEW ->
                assert(right[NEW]); get_out = false }
    /* pushes of before are ended, and what they sent is gone, first */
    :: atomic { expect_q && !stale_q ->
                if
                :: pushing && accepted -> cut_push(); stale_q = false
                :: else
                fi;
                expect_q = false; expect_a = true; right[NEW] = false;
                expected = true; taken = false; done = false;
                expected_token = token }
    :: atomic { data_q -> data_q = false; right[NEW] = data_right;
                done = expected && taken }
    :: atomic { stale_q -> stale_q = false; right[NEW] = stale_right }
    :: atomic { confirm_q -> confirm_q = false;
                confirm_a = expected && done && expected_token == token;
                expected = expected && !confirm_a }
    od
}

proctype killer()
{
    do
    :: atomic { kills < NK ->
        kills++;
        if
        /* the pager; what it had asked for may be done all the same */
        :: put_out = false; get_out = false; state = settled;
           writing = false;     /* the next session waits for it */
           expected = false; taken = false; done = false;
           if
           :: move_q -> skip
           :: move_q = false
           fi;
           expect_q = false; expect_a = false; move_a = false;
           confirm_q = false; confirm_a = false
        :: move_q = false; move_a = false;              /* the old one */
           cut_push();
           if
           :: get_to == OLD -> get_out = false
           :: else
           fi;
           if
           :: put_to == OLD -> writing = false          /* never answered */
           :: else
           fi
        :: expect_q = false; expect_a = false;          /* the new one */
           confirm_q = false; confirm_a = false;
           expected = false; taken = false; done = false;
           cut_push(); stale_q = false;
           if
           :: get_to == NEW -> get_out = false
           :: else
           fi;
           if
           :: put_to == NEW -> writing = false
           :: else
           fi
        fi }
    /* the way between the two providers */
    :: atomic { kills < NK && pushing -> kills++; cut_push() }
    :: break
    od
}

init
{
    atomic {
        right[OLD] = true;
        run requester(); run old(); run new(); run killer()
    }
}
