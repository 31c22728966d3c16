#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the selftests; $TESTS names them, all if empty. The report line carries their KTAP.
# shellcheck disable=SC2086
exec /selftests/run $TESTS
