/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page.pml - one guest page of rcached: pager, QEMU, guest, provider.
 *
 * Data abstraction (exact for a single page): a place that can hold the page
 * has ONE bit, "equals what a guest read must return now".  A guest write sets
 * the bit of the page it hits and clears every other; a discard clears all and
 * sets zf ("zero is right now").  No version counter, nothing to wrap.
 * Request ids (zap, PUT, GET) are table indices: unique while in flight.
 * Messages to the provider are an unordered bag.
 *
 * Checked: a guest access through a PTE finds the right bytes; no page gets
 * LOST; a live slot is never overwritten; no stuck guest (invalid end state).
 *
 * Features  -DNCR=n crashes  -DNZ=n zaps  -DNDUP=n stale fault messages
 *           -DFB fallback thread (rule 11)  -DCLEAN  -DPREFETCH=n  -DUNLEASE=n
 *           -DNDISC=n discards (rule 6)  -DDMA=n write DMAs (rule 4)
 *           -DPUNCH_FAILS a discard may leave the page where it is
 *           -DINTR=n intruder touches  -DASYNC_PUNCH punch in a worker
 *           -DLAZY the attach reconciles this page at any time, or when it
 *           faults; meanwhile other pages go (to slots that the pager's map
 *           calls free), and the sessions are opened at any time
 *           -DNEL=n evictions of other pages
 *           -DGONE=n a provider that has slot 1 loses what it held, and says
 *           so when the pager claims its lease; later the slot's entry in the
 *           slab table is used for another lease
 *           -DSEAL=n pages are sealed; a page has n versions, then it stays
 *           -DREPLAY=n answers of a provider with bytes that it had before
 *           a budget of 99 means no bound
 *           -DCLEAN is keep-clean: UNLEASE is then a slot that is given up; a
 *           clean page leaves when its provider has said that it has it
 * TEXT_*    a rule as an earlier wording had it: each was found wanting here
 * NO_*      a rule taken out
 */
#ifndef NCR
#define NCR 0
#endif
#ifndef NZ
#define NZ 2
#endif
#ifndef NDUP
#define NDUP 0
#endif
#ifndef NDISC
#define NDISC 0
#endif
#ifndef DMA
#define DMA 0
#endif
#ifndef INTR
#define INTR 0
#endif
#ifndef PREFETCH
#define PREFETCH 0
#endif
#ifndef UNLEASE
#define UNLEASE 0
#endif
#ifndef NS
#define NS 2                    /* slots 1..NS */
#endif
#ifndef NEL
#define NEL 1
#endif
#ifndef GONE
#define GONE 0
#endif
#ifndef REPLAY
#define REPLAY 0
#endif
#define NP 2                    /* requests of a kind in flight */

#define ZERO 0                  /* also UNTOUCHED */
#define HOT 1
#define ZAPPING 2
#define ZAPPED 3
#define EVICTING 4
#define PUNCHING 5
#define REMOTE 6
#define FETCHING 7
#define FILLING 8
#define CACHED 9
#define DISCARDING 10
#define LOST 11

#define NONE 0
#define MAP 1
#define MAPWP 2

#define BUDGET(c,n)  (n == 99 || c < n)
#define SPEND(c,n)   c = (n == 99 -> 0 : c + 1)

/* the word */
byte st = ZERO; bit cl; byte wq; byte slot; bit wg;     /* wg: generation, moved by each discard */
/* kernel: page cache page, its bytes, QEMU's PTE, WP marker, queue, waiter */
bit pr; bit mv; byte pte; bit mk; bit fq; bit gb;
bit zf = 1;                     /* zero is the right answer */
/* pager memory */
bit parked; bit pbuf; bit pfetch; byte freeing; bit own;
byte pop;                       /* punch: 1 submitted 2 done */
bit kill; bit alive = 1; bit fbusy;
/* zap: 1 asked 2 zapped 3 reply 4 reply "pinned" 5 asked by a dead pager */
byte zp[NP];
/* PUT: 1 on the wire 2 ack on the way; GET: 1 on the wire 2 reply; 3 refused */
byte pt[NP]; byte ps[NP]; bit pv[NP]; bit po[NP];
byte gt[NP]; byte gs[NP]; bit gv[NP];
#ifdef CLEAN
/* what a slot has, asked: 1 on the wire 2 the page 3 not so; of which slot,
 * and whether its provider had lost it before */
byte ak; byte as; bit ag;
#define ASKED NP                /* the generation that asks have */
#endif
bit hold[NS+1];                  /* slot to free once no GET on it is out */
bit frs[NS+1]; bit fro[NS+1];   /* FREE on the wire, this / a dead session */
bit slv[NS+1];
bit cnt; bit pin; bit orphan;   /* DMA count, GUP pin, pinned page gone */
byte ncr; byte nz; byte ndup; byte ndisc; byte ndma; byte nintr; byte npf; byte nul;

#if GONE > 0
bit dead;                       /* slot 1's provider has lost it */
bit prf;                        /* and has refused the pager's CLAIM: proof */
bit late;                       /* the page went there after that */
byte ngone;
#define REFUSES(s) (dead && s == 1)
#define PROVED(s) (prf && s == 1)
#else
#define REFUSES(s) false
#define PROVED(s) false
#endif

/*
 * Sealing (rule 17): a version goes with the bytes wherever they go.  The side
 * record has the last one that was used, and the tag's; neither ends with a
 * pager.
 */
