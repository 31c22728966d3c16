// SPDX-License-Identifier: GPL-2.0

//! What a frontend says of itself in xenstore.
//!
//! All of it is the guest's to write, so all of it is parsed strictly, and a value that makes no
//! sense is reported with its key and refused: a frontend is connected as it wants to be, or not at
//! all.

use crate::xen::{
    xenbus,
    xenstore::{
        self,
        Value, //
    },
};
use kernel::{
    device,
    fmt,
    prelude::*, //
};
use netif::keys::{
    self,
    Features, //
};

/// The ports of a frontend's event channels.
pub(super) enum Ports {
    /// One for both directions.
    Common(u32),
    /// One for each.
    Split { guest_tx: u32, guest_rx: u32 },
}

/// A frontend that can be connected.
pub(super) struct Frontend {
    /// Grant reference of the ring that the guest sends with.
    pub(super) tx_ring_ref: u32,
    /// Grant reference of the ring that the guest receives with.
    pub(super) rx_ring_ref: u32,
    /// Its event channels.
    pub(super) ports: Ports,
    /// What it can take.
    pub(super) features: Features,
}

/// Why a frontend cannot be connected.
pub(super) enum Refusal {
    /// A key that has to be there is not.
    Missing { key: &'static CStr },
    /// A key's value makes no sense.
    Malformed {
        key: &'static CStr,
        value: Value,
        expected: &'static str,
    },
    /// The frontend wants what this driver does not do.
    Unsupported {
        key: &'static CStr,
        value: u32,
        why: &'static str,
    },
    /// xenstore could not be read.
    Unreadable { key: &'static CStr, err: Error },
    /// Something of the frontend's could not be set up.
    Failed {
        what: &'static str,
        value: u32,
        err: Error,
    },
}

impl Refusal {
    /// The error number for the frontend's `error` node.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Missing { .. } => ENOENT,
            Self::Malformed { .. } => EINVAL,
            Self::Unsupported { .. } => EOPNOTSUPP,
            Self::Unreadable { err, .. } | Self::Failed { err, .. } => *err,
        }
    }
}

/// A key, for messages.
struct Key(&'static CStr);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or("?"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => f.write_fmt(fmt!("frontend wrote no {}", Key(key))),
            Self::Malformed {
                key,
                value,
                expected,
            } => f.write_fmt(fmt!(
                "frontend wrote {} = {}: not {}",
                Key(key),
                value.quoted(),
                *expected
            )),
            Self::Unsupported { key, value, why } => {
                f.write_fmt(fmt!("frontend wrote {} = {}: {}", Key(key), *value, *why))
            }
            Self::Unreadable { key, err } => f.write_fmt(fmt!(
                "reading the frontend's {} failed: error {}",
                Key(key),
                err.to_errno()
            )),
            Self::Failed { what, value, err } => f.write_fmt(fmt!(
                "{} {} failed: error {}",
                *what,
                *value,
                err.to_errno()
            )),
        }
    }
}

/// Reads keys of one frontend.
struct Reader<'a>(&'a CStr);

impl Reader<'_> {
    fn optional(&self, key: &'static CStr) -> Result<Option<u32>, Refusal> {
        let value =
            xenstore::read_optional(self.0, key).map_err(|err| Refusal::Unreadable { key, err })?;
        let Some(value) = value else {
            return Ok(None);
        };
        match keys::parse_u32(value.as_bytes()) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Refusal::Malformed {
                key,
                value,
                expected: "a number",
            }),
        }
    }

    fn required(&self, key: &'static CStr) -> Result<u32, Refusal> {
        self.optional(key)?.ok_or(Refusal::Missing { key })
    }

    fn flag(&self, key: &'static CStr) -> Result<bool, Refusal> {
        Ok(self.optional(key)?.unwrap_or(0) != 0)
    }
}

impl Frontend {
    /// Reads what the frontend of `dev` wrote. May sleep.
    pub(super) fn read(dev: &xenbus::Device<device::Bound>) -> Result<Self, Refusal> {
        let reader = Reader(dev.otherend());

        let queues = c"multi-queue-num-queues";
        match reader.optional(queues)? {
            None | Some(1) => (),
            Some(value) => {
                return Err(Refusal::Unsupported {
                    key: queues,
                    value,
                    why: "this backend offers multi-queue-max-queues = 1",
                })
            }
        }

        let copy = c"request-rx-copy";
        if reader.required(copy)? == 0 {
            return Err(Refusal::Unsupported {
                key: copy,
                value: 0,
                why: "this backend only copies to the guest",
            });
        }

        Ok(Self {
            tx_ring_ref: reader.required(c"tx-ring-ref")?,
            rx_ring_ref: reader.required(c"rx-ring-ref")?,
            ports: Self::read_ports(&reader)?,
            features: Features {
                sg: reader.flag(c"feature-sg")?,
                rx_notify: reader.flag(c"feature-rx-notify")?,
                no_csum_offload: reader.flag(c"feature-no-csum-offload")?,
                ipv6_csum_offload: reader.flag(c"feature-ipv6-csum-offload")?,
            },
        })
    }

    /// One channel for each direction, or one for both; a frontend that names the same port twice
    /// means the latter.
    fn read_ports(reader: &Reader<'_>) -> Result<Ports, Refusal> {
        match reader.optional(c"event-channel-tx")? {
            Some(guest_tx) => {
                let guest_rx = reader.required(c"event-channel-rx")?;
                if guest_tx == guest_rx {
                    Ok(Ports::Common(guest_tx))
                } else {
                    Ok(Ports::Split { guest_tx, guest_rx })
                }
            }
            None => Ok(Ports::Common(reader.required(c"event-channel")?)),
        }
    }
}
