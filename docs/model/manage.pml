/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manage.pml - one page coming under management (design 2, "Pay nothing until
 * there is pressure") while the guest runs and QEMU may discard the page.
 * Pager: register -> ask the memfd (SEEK_DATA) -> word -> answer faults.
 * The same one-bit data abstraction as page.pml.
 * -DV=1  discard of an UNMANAGED page: plain punch, word untouched
 * -DV=2  as 1, but the pager first CASes UNMANAGED -> UNTOUCHED, then asks
 * -DV=3  discard goes through DISCARDING from UNMANAGED as well and puts back
 *        UNMANAGED; pager CASes UNMANAGED -> UNTOUCHED before asking the memfd,
 *        then UNTOUCHED -> HOT where there is data: the order that is used
 * -DV=4  as 3 without the UNTOUCHED step (ABA on UNMANAGED)
 * -DV=5  discard goes through DISCARDING and always ends in ZERO; pager CASes
 *        from the word it read before asking the memfd
 * -DEARLY  words set before the range is registered
 * -DNDISC=n
 * -DNCR=n  the pager is killed n times, at any point (with -DV=3): QEMU's
 *          thread answers by the word meanwhile, and the next pager wakes,
 *          reconciles the page and takes it over from the start
 * -DNO_WAKE_UNMANAGED  it wakes only if it finds a page under management
 */
#ifndef NDISC
#define NDISC 2
#endif
#ifndef NCR
#define NCR 0
#endif
#define UNMANAGED 0
#define UNTOUCHED 1
#define ZERO 2
#define HOT 3
#define FILLING 4
#define DISCARDING 5
byte st; bit pr; bit mv; bit pte; bit reg; bit gb; bit fq; bit zf = 1; bit answering; byte nd;
bit kill; bit alive = 1; byte ncr;

inline wake() { gb = 0; fq = 0 }

proctype Guest() {
    do
    :: atomic { pte -> assert(pr && mv) }
    :: atomic { pte -> mv = 1; zf = 0 }
    :: atomic { !pte && !reg -> if :: !pr -> pr = 1; mv = zf :: else fi; pte = 1 }
    :: atomic { !pte && reg -> gb = 1; fq = 1 }; !gb
    od
}

proctype Discard() {
    byte was;
end:
    do
    :: nd < NDISC -> nd++;
#if V <= 2
        was = st;
        if
        :: was == UNMANAGED -> atomic { pr = 0; pte = 0; mv = 0; zf = 1 }
        :: else ->
#endif
            atomic { if
                :: st == FILLING -> goto end
                :: else -> was = st; st = DISCARDING
                fi };
            atomic { pr = 0; pte = 0; mv = 0; zf = 1 };
#if V == 3 || V == 4
            atomic { st = (was == UNMANAGED -> UNMANAGED : ZERO) };
#else
            st = ZERO;
#endif
            atomic { wake() }
#if V <= 2
        fi
#endif
    od
}

proctype Pager() {
    byte w; bit hole;
life:
    {
    true;
#if NCR > 0
    /* Attach: what a killed pager, or QEMU's thread, has read is gone. */
    atomic { if
#ifdef NO_WAKE_UNMANAGED
        :: st == UNMANAGED -> skip
#endif
        :: else -> wake()
        fi };
recon:
    atomic { w = st };
    atomic { hole = !pr };
    atomic { if
        :: (w == UNTOUCHED || w == FILLING) ->
            if
            :: st == w -> st = (hole -> ZERO : HOT)
            :: else -> goto recon
            fi
        :: else -> skip
        fi };
#endif
#ifndef EARLY
    reg = 1;
#endif
again:
#if V == 2 || V == 3
    atomic { st != DISCARDING;                          /* DISCARDING: wait */
        if :: st == UNMANAGED -> st = UNTOUCHED :: else -> skip fi };
#ifdef EARLY
    reg = 1;
#endif
    atomic { hole = !pr };
    atomic { if :: st == UNTOUCHED && !hole -> st = HOT :: else fi };
#else
    atomic { st != DISCARDING -> w = st };
    atomic { hole = !pr };
    atomic { if
        :: st == w -> st = (hole -> (w == ZERO -> ZERO : UNTOUCHED) : HOT)
        :: else -> goto again
        fi };
#ifdef EARLY
    reg = 1;
#endif
#endif
end:
    do
    :: atomic { fq && st != DISCARDING -> fq = 0; w = st };
        if
        :: atomic { (w == UNTOUCHED || w == ZERO) && st == w -> st = FILLING };
            atomic { if :: !pr -> pr = 1; mv = zf :: else fi; pte = 1; wake() };
            st = HOT
        :: atomic { w == HOT -> if :: pr -> pte = 1; wake() :: else -> assert(st != HOT); wake() fi }
        :: else -> atomic { wake() }
        fi
    :: atomic { st == HOT && !pr -> assert(false) }     /* HOT over a hole */
    od
    } unless { atomic { kill -> kill = 0; alive = 0; w = 0; hole = 0 } };
    alive = 1;
    goto life
}

#if NCR > 0
proctype Killer() {
end:
    do
    :: atomic { alive && !kill && ncr < NCR -> ncr++; kill = 1 }
    od
}

/* QEMU's thread, while no pager is there: by the word alone (rule 11). */
proctype Fallback() {
end:
    do
    :: atomic { !alive && fq -> fq = 0;
        if
        :: (st == UNTOUCHED || st == ZERO) ->
            if :: !pr -> pr = 1; mv = zf :: else fi;
            st = HOT; pte = 1; wake()
        :: st == HOT -> if :: pr -> pte = 1 :: else fi; wake()
        :: else -> skip                 /* waits for the next pager */
        fi }
    od
}
#endif

init {
    atomic {
        run Guest(); run Discard(); run Pager();
#if NCR > 0
        run Killer(); run Fallback();
#endif
    }
}
