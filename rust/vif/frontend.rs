// SPDX-License-Identifier: GPL-2.0

//! What a frontend says of itself in xenstore.
//!
//! All of it is the guest's to write, so all of it is parsed strictly, and a value that makes no
//! sense is reported with its key and refused: a frontend is connected as it wants to be, or not at
//! all.

use crate::{
    compat,
    xen::{
        xenbus,
        xenstore::{
            self,
            Value, //
        },
    },
};
use kernel::{
    device,
    fmt,
    prelude::*,
    str::CString, //
};
use netif::{
    keys::{
        self,
        Features, //
    },
    rx_plan::Headroom, //
};

/// The ports of a frontend's event channels.
pub(super) enum Ports {
    /// One for both directions.
    Common(u32),
    /// One for each.
    Split { guest_tx: u32, guest_rx: u32 },
}

/// One of a frontend's queues.
pub(super) struct FrontendQueue {
    /// Grant reference of the ring that the guest sends with.
    pub(super) tx_ring_ref: u32,
    /// Grant reference of the ring that the guest receives with.
    pub(super) rx_ring_ref: u32,
    /// Its event channels.
    pub(super) ports: Ports,
}

/// A frontend's control ring.
pub(super) struct ControlKeys {
    /// Grant reference of the ring.
    pub(super) ring_ref: u32,
    /// Its event channel.
    pub(super) port: u32,
}

/// A frontend that can be connected.
pub(super) struct Frontend {
    /// Its queues, at least 1 and as many as were offered at most.
    pub(super) queues: KVec<FrontendQueue>,
    /// What it can take.
    pub(super) features: Features,
    /// The room that it wants before each packet.
    pub(super) headroom: Headroom,
    /// Its control ring, if it has one.
    pub(super) control: Option<ControlKeys>,
}

/// The name of one of a frontend's keys.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// Of the keys of one queue, the queue that it is in the directory of.
    queue: Option<u16>,
    name: &'static CStr,
}