#ifdef SEAL
byte ver; byte tagv;
byte pver[NP]; byte gver[NP]; byte slver[NS+1];
bit used[SEAL+1];               /* by whomever, whenever */
byte nrp;
#ifdef NO_SEAL_STORE            /* raised in the pager's memory, stored with the tag */
byte mver;
#define LASTVER (mver > ver -> mver : ver)
#else
#define LASTVER ver
#endif
#define SEALABLE (LASTVER < SEAL)
#ifdef NO_SEAL_CHECK            /* whatever comes back is used */
#define RIGHT(i) true
#else
#define RIGHT(i) (gver[i] == ver && tagv == ver)
#endif
#define CARRY(to, from) to = from
#else
#define SEALABLE true
#define RIGHT(i) true
#define CARRY(to, from) skip
#endif

/*
 * A lazy attach.  Until .rec is set the pager knows nothing of this page: not
 * its state, and not its slot, so that its map of used slots is incomplete.
 */
#ifdef LAZY
bit rec;                        /* this page is reconciled */
bit fen;                        /* the sessions are open: older ones fenced */
bit swp;                        /* unused slots have been freed */
byte nel;
#define REC rec
#define FEN fen
#else
#define REC true
#define FEN true
#endif
#ifdef NO_LAZY_FAULT            /* a fault is answered by the word as found */
#define FREC true
#else
#define FREC REC
#endif
#ifdef NO_LAZY_HANDS            /* the hands go where nothing is reconciled */
#define HREC true
#else
#define HREC REC
#endif
#ifdef NO_LAZY_SLOTS            /* slots are handed out by half a map */
#define SREC true
#else
#define SREC REC
#endif
#ifdef NO_LAZY_SWEEP            /* and freed by half a map */
#define WREC true
#else
#define WREC REC
#endif

inline stale() {
    slv[1] = 0; slv[2] = 0;
#if NS > 2
    slv[3] = 0;
#endif
    pv[0] = 0; pv[1] = 0; gv[0] = 0; gv[1] = 0; pbuf = 0; zf = 0;
}
inline wake() { gb = 0; fq = 0 }
inline drop_pte() {             /* zap and punch both leave the marker */
    if :: pte == MAPWP -> mk = 1 :: else fi; pte = NONE
}
inline punch() {
    pr = 0; mv = 0; drop_pte();
    if :: pin -> orphan = 1 :: else fi
}
/* CONTINUE; on a hole EFAULT: the fault stays parked, the table decides again */
inline cont(wp) {
    atomic {
        if
        :: pte != NONE -> wake(); parked = 0            /* EEXIST: WAKE */
        :: pte == NONE && pr -> pte = (wp -> MAPWP : MAP); mk = 0; wake(); parked = 0
        :: else ->
#ifdef TEXT_EFAULT
            parked = 0
#else
            skip
#endif
        fi
    }
}
#define BUSY(s) ((pt[0] && !po[0] && ps[0] == s) || (pt[1] && !po[1] && ps[1] == s) || frs[s])
#ifdef NO_PUTHOLD               /* slot of a called-off PUT used again before its ack */
#define FREESLOT(s) (s != slot && s != freeing && !hold[s] && !frs[s])
#elif defined(NO_FREE_ACK)       /* freed slot used again before FREE's ack */
#define FREESLOT(s) (s != slot && s != freeing && !hold[s] && !((pt[0] && !po[0] && ps[0] == s) || (pt[1] && !po[1] && ps[1] == s)))
#else
#define FREESLOT(s) (s != slot && s != freeing && !hold[s] && !BUSY(s))
#endif
#define USABLE(s) (FREESLOT(s) && !PROVED(s))

#define LIVE(s) (slot == s && (st == REMOTE || st == PUNCHING || st == FETCHING || st == CACHED || cl))
#ifdef TEXT_KEPT_BELIEVED       /* the next pager's map has the slots of pages that are away */
#define MARKED(s) (s == slot && !(pr && (st == HOT || st == ZAPPING || st == ZAPPED || st == EVICTING)))
#else
#define MARKED(s) (s == slot)
#endif
/* free, by what the pager knows */
#define OTHERS(s) ((!REC || !MARKED(s)) && s != freeing && !hold[s] && !BUSY(s) && !REFUSES(s))

#if NS > 2
#define ANYSLOT (USABLE(1) || USABLE(2) || USABLE(3))
#else
#define ANYSLOT (USABLE(1) || USABLE(2))
#endif
#ifdef TEXT_ZSLOT               /* slot bits may stay under FILLING of a zero page */
#define ZSLOT_OUT skip
#else
#define ZSLOT_OUT if :: slot -> hold[slot] = 1; slot = 0 :: else fi
#endif
#ifdef NO_GEN                   /* completions by the state alone */
#define SAME(i) true
#else
#define SAME(i) (wq == i)
#endif
#ifdef NO_GENGET                /* the same for GET alone */
#define SAMEGET(i) true
#else
#define SAMEGET(i) SAME(i)
#endif
#ifdef NO_R14                   /* a zap reply counts for any ZAPPING */
#define SAMESEQ(i) true
#else
#define SAMESEQ(i) (wq == i)
#endif
#ifdef TEXT_ABA                 /* a discard of a ZERO page leaves the same word */
#define UNCHANGED (st == sw)
#else
#define UNCHANGED (st == sw && wg == sg)
#endif
#ifdef NO_R5VERIFY
#define VERIFIED true
#else
#define VERIFIED (!pr)
#endif
#ifdef NO_GETHOLD               /* slot freed although a GET on it is out */
#define NOGET(s) true
#else
#define NOGET(s) (!((gt[0] && gs[0] == s) || (gt[1] && gs[1] == s)))
#endif
#ifdef TEXT_FETCHDATA           /* attach: data under FETCHING is HOT dirty */
#define FETCHDATA false
#else
#define FETCHDATA (sw == FETCHING)      /* it can only be an intruder's */
#endif

