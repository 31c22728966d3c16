// SPDX-License-Identifier: GPL-2.0

//! The backend's half of the Xen network protocol.
//!
//! Everything a guest can say on a `vif`'s shared rings and in its xenstore nodes is judged here,
//! and only here: the driver copies a ring entry or a value out of shared memory once, hands over
//! the copy, and gets back types whose numbers were checked ("copy these ranges, build this
//! packet, write these responses"), a [`Drop`] for a packet that is merely bad, or a [`Fault`] for
//! a frontend that lies and must be cut off.
//!
//! The crate holds no memory that is shared with anyone, no clock and no kernel type, it does not
//! allocate, and no input makes it panic. The same files are built into the module by Kbuild and
//! on the host by Cargo, where the tests run.
//!
//! "Tx" and "Rx" are the *guest's*, as in the protocol header.
//!
//! | module           | concept                                                              |
//! |------------------|----------------------------------------------------------------------|
//! | [`wire`]         | ring entries as owned values                                         |
//! | [`extra`]        | extra-info entries                                                   |
//! | [`fault`]        | the two kinds of wrong: a lying frontend, a bad packet               |
//! | [`ring`]         | index arithmetic of a back ring, notifications                       |
//! | [`tx_chain`]     | guest Tx: a chain of entries becomes a packet                        |
//! | [`packet`]       | guest Tx: a packet that passed all checks                            |
//! | [`multicast`]    | guest Tx: changes of the multicast filter                            |
//! | [`gather`]       | guest Tx: the packet's bytes, piece by piece                         |
//! | [`answers`]      | guest Tx: the responses, one for each entry                          |
//! | [`credit`]       | guest Tx: the toolstack's rate limit                                 |
//! | [`rx_plan`]      | guest Rx: how a packet lies on the slots the guest posted            |
//! | [`control`]      | the control ring: setting up the hash                                |
//! | [`flow`]         | what of a packet goes into its hash                                  |
//! | [`toeplitz`]     | the hash                                                             |
//! | [`eoi`]          | when an event channel that serves both directions is re-enabled      |
//! | [`xenbus_state`] | what the backend does when the frontend's state changes              |
//! | [`keys`]         | strict parsing of xenstore values                                    |
//! | [`mtu`]          | the limits of the interface's MTU                                    |
//!
//! C headers: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h),
//! [`include/xen/interface/io/ring.h`](srctree/include/xen/interface/io/ring.h),
//! [`include/xen/interface/io/xenbus.h`](srctree/include/xen/interface/io/xenbus.h)
//!
//! # Examples
//!
//! One poll of guest Tx, with the shared ring reduced to an array:
//!
//! ```
//! use netif::{tx_flag, Answers, BackRing, Gather, Request, TxRequest};
//!
//! // The frontend posts a packet of 100 bytes, 60 of them in a second slot.
//! let slots = [
//!     TxRequest { gref: 7, offset: 16, flags: tx_flag::MORE_DATA, id: 1, size: 100 },
//!     TxRequest { gref: 8, offset: 0, flags: 0, id: 2, size: 60 },
//! ];
//! let (req_prod, rsp_prod) = (2, 0);
//!
//! let mut ring = BackRing::attach(req_prod, rsp_prod)?;
//! let mut answers = Answers::new();
//! let available = ring.unconsumed(req_prod)?;
//! let chain = netif::tx_chain::parse(
//!     available,
//!     netif::tx_chain::FATAL_SLOTS_DEFAULT,
//!     |ahead| slots[ring.peek_slot(ahead)].to_words(),
//!     &mut answers,
//! )?;
//! ring.consume(chain.entries);
//!
//! let Ok(Request::Packet(packet)) = chain.outcome else { panic!() };
//! let mut gather = Gather::new(packet.slots());
//! let piece = gather.take(2048).unwrap();
//! assert_eq!((piece.gref, piece.offset, piece.len), (7, 16, 40));
//! let piece = gather.take(2048).unwrap();
//! assert_eq!((piece.gref, piece.offset, piece.len), (8, 0, 60));
//! assert!(gather.take(2048).is_none());
//!
//! for response in answers.iter() {
//!     let slot = ring.answer()?;
//!     println!("slot {slot}: {response:?}");
//! }
//! # Ok::<(), netif::Fault>(())
//! ```

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod answers;
pub mod control;
pub mod credit;
pub mod eoi;
pub mod extra;
pub mod fault;
pub mod flow;
pub mod gather;
pub mod keys;
pub mod mtu;
pub mod multicast;
pub mod packet;
pub mod ring;
pub mod rx_plan;
pub mod toeplitz;
pub mod tx_chain;
pub mod wire;
pub mod xenbus_state;

pub use crate::{
    answers::Answers,
    eoi::{
        Direction,
        Eoi,
        EoiWord, //
    },
    extra::{
        Extra,
        ExtraKind,
        FlowHash,
        Gso,
        GsoKind,
        HashKind, //
    },
    fault::{
        Drop,
        Fault, //
    },
    gather::{
        Gather,
        Piece, //
    },
    keys::{
        Features,
        Malformed, //
    },
    packet::{
        Checksum,
        Packet,
        Slot, //
    },
    ring::BackRing,
    rx_plan::{
        Place,
        RxRefusal,
        Scatter, //
    },
    tx_chain::{
        Chain,
        Request, //
    },
    wire::{
        rx_flag,
        tx_flag,
        RxRequest,
        RxResponse,
        Status,
        TxRequest,
        TxResponse, //
    },
};
