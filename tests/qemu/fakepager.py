# SPDX-License-Identifier: GPL-2.0-or-later
"""fakepager: a pager in small, to test QEMU's object with.

It speaks the VMM protocol as docs/vmm-protocol.rst has it, and keeps evicted
pages in a file, so that they survive it.  It does nothing of its own accord
but answer faults: the test tells it what to do, and can tell it to do it
wrong.

FakeRcached listens; each connection gets a process of its own, which is the
pager, so that it can be killed and has a pidfd.
"""
import array
import ctypes
import errno
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
import time
import traceback

PAGE = 4096
(UNMANAGED, UNTOUCHED, ZERO, HOT, ZAPPING, ZAPPED, EVICTING, PUNCHING, REMOTE,
 FETCHING, FILLING, CACHED, DISCARDING, LOST) = range(14)
RECONCILED = 1      # in the flags of STATS
CLEAN = 0x10
SLOT = 1 << 28
SLOT_MASK = 0xfffffffff0000000
GEN = 1 << 8
GEN_MASK = 0xfffff00

MAGIC = 0x766d6372
VERSION = 1
(HELLO, HELLO_ACK, STATE, BLOCK_ADD, BLOCK_DEL, BLOCK_DEL_ACK, START, READY,
 MANAGE, MANAGED, ZAP, ZAP_DONE, RESIZE, EVICT, RESULT, STATS, EVENT, BALLOON,
 BYE, CANCEL, PROGRESS) = range(1, 22)
F_BALLOON, F_AUTO, F_COMMANDS, F_COPIES, F_SEAL = 1, 2, 4, 8, 16
HDR = struct.Struct("=IHHIIQ")
STATE_HEAD = struct.Struct("=QII16sQQQQQQQQII")
KEY = struct.Struct("=QII32s")
DISCARDS_AT = 104               # discard_seq, _resident, _remote

libc = ctypes.CDLL(None, use_errno=True)


def ioc(direction, number, size):
    return direction << 30 | size << 16 | 0xaa << 8 | number


UFFDIO_REGISTER = ioc(3, 0x00, 32)
UFFDIO_WAKE = ioc(2, 0x02, 16)
UFFDIO_COPY = ioc(3, 0x03, 40)
UFFDIO_ZEROPAGE = ioc(3, 0x04, 32)
UFFDIO_CONTINUE = ioc(3, 0x07, 32)


class Block:
    def __init__(self, body, fd):
        (self.id, self.generation, self.first, self.address, self.length,
         self.offset, name) = struct.unpack("=IIQQQQ64s", body)
        self.name = name.split(b"\0")[0].decode()
        self.fd = fd
        self.pages = self.length // PAGE


