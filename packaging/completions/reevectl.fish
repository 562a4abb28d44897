# Completion of reevectl for fish.
function __reevectl_units
    reevectl list 2>/dev/null | awk 'NR > 1 {print $1}'
end
function __reevectl_verbs
    reevectl --help 2>/dev/null | awk '/^Verbs:/ {on = 1; next} /^$/ {on = 0}
        on && /^  [a-z]/ {v = $1; $1 = ""; sub(/^ */, ""); print v "\t" $0}'
end
complete -c reevectl -f -n __fish_use_subcommand -a '(__reevectl_verbs)'
complete -c reevectl -f -n '__fish_seen_subcommand_from event' -a 'set clear show wait'
complete -c reevectl -f -n '__fish_seen_subcommand_from device' -a 'list who'
complete -c reevectl -n '__fish_seen_subcommand_from check'
complete -c reevectl -f -n '__fish_seen_subcommand_from shutdown' -a 'exit poweroff reboot halt kexec soft-reboot'
complete -c reevectl -f -n 'not __fish_use_subcommand; and not __fish_seen_subcommand_from run event device check shutdown plan stats reexec bridge version' -a '(__reevectl_units)'
complete -c reevectl -n '__fish_seen_subcommand_from reexec' -l binary -r -d 'the new reeved'
complete -c reevectl -l json -d 'print JSON'
complete -c reevectl -l socket -r -d 'private socket of the manager'
complete -c reevectl -l system -d 'the manager of the system'
complete -c reevectl -l user -d 'the manager of this user'
complete -c reevectl -s H -l host -x -d 'the manager of another machine'
complete -c reevectl -s t -l timeout -x -d 'wait so long at most'
complete -c reevectl -s q -l quiet -d 'print errors only'