#ifdef NO_CLEAN_GET             /* a page leaves for nothing under a GET on its slot */
#define GETIN true
#else
#define GETIN NOGET(slot)
#endif
#if !defined(SEAL) || defined(NO_CLEAN_RECORD)  /* or with another version in its record */
#define RECORDED true
#else
#define RECORDED (ver == tagv)
#endif
#if GONE > 0
#define GETOUT(i) (gt[i] == 1 || gt[i] == 2)
#ifdef TEXT_LOST_ANY            /* whatever names it, with bytes here or not */
#define LOSTSTATE (st != ZERO && st != DISCARDING && st != LOST)
#elif defined(NO_LOST_GET)      /* not waiting for the answer to a GET */
#define LOSTSTATE (st == REMOTE || st == FETCHING)
#else
#define LOSTSTATE (st == REMOTE || (st == FETCHING && !((GETOUT(0) || GETOUT(1)))))
#endif
#ifdef NO_LOST_DIRTY            /* a clean page goes though its copy is gone */
#define GOODCOPY true
#else
#define GOODCOPY (!PROVED(slot))
#endif
#ifdef NO_LOST_WORDS            /* the entry is free at once */
#define REAPED (NOGET(1) && !BUSY(1))
#else
#define REAPED (slot != 1 && freeing != 1 && NOGET(1) && !BUSY(1))
#endif
#else
#define GOODCOPY true
#endif

/* ------------------------------------------------------------------ guest */
proctype Guest() {
    do
    :: atomic { pte != NONE -> assert(pr && mv) }                   /* read */
    :: atomic { pte != NONE && (!mv || pte == MAPWP || zf || slv[1] || slv[2] || pv[0] || pv[1] || gv[0] || gv[1] || pbuf) ->
                pte = MAP; stale(); mv = 1 }                        /* write */
#if GONE > 0
    /* What is lost is waited for: that is no error as long as it is lost. */
    :: atomic { pte == NONE -> gb = 1; fq = 1 };
waits:  if :: !gb -> goto again :: gb && st == LOST fi;
endlost:
        if :: !gb :: gb && st != LOST -> goto waits fi;
again:  skip
#else
    :: atomic { pte == NONE -> gb = 1; fq = 1 }; !gb
#endif
    od
}

/* ---------------------------------------------------------- QEMU's thread */
proctype Qemu() {
    byte i; bit ok;
end:
    do
    :: atomic { zp[0] == 1 || zp[0] == 5 -> i = 0 }; goto zap
    :: atomic { zp[1] == 1 || zp[1] == 5 -> i = 1 }; goto zap
#ifdef FB
    :: atomic { !alive && fq -> fq = 0; fbusy = 1 };
        if
#ifdef NO_R11           /* acts by what it sees, not by the table */
        :: atomic { pr -> skip } -> goto fbcont
        :: atomic { !pr -> skip } -> goto fbzero
#else
        :: atomic { st == HOT || st == ZAPPING || st == ZAPPED || st == EVICTING || st == CACHED ->
#ifndef NO_R11_CAS
            st = HOT; cl = 0;
#endif
            skip }; goto fbcont
#ifdef TEXT_FBZERO      /* ZEROPAGE first, word after: "ZERO -> ZEROPAGE" */
        :: st == ZERO -> atomic { if :: !pr && pte == NONE -> pr = 1; mv = zf; pte = MAP; mk = 0; wake() :: else fi };
           atomic { if :: st == ZERO -> st = HOT; cl = 0 :: else fi }
#else
        :: atomic { st == ZERO -> st = FILLING; cl = 0;
#ifndef TEXT_ZSLOT
                    slot = 0;
#endif
                    skip };
           goto fbzero
#endif
#endif
        :: else
        fi;
        fbusy = 0
#endif
    od;
zap:
#ifdef NO_R4ORDER       /* counts read before the zap */
    ok = cnt;
    drop_pte_step: atomic { drop_pte(); if :: zp[i] == 1 -> zp[i] = (ok -> 4 : 3) :: else -> zp[i] = 0 fi };
#else
    atomic { drop_pte(); if :: zp[i] == 1 -> zp[i] = 2 :: else -> zp[i] = 0 fi };
    atomic { if :: zp[i] == 2 -> zp[i] = (cnt -> 4 : 3) :: else fi };
#endif
    atomic { i = 0; ok = 0; goto end };
#ifdef FB
fbcont:
    atomic { if
        :: pte != NONE -> wake()
        :: pte == NONE && pr -> pte = MAP; mk = 0; wake()
        :: else -> fq = 1               /* EFAULT: look again */
        fi; fbusy = 0; goto end };
fbzero:
    atomic { if
        :: !pr && pte == NONE -> pr = 1; mv = zf; pte = MAP; mk = 0; wake()
        :: pr && pte == NONE -> pte = MAP; mk = 0; wake()
        :: else -> wake()
        fi };
    atomic { if :: st == FILLING -> st = HOT :: else fi; fbusy = 0; goto end }
#endif
}

