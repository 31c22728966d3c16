// SPDX-License-Identifier: GPL-2.0

//! A frontend and a backend with the rings and the memory between them, and what is known of both.

mod frontend;
mod polls;

use crate::{
    backend::{
        Backend,
        PollTx, //
    },
    intent::Intent,
    ops::{
        Op,
        Ring, //
    },
    shared::{
        at,
        size,
        HostPacket,
        Page,
        Shared,
        BLANK,
        PAGES, //
    }, //
};
use netif::Fault;
use std::collections::{
    BTreeMap,
    HashMap,
    VecDeque, //
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) counts: BTreeMap<String, u32>,
}

impl Stats {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn count_fault(&mut self, fault: Fault) {
        let name = format!("{fault:?}");
        self.count(name.split(' ').next().unwrap());
    }
}

/// Frontend and backend, and what is known of both.
pub(crate) struct World {
    hostile: bool,
    pub(crate) stats: Stats,
    sg: bool,

    // The guest's side.
    pages: Vec<Page>,
    free: Vec<u32>,
    tx: Shared<3>,
    rx: Shared<2>,
    /// Private indices: requests produced, responses consumed.
    tx_prod: u32,
    tx_cons: u32,
    rx_prod: u32,
    rx_cons: u32,
    /// The page that each place of the ring holds.
    tx_pages: Vec<Option<u32>>,
    rx_pages: Vec<Option<u32>>,
    /// Responses until the event that was asked for.
    tx_ask: u32,
    rx_ask: u32,
    /// The frontend was notified, and did not look yet.
    tx_told: bool,
    rx_told: bool,
    /// By the index of a packet's first entry.
    intents: HashMap<u32, Intent>,
    /// Entries are not what was posted any more.
    tampered: bool,
    scribble: bool,
    next_id: u16,
    next_byte: u8,
    /// A packet that comes in slot by slot: its bytes, checksum flags, and whether it is whole.
    receiving: Option<(Vec<u8>, u16, bool)>,

    // The host's side.
    backend: Option<Backend>,
    queue: VecDeque<HostPacket>,
    /// A poll is scheduled.
    tx_event: bool,
    rx_event: bool,

    // What is to come, by the rules.
    tx_model: (u32, u32),
    rx_model: u32,
    deferred: Vec<(u16, i16)>,
    tx_expected: VecDeque<(u16, i16)>,
    rx_expected: VecDeque<[u32; 2]>,
    /// Packets that were put into posted slots, for the frontend to find.
    sent: VecDeque<HostPacket>,
}

impl World {
    pub(crate) fn new(hostile: bool, start: u32) -> Self {
        let mut world = Self {
            hostile,
            stats: Stats::default(),
            sg: true,
            pages: vec![[BLANK; 4096]; size(PAGES)],
            free: Vec::new(),
            tx: Shared::new(0),
            rx: Shared::new(0),
            tx_prod: 0,
            tx_cons: 0,
            rx_prod: 0,
            rx_cons: 0,
            tx_pages: Vec::new(),
            rx_pages: Vec::new(),
            tx_ask: 1,
            rx_ask: 1,
            tx_told: false,
            rx_told: false,
            intents: HashMap::new(),
            tampered: false,
            scribble: false,
            next_id: 0,
            next_byte: 0,
            receiving: None,
            backend: None,
            queue: VecDeque::new(),
            tx_event: false,
            rx_event: false,
            tx_model: (0, 0),
            rx_model: 0,
            deferred: Vec::new(),
            tx_expected: VecDeque::new(),
            rx_expected: VecDeque::new(),
            sent: VecDeque::new(),
        };
        world.reconnect(start, true);
        world
    }

    /// A new frontend, with all its pages free; the backend attaches when it next polls. What the
    /// host had queued stays.
    fn reconnect(&mut self, start: u32, sg: bool) {
        self.sg = sg;
        self.free = (0..PAGES).collect();
        self.tx = Shared::new(start);
        self.rx = Shared::new(start.wrapping_add(100));
        self.tx_prod = self.tx.req_prod;
        self.tx_cons = self.tx.rsp_prod;
        self.rx_prod = self.rx.req_prod;
        self.rx_cons = self.rx.rsp_prod;
        self.tx_pages = vec![None; 256];
        self.rx_pages = vec![None; 256];
        (self.tx_ask, self.rx_ask) = (1, 1);
        (self.tx_told, self.rx_told) = (false, false);
        self.intents.clear();
        self.tampered = false;
        self.scribble = false;
        self.receiving = None;
        self.backend = None;
        (self.tx_event, self.rx_event) = (true, true);
        self.tx_model = (self.tx.rsp_prod, self.tx.rsp_prod);
        self.rx_model = self.rx.rsp_prod;
        self.deferred.clear();
        self.tx_expected.clear();
        self.rx_expected.clear();
        self.sent.clear();
    }

