#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A frontend connects: what the backend wrote, and what its interface looks like.
. "$(dirname "$0")/../lib/loopback.sh"

handle=10
vif=$(vif_name $handle)

# Nobody is at the frontend yet, so the backend must stop at InitWait, with its
# keys and its interface there: this is when the toolstack runs the script.
vif_attach_bare $handle || give_up "attach"
check "backend offers itself (InitWait)" wait_back_state 10 $handle InitWait || exit 1
for key in feature-sg feature-gso-tcpv4 feature-gso-tcpv6 feature-ipv6-csum-offload feature-rx-copy; do
	case $DRIVER:$key in
	# A backend offers what it can do; only the C driver's offers are known.
	xen-netback:* | *:feature-sg | *:feature-rx-copy)
		check_eq "$key = 1" "$(back_read $handle "$key")" 1 ;;
	*)
		check "$key is 0, 1 or absent" grep -q -x '[01]\?' <<< "$(back_read $handle "$key")" ;;
	esac
done
check_eq "feature-rx-flip = 0" "$(back_read $handle feature-rx-flip)" 0
check_eq "feature-split-event-channels = 1" "$(back_read $handle feature-split-event-channels)" 1
check "multi-queue-max-queues is a number above 0" \
	grep -q -x '[1-9][0-9]*' <<< "$(back_read $handle multi-queue-max-queues)"
check_eq "no error node" "$(xenstore-read "$(error_path $handle)" 2> /dev/null)" ""

check "interface $vif exists" test -d "/sys/class/net/$vif"
check_eq "MAC address" "$(< "/sys/class/net/$vif/address")" fe:ff:ff:ff:ff:ff
check_eq "no carrier without a frontend" "$(ip link set "$vif" up && cat "/sys/class/net/$vif/carrier")" 0
ip link set "$vif" down
check_eq "parent device" "$(basename "$(readlink "/sys/class/net/$vif/device")")" "$(backend_device $handle)"

check "netfront binds" netfront_bind $handle
check "backend is Connected" wait_back_state 15 $handle Connected
check "frontend is Connected" wait_for 5 front_state_is $handle Connected
check "carrier" wait_for 10 eval "ip link set $vif up; carrier_is $vif 1"

details=$(ip -d link show "$vif")
check "smallest MTU is 68" grep -q -w "minmtu 68" <<< "$details"
check "largest MTU is 65517" grep -q -w "maxmtu 65517" <<< "$details"
check "MTU is 1500" grep -q -w "mtu 1500" <<< "$details"

info=$(ethtool -i "$vif")
case $DRIVER in
# The C driver leaves the name to the core, which takes the bus driver's: vif.
xen-netback) check_eq "ethtool -i names the driver" "$(sed -n 's/^driver: //p' <<< "$info")" vif ;;
*) check_eq "ethtool -i names the driver" "$(sed -n 's/^driver: //p' <<< "$info")" "$DRIVER" ;;
esac
counters=$(ethtool -S "$vif")
check "ethtool -S has counters" grep -q ": [0-9]" <<< "$counters"
check_eq "ethtool -S names each counter once" "$(grep ": [0-9]" <<< "$counters" | cut -d: -f1 | sort | uniq -d)" ""
check "ethtool sees the link" eval "ethtool $vif | grep -q 'Link detected: yes'"

features=$(ethtool -k "$vif")
check "scatter-gather is on" grep -q '^scatter-gather: on' <<< "$features"
check "checksums towards the guest may stay blank" grep -q 'tx-checksum-ipv4: on' <<< "$features"

device=/sys/bus/xen-backend/devices/$(backend_device $handle)
check_eq "sysfs nodename" "$(< "$device/nodename")" "backend/vif/$DOMID/$handle"
check_eq "sysfs modalias" "$(< "$device/modalias")" "xen-backend:vif"

check "addresses and link" vif_up $handle || exit 1
check "ping" pings $handle
check "detach" vif_detach $handle
check_eq "interface is gone" "$(ls -d "/sys/class/net/$vif" 2> /dev/null)" ""
done_testing
