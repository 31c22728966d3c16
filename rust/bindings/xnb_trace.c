// SPDX-License-Identifier: GPL-2.0
/* Defines the tracepoints of xnb_trace.h, and what Rust calls. */
#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "xnb_trace.h"
