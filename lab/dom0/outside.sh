#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# On a machine without Xen: what loading the driver says.
modprobe "$DRIVER"
echo "lab: modprobe $?"
