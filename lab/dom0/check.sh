#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the selftests; $TESTS names them, all if empty. Tells the lab which there are, then gives it their KTAP.
# shellcheck disable=SC2086
/selftests/run --list $TESTS | sed 's/^/lab: test /'
exec /selftests/run $TESTS
