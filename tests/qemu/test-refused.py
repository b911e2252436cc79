#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot be beside the remote-cache object is refused by name, whichever
comes second, and a refusal leaves nothing behind; against a fake pager.

Devices of the host's kernel need not be there: fakedevices.c stands in.

    test-refused.py [NAME...]     only the cases whose names contain NAME
"""
import contextlib
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from bare import need_kvm                                   # noqa: E402
import virtio                                               # noqa: E402
from qemu_fakepager import (MIB, QEMU, TEST_AT, Skip, Vm,  # noqa: E402
                    create_image, failed, fake_devices, hmp_says, in_thread,
                    main, outl, page_of, refused, unprivileged, wait_for)

CASES = []
PAGES = 16
SLOT = 6
# What a vhost-user back end answers: to GET_FEATURES VERSION_1 and that it has
# protocol features, to GET_PROTOCOL_FEATURES that it has none.
VHOST_USER = {1: 1 << 32 | 1 << 30, 15: 0}
SHARED = ("-object", "memory-backend-memfd,id=ram,size=64M,share=on",
          "-machine", "memory-backend=ram")


def case(function):
    CASES.append(function)
    return function


# ------------------------------------------------------------- stand-ins

def vhost_user_answers(listener, connected):
    """A back end that can do nothing, for each that connects, in turn."""
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        with sock:
            connected[:] = [sock]
            while True:
                head = sock.recv(12, socket.MSG_WAITALL)
                if len(head) < 12:
                    break
                request, _, size = struct.unpack("=3I", head)
                if size:
                    sock.recv(size, socket.MSG_WAITALL)
                if request in VHOST_USER:
                    sock.sendall(struct.pack("=3IQ", request, 5, 8,
                                             VHOST_USER[request]))


@contextlib.contextmanager
def vhost_user(folder):
    """The path of such a back end."""
    path = folder + "/vu"
    connected = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        thread = in_thread(lambda: vhost_user_answers(listener, connected))
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        for sock in connected:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        thread.join(10)


# ---------------------------------------------------------- both orders

def fill(vm, value):
    for i in range(PAGES):
        vm.write(TEST_AT + i * fp.PAGE, value + i)


def is_there(vm, value):
    for i in range(PAGES):
        assert vm.read(TEST_AT + i * fp.PAGE) == value + i


def evict(vm):
    vm.pager.do_manage("ram")
    vm.pager.wait("managed")
    assert vm.pager.do_evict(page_of(TEST_AT), PAGES) == PAGES


def not_added(vm, text):
    failed(vm.qmp, text, "object-add", qom_type="remote-cache", id="rc0",
           local_max=32 * MIB, socket=vm.folder + "/vmm.sock")


def object_first(vm, name, device, times=2):
    """Refused, and nothing has changed; the same again."""
    evict(vm)
    for _ in range(times):
        failed(vm.qmp, f"{name} cannot be used together with remote-cache",
               "device_add", **device)
    assert vm.pager.do_state(page_of(TEST_AT), PAGES) == [fp.REMOTE] * PAGES
    is_there(vm, 0x1000)
    vm.qmp.job("remote-cache-resize", id="rc0", size=0)
    vm.qmp.call("object-del", id="rc0")


def device_first(vm, name, device):
    """With the object gone the device comes, and the object is refused; with
    the device gone it is the other way round again."""
    vm.qmp.call("device_add", id="dev", addr=hex(SLOT), **device)
    device_goes(vm, name)


def device_goes(vm, name):
    for _ in range(2):
        not_added(vm, f"remote-cache cannot be used together with {name}")
    is_there(vm, 0x1000)
    vm.qmp.call("device_del", id="dev")
    outl(vm, 0xae10, 0)
    outl(vm, 0xae08, 1 << SLOT)                 # the guest ejects it
    vm.qmp.event("DEVICE_DELETED", device="dev")
    vm.add(local_max=32 * MIB)
    evict(vm)
    is_there(vm, 0x1000)


def as_option(device):
    return ",".join(f"{k}={v}" if k != "driver" else v
                    for k, v in device.items())


def refused_option(folder, name, device, *options, **how):
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    try:
        refused(folder, f"{name} cannot be used together with remote-cache",
                *SHARED, *options, "-device", as_option(device), **how)
    finally:
        rcached.close()


def both_orders(folder, name, device, *options):
    refused_option(folder, name, device, *options)
    vm = Vm(folder, *SHARED, *options)
    try:
        fill(vm, 0x1000)
        object_first(vm, name, device)
        device_first(vm, name, device)
    finally:
        vm.close()


@case
def vhost_user_netdev(folder):
    """A network back end is refused at once, not connected to again and
    again."""
    with vhost_user(folder) as path:
        options = ("-chardev", f"socket,id=c0,path={path}")
        refused_option(folder, "vhost-user", {"driver": "virtio-net-pci"},
                       *options, "-netdev", "vhost-user,id=n0,chardev=c0")
        vm = Vm(folder, *SHARED, *options)
        try:
            for name in "n0", "n1":
                failed(vm.qmp, "vhost-user cannot be used together with "
                       "remote-cache", "netdev_add", type="vhost-user",
                       id=name, chardev="c0")
                vm.qmp.call("chardev-add", id="c0", backend={
                    "type": "socket", "data": {"server": False, "addr": {
                        "type": "unix", "data": {"path": path}}}})
        finally:
            vm.close()


@case
def vhost_user_away(folder):
    """While the back end is away the object is refused as well: it may come
    back at any time."""
    with vhost_user(folder) as path:
        vm = Vm(folder, *SHARED, "-chardev",
                f"socket,id=c0,path={path},reconnect-ms=100", "-device",
                "vhost-user-scsi-pci,id=s0,chardev=c0", late=True)
    try:
        wait_for("the end of the connection", lambda: any(
            c["label"] == "c0" and "disconnected" in c["filename"]
            for c in vm.qmp.call("query-chardev")))
        for _ in range(3):
            not_added(vm, "remote-cache cannot be used together with "
                      "vhost-user")
            time.sleep(0.2)
    finally:
        vm.close()


@case
def vhost_user_device(folder):
    with vhost_user(folder) as path:
        both_orders(folder, "vhost-user",
                    {"driver": "vhost-user-rng-pci", "chardev": "c0"},
                    "-chardev", f"socket,id=c0,path={path}")


@case
def vhost_scsi(folder):
    with fake_devices(folder):
        both_orders(folder, "vhost-scsi",
                    {"driver": "vhost-scsi-pci",
                     "wwpn": "naa.5001405324af0985"})


@case
def gpu_blob(folder):
    """It cannot be plugged into a VM that runs."""
    name = "virtio-gpu with blob=on"
    device = {"driver": "virtio-gpu-pci", "blob": "on"}
    with fake_devices(folder):
        refused_option(folder, name, device)
        vm = Vm(folder, *SHARED, "-device", as_option(device), late=True)
        try:
            for _ in range(2):
                not_added(vm, f"remote-cache cannot be used together with "
                          f"{name}")
        finally:
            vm.close()


@case
def vdpa(folder):
    with fake_devices(folder):
        both_orders(folder, "vhost-vdpa",
                    {"driver": "vhost-vdpa-device-pci",
                     "vhostdev": "/dev/vhost-vdpa-0"})


@case
def vfio(folder):
    with fake_devices(folder):
        both_orders(folder, "vfio", {"driver": "vfio-pci",
                                     "sysfsdev": folder + "/card"})


@case
def nvme_driver(folder):
    """The block driver that maps guest RAM for a device of the host; there is
    no device here, so it cannot come first."""
    text = "nvme:// cannot be used together with remote-cache"
    options = {"driver": "nvme", "node-name": "n0", "device": "ffff:1f:1f.7",
               "namespace": "1"}
    refused_setting(folder, text, "-blockdev", as_option(options)
                    .replace("nvme,", "driver=nvme,", 1))
    vm = Vm(folder, *SHARED)
    try:
        for _ in range(2):
            failed(vm.qmp, text, "blockdev-add", **{
                **options, "namespace": 1})
            failed(vm.qmp, "use host_device", "blockdev-add", **{
                **options, "namespace": 1})
    finally:
        vm.close()
    vm = Vm(folder, *SHARED, late=True)
    try:
        failed(vm.qmp, "Failed to", "blockdev-add", **{
            **options, "namespace": 1})
        vm.add(local_max=32 * MIB)              # it has left nothing behind
    finally:
        vm.close()


# ------------------------------------------------------- multi-process

@contextlib.contextmanager
def remote_process(folder):
    """A QEMU with a PCI device for another one; our end of its socket."""
    ours, theirs = socket.socketpair()
    with open(folder + "/remote.log", "wb") as log:
        process = subprocess.Popen(
            [QEMU, "-machine", "x-remote", "-nodefaults", "-display", "none",
             "-monitor", "none", "-device", "virtio-rng-pci,id=d0", "-object",
             f"x-remote-object,id=r0,devid=d0,fd={theirs.fileno()}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=(theirs.fileno(),))
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.kill()
        process.wait()


def give_fd(vm, sock):
    """The name under which the VM's next device finds the socket."""
    socket.send_fds(vm.qmp.sock, [b'{"execute": "getfd", "arguments": '
                                  b'{"fdname": "remote"}}\n'],
                    [sock.fileno()])
    while "return" not in vm.qmp.line():
        continue
    return "remote"


