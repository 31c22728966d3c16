#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A dom0 to work in: driver loaded, bridge up, a guest's configuration ready, a shell on the console.
set -u
dmesg -n 5
modprobe "$DRIVER"
brctl addbr xenbr0
ip address add 10.9.0.1/24 dev xenbr0
ip link set xenbr0 up
cat >/root/guest.cfg <<E
name = "guest"
type = "$GUEST_TYPE"
kernel = "$GUEST_KERNEL"
ramdisk = "$GUEST_RAMDISK"
extra = "console=hvc0 quiet"
memory = 256
vcpus = 1
vif = ["bridge=xenbr0,mac=00:16:3e:00:00:01"]
E
cat >/root/.bashrc <<'E'
PS1='dom0# '
poweroff() { /usr/bin/busybox poweroff -f; }
E
stty rows "${LINES:-24}" columns "${COLUMNS:-80}" </dev/hvc0
cat <<E

This is dom0: Xen $(xl info | sed -n 's/^xen_version *: //p'), Linux $(uname -r), driver $DRIVER, bridge xenbr0 (10.9.0.1/24).
  xl create /root/guest.cfg     starts a guest, its card is vif1.0
  xl console guest              its root shell; Ctrl-] comes back
      ip address add 10.9.0.2/24 dev eth0; ip link set eth0 up
  ping 10.9.0.2;  brctl show;  ethtool -S vif1.0;  xl destroy guest
  /selftests/run --list         the tests
  poweroff                      ends (or Ctrl-A X)

E
cd /root && setsid -c bash --rcfile /root/.bashrc </dev/hvc0 >/dev/hvc0 2>&1