/* ------------------------------------------------------------------ pager */
proctype Pager() {
    byte i; bit w; byte n; byte sw; bit hole; bit sg;
life:
    {
        /* ---- attach (rule 2) ---- */
        atomic { ncr > 0 -> skip } ;
#ifdef LAZY
        goto awake;
#endif
recon:
#ifdef TEXT_SEEKFIRST   /* memfd asked before the word is read */
        atomic { hole = !pr };
        atomic { sw = st; sg = wg };
#else
        atomic { sw = st; sg = wg };
        atomic { hole = !pr };
#endif
        if
#ifndef TEXT_DISC
        :: sw == DISCARDING -> skip                     /* QEMU's own */
#endif
        :: sw == LOST -> skip
        :: ((sw == PUNCHING || sw == REMOTE || FETCHDATA) && !hole) -> atomic { punch() };
            goto recon
#ifdef NO_R2DATA        /* data under FILLING/FETCHING taken for "still remote" */
        :: (sw == FILLING && slot) && !hole -> atomic { punch() }; goto recon
#endif
        :: (sw == PUNCHING || sw == FETCHING) && hole ->
            atomic { if :: UNCHANGED -> st = REMOTE :: else -> goto recon fi }
        :: (sw == CACHED) && hole ->
            atomic { if :: UNCHANGED -> st = REMOTE :: else -> goto recon fi }
        :: sw == FILLING && hole ->
            atomic { if :: UNCHANGED -> st = (slot -> REMOTE : ZERO) :: else -> goto recon fi }
        :: (sw == REMOTE || sw == ZERO) && hole -> skip
        :: (sw == HOT || sw == ZAPPING || sw == ZAPPED || sw == EVICTING) && hole ->
            atomic { if :: UNCHANGED ->
#ifdef NO_R2LOST
                st = ZERO; slot = 0
#else
                assert(false) /* LOST */
#endif
                :: else -> goto recon fi }
        :: else ->
#ifdef NO_R2DIRTY       /* states kept as found */
            skip
#else
            if
            :: !hole -> atomic { if :: UNCHANGED ->
#ifndef TEXT_KEPT_BELIEVED      /* CLEAN and its slot go, whatever the word says (K7) */
                cl = 0; slot = 0;
#endif
                st = HOT
                :: else -> goto recon fi }
            :: else
            fi
#endif
        fi;
#ifdef LAZY
        atomic { sw = 0; sg = 0; hole = 0; rec = 1 };
        goto loop;
#endif
fence:
        atomic { sw = 0; sg = 0; hole = 0;
#ifndef NO_R3
            /* CLAIM: provider fences older sessions */
            if :: po[0] -> pt[0] = 0; ps[0] = 0; pv[0] = 0; po[0] = 0 :: else fi;
            if :: po[1] -> pt[1] = 0; ps[1] = 0; pv[1] = 0; po[1] = 0 :: else fi;
            fro[1] = 0; fro[2] = 0;
#if NS > 2
            fro[3] = 0;
#endif
#endif
#ifdef LAZY
            fen = 1;
#endif
            skip };
#ifdef LAZY
        goto loop;
#endif
awake:
#ifndef NO_R2WAKE
        atomic { wake() };
#endif
loop:
end_idle:
        do
#ifdef LAZY
        :: !rec -> goto recon
        :: !fen -> goto fence
        /* ---- another page goes, and in time its slot is freed ---- */
        :: atomic { (fen && SREC && BUDGET(nel,NEL) && OTHERS(1)) -> SPEND(nel,NEL); assert(!LIVE(1)); slv[1] = 0 }
        :: atomic { (fen && SREC && BUDGET(nel,NEL) && OTHERS(2)) -> SPEND(nel,NEL); assert(!LIVE(2)); slv[2] = 0 }
        /* ---- what no word names is freed once ---- */
        :: atomic { (fen && WREC && !swp) -> swp = 1;
                    if :: OTHERS(1) -> frs[1] = 1 :: else fi;
                    if :: OTHERS(2) -> frs[2] = 1 :: else fi }
#endif
        /* ---- fault messages; the table decides (rule 5) ---- */
#ifdef NO_R5FLAGS       /* the page cache at fault time decides: MINOR -> CONTINUE */
        :: atomic { fq && pr && !parked -> fq = 0; st = HOT; cl = 0 }; cont(0)
        :: atomic { fq && !pr && !parked -> fq = 0; parked = 1 }
#else
        :: atomic { fq && !parked -> fq = 0; parked = 1 }
#endif
        :: atomic { (FREC && parked && st == ZERO) -> st = FILLING; cl = 0; ZSLOT_OUT };
            atomic { if
                :: pte != NONE -> wake()
                :: pte == NONE && !pr -> pr = 1; mv = zf; pte = MAP; mk = 0; wake()
                :: else -> pte = MAP; mk = 0; wake()            /* EEXIST: CONTINUE */
                fi; parked = 0 };
            atomic { assert(st == FILLING); st = HOT }
#ifdef TEXT_HOTFREE     /* "HOT: free": nothing done for a fault on HOT */
        :: atomic { parked && st == HOT -> parked = 0 }
        :: atomic { parked && (st == ZAPPING || st == EVICTING) -> st = HOT; cl = 0 };
            cont(0)
#else
#ifdef TEXT_HOTWP       /* CLEAN in the word of a HOT or ZAPPING page trusted */
        :: atomic { parked && (st == HOT || st == ZAPPING || st == EVICTING) -> st = HOT; w = cl };
            cont(w); w = 0
#else
        :: atomic { FREC && parked && (st == HOT || st == ZAPPING || (st == EVICTING && !cl)) -> st = HOT;
#ifndef NO_CLEARFIRST   /* plain CONTINUE but CLEAN left set */
                    cl = 0;
#endif
                    skip };
            cont(0)
#endif
#endif
        :: atomic { FREC && parked && (st == ZAPPED || (st == EVICTING && cl)) -> st = HOT; wq = 0; w = 0;
                    if :: cl -> w = 1 :: cl = 0 fi };
            cont(w); w = 0
        :: atomic { FREC && parked && st == CACHED -> st = HOT; if :: true -> cl = 1; w = 1 :: true -> cl = 0; w = 0 fi;
#ifndef CLEAN
                    cl = 0; w = 0;
#endif
                    skip };
            cont(w); w = 0
        :: atomic { FREC && parked && st == DISCARDING -> parked = 0 }   /* QEMU's WAKE brings it back */
#if GONE > 0
        :: atomic { FREC && parked && st == LOST -> parked = 0 }        /* so does a discard's */
        /* ---- CLAIM is refused: what slot 1 had is gone ---- */
#ifdef TEXT_LOST_SILENT /* no answer taken for a refusal */
        :: atomic { FEN && !prf && ngone == 0 -> ngone = 1; prf = 1 }
#else
        :: atomic { FEN && dead && !prf -> prf = 1 }
#endif
        /* ---- words that name it become LOST, those with bytes here dirty ---- */
        :: atomic { (HREC && PROVED(slot) && LOSTSTATE) ->
                    assert(!(pr && mv) && !pbuf && !slv[1] && !late);
                    assert(!((gt[0] == 2 && gs[0] == 1 && gv[0]) || (gt[1] == 2 && gs[1] == 1 && gv[1])));
                    st = LOST; wq = 0; slot = 0 }
#ifndef NO_LOST_DIRTY
        :: atomic { (REC && PROVED(slot) && (st == HOT || st == ZAPPING || st == ZAPPED || st == CACHED || st == EVICTING)) ->
                    if :: st == CACHED -> st = ZAPPED :: else fi;
                    cl = 0; slot = 0 }
#endif
        /* ---- the entry is free once nothing names it: another lease has it ---- */
        :: atomic { (HREC && prf && REAPED) -> prf = 0; dead = 0; frs[1] = 0; fro[1] = 0; hold[1] = 0; slv[1] = 0;
                    if :: po[0] && ps[0] == 1 -> pt[0] = 0; ps[0] = 0; pv[0] = 0; po[0] = 0 :: else fi;
                    if :: po[1] && ps[1] == 1 -> pt[1] = 0; ps[1] = 0; pv[1] = 0; po[1] = 0 :: else fi }
        /* ---- refused PUTs are called off, refused GETs asked again ---- */
        :: atomic { (pt[0] == 3 || pt[1] == 3) -> i = (pt[0] == 3 -> 0 : 1);
                    if :: (st == EVICTING && SAME(i)) -> st = ZAPPED; wq = 0 :: else fi;
                    pt[i] = 0; ps[i] = 0; pv[i] = 0; i = 0 }
        :: atomic { (gt[0] == 3 || gt[1] == 3) -> i = (gt[0] == 3 -> 0 : 1);
                    gt[i] = 0; gs[i] = 0; gv[i] = 0; i = 0 }
        :: atomic { (REC && FEN && st == FETCHING && !prf && !gt[wq]) -> gt[wq] = 1; gs[wq] = slot }
#endif
        :: atomic { (st == REMOTE && FEN && ((FREC && parked) || (HREC && BUDGET(npf,PREFETCH))) && (!gt[0] || !gt[1])) ->
                    if :: parked -> pfetch = 0 :: else -> pfetch = 1; SPEND(npf,PREFETCH) fi;
                    i = (gt[0] -> 1 : 0); st = FETCHING; wq = i };
            atomic { gt[i] = 1; gs[i] = slot; i = 0 }
#if PREFETCH > 0
        /* ---- read ahead, and of no use: refused, or a marker that nobody came to ---- */
#ifdef TEXT_AHEAD_FORGET        /* whoever has come to wait meanwhile is not looked at */
        :: atomic { (HREC && st == FETCHING && pfetch && gt[wq] != 1) -> gt[wq] = 0; gs[wq] = 0; gv[wq] = 0; st = REMOTE; wq = 0; pfetch = 0; parked = 0 }
#elif defined(TEXT_AHEAD_LOST)  /* nor whether the page can be had again */
        :: atomic { (HREC && st == FETCHING && pfetch && !parked) -> st = REMOTE; wq = 0; pfetch = 0 }
#else
        :: atomic { (HREC && st == FETCHING && pfetch && !parked && !PROVED(slot) && gt[wq] != 1) ->
                    gt[wq] = 0; gs[wq] = 0; gv[wq] = 0; CARRY(gver[wq], 0); st = REMOTE; wq = 0; pfetch = 0 }
#endif
#endif
        /* ---- GET reply ---- */
        :: atomic { (gt[0] == 2 || gt[1] == 2) -> i = (gt[0] == 2 -> 0 : 1) };
            if
#ifdef SEAL
            /* Asked again.  No provider has lied: then it has to be right. */
            :: atomic { (st == FETCHING && SAMEGET(i) && !RIGHT(i)) ->
                        assert(nrp); gt[i] = 1; gv[i] = 0; gver[i] = 0; i = 0 }
#endif
            :: atomic { (st == FETCHING && SAMEGET(i) && RIGHT(i)) -> st = FILLING; wq = 0; pbuf = gv[i]; gt[i] = 0; gv[i] = 0; gs[i] = 0; i = 0 };
refill:
                if
                :: atomic { pfetch && !pr -> pr = 1; mv = pbuf; pbuf = 0 };
                    atomic { assert(st == FILLING); st = CACHED; cl = 0; pfetch = 0 }
                :: atomic { !pr ->              /* nobody may wait for it */
                        w = 0;
#ifdef CLEAN
                        if :: w = 1 :: w = 0 fi;
#endif
                        pr = 1; mv = pbuf; pbuf = 0; pte = (w -> MAPWP : MAP); mk = 0; pfetch = 0; wake(); parked = 0 };
                    atomic {
#ifdef NO_SKIP
                        if :: st == FILLING -> st = HOT; cl = w :: else fi;
#else
                        assert(st == FILLING); st = HOT; cl = w;
#endif
                        w = 0 }
                :: pr ->                                        /* EEXIST */
#ifdef NO_R5EEXIST
                    atomic { st = HOT; pfetch = 0; pbuf = 0 }; cont(0)
#else
                    atomic { punch() }; goto refill             /* intruder */
#endif
                fi
            :: atomic { else -> gt[i] = 0; gv[i] = 0; gs[i] = 0; i = 0 }
            fi
        /* ---- front hand ---- */
        :: atomic { HREC && st == HOT && BUDGET(nz,NZ) && (!zp[0] || !zp[1]) ->
                    SPEND(nz,NZ); i = (zp[0] -> 1 : 0);
#ifdef TEXT_SCANFIRST           /* the scan, and then the zap */
                    cl = cl && pte == MAPWP;
#endif
                    st = ZAPPING; wq = i };
            atomic { zp[i] = 1; i = 0 }
        /* ---- zap reply (rule 14), scan, back hand ---- */
        :: atomic { (zp[0] == 3 || zp[0] == 4) || (zp[1] == 3 || zp[1] == 4) ->
                    i = ((zp[0] == 3 || zp[0] == 4) -> 0 : 1);
                    if
                    :: (st == ZAPPING && SAMESEQ(i)) ->
                        wq = 0;
                        if
#ifdef NO_R4
                        :: false -> skip
#else
                        :: zp[i] == 4 -> st = HOT; cl = 0
#endif
#ifndef NO_SCANMAPPED
                        :: zp[i] == 3 && pte != NONE -> st = HOT; cl = 0
#endif
                        :: else -> st = ZAPPED;
#ifdef TEXT_SCANFIRST
                            skip
#else
                            cl = cl && mk
#endif
                        fi
                    :: else
                    fi;
                    zp[i] = 0; i = 0 }
        :: atomic { HREC && GOODCOPY && GETIN && RECORDED && st == CACHED && BUDGET(nz,NZ) ->
#if GONE > 0
                    late = PROVED(slot);
#endif
                    SPEND(nz,NZ); st = PUNCHING; cl = 0 }
#ifdef CLEAN
        /* ---- a clean page: its provider is asked what it has ---- */
        :: atomic { HREC && FEN && GOODCOPY && GETIN && RECORDED && st == ZAPPED && cl && !ak ->
                    st = EVICTING; wq = ASKED; ak = 1; as = slot; ag = REFUSES(slot) }
#ifdef NO_CLEAN_ASK             /* or is believed to have it still */
        :: atomic { ak == 1 -> ak = 2 }
#endif
        /* ---- the answer: it goes as after a PUT's, or is dirty ---- */
        :: atomic { ak >= 2 ->
                    if
#ifdef NO_CLEAN_ANSWER          /* an answer, whatever it says */
                    :: (st == EVICTING && cl && wq == ASKED && GOODCOPY && GETIN && RECORDED) ->
#elif defined(NO_CLEAN_WORD)    /* whatever has become of the page meanwhile */
                    :: (st == ZAPPED || st == HOT || (st == EVICTING && wq == ASKED)) && slot == as && ak == 2 ->
#else
                    :: (st == EVICTING && cl && wq == ASKED && ak == 2 && GOODCOPY && GETIN && RECORDED) ->
#endif
                        assert(!ag);            /* nobody leaves to who had lost it */
#if GONE > 0
                        late = PROVED(slot);
#endif
                        st = PUNCHING; cl = 0; wq = 0
                    :: else ->
                        if
                        :: (st == EVICTING && wq == ASKED) ->
                            st = ZAPPED; cl = 0; wq = 0; freeing = slot; slot = 0
                        :: else
                        fi
                    fi;
                    ak = 0; as = 0; ag = 0 };
            atomic { if :: freeing -> frs[freeing] = 1; freeing = 0 :: else fi }
#endif
        :: atomic { (HREC && FEN && st == ZAPPED && !cl && (!pt[0] || !pt[1]) && ANYSLOT && SEALABLE) ->
                    n = 0;
                    if :: USABLE(1) -> n = 1 :: USABLE(2) -> n = 2
#if NS > 2
                       :: USABLE(3) -> n = 3
#endif
                       :: else fi;
                    if :: n -> i = (pt[0] -> 1 : 0); st = EVICTING; wq = i
                       :: else fi };
            if
            :: n == 0
            :: n ->
                atomic { pbuf = (pr -> mv : zf) };              /* pread */
#ifdef SEAL
#ifdef NO_SEAL_STORE
                atomic { mver = LASTVER + 1 };
#else
                atomic { ver++ };                       /* stored */
#endif
                /* sealed: from here on it has been used */
                atomic { assert(!used[LASTVER]); used[LASTVER] = 1; pver[i] = LASTVER };
#endif
                atomic { pt[i] = 1; ps[i] = n; pv[i] = pbuf; po[i] = 0; pbuf = 0; i = 0; n = 0 }
            fi
        /* ---- PUT ack: the commit ---- */
        :: atomic { (pt[0] == 2 && !po[0]) || (pt[1] == 2 && !po[1]) ->
                    i = ((pt[0] == 2 && !po[0]) -> 0 : 1);
#if defined(SEAL) && !defined(TEXT_SEAL_LATE)
                    /* the tag is stored, and then the word */
                    if
#ifdef NO_SEAL_STORE
                    :: (st == EVICTING && SAME(i)) -> ver = pver[i]; tagv = ver
#else
                    :: (st == EVICTING && SAME(i)) -> assert(ver == pver[i]); tagv = ver
#endif
                    :: else
                    fi };
        atomic {
#endif
                    if
#if GONE > 0
#ifdef NO_LOST_ACK      /* an ack counts although the slot is known to be gone */
                    :: (st == EVICTING && SAME(i) && PROVED(ps[i])) ->
                        late = 1; st = PUNCHING; wq = 0; cl = 0; freeing = slot; slot = ps[i]
#else
                    :: (st == EVICTING && SAME(i) && PROVED(ps[i])) -> st = ZAPPED; wq = 0
#endif
#endif
                    :: (st == EVICTING && SAME(i) && !PROVED(ps[i])) ->
                        st = PUNCHING; wq = 0; cl = 0; freeing = slot; slot = ps[i]
                    :: else
                    fi;
                    pt[i] = 0; ps[i] = 0; pv[i] = 0; CARRY(pver[i], 0); i = 0 };
#ifdef TEXT_SEAL_LATE   /* the word, and then the tag */
            atomic { tagv = ver };
#endif
            atomic { if :: freeing -> frs[freeing] = 1; freeing = 0 :: else fi }
        /* ---- punch, verify, REMOTE ---- */
#ifdef ASYNC_PUNCH
        :: atomic { HREC && st == PUNCHING && !pop -> pop = 1 }
        :: atomic { pop == 2 -> pop = 0; if :: st == PUNCHING && !pr -> st = REMOTE :: else fi }
#else
        :: (HREC && st == PUNCHING) ->
            atomic { punch() };
            atomic { if
                :: (st == PUNCHING && VERIFIED) -> st = REMOTE
                :: else fi }
#endif
        /* ---- slot bits left by a discard; a lease lost ---- */
#if NDISC > 0
        :: atomic { (HREC && st == ZERO && slot) -> ZSLOT_OUT }
        :: atomic { (hold[1] && NOGET(1)) -> hold[1] = 0; frs[1] = 1 }
        :: atomic { (hold[2] && NOGET(2)) -> hold[2] = 0; frs[2] = 1 }
#if NS > 2
        :: atomic { (hold[3] && NOGET(3)) -> hold[3] = 0; frs[3] = 1 }
#endif
#endif
#if UNLEASE > 0
        :: atomic { (REC && slot && BUDGET(nul,UNLEASE) && (st == HOT || st == ZAPPING || st == ZAPPED || st == CACHED || st == EVICTING)) ->
                    SPEND(nul,UNLEASE); if :: st == CACHED -> st = ZAPPED :: else fi;
#ifndef NO_UNLEASE_DIRTY
                    cl = 0;
#endif
                    freeing = slot;
#ifndef NO_UNLEASE_DIRTY
                    slot = 0;
#endif
                    skip };
            atomic { frs[freeing] = 1; freeing = 0 }
#endif
        od
    } unless { atomic { kill -> kill = 0; alive = 0 } };
    atomic {    /* the process is gone; its unread bytes are not */
#ifdef LAZY
        rec = 0; fen = 0; swp = 0;
#endif
#if GONE > 0
        prf = 0;
#endif
#ifdef SEAL
        gver[0] = 0; gver[1] = 0;
#ifdef NO_SEAL_STORE
        mver = 0;
#endif
#endif
        parked = 0; pbuf = 0; pfetch = 0; freeing = 0; i = 0; w = 0; n = 0; sw = 0; sg = 0; hole = 0;
#ifndef NO_R3PIDFD      /* proved dead: nothing of it still runs */
        if :: pop == 1 -> punch() :: pop == 1 -> skip :: else fi; pop = 0;
#endif
        if :: zp[0] == 1 -> zp[0] = 5 :: else -> zp[0] = 0 fi;
        if :: zp[1] == 1 -> zp[1] = 5 :: else -> zp[1] = 0 fi;
        if :: pt[0] == 1 -> po[0] = 1 :: pt[0] >= 2 -> pt[0] = 0; ps[0] = 0; pv[0] = 0; po[0] = 0 :: else fi;
        if :: pt[1] == 1 -> po[1] = 1 :: pt[1] >= 2 -> pt[1] = 0; ps[1] = 0; pv[1] = 0; po[1] = 0 :: else fi;
        gt[0] = 0; gt[1] = 0; gv[0] = 0; gv[1] = 0; gs[0] = 0; gs[1] = 0;
#ifdef CLEAN
        ak = 0; as = 0; ag = 0;         /* its answer is nobody's */
#endif
        n = 1; do :: n <= NS -> hold[n] = 0; if :: frs[n] -> fro[n] = 1; frs[n] = 0 :: else fi; n++ :: else -> break od; n = 0;
#ifdef FBWAKE
        wake()
#endif
    };
    atomic {
#ifdef FB_OVERLAP
        true
#else
        !fbusy
#endif
        -> alive = 1 };
    goto life
}

