#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
#
# xl create, with Xen's own vif-bridge script, traffic through the bridge, and xl
# destroy in the middle of it. What a person does first.
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
check "TCP from the guest, contents compared" guest_stream up 2000000
check "TCP to the guest, contents compared" guest_stream down 2000000

# Destroyed in the middle of traffic both ways, the guest can't say goodbye.
background peer sink "$DOM0_IP" 5301
guest_sh "while :; do head -c 100000000 /dev/zero | nc $DOM0_IP 5301; done > /dev/null 2>&1 < /dev/null &"
background ping -n -q -i 0.01 -s 8000 "$GUEST_IP"
bytes_from_guest() { cat "/sys/class/net/$vif/statistics/rx_bytes"; }
start=$(bytes_from_guest)
grown() { [ $(($(bytes_from_guest) - start)) -gt 1000000 ]; }
check "the guest sends" wait_for 20 grown
check "xl destroy under load" bounded 30 xl destroy "$TEST_GUEST"
check "$vif is gone" wait_for 10 not test -e "/sys/class/net/$vif"
check "its nodes are gone" wait_for 10 xenstore_has_no_vif "$domid"
done_testing
