#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# programs: Debian's redis-server and sqlite3 in the test guest, with data of
# rcache.mib MiB each that are written, then verified value by value; and a
# sort, whose checksum test-programs.py compares with the host's.
#
#   programs.sh sort MIB FOLDER    only the sort; prints the checksum
#
# A value is a function of its number, so that a wrong one cannot look right.
# It prints RCACHE lines as the guest's other programs do; in the end
#   RCACHE state=done verified=N mismatches=N sum=SHA256
export PATH=/usr/bin:/bin LC_ALL=C

# sorted MIB FOLDER: of a file of half as many MiB, in lines of 1 KiB, which
# sort has in memory a second time; and a third one for what comes out of it.
sorted() {
    seq 1 $(($1 * 512)) | awk '
        BEGIN { for (n = 1; length(text) < 2100; n++) text = text n * 7919 }
        { printf "%08x %07d %s\n", $1 * 2654435761 % 4294967296, $1,
                 substr(text, $1 % 1000 + 1, 1006) }' >"$2/unsorted"
    sort "$2/unsorted" >"$2/sorted"
    cat "$2/sorted" "$2/unsorted" | sha256sum | cut -d' ' -f1
}

if [ "$1" = sort ]; then
    sorted "$2" "$3"
    exit
fi

busybox --install -s /bin
mib=$(sed 's/.*rcache.mib=\([0-9]*\).*/\1/' /proc/cmdline)
keys=$((mib * 256))             # of 4 KiB
verified=0
mismatches=0

say() {
    echo "RCACHE state=$1 verified=$verified mismatches=$mismatches $2"
}

# Values of a bit under 4 KiB; made and compared by the server itself.
value="local function value(n)
    return (string.rep(n .. '/' .. n * 7919 % 1000003 .. ':', 400)):sub(1, 4000)
end"

redis() {
    redis-cli -s /redis.sock eval "$value $1" 0
}

say redis-fill
redis-server --port 0 --unixsocket /redis.sock --save "" --daemonize yes \
    --loglevel warning >/dev/null
until redis-cli -s /redis.sock ping 2>/dev/null | grep -q PONG; do
    sleep 1
done
redis "for n = 1, $keys do redis.call('SET', 'k' .. n, value(n)) end" \
    >/dev/null
say redis-check
wrong=$(redis "local bad = 0
    for n = 1, $keys do
        if redis.call('GET', 'k' .. n) ~= value(n) then bad = bad + 1 end
    end
    return bad")
verified=$((verified + keys))
case $wrong in
""|*[!0-9]*) wrong=$keys ;;
esac
mismatches=$((mismatches + wrong))
redis-cli -s /redis.sock shutdown nosave 2>/dev/null

say sqlite-fill
text="printf('%d/%d:', n, n * 7919 % 1000003) || hex(zeroblob(2000)) || n"
sqlite3 /data.db >/dev/null <<END
PRAGMA journal_mode = MEMORY;
CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c
                        WHERE n < $keys)
INSERT INTO t SELECT n, $text FROM c;
END
say sqlite-check
right=$(sqlite3 /data.db "SELECT count(*) FROM t WHERE v = $text")
whole=$(sqlite3 /data.db "PRAGMA integrity_check")
verified=$((verified + keys))
mismatches=$((mismatches + keys - ${right:-0}))
[ "$whole" = ok ] || mismatches=$((mismatches + 1))
rm /data.db

say sort
sum=$(sorted "$mib" /)
while :; do
    say "done" "sum=$sum"
    sleep 1
done