class Pager:
    """One connection, in a process of its own."""

    def __init__(self, sock, control, store, how):
        self.sock = sock
        self.control = control
        self.store = store
        self.how = how
        self.blocks = {}
        self.state = None
        self.uffd = -1
        self.attached = False
        self.mute = False
        self.zaps = {}
        self.seq = 0
        self.balloon = None
        self.waiting = set()
        self.asked = {}             # messages for each page
        self.fetched = {}           # and what came of them
        self.next_stats = 0.0
        self.size = self.local_max = self.auto = self.copies = 0
        self.says_copies = False    # in STATS
        self.later = []             # (when, page, state)
        self.running = None         # id and kind of a command left open

    # ------------------------------------------------------ the protocol

    def send(self, kind, body=b"", ident=0, fds=(), flags=0):
        data = HDR.pack(MAGIC, kind, flags, HDR.size + len(body), 0,
                        ident) + body
        anc = []
        if fds:
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))]
        self.sock.sendmsg([data], anc)

    def receive(self):
        data, anc, _, _ = self.sock.recvmsg(16384, socket.CMSG_SPACE(32))
        if not data:
            os._exit(0)
        fds = array.array("i")
        for level, kind, payload in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload)
        magic, kind, _, size, _, ident = HDR.unpack_from(data)
        assert magic == MAGIC and size == len(data), "a bad head"
        self.got(kind, ident, data[HDR.size:], list(fds))

    def got(self, kind, ident, body, fds):
        if kind == HELLO:
            self.got_hello(body)
        elif kind == STATE:
            self.uffd, state, self.pagemap, key = fds
            self.map_state(state)
            self.map_key(key)
        elif kind == BLOCK_ADD:
            block = Block(body, fds[0])
            self.blocks[block.id] = block
            if self.attached:
                self.tell("block", block.name)
        elif kind == BLOCK_DEL:
            block = self.blocks.pop(struct.unpack("=II", body)[0])
            for page in range(block.first, block.first + block.pages):
                self.set_word(page, 0)
            self.send(BLOCK_DEL_ACK, body)
            self.tell("unblock", block.name)
        elif kind == START:
            if self.how.get("never_ready"):
                return
            if self.how.get("refuse_state"):
                self.send(EVENT, struct.pack(
                    "=IIQ256s", 3, 0, 0, self.how["refuse_state"].encode()))
                os._exit(0)
            self.attach()
            self.send(READY)
            self.tell("ready")
        elif kind == MANAGED:
            self.managed(body)
        elif kind == ZAP_DONE:
            seq, status, count = struct.unpack_from("=QiI", body)
            self.zaps[seq] = (status,
                              list(struct.unpack_from(f"={count}I", body, 16)))
        elif kind in (RESIZE, EVICT):
            self.command(kind, ident, body)
        elif kind == CANCEL:
            self.cancel(ident)
        elif kind == BALLOON:
            self.balloon = struct.unpack("=QQII16Q", body)
        elif kind == BYE:
            os._exit(0)

    def got_hello(self, body):
        self.hello = struct.unpack("=IIQ16sQQQQII64s", body)
        status = self.how.get("refuse", 0)
        version = self.how.get("version", VERSION)
        text = self.how.get("text", "").encode()
        pidfd = os.pidfd_open(os.getpid())
        self.size, self.local_max = self.hello[6:8]
        self.auto = self.hello[2] & F_AUTO
        self.copies = self.hello[8]
        features = (F_BALLOON |
                    self.how.get("commands", self.hello[2] & F_COMMANDS) |
                    self.how.get("copies", self.hello[2] & F_COPIES) |
                    self.how.get("seal", self.hello[2] & F_SEAL))
        self.says_copies = bool(features & self.hello[2] & F_COPIES)
        self.send(HELLO_ACK, struct.pack("=IiQ256s", version, status, features,
                                         text),
                  fds=() if status or self.how.get("no_pidfd") else (pidfd,))
        os.close(pidfd)

    def tell(self, *what):
        self.control.send(repr(what).encode())

    # --------------------------------------------------------- the table

    def map_state(self, fd):
        self.state_fd = fd
        size = os.fstat(fd).st_size
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        assert seals & fcntl.F_SEAL_SHRINK, "the state memfd can shrink"
        self.state = mmap.mmap(fd, size)
        (magic, version, header, _, incarnation, self.nr_pages,
         self.frames_off, _, _, self.words_off, _, total, _,
         _) = STATE_HEAD.unpack_from(self.state)
        assert magic == 0x65746174736372 and version == 3 and header == PAGE
        assert incarnation == self.hello[4] and total <= size
        # Words are aligned, and a store of 8 bytes through ctypes is one.
        self.words = (ctypes.c_uint64 * self.nr_pages).from_buffer(
            self.state, self.words_off)

    def map_key(self, fd):
        """It is in a page that cannot be read but through a mapping."""
        assert os.fstat(fd).st_size == PAGE
        with mmap.mmap(fd, PAGE, prot=mmap.PROT_READ) as page:
            magic, version, zero, self.key = KEY.unpack_from(page)
        assert (magic, version, zero) == (0x79656b6d766372, 1, 0)
        assert len(set(self.key)) > 8, "that is no key"
        try:
            os.pread(fd, 48, 0)
            self.key_is_secret = False
        except OSError:
            self.key_is_secret = True
        os.close(fd)

    def word(self, page):
        return self.words[page]

    def set_word(self, page, word):
        self.words[page] = word

    def to(self, page, state, flags=0):
        word = self.words[page]
        self.words[page] = word & (GEN_MASK | SLOT_MASK) | state | flags

    def block_of(self, page):
        for block in self.blocks.values():
            if block.first <= page < block.first + block.pages:
                return block
        raise KeyError(page)

    def address(self, page):
        block = self.block_of(page)
        return block.address + (page - block.first) * PAGE

    def place(self, page):
        block = self.block_of(page)
        return block.fd, block.offset + (page - block.first) * PAGE

    def has_data(self, page):
        fd, offset = self.place(page)
        try:
            return os.lseek(fd, offset, os.SEEK_DATA) == offset
        except OSError as e:
            if e.errno != errno.ENXIO:
                raise
            return False

    # --------------------------------------------------------- the ioctls

    def ioctl(self, request, *words):
        buf = bytearray(struct.pack(f"={len(words)}Q", *words))
        try:
            fcntl.ioctl(self.uffd, request, buf)
        except OSError as e:
            return e.errno
        return 0

    def wake_all(self):
        for block in self.blocks.values():
            self.ioctl(UFFDIO_WAKE, block.address, block.length)

    def punch(self, page):
        fd, offset = self.place(page)
        if libc.fallocate(fd, 3, ctypes.c_long(offset), ctypes.c_long(PAGE)):
            raise OSError(ctypes.get_errno(), "fallocate")

    def cont(self, page):
        ret = self.ioctl(UFFDIO_CONTINUE, self.address(page), PAGE, 0, 0)
        if ret == errno.EEXIST:
            self.ioctl(UFFDIO_WAKE, self.address(page), PAGE)

    # ------------------------------------------------------------- attach

    def attach(self):
        self.store.seek(0, os.SEEK_END)
        for block in self.blocks.values():
            for page in range(block.first, block.first + block.pages):
                word = self.word(page)
                state = word & 0xf
                if state in (UNMANAGED, DISCARDING, LOST):
                    continue
                self.attach_page(page, state, self.has_data(page))
        self.attached = True
        self.wake_all()

    def attach_page(self, page, state, data):
        if state in (REMOTE, PUNCHING, FETCHING):
            if data:
                self.punch(page)
            self.to(page, REMOTE)
        elif data:
            self.to(page, HOT)
        elif state in (FILLING, UNTOUCHED, ZERO):
            self.to(page, ZERO)
        else:
            self.to(page, LOST)

    def managed(self, body):
        number, _, first, count, status, _ = struct.unpack("=IIQQiI", body)
        block = self.blocks[number]
        assert status == 0, status
        self.ioctl(UFFDIO_REGISTER, block.address + first * PAGE,
                   count * PAGE, 5, 0)
        for page in range(block.first + first, block.first + first + count):
            if self.word(page) & 0xf == UNMANAGED:
                self.to(page, UNTOUCHED)
                if self.has_data(page):
                    self.to(page, HOT)
        self.tell("managed", block.name)

    # ------------------------------------------------------------- faults

    def faults(self):
        try:
            data = os.read(self.uffd, 32 * 64)
        except BlockingIOError:
            return
        for at in range(0, len(data), 32):
            event, address = data[at], struct.unpack_from("=Q", data,
                                                          at + 16)[0]
            assert event == 0x12, event
            for block in self.blocks.values():
                if 0 <= address - block.address < block.length:
                    self.fault(block.first +
                               (address - block.address) // PAGE)
                    break
            else:
                self.tell("stray", address)     # of no block

    def fault(self, page):
        self.asked[page] = self.asked.get(page, 0) + 1
        state = self.word(page) & 0xf
        if state in (HOT, ZAPPING, ZAPPED, EVICTING, CACHED):
            self.to(page, HOT)
            self.cont(page)
        elif state in (UNTOUCHED, ZERO):
            self.words[page] = self.words[page] & GEN_MASK | FILLING
            if self.ioctl(UFFDIO_ZEROPAGE, self.address(page), PAGE, 0, 0):
                self.cont(page)
            self.to(page, HOT)
        elif state == REMOTE:
            if self.how.get("lost"):
                self.waiting.add(page)
                return
            self.fetch(page)

    def fetch(self, page):
        self.fetched[page] = self.fetched.get(page, 0) + 1
        word = self.word(page)
        self.store.seek(((word >> 28) - 1) * PAGE)
        data = ctypes.create_string_buffer(self.store.read(PAGE), PAGE)
        self.to(page, FILLING)
        ret = self.ioctl(UFFDIO_COPY, self.address(page),
                         ctypes.addressof(data), PAGE, 0, 0)
        assert ret == 0, ret
        self.words[page] = self.words[page] & GEN_MASK | HOT

    # -------------------------------------------------- what the test asks

    def do_manage(self, name):
        for block in self.blocks.values():
            if block.name == name:
                self.send(MANAGE, struct.pack("=IIQQiI", block.id,
                                              block.generation, 0, block.pages,
                                              0, 0))

    def do_zap(self, page, count=1, generation=None):
        """Zap pages; returns (status, pinned pages)."""
        block = self.block_of(page)
        self.seq += 1
        seq = self.seq | os.getpid() << 32
        for n in range(page, page + count):
            self.words[n] = (self.words[n] & SLOT_MASK |
                             ((self.words[n] + GEN) & GEN_MASK) | ZAPPING)
        self.send(ZAP, struct.pack(
            "=QIIIIII", seq, block.id,
            block.generation if generation is None else generation, 1, 0,
            page - block.first, count))
        while seq not in self.zaps:
            self.turn(1.0)
        status, pinned = self.zaps.pop(seq)
        pinned = [block.first + n for n in pinned]
        for n in range(page, page + count):
            if self.words[n] & 0xf == ZAPPING:
                self.to(n, HOT if n in pinned or status else ZAPPED)
        return status, pinned

    def do_evict(self, page, count=1):
        """Evict pages, however hot; returns how many went."""
        went = 0
        status, pinned = self.do_zap(page, count)
        for n in range(page, page + count):
            if n in pinned or status or self.words[n] & 0xf != ZAPPED:
                continue
            fd, offset = self.place(n)
            slot = self.store.seek(0, os.SEEK_END) // PAGE + 1
            self.store.write(os.pread(fd, PAGE, offset))
            self.store.flush()
            self.words[n] = self.words[n] & GEN_MASK | slot * SLOT | PUNCHING
            self.punch(n)
            self.to(n, REMOTE)
            went += 1
        return went

    def do_prefetch(self, page):
        """Bytes in the memfd that QEMU's mapping has not seen yet."""
        self.store.seek(((self.words[page] >> 28) - 1) * PAGE)
        fd, offset = self.place(page)
        os.pwrite(fd, self.store.read(PAGE), offset)

    def do_punch(self, page):
        self.punch(page)

    def do_address(self, page):
        """Where it is in QEMU."""
        return self.address(page)

    def do_state(self, page, count=1):
        return [self.words[n] & 0xf for n in range(page, page + count)]

    def do_set(self, page, state):
        self.to(page, state)

    def do_later(self, seconds, page, state):
        """Change a page's state without being asked again."""
        self.later.append((time.monotonic() + seconds, page, state))

    def do_word(self, page):
        return self.words[page]

    def do_data(self, page):
        return self.has_data(page)

    def do_discards(self):
        return struct.unpack_from("=QQQ", self.state, DISCARDS_AT)

    def do_frame(self, page):
        frame = page // 512
        return self.state[self.frames_off + frame // 8] >> frame % 8 & 1

    def do_count(self, state):
        return sum(w & 0xf == state for w in self.words)

    def do_key(self):
        return self.key, self.key_is_secret

    def do_hello(self):
        return self.hello[:-1] + (self.hello[-1].split(b"\0")[0].decode(),)

    def do_blocks(self):
        return [(b.name, b.first, b.pages) for b in self.blocks.values()]

    def do_asked(self):
        """The messages there were for the page with most of them, and how
        often a page was fetched at most, since this was asked last."""
        answer = (max(self.asked.values(), default=0),
                  max(self.fetched.values(), default=0))
        self.asked, self.fetched = {}, {}
        return answer

    def do_balloon(self):
        return self.balloon

    def do_how(self, how):
        self.how.update(how)
        if not self.how.get("lost"):
            for page in list(self.waiting):
                self.waiting.discard(page)
                self.fetch(page)

    def do_raw(self, data):
        self.sock.send(data)

    def do_mute(self):
        """Neither read nor answer anything any more, but live."""
        self.mute = True

    def do_speak(self):
        self.mute = False

    def do_exit(self):
        os._exit(0)

    def do_event(self, kind, page, text):
        block = self.block_of(page)
        self.send(EVENT, struct.pack("=IIQ256s", kind, block.id,
                                     (page - block.first) * PAGE,
                                     text.encode()))

    def command(self, kind, ident, body):
        what, copies, one, *two = struct.unpack("=IIQQ" if kind == RESIZE
                                                else "=IIQ", body)
        status, value, text = self.how.get("result", (0, 0, ""))
        self.tell("command", kind, what, one, *two,
                  *((copies,) if what & 4 else ()))
        if self.how.get("no_result"):
            self.running = (ident, kind)
            return
        if kind == RESIZE and not status:
            self.size = one if what & 1 else self.size
            self.copies = copies if what & 4 else self.copies
            if what & 2:
                self.local_max = two[0]
            elif not self.size:
                self.local_max = max(self.local_max, self.hello[5])
            if what & 2 or not self.size:
                self.auto = 0
        if kind == RESIZE and not status and what & 1 and not one:
            for page in range(self.nr_pages):
                if self.words[page] & 0xf == REMOTE:
                    self.fetch(page)
        self.result(ident, status, value, text)

    def result(self, ident, status, value, text):
        self.send(RESULT, struct.pack(
            "=iIQ256sQQ", status, 1 if self.auto else 0, value, text.encode(),
            self.size, self.local_max), ident)

    def cancel(self, ident):
        """With how["no_result"] a command is under way until it is this."""
        if self.running and self.running[0] == ident:
            self.running = None
            self.tell("cancel")
            if self.how.get("late"):
                self.size = self.hello[5]
                self.result(ident, 0, 0, "")
                return
            self.result(ident, -errno.ECANCELED, self.how.get("went", 0),
                        "cancelled")

    def stats(self):
        counts = [0] * 14
        for word in self.words:
            counts[word & 0xf] += PAGE
        guest = sum(b.length for b in self.blocks.values())
        here = counts[HOT] + counts[ZAPPING]
        body = struct.pack(
            "=9Q", guest, max(0, guest - sum(counts[1:])),
            counts[UNTOUCHED], here,
            counts[ZAPPED] + counts[EVICTING], counts[CACHED],
            sum(counts[i] for i in (REMOTE, PUNCHING, FETCHING, FILLING)),
            counts[ZERO] + counts[DISCARDING], counts[LOST])
        body += struct.pack("=4Q", here, self.size, self.local_max, 0)
        body += struct.pack("=8Q", *range(1, 9))
        body += struct.pack("=5Q", *range(1000, 6000, 1000))
        waiting = len(self.waiting)
        page = min(self.waiting, default=0)
        oldest = 2 * 10 ** 9 if waiting else 0
        if waiting and self.how.get("short"):
            # Of memory: there is always a page that waits, but not the same.
            page = int(time.monotonic() * 2) % 512
            oldest = 7 * 10 ** 8
        hopeless = waiting if self.how.get("given_up") else 0
        if self.how.get("hopeless"):
            page, hopeless = self.how["hopeless"]
            waiting, oldest = max(hopeless, 1), 2 * 10 ** 9
        body += struct.pack(
            "=QQIIQ64s", waiting, oldest,
            self.block_of(page).id if waiting else 0, 1,
            (page - self.block_of(page).first) * PAGE if waiting else 0,
            b"prov1" if waiting else b"")
        body += struct.pack("=QQQII64s", 7, 1 << 26, counts[REMOTE], 1, 0,
                            b"prov1")
        body += bytes(96 * 15)
        if self.says_copies:
            body += struct.pack("=QQII", *self.how.get("one_copy", (0, 0)),
                                self.copies, hopeless)
        self.send(STATS, body,
                  flags=0 if self.how.get("unreconciled") else RECONCILED)
        if self.running and self.hello[2] & F_COMMANDS:
            self.send(PROGRESS, struct.pack(
                "=QQ", *self.how.get("progress", (0, 0))), self.running[0])

    # ----------------------------------------------------------- the loop

    def turn(self, timeout):
        fds = [self.sock, self.control]
        if self.mute:
            fds = [self.control]
        elif self.attached:
            fds.append(self.uffd)
        ready, _, _ = select.select(fds, [], [], timeout)
        if self.sock in ready:
            self.receive()
        if self.uffd in ready:
            self.faults()
        return self.control in ready

    def run(self):
        while True:
            if self.turn(0.05):
                request = self.control.recv(65536)
                if not request:
                    os._exit(0)
                name, args = eval(request)
                self.control.send(repr(
                    ("answer", getattr(self, name)(*args))).encode())
            now = time.monotonic()
            for when, page, state in list(self.later):
                if now >= when:
                    self.later.remove((when, page, state))
                    self.to(page, state)
            if self.attached and not self.mute and now > self.next_stats:
                self.next_stats = now + 0.1
                self.stats()


class PagerHandle:
    """A running pager, as the test holds it."""

    def __init__(self, pid, control):
        self.pid = pid
        self.control = control
        self.told = []

    def message(self, timeout):
        self.control.settimeout(timeout)
        data = self.control.recv(65536)
        if not data:
            raise EOFError("the pager has ended")
        return eval(data)

    def call(self, name, *args, timeout=20):
        self.control.send(repr((name, args)).encode())
        while True:
            message = self.message(timeout)
            if message[0] == "answer":
                return message[1]
            self.told.append(message)

    def wait(self, what, timeout=10):
        """Wait for the pager to tell something; its other values."""
        while True:
            for message in self.told:
                if message[0] == what:
                    self.told.remove(message)
                    return message[1:]
            self.told.append(self.message(timeout))

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.control.close()

    def __getattr__(self, name):
        if not name.startswith("do_"):
            raise AttributeError(name)
        return lambda *args: self.call(name, *args)


class FakeRcached:
    """Listens at @path and starts a pager for each connection."""

    def __init__(self, path, store):
        self.path = path
        self.store_path = store
        self.how = {}
        self.pagers = []
        self.listener = None
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(8)

    def accept(self, timeout=10):
        """The next connection's pager."""
        self.listener.settimeout(timeout)
        sock, _ = self.listener.accept()
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            self.child(sock, ours, theirs)
        sock.close()
        theirs.close()
        pager = PagerHandle(pid, ours)
        self.pagers.append(pager)
        return pager

    def child(self, sock, ours, theirs):
        libc.prctl(1, signal.SIGKILL)
        ours.close()
        self.listener.close()
        for pager in self.pagers:
            pager.control.close()
        try:
            sock.setblocking(True)
            with open(self.store_path, "a+b") as store:
                Pager(sock, theirs, store, dict(self.how)).run()
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def close(self):
        self.listener.close()
        for pager in self.pagers:
            try:
                pager.kill()
            except (ProcessLookupError, ChildProcessError):
                pass
