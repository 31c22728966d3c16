#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demonstration: a guest on a bridge of dom0 through $DRIVER. Shows every command and its output, and stops at the
# first thing that is not as it should be.
# shellcheck disable=SC2153 # DRIVER, GUEST_...: from the lab
set -u

guest=demo dom0_address=10.9.0.1 guest_address=10.9.0.2
module=${DRIVER//-/_}
log=/var/log/xen/console/guest-$guest.log
commands=0

fail() {
	echo "demo failed: $*"
	exit 1
}

# run COMMAND: shows it as typed, runs it, and ends the demonstration if it fails.
run() {
	echo
	echo "dom0# $1"
	eval "$1" || fail "$1"
}

# expect WHAT COMMAND: something that has to hold now or shortly.
expect() {
	local tries=0
	until eval "$2" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || fail "$1"
		sleep 0.2
	done
}

# in_guest COMMAND: types it on the guest's console and shows what the guest prints.
in_guest() {
	local lines
	echo
	echo "guest# $1"
	lines=$(wc -l <"$log")
	commands=$((commands + 1))
	# The echoed line holds "$?", only the answer a number.
	printf '%s; echo "[%s:$?]"\n' "$1" "$commands" >"$tty"
	expect "the guest does not answer: $1" "tail -n +$((lines + 1)) $log | grep -q '\[$commands:[0-9]*\]'"
	# Without the echo, the shell's prompt and what it asks the terminal.
	tail -n "+$((lines + 1))" "$log" | tr -d '\r\033' | sed -e '/echo "\[/d' -e 's/\[6n//g' -e "s/\[$commands:[0-9]*\]//" \
		-e '/^[~/ #]*$/d'
	tail -n "+$((lines + 1))" "$log" | grep -q "\[$commands:0\]" || fail "in the guest: $1"
}

cat >/root/guest.cfg <<E
name = "$guest"
type = "$GUEST_TYPE"
kernel = "$GUEST_KERNEL"
ramdisk = "$GUEST_RAMDISK"
extra = "console=hvc0 quiet"
memory = 256
vcpus = 1
vif = ["bridge=xenbr0,mac=00:16:3e:00:00:01"]
E

run "uname -r; xl info | grep -E '^xen_version|^virt_caps'"
run "modprobe $DRIVER"
run "lsmod | grep -E '^Module|netback'"
run "brctl addbr xenbr0"
run "ip address add $dom0_address/24 dev xenbr0"
run "ip link set xenbr0 up"
run "cat /root/guest.cfg"
run "xl create /root/guest.cfg"
run "xl list"
id=$(xl domid $guest)
vif=vif$id.0
device=/sys/bus/xen-backend/devices/vif-$id-0
expect "the guest's console does not say that it is up" "grep -q 'guest: up' $log"
tty=$(xenstore-read "/local/domain/$id/console/tty")

in_guest "ip address add $guest_address/24 dev eth0"
in_guest "ip link set eth0 up"
in_guest "ethtool -i eth0 | head -1"
in_guest "iperf3 -s -D"

expect "$vif is not connected" "[ \"\$(xenstore-read /local/domain/0/backend/vif/$id/0/state)\" = 4 ]"
driver=$(basename "$(readlink -f "$device/driver/module")")
[ "$driver" = "$module" ] || fail "$vif is served by ${driver:-nothing}, not by $module"

run "brctl show"
brctl show xenbr0 | grep -q "$vif" || fail "$vif is not on the bridge"
run "xenstore-ls -f /local/domain/0/backend/vif/$id/0"
run "xenstore-ls -f /local/domain/$id/device/vif/0"
run "ping -c 5 -i 0.5 $guest_address"
run "iperf3 -c $guest_address -t 3"
run "iperf3 -c $guest_address -t 3 -R"
run "ip -s link show dev $vif"
run "ethtool -i $vif"
run "ethtool -S $vif"
run "xl destroy $guest"
expect "$vif is still there" "[ ! -e /sys/class/net/$vif ] && [ ! -e $device ]"
run "xl list"
run "brctl show"
run "modprobe -r $DRIVER"
expect "$module is still loaded" "[ ! -e /sys/module/$module ]"
echo
echo "demo: guest $guest_address reached over $vif (driver $DRIVER)"
