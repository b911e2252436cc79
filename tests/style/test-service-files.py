#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The files for the service manager say what the design leans on.

usage: test-service-files.py DIST RCACHED ARBITER [EXPORTER]

The keys are looked at one by one; systemd-analyze reads the units, with the
programs of this build in place of the installed ones, and says what they leave
open to who has taken over the daemon; and perl, where it is there, reads the
exemption for needrestart.
"""

import os
import shutil
import subprocess
import sys
import tempfile

# Tenths, of ten: as systemd-analyze counts.
EXPOSURE_MAX = 15

GUESTS = {'libvirtd.service', 'virtqemud.service', 'libvirt-guests.service',
          'pve-guests.service'}
NETWORK = {'network-online.target'}
# At shutdown it ends before these: it still has to ask and to send.
OUTLIVED = NETWORK | {'network.target', 'dbus.service', 'dbus.socket',
                      'systemd-logind.service'}

# What the unit must say: a value, or words that must be among the key's.
WANTED = {
    'rcached.service': {
        'Unit.StartLimitIntervalSec': '0',
        'Unit.After': OUTLIVED, 'Unit.Wants': NETWORK,
        'Unit.Before': GUESTS, 'Service.TimeoutStopSec': '90s',
        'Service.Restart': 'always', 'Service.RestartSec': '500ms',
        'Service.OOMPolicy': 'continue', 'Service.KillMode': 'process',
        'Service.LimitMEMLOCK': 'infinity', 'Service.LimitCORE': '0',
        'Service.LimitNICE': '-10', 'Service.CPUWeight': '1000',
        'Service.User': 'rcached', 'Service.NoNewPrivileges': 'yes',
        'Service.CapabilityBoundingSet': '',
    },
    'arbiter.service': {
        'Unit.StartLimitIntervalSec': '0',
        'Unit.After': NETWORK, 'Unit.Wants': NETWORK,
        'Service.Restart': 'always', 'Service.RestartSec': '1s',
        'Service.LimitCORE': '0',
        'Service.User': 'rcached', 'Service.NoNewPrivileges': 'yes',
        'Service.CapabilityBoundingSet': '',
    },
    'rcache-exporter@.service': {
        'Unit.StartLimitIntervalSec': '0',
        'Unit.After': NETWORK | {'rcached.service', 'arbiter.service'},
        'Service.Restart': 'always', 'Service.LimitCORE': '0',
        # It may look, and no more: it is not the daemons' user.
        'Service.User': 'rcache-exporter', 'Service.NoNewPrivileges': 'yes',
        'Service.OOMScoreAdjust': '500',
        'Service.CapabilityBoundingSet': '',
    },
}

NEEDRESTART = r'''
our %nrconf = (override_rc => { qr(^dbus) => 0 });
defined(do $ARGV[0]) or die "$ARGV[0]: $@ $!";
my $skips = 0;
for my $name ('rcached.service', 'arbiter.service', 'rcached.service.old') {
    for my $re (keys %{$nrconf{override_rc}}) {
        $skips |= 1 << ($name eq 'rcached.service' ? 0 : 1)
            if $name =~ /$re/ && !$nrconf{override_rc}->{$re};
    }
}
die "needrestart would restart rcached" unless $skips & 1;
die "needrestart would leave others alone" if $skips & 2;
'''


def parse(text):
    """{"Section.Key": [value, ...]}, as systemd reads it."""
    section, keys = '', {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith('[') and line.endswith(']'):
            section = line[1:-1]
        elif line and line[0] not in '#;':
            name, _, value = line.partition('=')
            keys.setdefault(f'{section}.{name}', []).append(value)
    return keys


def check_keys(unit, text):
    keys = parse(text)
    wrong = []
    for name, want in WANTED[unit].items():
        values = keys.get(name, [])
        if isinstance(want, set):
            missing = want - set(' '.join(values).split())
            if missing:
                wrong.append(f'{unit}: {name} lacks {sorted(missing)}')
        elif values[-1:] != [want]:
            wrong.append(f'{unit}: {name} is {values}, not {want}')
    return wrong


def verify(folder, unit, text, program):
    """systemd-analyze's complaints about this unit."""
    name = unit.removesuffix('.service').split('@')[0]
    path = os.path.join(folder, unit)
    with open(path, 'w', encoding='utf-8') as out:
        out.write(text.replace(f'@sbindir@/{name}',
                               os.path.abspath(program)))
    done = subprocess.run(['systemd-analyze', 'verify', '--man=no',
                           '--recursive-errors=no', path],
                          capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines()
            if unit in line]
    if done.returncode and not said:
        print(f'not verified: {done.stderr.strip()}')
    return said


def exposed(folder, unit):
    """What systemd finds that the unit may do, if that is too much."""
    done = subprocess.run(
        ['systemd-analyze', 'security', '--offline=true', '--no-pager',
         f'--threshold={EXPOSURE_MAX}', os.path.join(folder, unit)],
        capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode == 0 and 'Overall exposure level' in said:
        return []
    return [line for line in said.splitlines() if '\u2713' not in line]


def cycle(folder, unit):
    """
    What systemd leaves out to break a cycle, if all that the unit names is to
    be started together with what is before basic.target.
    """
    text = parse(open(os.path.join(folder, unit), encoding='utf-8').read())
    others = {'machine.slice', 'slices.target', 'virtqemud.socket'}
    others |= set(' '.join(text.get('Unit.Before', [])).split())
    for other in others:
        with open(os.path.join(folder, other), 'w', encoding='utf-8') as out:
            out.write('[Unit]\nDescription=played\n')
            if other == 'machine.slice':
                out.write('Before=slices.target\n')
            if other.endswith('.service'):
                out.write('[Service]\nExecStart=/bin/true\n')
            if other.endswith('.socket'):
                out.write(f'[Socket]\nListenStream=/run/x\nService={unit}\n')
    path = os.path.join(folder, 'all.target')
    with open(path, 'w', encoding='utf-8') as out:
        out.write(f'[Unit]\nWants={unit} {" ".join(sorted(others))}\n')
    done = subprocess.run(
        ['systemd-analyze', 'verify', '--man=no', path], text=True,
        env=dict(os.environ, SYSTEMD_UNIT_PATH=folder + ':'),
        capture_output=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines()
            if 'ordering cycle' in line]


def main():
    dist, programs = sys.argv[1], dict(zip(WANTED, sys.argv[2:]))
    wrong = []
    for unit, program in programs.items():
        with open(os.path.join(dist, unit), encoding='utf-8') as file:
            text = file.read()
        wrong += check_keys(unit, text)
        if not shutil.which('systemd-analyze'):
            wrong += ['no systemd-analyze: scripts/setup installs systemd']
            continue
        unit = unit.replace('@.', '@rcached.')
        with tempfile.TemporaryDirectory() as folder:
            wrong += verify(folder, unit, text, program)
            wrong += exposed(folder, unit)
            wrong += cycle(folder, unit)
    if shutil.which('perl'):
        done = subprocess.run(
            ['perl', '-we', NEEDRESTART,
             os.path.abspath(os.path.join(dist, 'needrestart',
                                          'rcached.conf'))],
            capture_output=True, text=True, check=False)
        wrong += [done.stderr] if done.returncode else []
    print('\n'.join(wrong))
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
