// SPDX-License-Identifier: GPL-2.0

//! What an administrator can see in debugfs of a connected frontend: `io_ring_q<N>` for each queue,
//! and `ctrl` for the control ring.
//!
//! Where `xen-netback` shows the same it does so in the same words, for the scripts that look for
//! them. Neither a reader nor a command stops a poll or takes a lock that one takes: what is shown is
//! read from the ring's page, or was published by the poll when it last ended.

use super::{
    control::Setup,
    queue::{
        Queue,
        PENDING_TRUESIZE_MAX, //
    },
    rate::RateLimit, //
};
use crate::{
    net::{
        clock::{
            to_nsecs,
            Tick, //
        },
        debugfs::{
            Command,
            Dir,
            File,
            Root,
            Show, //
        },
        napi::{
            Napi,
            Poll, //
        },
    },
    xen::ring::Observer,
};
use kernel::{
    fmt,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use netif::wire::RING_SIZE;

/// Nanoseconds in a millisecond.
const MSEC: u64 = 1_000_000;

/// The kinds of hash, in the order of their bits.
const HASHES: [&str; 4] = ["IPv4", "IPv4 + TCP", "IPv6", "IPv6 + TCP"];

/// Numbers in a line.
const ROW: usize = 8;

/// The files of one connection. Dropping them waits for who makes the text of one at the moment:
/// process context, without the locks of [`Setup::config`].
pub(super) struct Files {
    _rings: KVec<File<IoRing>>,
    _control: Option<File<Setup>>,
}

impl Files {
    /// Makes the directory `name` with the files of these queues, and of the control ring if there
    /// is one. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` without a directory to put them in, or `ENOMEM`.
    pub(super) fn new(name: &CStr, rings: KVec<IoRing>, control: Option<Setup>) -> Result<Self> {
        let dir = Dir::new(&Root::dir().ok_or(ENOENT)?, name)?;
        let mut files = KVec::with_capacity(rings.len(), GFP_KERNEL)?;
        for ring in rings {
            let name = CString::try_from_fmt(fmt!("io_ring_q{}", ring.queue.index()))?;
            let file = File::with_commands(&dir, &name, ring)?;
            files.push_within_capacity(file).map_err(|_| ENOMEM)?;
        }
        let control = control.map(|setup| File::new(&dir, c"ctrl", setup));
        Ok(Self {
            _rings: files,
            _control: control.transpose()?,
        })
    }
}

/// What there is to see of a queue that a frontend is connected to.
pub(super) struct IoRing {
    pub(super) queue: Arc<Queue>,
    pub(super) guest_tx: Observer,
    pub(super) guest_rx: Observer,
    pub(super) rate: Arc<RateLimit>,
}

impl Show for IoRing {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = &self.queue;
        writeln!(f, "Queue {}", queue.index())?;

        writeln!(f, "TX: nr_ents {RING_SIZE}")?;
        show_indices(f, queue.tx_position.get(), &self.guest_tx)?;
        show_napi(f, &queue.guest_tx)?;
        match self.rate.standing() {
            None => writeln!(f, "Rate: no limit\n")?,
            Some((rate, ahead)) => writeln!(
                f,
                "Rate: {rate} bytes per second, ahead of it by {} ms\n",
                ahead / MSEC
            )?,
        }

        writeln!(f, "RX: nr_ents {RING_SIZE}")?;
        show_indices(f, queue.rx_position.get(), &self.guest_rx)?;
        show_napi(f, &queue.guest_rx)?;
        match queue.owed.get() {
            None => writeln!(f, "Owed: nothing\n")?,
            Some(owes) => writeln!(
                f,
                "Owed: {} buffers for {} ms{}\n",
                owes.buffers,
                to_nsecs(owes.since.elapsed(Tick::now())) / MSEC,
                if owes.stalled { ", stalled" } else { "" },
            )?,
        }

        let waiting = queue.waiting();
        writeln!(
            f,
            "Rx internal queue: len {} max {PENDING_TRUESIZE_MAX} pkts {} {}",
            waiting.truesize,
            waiting.packets,
            if waiting.stopped {
                "stopped"
            } else {
                "running"
            },
        )
    }
}

impl Command for IoRing {
    fn command(&self, command: &[u8]) -> Result {
        match command {
            b"kick" => {
                self.queue.kick();
                Ok(())
            }
            _ => Err(EINVAL),
        }
    }
}

/// The indices of a ring, and in brackets how far they are ahead of the responses.
fn show_indices(
    f: &mut fmt::Formatter<'_>,
    (req_cons, rsp_pvt): (u32, u32),
    observer: &Observer,
) -> fmt::Result {
    let shared = observer.indices();
    let base = shared.rsp_prod;
    // CAST: A difference of free running numbers; what is behind is negative.
    let ahead = |index: u32| index.wrapping_sub(base) as i32;
    writeln!(
        f,
        "req prod {} ({}) cons {req_cons} ({}) event {} ({})",
        shared.req_prod,
        ahead(shared.req_prod),
        ahead(req_cons),
        shared.req_event,
        ahead(shared.req_event),
    )?;
    writeln!(
        f,
        "rsp prod {base} (base) pvt {rsp_pvt} ({}) event {} ({})",
        ahead(rsp_pvt),
        shared.rsp_event,
        ahead(shared.rsp_event),
    )
}

fn show_napi<P: Poll>(f: &mut fmt::Formatter<'_>, napi: &Napi<P>) -> fmt::Result {
    writeln!(
        f,
        "NAPI state: {:x} NAPI weight: {}",
        napi.state_bits(),
        napi.weight()
    )
}

impl Show for Setup {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        let algorithm = if config.is_toeplitz() {
            "TOEPLITZ"
        } else {
            "NONE"
        };
        writeln!(f, "Hash Algorithm: {algorithm}")?;

        let flags = config.wanted().flags();
        if flags != 0 {
            writeln!(f, "\nHash Flags:")?;
            for (bit, name) in HASHES.iter().enumerate() {
                if flags >> bit & 1 != 0 {
                    writeln!(f, "- {name}")?;
                }
            }
        }

        writeln!(f, "\nHash Key:")?;
        let mut first: usize = 0;
        for row in config.key().chunks(ROW) {
            let end = first.wrapping_add(row.len());
            write!(f, "[{first:2} - {:2}]: ", end.wrapping_sub(1))?;
            for byte in row {
                write!(f, "{byte:02x} ")?;
            }
            writeln!(f)?;
            first = end;
        }

        if !config.mapping().is_empty() {
            writeln!(f, "\nHash Mapping:")?;
        }
        first = 0;
        for row in config.mapping().chunks(ROW) {
            let end = first.wrapping_add(row.len());
            write!(f, "[{first:4} - {:4}]: ", end.wrapping_sub(1))?;
            for queue in row {
                write!(f, "{queue:4} ")?;
            }
            writeln!(f)?;
            first = end;
        }
        Ok(())
    }
}
