#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loaded while the C driver is there already: the C driver keeps the devices that
# it has, and the log says so and how to change it.
. "$(dirname "$0")/../lib/loopback.sh"

[ "$DRIVER" != xen-netback ] || skip_all "about a driver loaded after the C driver"

at_exit driver_load
check "unload $DRIVER" modprobe -r "$DRIVER" || exit 1
# Without modprobe's configuration, which may load ours first.
check "load xen-netback" modprobe -C /dev/null xen-netback || exit 1

vif_attach 10 || give_up "attach"
check "xen-netback serves the vif" wait_back_state 15 10 Connected
check "load $DRIVER beside it" modprobe -C /dev/null "$DRIVER"
check "the log says so, and what to do" eval "dmesg | tail -n 20 | grep 'xen-netback is loaded too' | grep -q 'modprobe -r xen-netback'"
check_eq "xen-netback keeps the vif" \
	"$(basename "$(readlink "/sys/bus/xen-backend/devices/$(backend_device 10)/driver")")" vif
check "detach" vif_detach 10
check "unload xen-netback" modprobe -r xen-netback
done_testing
