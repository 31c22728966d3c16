// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of what Linux offers to a network driver.
//!
//! The shape is that of the `kernel` crate. A packet is never freed without a reason, what the stack
//! hands over is owned by value, and calls that need the RTNL take a token that proves it is held.

pub(crate) mod clock;
pub(crate) mod counter;
pub(crate) mod debugfs;
pub(crate) mod deferred;
pub(crate) mod device;
pub(crate) mod ethtool;
pub(crate) mod napi;
pub(crate) mod rtnl;
pub(crate) mod skb;
pub(crate) mod softirq;
pub(crate) mod trace;
