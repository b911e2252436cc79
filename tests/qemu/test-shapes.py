#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The object with other machines and other memory, against a fake pager.

    test-shapes.py [NAME...]     only the cases whose names contain NAME
"""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from qemu_fakepager import (MIB, RAM, TEST_AT, LabError, Skip, Vm,  # noqa: E402
                    failed, main, page_of, refused, wait_for)

CASES = []


def case(function):
    CASES.append(function)
    return function


def fill(vm, pages, value):
    for i in range(pages):
        vm.write(TEST_AT + i * fp.PAGE, value + i)


def is_there(vm, pages, value):
    for i in range(pages):
        assert vm.read(TEST_AT + i * fp.PAGE) == value + i


@case
def machines(folder):
    for machine in ("pc", "q35", "microvm"):
        vm = Vm(folder, machine=machine)
        try:
            block, = vm.pager.do_blocks()
            fill(vm, 16, 0x1000)
            vm.pager.do_manage(block[0])
            vm.pager.wait("managed")
            assert vm.pager.do_evict(page_of(TEST_AT), 16) == 16
            assert not vm.pager.do_data(page_of(TEST_AT))
            is_there(vm, 16, 0x1000)
        finally:
            vm.close()
        for name in ("qmp", "qtest", "vmm.sock"):
            os.unlink(f"{folder}/{name}")


@case
def numa(folder):
    """Pages of two nodes go and come; they are different pages."""
    vm = Vm(folder, "-object", "memory-backend-memfd,id=m0,size=32M",
            "-object", "memory-backend-ram,id=m1,size=32M",
            "-numa", "node,memdev=m0", "-numa", "node,memdev=m1")
    try:
        far = 40 * MIB
        vm.write(TEST_AT, 0xaaaa)
        vm.write(far, 0xbbbb)
        for name in ("m0", "m1"):
            vm.pager.do_manage(name)
            vm.pager.wait("managed")
        assert vm.pager.do_evict(page_of(TEST_AT)) == 1
        assert vm.pager.do_evict(page_of(far)) == 1
        assert vm.read(far) == 0xbbbb and vm.read(TEST_AT) == 0xaaaa
    finally:
        vm.close()


@case
def reset(folder):
    """A reset takes nothing away, and waits for nothing that is away."""
    vm = Vm(folder)
    try:
        fill(vm, 16, 0x2000)
        vm.manage()
        assert vm.pager.do_evict(page_of(TEST_AT), 16) == 16
        vm.qmp.call("system_reset")
        vm.qmp.event("RESET")
        assert vm.pager.do_state(page_of(TEST_AT), 16) == [fp.REMOTE] * 16
        is_there(vm, 16, 0x2000)
    finally:
        vm.close()


@case
def dump(folder):
    """dump-guest-memory has the bytes of pages that were away."""
    vm = Vm(folder)
    try:
        value = 0x70dd1e50ca5e0000
        fill(vm, 16, value)
        vm.manage()
        assert vm.pager.do_evict(page_of(TEST_AT), 16) == 16
        vm.qmp.call("dump-guest-memory", paging=False,
                    protocol=f"file:{folder}/dump")
        with open(folder + "/dump", "rb") as f:
            data = f.read()
        for i in range(16):
            assert struct.pack("<Q", value + i) in data, i
        assert vm.pager.do_state(page_of(TEST_AT), 16) == [fp.HOT] * 16
    finally:
        vm.close()


def job_done(qmp, name):
    """The end of a job, which must be a good one."""
    def ended():
        for job in qmp.call("query-jobs"):
            if job["id"] == name and job["status"] == "concluded":
                return job
        return None
    job = wait_for(name, ended, 60)
    qmp.call("job-dismiss", id=name)
    assert "error" not in job, job


def add_disk(qmp, folder):
    """A qcow2 disk that can hold snapshots, as the node d0."""
    path = folder + "/disk.qcow2"
    qmp.call("blockdev-create", job_id="c0",
             options={"driver": "file", "filename": path, "size": 0})
    job_done(qmp, "c0")
    qmp.call("blockdev-add", driver="file", node_name="f0", filename=path)
    qmp.call("blockdev-create", job_id="c1",
             options={"driver": "qcow2", "file": "f0", "size": MIB})
    job_done(qmp, "c1")
    qmp.call("blockdev-add", driver="qcow2", node_name="d0", file="f0")


@case
def loadvm(folder):
    """A snapshot that was made with everything home is loaded over pages that
    are away."""
    vm = Vm(folder)
    qmp = vm.qmp
    snapshot = {"tag": "s0", "vmstate": "d0", "devices": ["d0"]}
    try:
        add_disk(qmp, folder)
        fill(vm, 16, 0x4000)
        vm.manage()
        assert vm.pager.do_evict(page_of(TEST_AT), 16) == 16
        qmp.call("snapshot-save", job_id="j0", **snapshot)
        try:
            job_done(qmp, "j0")
        except AssertionError as e:
            assert "keeps guest memory on other hosts" in str(e), e
        else:
            raise AssertionError("a snapshot with pages away")
        qmp.job("remote-cache-resize", id="rc0", size=0)
        qmp.call("snapshot-save", job_id="j1", **snapshot)
        job_done(qmp, "j1")
        qmp.job("remote-cache-resize", id="rc0", size=RAM)
        fill(vm, 32, 0x5000)
        assert vm.pager.do_evict(page_of(TEST_AT), 32) == 32
        qmp.call("snapshot-load", job_id="j2", **snapshot)
        job_done(qmp, "j2")
        is_there(vm, 16, 0x4000)
        for i in range(16, 32):
            assert vm.read(TEST_AT + i * fp.PAGE) == 0
        assert vm.pager.do_evict(page_of(TEST_AT), 16) == 16
        is_there(vm, 16, 0x4000)
    finally:
        vm.close()


@case
def background_snapshot(folder):
    """Its userfaultfd and ours do not go together; without the object it
    works on the same memory."""
    vm = Vm(folder)
    qmp = vm.qmp
    wanted = [{"capability": "background-snapshot", "state": True}]
    try:
        fill(vm, 16, 0x6000)
        vm.manage()
        qmp.job("remote-cache-resize", id="rc0", size=0)
        failed(qmp, "not compatible with guest memory",
               "migrate-set-capabilities", capabilities=wanted)
        qmp.call("object-del", id="rc0")
        try:
            qmp.call("migrate-set-capabilities", capabilities=wanted)
        except LabError as e:
            raise Skip(f"this kernel cannot: {e}") from e
        qmp.call("migrate", uri=f"file:{folder}/snapshot")
        wait_for("the snapshot", lambda: qmp.call("query-migrate")["status"]
                 == "completed", 60)
        is_there(vm, 16, 0x6000)
    finally:
        vm.close()


@case
def private_dimm(folder):
    """A DIMM that cannot be managed is not: it stays as it is."""
    vm = Vm(folder, "-m", "64M,slots=2,maxmem=256M")
    try:
        vm.qmp.call("object-add", qom_type="memory-backend-ram", id="m1",
                    size=64 * MIB, share=False)
        vm.qmp.call("device_add", driver="pc-dimm", id="dimm1", memdev="m1")
        at = 0x100000000
        vm.write(at, 0x6600)
        assert vm.read(at) == 0x6600
        assert [b[0] for b in vm.pager.do_blocks()] == ["pc.ram"]
        assert "is not shared memory" in vm.output()
    finally:
        vm.close()


@case
def blocks_before_start(folder):
    """A pager that is told of RAM which the one before had registered hears of
    all of it before its START: there are faults in it from the begin, and one
    that is read while its block is not known would be nobody's."""
    vm = Vm(folder, "-m", "64M,slots=2,maxmem=256M", how={"lost": True})
    at, page = 0x100000000, RAM // fp.PAGE
    try:
        vm.qmp.call("object-add", qom_type="memory-backend-ram", id="m1",
                    size=64 * MIB)
        vm.qmp.call("device_add", driver="pc-dimm", id="dimm1", memdev="m1")
        wait_for("the DIMM", lambda: [b[0] for b in vm.pager.do_blocks()] ==
                 ["pc.ram", "m1"])
        vm.pager.do_manage("m1")
        vm.pager.wait("managed")
        vm.write(at, 0x8800)
        assert vm.pager.do_evict(page) == 1
        assert vm.read(at, 0.5) is None
        for _ in range(3):
            vm.pager.kill()
            pager = vm.next_pager()
            names = [b[0] for b in pager.do_blocks()]
            assert vm.ask("", 0.3) is None, "made up"
            assert pager.do_asked()[0] >= 1, "nobody knows who waits"
            assert names == ["pc.ram", "m1"], names
            assert not pager.told, pager.told
        vm.rcached.how = {}
        vm.pager.kill()
        vm.next_pager()
        assert vm.read_late() == 0x8800
    finally:
        vm.close()