/* --------------------------------------------------------------- provider */
proctype Provider() {
    byte s;
end:
    do
#if GONE > 0
    :: atomic { !dead && BUDGET(ngone,GONE) -> SPEND(ngone,GONE); dead = 1; slv[1] = 0 }
    :: atomic { pt[0] == 1 && REFUSES(ps[0]) -> if :: po[0] -> pt[0] = 0; ps[0] = 0; pv[0] = 0; po[0] = 0 :: else -> pt[0] = 3 fi }
    :: atomic { pt[1] == 1 && REFUSES(ps[1]) -> if :: po[1] -> pt[1] = 0; ps[1] = 0; pv[1] = 0; po[1] = 0 :: else -> pt[1] = 3 fi }
    :: atomic { gt[0] == 1 && REFUSES(gs[0]) -> gt[0] = 3 }
    :: atomic { gt[1] == 1 && REFUSES(gs[1]) -> gt[1] = 3 }
#endif
    :: atomic { pt[0] == 1 && !REFUSES(ps[0]) -> assert(!LIVE(ps[0])); slv[ps[0]] = pv[0]; CARRY(slver[ps[0]], pver[0]);
                if :: po[0] -> pt[0] = 0; ps[0] = 0; pv[0] = 0; po[0] = 0 :: else -> pt[0] = 2; pv[0] = 0 fi }
    :: atomic { pt[1] == 1 && !REFUSES(ps[1]) -> assert(!LIVE(ps[1])); slv[ps[1]] = pv[1]; CARRY(slver[ps[1]], pver[1]);
                if :: po[1] -> pt[1] = 0; ps[1] = 0; pv[1] = 0; po[1] = 0 :: else -> pt[1] = 2; pv[1] = 0 fi }
    :: atomic { gt[0] == 1 && !REFUSES(gs[0]) -> gv[0] = slv[gs[0]]; CARRY(gver[0], slver[gs[0]]); gt[0] = 2 }
    :: atomic { gt[1] == 1 && !REFUSES(gs[1]) -> gv[1] = slv[gs[1]]; CARRY(gver[1], slver[gs[1]]); gt[1] = 2 }
#if REPLAY > 0
    /* It answers with the page as it was: sealed as well, but not these bytes. */
    :: atomic { gt[0] == 1 && slver[gs[0]] > 1 && BUDGET(nrp,REPLAY) -> SPEND(nrp,REPLAY); gv[0] = 0; gver[0] = slver[gs[0]] - 1; gt[0] = 2 }
    :: atomic { gt[1] == 1 && slver[gs[1]] > 1 && BUDGET(nrp,REPLAY) -> SPEND(nrp,REPLAY); gv[1] = 0; gver[1] = slver[gs[1]] - 1; gt[1] = 2 }
#endif
#ifdef CLEAN
    /* Has it what was stored there?  Of what the guest did since it knows nothing. */
    :: atomic { ak == 1 -> ak = (REFUSES(as) -> 3 : 2) }
#endif
    :: atomic { frs[1] -> frs[1] = 0; slv[1] = 0 }
    :: atomic { frs[2] -> frs[2] = 0; slv[2] = 0 }
    :: atomic { fro[1] -> fro[1] = 0; slv[1] = 0 }
    :: atomic { fro[2] -> fro[2] = 0; slv[2] = 0 }
#if NS > 2
    :: atomic { frs[3] -> frs[3] = 0; slv[3] = 0 }
    :: atomic { fro[3] -> fro[3] = 0; slv[3] = 0 }
#endif
    od
}

