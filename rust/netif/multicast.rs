// SPDX-License-Identifier: GPL-2.0

//! Multicast control: which multicast packets a guest wants.
//!
//! `netif.h`: "If set, the backend should only forward multicast packets that match an entry in the
//! filter": the frontend adds and removes addresses by extra-info entries on its Tx ring, also while
//! it does not ask for the filter to be applied.
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

/// Addresses that fit: `XEN_NETBK_MCAST_MAX` of Linux's backends.
pub const MAX_ADDRESSES: usize = 64;

/// An Ethernet address.
pub type Address = [u8; 6];

/// Tells whether an address is that of a group, broadcast included.
#[inline]
pub fn is_multicast(address: &Address) -> bool {
    let [first, ..] = address;
    first & 1 != 0
}

/// What a frontend asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This address joins the filter.
    Add(Address),
    /// This address leaves it.
    Del(Address),
}

/// A change that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 64 addresses are in the filter.
    Full,
    /// The address is not that of a group.
    NotMulticast,
}

/// The addresses that a guest listens to.
///
/// # Invariants
///
/// `len` is not more than [`MAX_ADDRESSES`]; the addresses before it differ from each other.
#[derive(Clone, Debug)]
pub struct Filter {
    addresses: [Address; MAX_ADDRESSES],
    len: usize,
}

impl Filter {
    /// Makes a filter without addresses.
    pub const fn new() -> Self {
        // INVARIANT: There are none.
        Self {
            addresses: [[0; 6]; MAX_ADDRESSES],
            len: 0,
        }
    }

    fn listed(&self) -> &[Address] {
        self.addresses.get(..self.len).unwrap_or(&[])
    }

    /// Changes the filter. To add what is listed, or to remove what is not, changes nothing: a
    /// frontend that lost track can always say what it wants.
    ///
    /// # Errors
    ///
    /// [`Refused`], with nothing changed.
    pub fn change(&mut self, change: Change) -> Result<(), Refused> {
        match change {
            Change::Add(address) => {
                if !is_multicast(&address) {
                    return Err(Refused::NotMulticast);
                }
                if self.listed().contains(&address) {
                    return Ok(());
                }
                let place = self.addresses.get_mut(self.len).ok_or(Refused::Full)?;
                *place = address;
                // INVARIANT: There was such a place, and no such address.
                self.len = self.len.wrapping_add(1);
            }
            Change::Del(address) => {
                let Some(place) = self.listed().iter().position(|a| *a == address) else {
                    return Ok(());
                };
                // INVARIANT: The last address takes the place of the one that goes.
                self.len = self.len.wrapping_sub(1);
                let last = self.addresses.get(self.len).copied().unwrap_or_default();
                if let Some(place) = self.addresses.get_mut(place) {
                    *place = last;
                }
            }
        }
        Ok(())
    }

    /// Tells whether a packet to `address` is for this guest: unicast and broadcast always are.
    #[inline]
    pub fn accepts(&self, address: &Address) -> bool {
        !is_multicast(address) || *address == [0xff; 6] || self.listed().contains(address)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u8) -> Address {
        [0x01, 0, 0x5e, 0, 0, number]
    }

    #[test]
    fn unicast_and_broadcast_pass() {
        let filter = Filter::new();
        assert!(filter.accepts(&[0x00, 0x16, 0x3e, 1, 2, 3]));
        assert!(filter.accepts(&[0xff; 6]));
        assert!(!filter.accepts(&group(1)));
        assert!(!filter.accepts(&[0x33, 0x33, 0, 0, 0, 1]));
    }

    #[test]
    fn add_and_remove() {
        let mut filter = Filter::new();
        for number in [1, 2, 3] {
            filter.change(Change::Add(group(number))).unwrap();
        }
        filter.change(Change::Del(group(1))).unwrap();
        let passing = [1, 2, 3, 4].map(|number| filter.accepts(&group(number)));
        assert_eq!(passing, [false, true, true, false]);
        filter.change(Change::Del(group(3))).unwrap();
        filter.change(Change::Del(group(2))).unwrap();
        assert!((0..=4).all(|number| !filter.accepts(&group(number))));
    }

    #[test]
    fn twice_is_once() {
        let mut filter = Filter::new();
        for _ in 0..100 {
            filter.change(Change::Add(group(1))).unwrap();
        }
        filter.change(Change::Del(group(1))).unwrap();
        assert!(!filter.accepts(&group(1)));
        filter.change(Change::Del(group(1))).unwrap();
    }

    #[test]
    fn full() {
        let mut filter = Filter::new();
        for number in 0..64 {
            filter.change(Change::Add(group(number))).unwrap();
        }
        assert_eq!(filter.change(Change::Add(group(64))), Err(Refused::Full));
        assert!(!filter.accepts(&group(64)));
        // What is listed can still be added.
        filter.change(Change::Add(group(63))).unwrap();
        filter.change(Change::Del(group(0))).unwrap();
        filter.change(Change::Add(group(64))).unwrap();
        assert!((1..=64).all(|number| filter.accepts(&group(number))));
        assert!(!filter.accepts(&group(0)));
    }

    #[test]
    fn only_groups_join() {
        let mut filter = Filter::new();
        for address in [[0; 6], [0x00, 0x16, 0x3e, 0, 0, 1], [0xfe; 6]] {
            assert_eq!(
                filter.change(Change::Add(address)),
                Err(Refused::NotMulticast)
            );
        }
    }
}
