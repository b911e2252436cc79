# SPDX-License-Identifier: GPL-2.0-or-later
"""neighbourload: what a busy VM costs the others on its host.

Two guests of one requester, whose pages are at one provider.  One touches
pages that are away, scattered, as fast as it can, and more of them than may be
here, so that each has to push another out; or it does nothing.  The other
touches a page now and then.  Measured is how long that one waits; the floor is
the same while its neighbour is quiet.  Rounds of both are by turns.
"""
import statistics
import threading

from lab import LabError

MIB = 1 << 20
MEM = 256                       # MiB, of each guest
LOCAL = 64
PAUSE_US = 1000                 # between two touches


class Busy:
    """A guest that touches until it is told to stop."""

    def __init__(self, vmm):
        self.vmm = vmm
        self.touched = 0
        self.error = None
        self.over = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.over:
                done = self.vmm.ask("touch 2000")
                self.touched += done["touched"]
                if done["wrong"]:
                    raise LabError(f"{done['wrong']} pages were wrong")
        except LabError as error:
            self.error = error

    def stop(self):
        self.over = True
        self.thread.join()
        if self.error:
            raise self.error
        if not self.touched:
            raise LabError("the busy guest found no page that was away")


def measure(bench, product, touches):
    """The quiet guest's waits."""
    product.evict_to(LOCAL // 4 * MIB)
    return bench.touch(product, touches, PAUSE_US)


def run(bench, product_of):
    rounds = 1 if bench.args.short else 7
    touches = 300 if bench.args.short else 2000
    waits = {"quiet": [], "busy": []}
    rates = []
    with product_of(bench, MEM, LOCAL, room=2 * MEM) as product:
        other = product.guest(MEM, LOCAL, "--number=2")
        try:
            for vmm in (product.vmm, other):
                vmm.ask("fill")
            for n in range(rounds):
                bench.say(f"neighbours: round {n + 1} of {rounds}")
                for name in sorted(waits, reverse=n % 2):
                    busy = Busy(other) if name == "busy" else None
                    try:
                        waits[name].append(measure(bench, product, touches))
                    finally:
                        if busy:
                            busy.stop()
                            rates.append(busy.touched)
        finally:
            other.stop()
    for metric, key in (("p50", "p50_ns"), ("p99", "p99_ns")):
        middle = {name: statistics.median(w[key] for w in all_of) / 1e3
                  for name, all_of in waits.items()}
        bench.add("neighbours", metric, "us", middle["busy"],
                  middle["quiet"],
                  {"pages the neighbour got": statistics.median(rates)})
