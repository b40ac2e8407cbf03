# The witness: waits until OctoPrint ends, and notes how if it ends without a goodbye.
# Read by `sh -c '. "$0"; watch "$@"'`, so that no file stays open. Arguments never become part
# of a command.

# watch REPORT PID SINCE UNIT MANAGER
# REPORT is already filled with blanks, so that writing works even when the disk is full.
# SINCE is the time on OctoPrint's own clock when it started the witness.
# UNIT is systemd's name for the service, or empty; MANAGER is --system or --user.
watch() {
    # systemd signals all that is left of a service, and the witness has to outlast that.
    trap '' TERM HUP INT QUIT
    read -r began _ </proc/uptime
    own_before=$(own_oom_kills)
    read -r word && [ "$word" = goodbye ] && exit
    read -r died _ </proc/uptime
    exit_code "$2" || exit # the pipe is gone, but not OctoPrint
    testify "$@" 1<>"$1"
    sync "$1"
}

# The kernel forgets how a process ended once its parent has asked. Fails if the process lives.
exit_code() {
    tries=0
    while [ $tries -lt 20 ]; do
        read -r now <"/proc/$1/stat" || return 0
        stat=$now
        case $stat in *") Z "* | *") X "*) return 0 ;; esac
        tries=$((tries + 1))
        sleep 0.05
    done
    return 1
}

testify() {
    tell "witness $$"
    tell "since $3"
    tell "began $began"
    tell "died $died"
    tell "pid $2"
    tell "stat $stat"
    tell "oom_kills $(count_in /proc/vmstat)"
    tell "own_oom_kills $(($(own_oom_kills) - own_before))"
    if [ -n "$4" ]; then
        service "$4" "$5"
        # Only systemd's own messages about the service, not the service's output.
        if [ "$5" = --user ]; then
            lines service --user USER_UNIT="$4" -n 6
        else
            lines service UNIT="$4" -n 6
        fi
    fi
    lines kernel -k -n 40
    tell "end"
}

tell() {
    printf '%s\n' "$1"
}

# How many processes in OctoPrint's control group, which is also ours, the kernel killed when it
# was out of memory. 0 if the kernel does not count them.
own_oom_kills() {
    kills=0
    while IFS=: read -r _ controllers path; do
        case $controllers in
            memory) file=/sys/fs/cgroup/memory$path/memory.oom_control ;;
            "") file=/sys/fs/cgroup$path/memory.events ;;
            *) continue ;;
        esac
        [ -r "$file" ] && kills=$(count_in "$file")
    done </proc/self/cgroup
    tell "${kills:-0}"
}

# The number after "oom_kill" in one of the kernel's files.
count_in() {
    while read -r name count; do
        [ "$name" = oom_kill ] && tell "$count"
    done <"$1"
}

# systemd may need a moment to notice, and forgets when it starts the service again.
service() {
    tries=0
    while [ $tries -lt 20 ]; do
        if shown=$(timeout 5 systemctl "$2" show \
            -p Result -p ExecMainPID -p ExecMainCode -p ExecMainStatus -- "$1"); then
            case $shown in *ExecMainCode=0*) ;; *) break ;; esac
        else
            # systemd ends a `timeout` that has just started with the rest of the service.
            [ $? = 143 ] || return
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
    tell "$shown"
    timeout 5 systemctl "$2" list-jobs --no-legend --plain | while read -r _ job kind _; do
        [ "$kind" = start ] && tell "job $job"
    done
}

# Indented, so that no log line can be mistaken for one of ours.
lines() {
    tell "lines $1"
    shift
    timeout 5 journalctl -b -q -o short-iso --no-pager "$@" | cut -c -200 | sed 's/^/ /'
}