@case
def multi_process(folder):
    name = "x-pci-proxy-dev"
    if name not in subprocess.run([QEMU, "-device", "help"], check=True,
                                  capture_output=True, text=True).stdout:
        raise Skip("this QEMU is built without multi-process")
    device = {"driver": name, "fd": "0"}
    with remote_process(folder) as sock:
        refused_option(folder, name, device, stdin=sock)
    vm = Vm(folder, *SHARED)
    try:
        fill(vm, 0x1000)
        with remote_process(folder) as sock:
            device["fd"] = give_fd(vm, sock)
            object_first(vm, name, device, times=1)
            device["fd"] = give_fd(vm, sock)
            device_first(vm, name, device)
    finally:
        vm.close()


# ------------------------------------------- what the machine is made of

@contextlib.contextmanager
def huge_pages(nr):
    """So many of 2 MiB, or a skip."""
    setting = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

    def number(new=None):
        if new is not None:
            with open(setting, "w", encoding="ascii") as f:
                f.write(str(new))
        with open(setting, encoding="ascii") as f:
            return int(f.read())
    if not os.path.exists(setting) or os.geteuid():
        raise Skip("huge pages need a kernel that has them, and root")
    before = number()
    try:
        if number(before + nr) < before + nr:
            raise Skip(f"no {nr} huge pages of 2 MiB to be had")
        yield
    finally:
        number(before)


