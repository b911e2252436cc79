#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/check-style finds each offence it is there for.

usage: test-check-style.py CHECK-STYLE SOURCE-ROOT

Every case is a small tree with one thing wrong, and words that must be in
what check-style prints; the same tree without it must pass.  The program is
started for what its exit status says and for the tools that it starts; the
other trees are given to its checks, since to start all of these each time would
take most of a minute.
"""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
from unittest import mock

SPDX = '/* SPDX-License-Identifier: GPL-2.0-or-later */\n'
HEADER = SPDX + '#ifndef RCACHE_VMM_H\n#define RCACHE_VMM_H\n#endif\n'


def patch_with(header, mode='new file mode 100644\n'):
    """A patch for QEMU that adds this text as a header."""
    lines = header.split('\n')[:-1]
    body = ''.join(f'+{line}\n' for line in lines)
    return ('Subject: a header\n\ndiff --git a/x.h b/x.h\n' + mode +
            f'--- /dev/null\n+++ b/x.h\n@@ -0,0 +1,{len(lines)} @@\n' +
            body + '-- \n2.39\n')


# Names every source of the trees below.
BUILD = SPDX.replace('/*', '#').replace(' */', '') + "files('ring.c')\n"
BUILD_ALL = BUILD + "files('a.c', 'clock.c', 'main.c')\n"

BUILD_TEST = BUILD_ALL.replace("'a.c'", "'test-b.c'")

GOOD = {
    'common/meson.build': BUILD_ALL,
    'rcached/meson.build': BUILD_ALL,
    'rcached/pager/meson.build': BUILD_ALL,
    'arbiter/meson.build': BUILD_ALL,
    'common/ring.h': SPDX,
    'arbiter/a.h': SPDX,
    'rcached/pager/clock.h': SPDX,
    'common/ring.c': SPDX + '#include <liburing.h>\n',
    'rcached/pager/clock.c': SPDX + '#include "common/wire.h"\n\n'
                                    'int f(void)\n{\n    return 0;\n}\n',
    'rcached/main.c': SPDX + '#include "rcached/pager/pager.h"\n',
    'arbiter/main.c': SPDX + '#include "common/ring.h"\n',
    'include/rcache/vmm.h': HEADER,
    'qemu-patches/series': '# what it is for\n0001.patch\n',
    'qemu-patches/0001.patch': patch_with(HEADER),
    'scripts/tool': '#!/bin/sh\n# ' + SPDX[3:-4] + '\necho "$1"\n',
    'debian/rules': '#!/usr/bin/make -f\n# ' + SPDX[3:-4] + '\nall:\n\ttrue\n',
    'HACKING.md': '### Crash points\n',
    'tests/unit/meson.build': BUILD_TEST,
    'tests/unit/test-b.c': SPDX + 'START_TEST(here)\n',
    'tests/style/test-here.py': '#!/usr/bin/env python3\n# ' + SPDX[3:-4] +
                                '\n',
    'docs/security.md': '* Can do it. [`here`, `test-here.py`]\n',
}

def three(calls):
    """Three files of the pager; the last calls what @calls says."""
    files = {}
    for name, called in zip('abc', ('b_go', 'c_go', calls)):
        files[f'rcached/pager/{name}.h'] = SPDX
        files[f'rcached/pager/{name}.c'] = (
            SPDX + f'int {name}_go(void)\n{{\n    return {called}();\n}}\n')
    return files


BUILD_THREE = BUILD_ALL + "files('b.c', 'c.c')\n"
MUTATIONS = 'tests/integration/mutations.py'
SECURITY = 'docs/security.md'

CASES = [
    ('does not name it', 'rcached/pager/meson.build', BUILD),
    ('does not name it', 'tests/unit/test-a.c', SPDX),
    ('has no header common/a.h', 'common/a.c', SPDX),
    ('columns', 'arbiter/a.c', SPDX + '/* ' + 'x' * 80 + ' */\n'),
    ('a tab', 'arbiter/a.c', SPDX + 'int\ta;\n'),
    ('blanks at the end', 'arbiter/a.c', SPDX + 'int a; \n'),
    ('no newline', 'arbiter/a.c', SPDX + 'int a;'),
    ('no SPDX', 'arbiter/a.c', 'int a;\n'),
    ('is it two files', 'arbiter/a.c', SPDX + 'int a;\n' * 601),
    ('a function of', 'arbiter/a.c',
     SPDX + 'int f(void)\n{\n' + '    g();\n' * 71 + '}\n'),
    ('to be of a type', 'common/admin-client.c',
     SPDX + 'int n = json_object_get_int_member(o, "n");\n'),
    ('imports from tests', 'scripts/tool.py', SPDX.replace('/*', '#') +
     "import os\nimport sys\n\nsys.path.insert(0, os.path.join('..',\n"
     "                                'tests', 'lib'))\n"),
    ('does not know rcached', 'common/a.c',
     SPDX + '#include "rcached/link.h"\n'),
    ('does not know rcached', 'arbiter/a.c',
     SPDX + '#include "rcached/link.h"\n'),
    ('does not know arbiter', 'rcached/a.c',
     SPDX + '#include "arbiter/hosts.h"\n'),
    ('do not know each other', 'rcached/pager/a.c',
     SPDX + '#include "rcached/provider/slab.h"\n'),
    ('do not call upwards', 'rcached/pager/a.c',
     SPDX + '#include "rcached/rcached.h"\n'),
    ('pure core', 'rcached/pager/clock.c', SPDX + '#include <unistd.h>\n'),
    ('pure core', 'common/wire.h', SPDX + '#include "common/log.h"\n'),
    ('includes liburing.h', 'rcached/a.c',
     SPDX + '#include <liburing.h>\n'),
    ('its copy differs', 'qemu-patches/0001.patch',
     patch_with(HEADER.replace('#endif', '#define A 1\n#endif'))),
    ('no patch adds a copy', 'qemu-patches/0001.patch',
     patch_with(SPDX + 'int a;\n')),
    ('fold it into that patch', 'qemu-patches/0001.patch',
     patch_with(HEADER) + patch_with('int a;\n', mode='index 1..2\n')),
    ('no patch adds a copy', 'qemu-patches/0001.patch',
     patch_with(HEADER, mode='index 1..2 100644\n')),
    ('is not there', 'qemu-patches/series', '0002.patch\n'),
    ('a-rule: rcached/main.c does not have', MUTATIONS,
     SPDX.replace('/*', '#') + 'MUTATIONS = {"a-rule": ("rcached/main.c", '
     '"gone", "", "unit-x")}\n'),
    ('here is not in the code', MUTATIONS, SPDX.replace('/*', '#') +
     'MUTATIONS = {"a": ("rcached/main.c", "", "", ["group:here"])}\n'),
    ('"Can read all...." has no test', SECURITY,
     '* Can read all.\n* Can write. [not tested: who would]\n'),
    ('there is no test gone', SECURITY,
     '* Can read all, and\n  more. [`here`, `test-here.py`,\n  `gone`]\n'),
]


# Found by programs that check-style starts.
BY_TOOLS = [
    ('SC2086', 'scripts/tool',
     '#!/bin/sh\n# ' + SPDX[3:-4] + '\necho $1\n'),
    ('imported but unused', 'tests/style/test-here.py',
     GOOD['tests/style/test-here.py'] + 'import os\n'),
]


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as f:
            f.write(text)


def run_program(tool, files):
    """(exit code, output) of check-style on a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        done = subprocess.run([tool, '--root', root], text=True,
                              capture_output=True)
        return done.returncode, done.stdout + done.stderr


