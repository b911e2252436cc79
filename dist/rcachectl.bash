# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for rcachectl
# shellcheck shell=bash

# The names in a list that the daemon answers to a command.
_rcachectl_names() {
    local socket=() word
    # "--socket=PATH" arrives as three words, since = breaks words.
    for ((word = 1; word < COMP_CWORD; word++)); do
        if [ "${COMP_WORDS[word]}" = --socket ]; then
            socket=(--socket="${COMP_WORDS[word+2]}")
        fi
    done
    rcachectl "${socket[@]}" --timeout=1s --json "$1" 2>/dev/null |
        sed -n 's/^    "name" : "\([^"\\ ]*\)".*/\1/p'
}

_rcachectl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local commands="status hosts leases vms evict set top metrics
        whatif ok-to-stop drain undrain upgrade check pki"
    local options="--socket= --json --timeout= --explain= --interval= --wait
        --root= --directory= --role= --valid= --help --version"
    local word command="" given=0

    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [ -n "$command" ] && [[ $word != -* ]]; then
            given=$((given + 1))
        elif [[ " ${commands//$'\n'/ } " = *" $word "* ]]; then
            command=$word
        fi
    done
    if [ "$prev" = "=" ]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    [ "$cur" != "=" ] || cur=
    case $prev in
    --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    --explain)
        mapfile -t COMPREPLY < <(compgen -W "$(_rcachectl_names hosts)" \
                                         -- "$cur")
        return ;;
    --directory|--root)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return ;;
    --role)
        mapfile -t COMPREPLY < <(compgen -W "host arbiter both" -- "$cur")
        return ;;
    --timeout|--interval|--valid)
        return ;;
    esac
    case $cur in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
        return ;;
    esac
    case $command/$given in
    /*) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
    pki/0) mapfile -t COMPREPLY < <(compgen -W "init issue revoke" \
                                             -- "$cur") ;;
    evict/0|set/0)
        mapfile -t COMPREPLY < <(compgen -W "$(_rcachectl_names vms)" \
                                         -- "$cur") ;;
    set/1)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "hold=" -- "$cur") ;;
    set/2|set/3) mapfile -t COMPREPLY < <(compgen -W "on off" -- "$cur") ;;
    whatif/0|ok-to-stop/0|drain/0|undrain/0|upgrade/0|leases/0|vms/0)
        mapfile -t COMPREPLY < <(compgen -W "$(_rcachectl_names hosts)" \
                                         -- "$cur") ;;
    esac
}
complete -F _rcachectl rcachectl