def with_folios(folder, mode, size=""):
    """What to start QEMU with, for it to see a host whose shmem_enabled says
    @mode, that of folios of @size if given: the setting itself is
    everybody's."""
    if os.geteuid():
        raise Skip("needs root, for a mount namespace")
    setting = f"/sys/kernel/mm/transparent_hugepage/{size}/shmem_enabled"
    if not os.path.exists(setting):
        raise Skip("a kernel without large folios, or none of this size")
    said = f"{folder}/{mode}"
    with open(said, "w", encoding="ascii") as f:
        f.write(" ".join(f"[{m}]" if m == mode else m for m in
                         ("always", "inherit", "within_size", "advise",
                          "never")))
    return ["unshare", "--mount", "sh", "-c",
            'mount --bind "$0" "$1" && shift && exec "$@"', said, setting]


@case
def large_folios(folder):
    """RAM that may be in large folios is refused, and no other."""
    memory = ("-machine", "memory-backend=ram", "-object",
              "memory-backend-memfd,id=ram,size=64M,share=on")
    in_use = (*memory[:-1], memory[-1] + ",prealloc=on")
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    try:
        refused(folder, "cannot manage RAM in large folios", *memory,
                prefix=with_folios(folder, "always"))
        refused(folder, "may be in large folios", *in_use,
                prefix=with_folios(folder, "advise"))
    finally:
        rcached.close()
    for mode, options in (("advise", memory), ("never", in_use)):
        Vm(folder, *options, prefix=with_folios(folder, mode)).close()
    vm = Vm(folder, *memory, late=True, prefix=with_folios(folder, "advise"))
    try:
        vm.write(TEST_AT, 1)
        failed(vm.qmp, "may be in large folios", "object-add",
               qom_type="remote-cache", id="rc0", local_max=32 * MIB,
               socket=folder + "/vmm.sock")
    finally:
        vm.close()