    /// The frontend lied, and was found out: it is cut off, and another one comes.
    fn cut_off(&mut self, fault: Fault) {
        assert!(self.hostile, "an honest frontend was cut off: {fault}");
        self.stats.count_fault(fault);
        let start = self.tx.req_prod.wrapping_mul(5).wrapping_sub(77);
        let sg = self.sg;
        self.reconnect(start, !sg);
    }

    pub(crate) fn apply(&mut self, op: Op) {
        match op {
            Op::PostTx(layout) => self.post_tx(&layout),
            Op::PostRx(count, ungranted) => self.post_rx(count, ungranted),
            Op::Take(Ring::Tx, max, ask) => self.take_tx(max, ask),
            Op::Take(Ring::Rx, max, ask) => self.take_rx(max, ask),
            Op::Send(packet) => {
                self.queue.push_back(packet);
                self.rx_event = true;
            }
            Op::PollTx(op) => self.poll_tx(&op),
            Op::PollRx => self.poll_rx(),
            Op::Reconnect(start, sg) => self.reconnect(start, sg),
            op if self.hostile => self.attack(op),
            _ => {}
        }
        self.check_liveness();
    }

    fn attack(&mut self, op: Op) {
        match op {
            Op::Rewrite(Ring::Tx, ahead, word, bits) => {
                self.tampered = true;
                let index = self.tx_model.0.wrapping_add(ahead);
                self.tx.entries[at(index)][word % 3] ^= bits;
            }
            Op::Rewrite(Ring::Rx, ahead, word, bits) => {
                self.tampered = true;
                let index = self.rx_model.wrapping_add(ahead);
                self.rx.entries[at(index)][word % 2] ^= bits;
            }
            Op::Produce(Ring::Tx, by) => {
                self.tampered = true;
                self.tx_prod = self.tx_model.0.wrapping_add(by);
                self.tx.req_prod = self.tx_prod;
                self.tx_event = true;
            }
            Op::Produce(Ring::Rx, by) => {
                self.tampered = true;
                self.rx_prod = self.rx_model.wrapping_add(by);
                self.rx.req_prod = self.rx_prod;
                self.rx_event = true;
            }
            Op::Event(Ring::Tx, event) => {
                self.tampered = true;
                self.tx.rsp_event = event;
            }
            Op::Event(Ring::Rx, event) => {
                self.tampered = true;
                self.rx.rsp_event = event;
            }
            Op::Scribble => {
                self.tampered = true;
                self.scribble = true;
            }
            _ => unreachable!(),
        }
    }

    /// What an honest frontend may rely on after every operation.
    fn check_liveness(&self) {
        if self.tampered {
            return;
        }
        // Requests are never left lying.
        let unconsumed = self.tx.req_prod.wrapping_sub(self.tx_model.0);
        assert!(unconsumed == 0 || self.tx_event, "lost Tx event");
        assert!(self.deferred.is_empty() || self.tx_event, "lost responses");
        let posted = self.rx.req_prod.wrapping_sub(self.rx_model);
        if let Some(head) = self.queue.front() {
            let slots = head.data.len().div_ceil(4096).max(1);
            assert!(size(posted) < slots || self.rx_event, "lost Rx event");
        }
        // Responses that were asked for are never left untold.
        let responses = self.tx.rsp_prod.wrapping_sub(self.tx_cons);
        assert!(responses < self.tx_ask || self.tx_told, "untold Tx");
        let responses = self.rx.rsp_prod.wrapping_sub(self.rx_cons);
        assert!(responses < self.rx_ask || self.rx_told, "untold Rx");
    }

    /// Lets both sides go on, driven by events alone, until nothing happens any more.
    pub(crate) fn drain(&mut self) {
        self.apply(Op::Take(Ring::Tx, 256, 1));
        self.apply(Op::Take(Ring::Rx, 256, 1));
        let poll = PollTx {
            budget: 7,
            push: true,
            head: 64,
        };
        for _ in 0..1000 {
            if !(self.tx_event || self.rx_event || self.tx_told || self.rx_told) {
                break;
            }
            self.apply(Op::PollTx(poll.clone()));
            self.apply(Op::PollRx);
            if self.tx_told {
                self.apply(Op::Take(Ring::Tx, 100, 1));
            }
            if self.rx_told {
                self.apply(Op::Take(Ring::Rx, 100, 1));
            }
        }
    }

    /// Checks that nothing is left to do for an honest frontend.
    pub(crate) fn check_done(&self) {
        assert_eq!(self.tx_cons, self.tx_prod, "every request is answered");
        assert!(self.tx_expected.is_empty());
        assert_eq!(self.rx_cons, self.rx_model, "every response is seen");
        assert!(self.sent.is_empty());
        if let Some(head) = self.queue.front() {
            let posted = self.rx_prod.wrapping_sub(self.rx_cons);
            assert!(size(posted) < head.data.len().div_ceil(4096));
        }
    }
}
