# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for rcachectl
# shellcheck shell=bash

_rcachectl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local commands="status hosts leases vms evict drain undrain"
    local options="--socket= --json --timeout= --explain= --help --version"
    local socket=() word command="" vms

    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        status|hosts|leases|vms|evict|drain|undrain) command=$word ;;
        esac
    done
    # "--socket=PATH" arrives as three words, since = breaks words.
    if [ "$prev" = "=" ]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    case $prev in
    --socket)
        [ "$cur" != "=" ] || cur=
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    --timeout)
        return ;;
    evict)
        for ((word = 1; word < COMP_CWORD; word++)); do
            if [ "${COMP_WORDS[word]}" = --socket ]; then
                socket=(--socket="${COMP_WORDS[word+2]}")
            fi
        done
        vms=$(rcachectl "${socket[@]}" --timeout=1s --json vms 2>/dev/null |
            sed -n 's/^    "name" : "\([^"\\ ]*\)".*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$vms" -- "$cur")
        return ;;
    esac
    case $cur in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
        ;;
    *)
        [ -n "$command" ] ||
            mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
        ;;
    esac
}
complete -F _rcachectl rcachectl