@case
def folios_of_one_size(folder):
    """Since Linux 6.11 each size has a setting of its own: RAM that may be in
    large folios of any size is refused."""
    memory = ("-machine", "memory-backend=ram", "-object",
              "memory-backend-memfd,id=ram,size=64M,share=on")
    in_use = (*memory[:-1], memory[-1] + ",prealloc=on")
    size = "hugepages-64kB"
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    try:
        refused(folder, "cannot manage RAM in large folios", *memory,
                prefix=with_folios(folder, "always", size))
        refused(folder, "may be in large folios", *in_use,
                prefix=with_folios(folder, "within_size", size))
    finally:
        rcached.close()
    Vm(folder, *memory, prefix=with_folios(folder, "advise", size)).close()


@case
def faults_repeated(folder):
    """A page that is asked for again and again is fetched once: the faults
    that a dead pager had read are had from the next one, once."""
    vm = Vm(folder, how={"lost": True})
    try:
        vm.write(TEST_AT, 0x7777)
        vm.manage()
        assert vm.pager.do_evict(page_of(TEST_AT)) == 1
        assert vm.read(TEST_AT, 0.5) is None
        for _ in range(3):
            vm.pager.kill()
            vm.next_pager()
            assert vm.ask("", 0.3) is None, "made up"
        vm.rcached.how = {}
        vm.pager.kill()
        vm.next_pager()
        assert vm.read_late() == 0x7777
        wait_for("nothing to wait for", lambda: "waiting" not in vm.query())
        assert vm.pager.do_count(fp.LOST) == 0
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main(CASES))