def load(tool):
    """check-style as a module."""
    loader = importlib.machinery.SourceFileLoader('check_style', tool)
    spec = importlib.util.spec_from_loader('check_style', loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def run_checks(style, files):
    """What its own checks find wrong in such a tree."""
    with (tempfile.TemporaryDirectory() as root,
          mock.patch.object(style.Checker, 'check_scripts'),
          mock.patch.object(style.Checker, 'check_python')):
        write_tree(root, files)
        checker = style.Checker(root)
        checker.check_files([path for path in sorted(files)
                             if style.kind_of(root, path)])
        checker.check_tree(sorted(files))
        return '\n'.join(checker.offences)


def main():
    tool = sys.argv[1]
    sys.dont_write_bytecode = True
    style = load(tool)
    wrong = []

    output = run_checks(style, GOOD)
    if output:
        wrong.append(f'a good tree does not pass: {output}')
    for words, path, text in CASES:
        output = run_checks(style, {**GOOD, path: text})
        if words not in output:
            wrong.append(f'"{words}" in {path} is not found: {output}')
    for calls, words in (('a_go', 'a, b, c call each other'), ('puts', '')):
        output = run_checks(style, {
            **GOOD, 'rcached/pager/meson.build': BUILD_THREE, **three(calls)})
        if bool(output) != bool(words) or words not in output:
            wrong.append(f'a circle closed by {calls}: {output}')
    code, output = run_program(tool, GOOD)
    if code != 0 or output:
        wrong.append(f'a good tree does not pass: {code}: {output}')
    for words, path, text in BY_TOOLS:
        code, output = run_program(tool, {**GOOD, path: text})
        if code != 1 or words not in output:
            wrong.append(f'"{words}" in {path} is not found: {code}: {output}')
    for line in wrong:
        print(line)
    print(f'{len(CASES) + len(BY_TOOLS) + 4} trees, {len(wrong)} not as '
          'expected')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
