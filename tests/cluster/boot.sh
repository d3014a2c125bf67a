#!/bin/bash
# The first process of a host, in namespaces of its own: a disk that is this machine's, copied when
# written to, then whatever the host runs. When it ends, the kernel ends all others of the host.
#
#   boot.sh NAME DISK SHARED PROGRAM...
set -euo pipefail
name=$1 disk=$2 shared=$3
shift 3
root=$disk/root
hostname "$name"
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
# Ray keeps objects there and asks how much room it has.
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/sshd" "$root/mnt/shared"
mount --bind "$shared" "$root/mnt/shared"
# Without `exec`, so that bash stays, as an init that takes care of orphans.
exec chroot "$root" /bin/bash -c 'touch /run/booted; "$@"; exit' init "$@"
