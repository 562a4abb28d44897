# Completion of reevectl for bash.
_reevectl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs="status list show cat deps why start stop restart try-restart reload isolate enable
        disable terminate kill wait is-active is-failed reset-failed run forget logs event device
        check plan apply rollback stats shutdown reexec bridge version help"
    local connection=() verb= index=1 word
    while [ $index -lt "$COMP_CWORD" ]; do
        word=${COMP_WORDS[index]}
        case $word in
            --socket | --bus | -H | --host | --unit-path)
                connection+=("$word" "${COMP_WORDS[index + 1]}")
                index=$((index + 1))
                ;;
            --system | --user) connection+=("$word") ;;
            --root | -t | --timeout | --state | --kind | -p | --property | -n | --lines | --run | \
                --name | --with | --description | --directory | --uid | --gid | -s | --signal | --at | \
                --whom | --binary) index=$((index + 1)) ;;
            -*) ;;
            *)
                verb=$word
                break
                ;;
        esac
        index=$((index + 1))
    done

    case $previous in
        --socket | --root | --unit-path | --directory | --binary)
            COMPREPLY=($(compgen -f -- "$current"))
            return
            ;;
        --bus) COMPREPLY=($(compgen -W "system session" -- "$current")) && return ;;
        --whom) COMPREPLY=($(compgen -W "main all" -- "$current")) && return ;;
        --kind) COMPREPLY=($(compgen -W "service target device" -- "$current")) && return ;;
        --state)
            COMPREPLY=($(compgen -W "down waiting starting up reloading stopping killing backoff
                done failed" -- "$current"))
            return
            ;;
        -s | --signal) COMPREPLY=($(compgen -W "TERM KILL HUP INT USR1 USR2 STOP CONT" -- "$current")) && return ;;
    esac

    if [[ $current == -* ]]; then
        local options
        options=$(reevectl ${verb:+"$verb"} --help 2>/dev/null | grep -o -e '--[a-z-]*' | sort -u)
        COMPREPLY=($(compgen -W "$options" -- "$current"))
        return
    fi
    case $verb in
        '') COMPREPLY=($(compgen -W "$verbs" -- "$current")) ;;
        run) COMPREPLY=($(compgen -c -- "$current")) ;;
        check) COMPREPLY=($(compgen -f -- "$current")) ;;
        help) COMPREPLY=($(compgen -W "$verbs" -- "$current")) ;;
        shutdown) COMPREPLY=($(compgen -W "exit poweroff reboot halt kexec soft-reboot" -- "$current")) ;;
        event)
            if [ "$previous" = event ]; then
                COMPREPLY=($(compgen -W "set clear show wait" -- "$current"))
            else
                COMPREPLY=($(compgen -W "$(reevectl "${connection[@]}" event show 2>/dev/null |
                    awk 'NR > 1 {print $1}')" -- "$current"))
            fi
            ;;
        device)
            if [ "$previous" = device ]; then
                COMPREPLY=($(compgen -W "list who" -- "$current"))
            else
                COMPREPLY=($(compgen -W "$(reevectl "${connection[@]}" device list 2>/dev/null |
                    awk 'NR > 1 {print $1}')" -- "$current"))
            fi
            ;;
        plan | stats | reexec | bridge | version) ;;
        *)
            COMPREPLY=($(compgen -W "$(reevectl "${connection[@]}" list 2>/dev/null |
                awk 'NR > 1 {print $1}')" -- "$current"))
            ;;
    esac
}
complete -F _reevectl reevectl