@case
def hugetlb(folder):
    memory = ("-object", "memory-backend-memfd,id=ram,size=64M,hugetlb=on",
              "-machine", "memory-backend=ram")
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    with huge_pages(32):
        try:
            refused(folder, "'ram' is in huge pages", *memory)
            refused(folder, "memory-backend-memfd,id=ram0,size=64M,share=on",
                    *memory)
        finally:
            rcached.close()
        vm = Vm(folder, *memory, late=True)
        try:
            not_added(vm, "'ram' is in huge pages")
        finally:
            vm.close()


def refused_setting(folder, text, *options, **how):
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    try:
        refused(folder, text, *SHARED, *options, **how)
    finally:
        rcached.close()


def both_settings(folder, text, *options, **how):
    """A setting of the command line, which the object reads there, or when it
    is added later."""
    refused_setting(folder, text, *options, **how)
    vm = Vm(folder, *SHARED, *options, late=True, **how)
    try:
        for _ in range(2):
            not_added(vm, text)
    finally:
        vm.close()


@case
def mem_lock(folder):
    both_settings(folder, "-overcommit mem-lock", "-overcommit",
                  "mem-lock=on")


@case
def mem_lock_on_fault(folder):
    both_settings(folder, "-overcommit mem-lock", "-overcommit",
                  "mem-lock=on-fault")


