#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# With the modprobe.d file that "make install" writes, a guest's card gets this
# driver, also where something loads xen-netback by name; and xen-netback on a
# kernel for which this driver was not built.
. "$(dirname "$0")/../lib/test.sh"

[ "$DRIVER" = xen_netback_rs ] || skip_all "about a preference over the C driver"
[ -e /etc/modprobe.d/xen_netback_rs.conf ] || skip_all "no /etc/modprobe.d/xen_netback_rs.conf"

unload() {
	local name
	for name in xen_netback_rs xen-netback; do
		! driver_loaded "$name" || rmmod "$name" || return 1
	done
}

at_exit driver_load
at_exit unload
for name in xen-backend:vif xen-netback; do
	check "unload" unload
	check "modprobe $name" modprobe "$name"
	check "loads xen_netback_rs" driver_loaded xen_netback_rs
	check "and not xen-netback" not driver_loaded xen-netback
done

module=$(modinfo -F filename xen_netback_rs)
away() { mv "$module" "$SCRATCH/" && depmod; }
back() { mv "$SCRATCH/${module##*/}" "$module" && depmod; }
at_exit back
check "without it" away || exit 1
for name in xen-backend:vif xen-netback; do
	check "unload" unload
	check "modprobe $name" modprobe "$name"
	check "loads xen-netback" driver_loaded xen-netback
done
check "unload" unload
done_testing