/// Why a frontend cannot be connected.
pub(super) enum Refusal {
    /// A key that has to be there is not.
    Missing { key: Key },
    /// A key's value makes no sense.
    Malformed {
        key: Key,
        value: Value,
        expected: &'static str,
    },
    /// The frontend wants what this driver does not do.
    Unsupported {
        key: Key,
        value: u32,
        why: &'static str,
    },
    /// The frontend wants more queues than it was offered.
    TooManyQueues { wanted: u32, offered: u16 },
    /// xenstore could not be read.
    Unreadable { key: Key, err: Error },
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
            Self::Unsupported { .. } => compat::eopnotsupp(),
            Self::TooManyQueues { .. } => EINVAL,
            Self::Unreadable { err, .. } | Self::Failed { err, .. } => *err,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(queue) = self.queue {
            f.write_fmt(fmt!("queue-{queue}/"))?;
        }
        f.write_str(self.name.to_str().unwrap_or("?"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => f.write_fmt(fmt!("frontend wrote no {}", *key)),
            Self::Malformed {
                key,
                value,
                expected,
            } => f.write_fmt(fmt!(
                "frontend wrote {} = {}: not {}",
                *key,
                value.quoted(),
                *expected
            )),
            Self::Unsupported { key, value, why } => {
                f.write_fmt(fmt!("frontend wrote {} = {}: {}", *key, *value, *why))
            }
            Self::TooManyQueues { wanted, offered } => f.write_fmt(fmt!(
                "frontend wrote multi-queue-num-queues = {}: this backend offers 1 to {}",
                *wanted,
                *offered
            )),
            Self::Unreadable { key, err } => f.write_fmt(fmt!(
                "reading the frontend's {} failed: error {}",
                *key,
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

/// Reads the keys in one directory of a frontend's.
struct Reader<'a> {
    dir: &'a CStr,
    queue: Option<u16>,
}

impl Reader<'_> {
    fn key(&self, name: &'static CStr) -> Key {
        Key {
            queue: self.queue,
            name,
        }
    }

    fn optional(&self, name: &'static CStr) -> Result<Option<u32>, Refusal> {
        let key = self.key(name);
        let value = xenstore::read_optional(self.dir, name)
            .map_err(|err| Refusal::Unreadable { key, err })?;
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

    fn required(&self, name: &'static CStr) -> Result<u32, Refusal> {
        self.optional(name)?.ok_or(Refusal::Missing {
            key: self.key(name),
        })
    }

    fn flag(&self, name: &'static CStr) -> Result<bool, Refusal> {
        Ok(self.optional(name)?.unwrap_or(0) != 0)
    }

    /// One channel for each direction, or one for both; a frontend that names the same port twice
    /// means the latter.
    fn ports(&self) -> Result<Ports, Refusal> {
        match self.optional(c"event-channel-tx")? {
            Some(guest_tx) => {
                let guest_rx = self.required(c"event-channel-rx")?;
                if guest_tx == guest_rx {
                    Ok(Ports::Common(guest_tx))
                } else {
                    Ok(Ports::Split { guest_tx, guest_rx })
                }
            }
            None => Ok(Ports::Common(self.required(c"event-channel")?)),
        }
    }

    fn queue(&self) -> Result<FrontendQueue, Refusal> {
        Ok(FrontendQueue {
            tx_ring_ref: self.required(c"tx-ring-ref")?,
            rx_ring_ref: self.required(c"rx-ring-ref")?,
            ports: self.ports()?,
        })
    }
}

impl Frontend {
    /// Reads what the frontend of `dev`, which was offered `max_queues` queues, wrote. May sleep.
    pub(super) fn read(
        dev: &xenbus::Device<device::Bound>,
        max_queues: u16,
    ) -> Result<Self, Refusal> {
        let reader = Reader {
            dir: dev.otherend(),
            queue: None,
        };

        let copy = c"request-rx-copy";
        if reader.required(copy)? == 0 {
            return Err(Refusal::Unsupported {
                key: reader.key(copy),
                value: 0,
                why: "this backend only copies to the guest",
            });
        }

        Ok(Self {
            queues: Self::read_queues(&reader, max_queues)?,
            features: Features {
                sg: reader.flag(c"feature-sg")?,
                rx_notify: reader.flag(c"feature-rx-notify")?,
                no_csum_offload: reader.flag(c"feature-no-csum-offload")?,
                ipv6_csum_offload: reader.flag(c"feature-ipv6-csum-offload")?,
                gso_tcpv4: reader.flag(c"feature-gso-tcpv4")?,
                gso_tcpv6: reader.flag(c"feature-gso-tcpv6")?,
            },
            headroom: Self::read_headroom(dev)?,
            control: match reader.optional(c"ctrl-ring-ref")? {
                Some(ring_ref) => Some(ControlKeys {
                    ring_ref,
                    port: reader.required(c"event-channel-ctrl")?,
                }),
                None => None,
            },
        })
    }

    /// Reads the room that the frontend of `dev` wants, which it may change while it is connected.
    /// May sleep.
    pub(super) fn read_headroom(dev: &xenbus::Device<device::Bound>) -> Result<Headroom, Refusal> {
        let reader = Reader {
            dir: dev.otherend(),
            queue: None,
        };
        let name = c"xdp-headroom";
        let value = reader.optional(name)?.unwrap_or(0);
        Headroom::new(value).ok_or(Refusal::Unsupported {
            key: reader.key(name),
            value,
            why: "this backend leaves 2048 bytes at most",
        })
    }

    /// `netif.h`: "For frontends requesting just one queue, the usual event-channel and ring-ref keys
    /// are written as before"; those requesting more write them "under sub-keys having the name
    /// \"queue-N\"".
    fn read_queues(reader: &Reader<'_>, max_queues: u16) -> Result<KVec<FrontendQueue>, Refusal> {
        let no_memory = |err| Refusal::Failed {
            what: "reading queue",
            value: 0,
            err,
        };
        let wanted = reader.optional(c"multi-queue-num-queues")?.unwrap_or(1);
        let offered = u16::try_from(wanted)
            .ok()
            .filter(|count| (1..=max_queues).contains(count));
        let Some(count) = offered else {
            return Err(Refusal::TooManyQueues {
                wanted,
                offered: max_queues,
            });
        };

        let parent = reader.dir.to_str().unwrap_or("?");
        let mut queues = KVec::with_capacity(usize::from(count), GFP_KERNEL)
            .map_err(|err| no_memory(err.into()))?;
        for index in 0..count {
            let queue = if count == 1 {
                reader.queue()?
            } else {
                let dir =
                    CString::try_from_fmt(fmt!("{}/queue-{index}", parent)).map_err(no_memory)?;
                Reader {
                    dir: &dir,
                    queue: Some(index),
                }
                .queue()?
            };
            queues
                .push_within_capacity(queue)
                .map_err(|_| no_memory(ENOMEM))?;
        }
        Ok(queues)
    }
}