@case
def incoming(folder):
    """And with it an incoming postcopy."""
    both_settings(folder, "-incoming", "-incoming", "defer")


@case
def confidential(folder):
    """The setting is enough for the question; such a guest runs only on a
    host that has the hardware, so the object cannot come second here."""
    refused_setting(folder, "cannot be used with a confidential guest",
                    "-object", "sev-guest,id=sev0,cbitpos=51,"
                    "reduced-phys-bits=1", "-machine",
                    "confidential-guest-support=sev0")


@case
def nested(folder):
    """svm, which can be said to a guest of a KVM that cannot do it; QEMU
    itself would not have vmx there."""
    need_kvm(folder)
    both_settings(folder, "add 'svm=off' to -cpu", "-cpu",
                  "qemu64,svm=on,x-force-features=on", accel="kvm")
    with open("/proc/cpuinfo", encoding="ascii") as f:
        if " vmx " in f.read():
            both_settings(folder, "add 'vmx=off' to -cpu", "-cpu",
                          "host,vmx=on", accel="kvm")


@case
def nested_later(folder):
    """A CPU that comes later, and can be nested on though the first cannot."""
    need_kvm(folder)
    vm = Vm(folder, *SHARED, "-smp", "1,sockets=2,maxcpus=2", "-cpu", "qemu64",
            accel="kvm", machine="q35")
    cpu = {"driver": "qemu64-x86_64-cpu", "id": "cpu1", "socket-id": 1,
           "core-id": 0, "thread-id": 0}
    try:
        failed(vm.qmp, "nested virtualization (svm) cannot be used together "
               "with remote-cache", "device_add", **cpu, svm=True,
               **{"x-force-features": True})
        vm.qmp.call("device_add", **cpu, svm=False)
    finally:
        vm.close()


@case
def nested_never(folder):
    """A CPU that could be nested on, and cannot be realized for other reasons,
    does not keep the object out.  The VM does not run: QEMU itself leaves such
    a CPU among those that it would wait for."""
    need_kvm(folder)
    vm = Vm(folder, *SHARED, "-smp", "1,sockets=2,maxcpus=2", "-cpu", "qemu64",
            "-S", accel="kvm", machine="q35", late=True)
    try:
        failed(vm.qmp, "phys-bits should be between", "device_add",
               driver="qemu64-x86_64-cpu", id="cpu1", svm=True,
               **{"x-force-features": True, "phys-bits": 20, "socket-id": 1,
                  "core-id": 0, "thread-id": 0})
        vm.add(local_max=32 * MIB)
    finally:
        vm.close()


# ---------------------------------------------- vhost-net, which is allowed

@case
def vhost_net(folder):
    """It goes together with the object, whichever is first: the used rings,
    which the kernel writes to, count as pinned.  To a VM whose driver uses
    it the object is added all the same, and the VM runs on."""
    if os.geteuid():
        raise Skip("needs root, for a network namespace")
    card = ("-netdev", "tap,id=n0,ifname=rcnet0,script=no,downscript=no,"
            "vhost=on", "-device", f"virtio-net-pci,netdev=n0,addr={SLOT}")
    with fake_devices(folder):
        for late in (False, True):
            vm = Vm(folder, *SHARED, *card, late=late,
                    prefix=["unshare", "--net"])
            try:
                rings = virtio.Net(vm, SLOT).queues
                if late:
                    vm.add(local_max=32 * MIB)
                assert vm.qmp.call("query-status")["status"] == "running"
                vm.pager.do_manage("ram")
                vm.pager.wait("managed")
                for ring in rings[:2]:
                    page = page_of(ring.page + 2 * fp.PAGE)
                    assert vm.pager.do_zap(page) == (0, [page]), late
            finally:
                vm.close()
            for name in ("qmp", "qtest", "vmm.sock"):
                os.unlink(f"{folder}/{name}")


