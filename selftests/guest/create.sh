#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# time-limit: 180
#
# xl create, with Xen's own vif-bridge script; xl destroy. What a person does
# first.
. "$(dirname "$0")/../lib/guest.sh"

guest_ready
domid=$(guest_domid)
vif=$(guest_vif)

check_eq "backend is Connected" "$(back_state "$domid")" 4
check_eq "the script has run" "$(xenstore-read "$(backend_path "$domid")/hotplug-status")" connected
check "$vif is on the bridge" bridge_has "$vif"
check_eq "MAC address of $vif" "$(< "/sys/class/net/$vif/address")" fe:ff:ff:ff:ff:ff
check_eq "carrier of $vif" "$(< "/sys/class/net/$vif/carrier")" 1
check_eq "the toolstack's MAC in the backend's node" \
	"$(xenstore-read "$(backend_path "$domid")/mac")" "$GUEST_MAC"
check_eq "the toolstack's MAC in the guest" "$(guest_sh cat /sys/class/net/eth0/address)" "$GUEST_MAC"
check_eq "the guest's MAC in dom0's neighbours" \
	"$(ip neigh show "$GUEST_IP" dev "$TEST_BRIDGE" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')" "$GUEST_MAC"
check "20 pings of 1400 bytes, none lost" ping -n -q -c 20 -i 0.05 -W 5 -s 1400 "$GUEST_IP"
check "the guest pings dom0" guest_sh "ping -n -q -c 5 -i 0.2 $DOM0_IP"

check "xl destroy" bounded 30 xl destroy "$TEST_GUEST"
check "$vif is gone" wait_for 10 not test -e "/sys/class/net/$vif"
check "its nodes are gone" wait_for 10 xenstore_has_no_vif "$domid"
done_testing
