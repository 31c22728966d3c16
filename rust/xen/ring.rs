// SPDX-License-Identifier: GPL-2.0

//! Rings in pages that a frontend shares with us.
//!
//! The frontend may write anything to the page at any time. So nothing here hands out a reference
//! to it: an index or an entry is read once, by volatile loads, into a value of our own, and what
//! it means is decided by the `netif` crate from that value.
//!
//! C header: [`include/xen/interface/io/ring.h`](srctree/include/xen/interface/io/ring.h)

use super::{
    barrier,
    xenbus, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    device,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

/// Entries of a Tx ring or an Rx ring.
const TRAFFIC_ENTRIES: usize = netif::wire::RING_SIZE as usize;

/// A ring page as `DEFINE_RING_TYPES()` lays it out, with entries of `WORDS` 32-bit words.
#[repr(C)]
struct Page<const WORDS: usize, const ENTRIES: usize> {
    req_prod: u32,
    req_event: u32,
    rsp_prod: u32,
    rsp_event: u32,
    reserved: [u32; 12],
    ring: [[u32; WORDS]; ENTRIES],
}

/// A page of the frontend's, mapped for reading and writing.
///
/// # Invariants
///
/// `address` is what `xenbus_map_ring_valloc()` mapped for `dev`: one page, mapped until drop.
struct Mapping {
    address: NonNull<c_void>,
    dev: ARef<xenbus::Device>,
}

// SAFETY: The mapping is valid on every CPU, and may be undone by any thread.
unsafe impl Send for Mapping {}
// SAFETY: The page is only accessed by volatile loads and stores of whole words.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. This is the only place that unmaps it.
        let err =
            unsafe { bindings::xenbus_unmap_ring_vfree(self.dev.as_raw(), self.address.as_ptr()) };
        if err != 0 {
            dev_err!(self.dev.as_ref(), "unmapping a ring failed: {}\n", err);
        }
    }
}

/// One of a frontend's rings, of `ENTRIES` entries with `WORDS` 32-bit words each.
///
/// Dropping it and its [`Observer`] unmaps the page: process context.
///
/// # Invariants
///
/// `address` is that of `mapping`.
pub(crate) struct Ring<const WORDS: usize, const ENTRIES: usize = TRAFFIC_ENTRIES> {
    // Here too, for the sake of the polls.
    address: NonNull<c_void>,
    mapping: Arc<Mapping>,
}

// SAFETY: The mapping may be sent.
unsafe impl<const WORDS: usize, const ENTRIES: usize> Send for Ring<WORDS, ENTRIES> {}
// SAFETY: The mapping may be shared, and the address is used as the mapping's.
unsafe impl<const WORDS: usize, const ENTRIES: usize> Sync for Ring<WORDS, ENTRIES> {}

impl<const WORDS: usize, const ENTRIES: usize> Ring<WORDS, ENTRIES> {
    const FITS: () = assert!(
        core::mem::size_of::<Page<WORDS, ENTRIES>>() <= netif::wire::PAGE_SIZE as usize,
        "a ring is one page"
    );

    /// Maps the page that the frontend of `dev` granted as `gref`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` when Xen refuses to map the page, or `ENOMEM`. xenbus has logged the status.
    pub(crate) fn map(dev: &xenbus::Device<device::Bound>, gref: u32) -> Result<Self> {
        const { Self::FITS };

        let mut gref = gref;
        let mut address: *mut c_void = core::ptr::null_mut();
        // SAFETY: `dev` is a live xenbus device; `gref` and `address` are valid for the call.
        to_result(unsafe {
            bindings::xenbus_map_ring_valloc(dev.as_raw(), &mut gref, 1, &mut address)
        })?;

        let address = NonNull::new(address).ok_or(ENOMEM)?;
        // INVARIANT: Mapped above.
        let mapping = Mapping {
            address,
            dev: dev.into(),
        };
        // INVARIANT: It is the address.
        Ok(Self {
            address,
            mapping: Arc::new(mapping, GFP_KERNEL)?,
        })
    }

    /// Something to look at its indices by, from elsewhere.
    pub(crate) fn observer(&self) -> Observer {
        Observer(self.mapping.clone())
    }

    /// The page. Only for volatile accesses of single words: the frontend writes to it.
    #[inline]
    fn page(&self) -> *mut Page<WORDS, ENTRIES> {
        self.address.as_ptr().cast()
    }

    /// The entry in slot `slot`; its own words for a slot that is not there, which `netif::ring` does
    /// not name.
    #[inline]
    fn entry(&self, slot: usize) -> *mut u32 {
        // SAFETY: The page is mapped as long as `self.mapping` lives, and `Page` fits (`FITS`): this
        // only computes an address within it.
        let ring: *mut u32 = unsafe { (&raw mut (*self.page()).ring).cast() };
        ring.wrapping_add((slot % ENTRIES).wrapping_mul(WORDS))
    }