/* ---------------------------------------- crash, stale messages, intruder */
proctype Env() {
end:
    do
#if NCR > 0
    :: atomic { alive && !kill && ncr <= NCR -> ncr++; kill = 1 }
#endif
    :: atomic { !fq && BUDGET(ndup,NDUP) -> SPEND(ndup,NDUP); fq = 1 }
    :: atomic { !pr && BUDGET(nintr,INTR) -> SPEND(nintr,INTR); pr = 1; mv = zf }
#if defined(ASYNC_PUNCH) || defined(NO_R3PIDFD)
    :: atomic { pop == 1 -> punch(); pop = 2 }
#endif
    /* invariant: these states have their page in the memfd */
    :: atomic { ((st == HOT || st == ZAPPING || st == ZAPPED || st == EVICTING || st == CACHED) && !pr) -> assert(false) }
    od
}

#if NDISC > 0
/* ------------------------------------------------------- discard (rule 6) */
proctype Discard() {
#ifdef PUNCH_FAILS
    byte was;
#endif
end:
    do
    :: BUDGET(ndisc,NDISC) ->
        atomic { SPEND(ndisc,NDISC);
            if
#ifdef NO_R6CAS
            :: skip
#else
#ifndef NO_SKIP
            :: st == FILLING -> goto end
#endif
#ifndef TEXT_PUNCHING
            :: st == PUNCHING -> goto end
#endif
            :: else ->
#ifdef PUNCH_FAILS
                was = st;
#endif
                st = DISCARDING; cl = 0; wq = 0
#endif
            fi };
#ifdef PUNCH_FAILS
        if
        :: goto failed
        :: skip
        fi;
#endif
        atomic { punch(); stale(); zf = 1 };
#ifndef NO_R6CAS
        atomic { assert(st == DISCARDING); st = ZERO; wg = !wg };
#endif
woken:
#ifndef TEXT_NOWAKE
        atomic { wake() }
#else
        skip
#endif
    od;
#ifdef PUNCH_FAILS
failed:
    atomic { assert(st == DISCARDING);
#ifdef TEXT_PUTBACK     /* the word as it was: nobody ends what it says */
        st = was;
#else
        if
        :: was == ZERO -> st = ZERO
        :: was == REMOTE || was == FETCHING -> st = REMOTE
        :: else -> st = HOT
        fi;
        wg = !wg;
#endif
        was = 0 };
    goto woken
#endif
}
#endif

#if DMA > 0
/* ------------------------- write DMA: map, GUP, device store, unmap (rule 4) */
proctype Dma() {
end:
    do
    :: atomic { BUDGET(ndma,DMA) -> SPEND(ndma,DMA); cnt = 1 };
gup:
        do
        :: atomic { pte != NONE -> pte = MAP; pin = 1; break }
        :: atomic { pte == NONE -> gb = 1; fq = 1 }; !gb
        od;
        atomic { stale(); if :: orphan -> mv = 0 :: else -> mv = 1 fi };
        atomic { pin = 0; orphan = 0 };
        cnt = 0
    od
}
#endif

init {
    atomic {
        ncr = 1;                /* the first attach finds nothing to do */
        run Guest(); run Qemu(); run Pager(); run Provider(); run Env();
#if NDISC > 0
        run Discard();
#endif
#if DMA > 0
        run Dma();
#endif
    }
}
