#!/bin/sh
# Make systemd the first process of a machine that shares nothing but its kernel and loopback.
# It is called in new namespaces. Whatever is written in there is in memory and gone with them,
# except the machine's disk.
# Usage: first_process.sh MACHINE CHECKOUT PYTHON_HOME
# MACHINE is a folder with
#   root/          where to mount
#   disk/          the home of its owner, which outlasts this boot
#   units/         all that systemd gets besides its own
#   machine-id     as in /etc
#   boot_id        the kernel's name for this boot
#   kernel-seqnum  journald's file with the number of the next kernel message to be read
#   cgroups        lines with the type, options and folder of a hierarchy of control groups
set -eu
machine=$1 checkout=$2 python_home=$3
root=$machine/root
system=usr/lib/systemd/system

# Not a single mount may reach the host.
mount --make-rprivate /
[ $$ = 1 ]

# The host's files, with a layer over them that takes what is written and removed.
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir upper work merged
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" merged
root=$root/merged
cd "$root"
for folder in dev run tmp var/tmp var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
chmod 1777 tmp var/tmp

# Only what is needed is started, and none of the host's own services.
rm -rf etc/systemd/system "$system"/*.wants usr/lib/systemd/system-generators
mkdir -p etc/systemd/journald.conf.d
cp -a "$machine/units" etc/systemd/system
cp "$machine/machine-id" etc/machine-id
# As Raspberry Pi OS has it. Auditing would be switched on for the host too.
printf '[Journal]\nStorage=volatile\nAudit=\n' >etc/systemd/journald.conf.d/machine.conf
mkdir -p run/systemd/journal
cp "$machine/kernel-seqnum" run/systemd/journal/

# The owner may run what the host's root has installed.
for path in "$checkout" "$python_home"; do
    [ -e "./$path" ] || { mkdir -p "./$path" && mount --bind -o ro "$path" "./$path"; }
    while [ "$path" != / ]; do
        path=$(dirname "$path")
        chmod o+x "./$path"
    done
done
chroot . useradd --uid 64999 --groups adm --home-dir /home/owner --no-create-home owner
mkdir -p home/owner
mount --bind "$machine/disk" home/owner
chroot . chown -R owner: /home/owner

cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/kmsg dev
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs tmpfs dev/shm

# What would change the host's kernel is read-only.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind "$machine/boot_id" proc/sys/kernel/random/boot_id
mount -t sysfs -o ro sysfs sys
# systemd would take to the host's groups of any controller that it sees.
grep -E '^(#|memory)' proc/cgroups >run/cgroups
mount --bind run/cgroups proc/cgroups
while read -r type options folder; do
    [ "$type" = cgroup2 ] || [ "$(stat -fc %T sys/fs/cgroup)" = tmpfs ] \
        || mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir -p "./$folder"
    mount -t "$type" -o "$options" "$type" "./$folder"
done <"$machine/cgroups"

# The host's root goes away: from here on nobody can reach its files but through the layer.
mkdir host
pivot_root . host
cd /
umount -l host
rmdir host
for folder in /dev /run /tmp /var/tmp /var/log; do
    [ "$(stat -fc %T $folder)" = tmpfs ]
done
# systemd leaves the kernel's settings, swap and loop devices to the host of a container.
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --log-target=journal --unit=machine.target
