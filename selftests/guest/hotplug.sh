#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
#
# One guest, and everything that can be taken from it and given back while it
# runs: its driver, its network card, and the backend's module.
. "$(dirname "$0")/../lib/guest.sh"

guest_ready
domid=$(guest_domid)
vif=$(guest_vif)

# The guest unloads and loads its driver.
check "the guest unbinds its driver" guest_sh "echo vif-0 > /sys/bus/xen/drivers/vif/unbind"
check "backend is Closed" wait_for 10 back_state_is "$domid" 0 6
check "$vif stays, without a carrier" carrier_is "$vif" 0
check "$vif stays on the bridge" bridge_has "$vif"
check "the guest binds its driver" guest_sh "echo vif-0 > /sys/bus/xen/drivers/vif/bind"
check "the guest configures its interface" guest_net_up
check "backend is Connected" wait_for 10 back_state_is "$domid" 0 4
check "the guest answers after it bound its driver again" wait_for 15 guest_answers

# The backend is unloaded under the guest and loaded again. The toolstack's
# script is not run for that by xl, so its part is played here.
c_fails "it holds a module reference for each vif"
if check "the module is unloaded with a guest connected" bounded 30 modprobe -r "$DRIVER"; then
	at_exit modprobe "$DRIVER"
	check "$vif is gone" not test -e "/sys/class/net/$vif"
	check "the module is loaded again" modprobe "$DRIVER"
	check "$vif is back" wait_for 10 test -e "/sys/class/net/$vif"
	ip link set "$vif" master "$TEST_BRIDGE"
	ip link set "$vif" up
	xenstore-write "$(backend_path "$domid")/hotplug-status" connected
	check "backend is Connected after the reload" wait_for 15 back_state_is "$domid" 0 4
	check "the guest answers after the reload" wait_for 20 guest_answers
fi

# The toolstack takes the card and gives another.
check "xl network-detach" bounded 40 xl network-detach "$TEST_GUEST" 0
check "$vif is gone" wait_for 10 not test -e "/sys/class/net/$vif"
check "its nodes are gone" wait_for 10 xenstore_has_no_vif "$domid"
check "the guest has no interface" guest_sh "i=0; while [ -e /sys/class/net/eth0 ] && [ \$i -lt 50 ];" \
	"do sleep 0.1; i=\$((i+1)); done; [ ! -e /sys/class/net/eth0 ]"
check "xl network-attach" bounded 40 \
	xl network-attach "$TEST_GUEST" mac="$GUEST_MAC" bridge="$TEST_BRIDGE"
check "the guest configures the new interface" guest_net_up
check "the new interface's MAC" guest_sh "grep -q $GUEST_MAC /sys/class/net/eth0/address"
check "the guest answers through the new interface" wait_for 15 guest_answers
done_testing
