#!/bin/sh
# Runs a command as the first process of a machine of its own: a copy-on-write copy of this one without its /tmp, /run, devices and
# settings of the kernel, so that nothing it does is left, or seen, outside. It shares the network alone.
#
# isolated-machine.sh FOLDER COMMAND...
#   FOLDER/machine   empty; where the copy is
#   FOLDER/etc       is /etc/contoso-device there, read-only
#   FOLDER/units     is /run/units there, read-only
#
# Its first line says which control group has to be removed afterwards.
set -e

if [ "$1" != --inside ]; then
  hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
  [ -n "$hierarchy" ] || exit 1
  group="$hierarchy$(sed -n 's/^0:://p' /proc/self/cgroup)/contoso-device-$$"
  mkdir "$group"
  echo "$group"
  echo $$ > "$group/cgroup.procs"
  exec unshare --pid --mount --fork --cgroup --uts --ipc --kill-child sh "$0" --inside "$@"
fi

# Only there: everywhere else this would change the mounts of the machine itself.
[ $$ -eq 1 ] || exit 1
folder=$2
root=$folder/machine/root
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$folder/machine"
mkdir "$root" "$folder/machine/changes" "$folder/machine/work"
mount -t overlay -o "lowerdir=/,upperdir=$folder/machine/changes,workdir=$folder/machine/work" overlay "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"

mkdir -p "$root/etc/contoso-device" "$root/run/units" "$root/old"
mount --bind "$folder/etc" "$root/etc/contoso-device"
mount -o remount,bind,ro "$root/etc/contoso-device"
mount --bind "$folder/units" "$root/run/units"
mount -o remount,bind,ro "$root/run/units"

cd "$root"
pivot_root . old
umount -l /old
# Among the machine's own namespaces: systemd hands credentials over in that way.
mount --make-rshared /
cd /
exec "$@"