# ------------------------------------- migration, and what is done like it

@case
def snapshots(folder):
    """savevm is refused; loadvm is not: it writes to guest memory as the guest
    does, and what was away is no longer what the guest has."""
    vm = Vm(folder, *SHARED, late=True)
    try:
        create_image(vm, folder + "/image")
        fill(vm, 0x2000)
        assert hmp_says(vm, "savevm before") == ""
        fill(vm, 0x3000)
        vm.add(local_max=32 * MIB)
        evict(vm)
        text = hmp_says(vm, "savevm with")
        assert "keeps guest memory on other hosts" in text, text
        failed(vm.qmp, "keeps guest memory on other hosts",
               "migrate", uri=f"file:{folder}/file")
        assert vm.pager.do_state(page_of(TEST_AT), PAGES) == \
            [fp.REMOTE] * PAGES
        assert hmp_says(vm, "loadvm before") == ""
        is_there(vm, 0x2000)
        assert vm.pager.do_evict(page_of(TEST_AT), PAGES) == PAGES
        is_there(vm, 0x2000)
    finally:
        vm.close()


@case
def outgoing(folder):
    """Each way to migrate is refused, and says what to do; what is on its way
    refuses the object."""
    uri = f"unix:{folder}/target"
    with socket.socket(socket.AF_UNIX) as target:
        target.bind(folder + "/target")
        target.listen(8)
        vm = Vm(folder, *SHARED, late=True)
        try:
            fill(vm, 0x4000)
            vm.qmp.call("migrate-set-parameters", max_bandwidth=4096)
            vm.qmp.call("migrate", uri=uri)
            wait_for("the migration", lambda: vm.qmp.call("query-migrate")
                     .get("status") == "active")
            not_added(vm, "migration/snapshot in progress")
            vm.qmp.call("migrate_cancel")
            wait_for("its end", lambda: vm.qmp.call("query-migrate")["status"]
                     == "cancelled")
            vm.add(local_max=32 * MIB)
            evict(vm)
            for postcopy in (False, True):
                vm.qmp.call("migrate-set-capabilities", capabilities=[
                    {"capability": "postcopy-ram", "state": postcopy}])
                failed(vm.qmp, "remote-cache-resize with size=0", "migrate",
                       uri=uri)
            failed(vm.qmp, "not compatible with guest memory",
                   "migrate-set-capabilities", capabilities=[
                       {"capability": "background-snapshot", "state": True}])
            assert vm.pager.do_state(page_of(TEST_AT), PAGES) == \
                [fp.REMOTE] * PAGES
            is_there(vm, 0x4000)
        finally:
            vm.close()


@case
def only_migratable(folder):
    """A VM that must be able to migrate at any time."""
    both_settings(folder, "only-migratable", "-only-migratable")


@case
def no_kernel_faults(folder):
    """A userfaultfd for faults of user space only would stop KVM and every
    disk; the message says how to get a whole one."""
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    prefix = unprivileged(folder)
    try:
        for remedy in ("access to /dev/userfaultfd", "CAP_SYS_PTRACE",
                       "vm.unprivileged_userfaultfd=1"):
            refused(folder, remedy, prefix=prefix)
    finally:
        rcached.close()
    vm = Vm(folder, *SHARED, late=True, prefix=prefix)
    try:
        not_added(vm, "vm.unprivileged_userfaultfd=1")
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main(CASES))
