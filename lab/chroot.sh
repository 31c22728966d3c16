#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# chroot.sh ROOT ro|rw [SOURCE TARGET ro|rw]... -- COMMAND...
#
# Runs COMMAND in ROOT. To be started by unshare --mount --pid --fork --kill-child: every mount made here belongs to that
# namespace, so none can be left behind, whatever ends the run.
set -eu

root=$1 mode=$2
shift 2

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ "$mode" = ro ]; then
	# Commands see an immutable root: two runs share it.
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
	mount -o remount,bind,ro "$root"
fi
while [ "$1" != -- ]; do
	mount --bind "$1" "$root$2"
	[ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
	shift 3
done
shift

# Not exec: process 1 of a pid namespace ignores signals that it does not handle, which would make the command deaf.
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
	chroot "$root" "$@"