    /// The index up to which the frontend has produced requests, with all of their contents
    /// visible to the loads that follow.
    #[inline]
    pub(crate) fn req_prod(&self) -> u32 {
        // SAFETY: The page is mapped and aligned; the access is volatile.
        let req_prod = unsafe { (&raw const (*self.page()).req_prod).read_volatile() };
        // ORDERING: Pairs with the write barrier in the frontend's `RING_PUSH_REQUESTS()`.
        barrier::read();
        req_prod
    }

    /// The index up to which responses have been produced, as the page has it.
    pub(crate) fn rsp_prod(&self) -> u32 {
        // SAFETY: The page is mapped and aligned; the access is volatile.
        unsafe { (&raw const (*self.page()).rsp_prod).read_volatile() }
    }

    /// Copies the entry in ring slot `slot` (below `ENTRIES`), each word read once.
    #[inline]
    pub(crate) fn read(&self, slot: usize) -> [u32; WORDS] {
        let mut words = [0; WORDS];
        let mut from = self.entry(slot);
        for word in &mut words {
            // SAFETY: One of the `WORDS` words of an entry in the mapped page; volatile.
            *word = unsafe { from.read_volatile() };
            from = from.wrapping_add(1);
        }
        words
    }

    /// Writes the first words of the entry in ring slot `slot` (below `ENTRIES`).
    #[inline]
    pub(crate) fn write<const N: usize>(&self, slot: usize, words: [u32; N]) {
        const { assert!(N <= WORDS, "no more words than an entry has") };
        let mut to = self.entry(slot);
        for word in words {
            // SAFETY: One of the `WORDS` words of an entry in the mapped page; volatile.
            unsafe { to.write_volatile(word) };
            to = to.wrapping_add(1);
        }
    }

    /// Publishes the responses from index `old` up to index `new`, and says whether the frontend
    /// wants an event for them.
    ///
    /// `old` is the caller's own record: what the page says could have been changed.
    #[inline]
    #[must_use = "the frontend waits for the event"]
    pub(crate) fn push_responses(&self, old: u32, new: u32) -> bool {
        // ORDERING: The responses are visible before the index that covers them is. Pairs with the
        // read barrier with which the frontend follows its load of `rsp_prod`.
        barrier::write();
        // SAFETY: The page is mapped and aligned; the access is volatile.
        unsafe { (&raw mut (*self.page()).rsp_prod).write_volatile(new) };
        // ORDERING: Pairs with the full barrier in the frontend's
        // `RING_FINAL_CHECK_FOR_RESPONSES()`: either it sees the index, or we see its request for
        // an event.
        barrier::full();
        // SAFETY: The page is mapped and aligned; the access is volatile.
        let rsp_event = unsafe { (&raw const (*self.page()).rsp_event).read_volatile() };
        netif::ring::must_notify(old, new, rsp_event)
    }

    /// Asks for an event once the frontend has produced requests up to `req_event`, and makes that
    /// visible before the loads that follow.
    #[inline]
    pub(crate) fn set_req_event(&self, req_event: u32) {
        // SAFETY: The page is mapped and aligned; the access is volatile.
        unsafe { (&raw mut (*self.page()).req_event).write_volatile(req_event) };
        // ORDERING: Pairs with the full barrier in the frontend's
        // `RING_PUSH_REQUESTS_AND_CHECK_NOTIFY()`: either it sees this index, or we see its
        // requests.
        barrier::full();
    }
}

/// Looks at the indices on a ring's page, which stays mapped meanwhile. Dropped in process context.
pub(crate) struct Observer(Arc<Mapping>);

/// The indices on a ring's page, each as it was at some moment. Of these the frontend writes
/// `req_prod` and `rsp_event`, and could write all.
pub(crate) struct SharedIndices {
    /// Requests that the frontend has produced.
    pub(crate) req_prod: u32,
    /// The request for which the backend wants an event.
    pub(crate) req_event: u32,
    /// Responses that the backend has produced.
    pub(crate) rsp_prod: u32,
    /// The response for which the frontend wants an event.
    pub(crate) rsp_event: u32,
}

impl Observer {
    /// Reads them. Any context.
    pub(crate) fn indices(&self) -> SharedIndices {
        // The indices are where they are whatever the entries look like.
        let page: *const Page<1, 1> = self.0.address.as_ptr().cast_const().cast();
        // SAFETY: The page is mapped and aligned, by the invariant of `Mapping`; each access is
        // volatile.
        unsafe {
            SharedIndices {
                req_prod: (&raw const (*page).req_prod).read_volatile(),
                req_event: (&raw const (*page).req_event).read_volatile(),
                rsp_prod: (&raw const (*page).rsp_prod).read_volatile(),
                rsp_event: (&raw const (*page).rsp_event).read_volatile(),
            }
        }
    }
}
