#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# With the modprobe.d file that "make install" writes, a guest's card gets this
# driver, also where something loads xen-netback by name.
. "$(dirname "$0")/../lib/test.sh"

[ "$DRIVER" = xen_netback_rs ] || skip_all "about a preference over the C driver"
[ -e /etc/modprobe.d/xen_netback_rs.conf ] || skip_all "no /etc/modprobe.d/xen_netback_rs.conf"

by_alias=$(modprobe --show-depends xen-backend:vif)
check "a card's alias loads xen_netback_rs" grep -q '/xen_netback_rs\.ko' <<< "$by_alias"
check "and not xen-netback" not grep -q '/xen-netback\.ko' <<< "$by_alias"

at_exit driver_load
check "unload" modprobe -r xen_netback_rs
check "xen-netback by name" modprobe xen-netback
check "loads xen_netback_rs too" driver_loaded xen_netback_rs
# Whoever registered first has said nothing: it is the C driver that came second.
check "which came first" eval "! dmesg | tail -n 5 | grep -q 'xen-netback is loaded too'"
check "unload xen-netback" modprobe -r xen-netback
done_testing
