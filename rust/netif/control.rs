// SPDX-License-Identifier: GPL-2.0

//! The control ring: how the frontend sets up the hash that spreads packets over its queues.
//!
//! A request is answered at once, or after bytes were copied from the frontend: these are checked as
//! a whole before any of them counts.
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

use crate::{
    flow::Wanted,
    toeplitz::{
        Key,
        KEY_LEN, //
    },
};

/// Entries of the one-page control ring, of 16 bytes each.
pub const RING_SIZE: u32 = 128;

/// Entries of the largest mapping.
pub const MAPPING_MAX: usize = 128;

/// [`MAPPING_MAX`] in the type of a request's numbers.
// CAST: A small constant.
#[expect(clippy::cast_possible_truncation, reason = "128")]
const MAPPING_MAX_U32: u32 = MAPPING_MAX as u32;

/// Bytes that a request can have copied at most: a whole mapping.
pub const COPY_MAX: usize = MAPPING_MAX * 4;

/// A request, `struct xen_netif_ctrl_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    id: u16,
    kind: u16,
    data: [u32; 3],
}

impl Request {
    /// 32-bit words of an entry.
    pub const WORDS: usize = 4;

    /// Takes a request apart.
    pub fn from_words(words: [u32; 4]) -> Self {
        let [head, data @ ..] = words;
        let [i0, i1, k0, k1] = head.to_ne_bytes();
        Self {
            id: u16::from_ne_bytes([i0, i1]),
            kind: u16::from_ne_bytes([k0, k1]),
            data,
        }
    }

    /// Returns the words of the response, `struct xen_netif_ctrl_response`: "id: the corresponding
    /// request identifier", "type: the type of the corresponding request", status and data.
    pub fn answer(&self, status: Status, data: u32) -> [u32; 3] {
        let ([i0, i1], [k0, k1]) = (self.id.to_ne_bytes(), self.kind.to_ne_bytes());
        // CAST: The enum's representation is `u32`.
        [u32::from_ne_bytes([i0, i1, k0, k1]), status as u32, data]
    }
}

/// `XEN_NETIF_CTRL_STATUS_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// It was done.
    Success = 0,
    /// There is no such request, or not now.
    NotSupported = 1,
    /// The request makes no sense.
    InvalidParameter = 2,
    /// "Larger than the backend supports."
    BufferOverflow = 3,
}

/// Bytes that a request needs, from the beginning of a frontend's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Grant reference of the page.
    pub gref: u32,
    /// How many bytes: 1 to [`COPY_MAX`].
    pub len: u16,
    target: Target,
}

/// What the bytes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Key,
    Mapping { offset: usize },
}

/// What to do about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer it, with this status and data.
    Answer(Status, u32),
    /// Copy bytes, and hand them to [`HashConfig::copied`].
    Copy(Copy),
}

/// What a frontend has set up.
///
/// # Invariants
///
/// `size` is not more than [`MAPPING_MAX`], and each entry of the mapping is less than `queues`.
#[derive(Clone, Debug)]
pub struct HashConfig {
    toeplitz: bool,
    wanted: Wanted,
    key: Key,
    size: u32,
    mapping: [u16; MAPPING_MAX],
    queues: u16,
}

impl HashConfig {
    /// Nothing is set up yet by a frontend that has `queues` queues, at least 1.
    pub const fn new(queues: u16) -> Self {
        // INVARIANT: 0 is less than 1.
        Self {
            toeplitz: false,
            wanted: Wanted::from_raw(0),
            key: [0; KEY_LEN],
            size: 0,
            mapping: [0; MAPPING_MAX],
            queues,
        }
    }

    /// Returns the kinds of hash to compute: none without an algorithm.
    pub fn wanted(&self) -> Wanted {
        if self.toeplitz {
            self.wanted
        } else {
            Wanted::from_raw(0)
        }
    }

    /// Has the frontend selected the Toeplitz algorithm?
    pub fn is_toeplitz(&self) -> bool {
        self.toeplitz
    }

    /// Returns the key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns which queue each hash, modulo the number of entries, goes to; without entries "hash
    /// mapping should be done using modular arithmetic".
    pub fn mapping(&self) -> &[u16] {
        // CAST: At most 128.
        self.mapping.get(..self.size as usize).unwrap_or(&[])
    }

    /// Looks at a request.
    pub fn request(&mut self, request: &Request) -> Outcome {
        let [first, second, third] = request.data;
        let answer = |status| Outcome::Answer(status, 0);
        match request.kind {
            // XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS
            1 if self.toeplitz => Outcome::Answer(Status::Success, Wanted::ALL.flags()),
            1 => answer(Status::NotSupported),
            // XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS: "a valid hash algorithm must be selected before".
            2 => match Wanted::from_flags(first).filter(|_| self.toeplitz) {
                Some(wanted) => {
                    self.wanted = wanted;
                    answer(Status::Success)
                }
                None => answer(Status::InvalidParameter),
            },
            // XEN_NETIF_CTRL_TYPE_SET_HASH_KEY
            3 => self.set_key(first, second),
            // XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE
            4 => Outcome::Answer(Status::Success, MAPPING_MAX_U32),
            // XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE
            5 if first > MAPPING_MAX_U32 => answer(Status::InvalidParameter),
            5 => {
                // INVARIANT: Just checked; queue 0 is there.
                self.size = first;
                self.mapping = [0; MAPPING_MAX];
                answer(Status::Success)
            }
            // XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING
            6 => self.set_mapping(first, second, third),
            // XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM
            7 => match first {
                0 | 1 => {
                    self.toeplitz = first == 1;
                    answer(Status::Success)
                }
                _ => answer(Status::InvalidParameter),
            },
            _ => answer(Status::NotSupported),
        }
    }

    fn set_key(&mut self, gref: u32, len: u32) -> Outcome {
        match u16::try_from(len) {
            // "Specifying a key size of zero will clear the key."
            Ok(0) => {
                self.key = [0; KEY_LEN];
                Outcome::Answer(Status::Success, 0)
            }
            Ok(len) if usize::from(len) <= KEY_LEN => Outcome::Copy(Copy {
                gref,
                len,
                target: Target::Key,
            }),
            _ => Outcome::Answer(Status::BufferOverflow, 0),
        }
    }

    fn set_mapping(&mut self, gref: u32, count: u32, offset: u32) -> Outcome {
        let Some(end) = count
            .checked_add(offset)
            .filter(|end| *end <= MAPPING_MAX_U32)
        else {
            return Outcome::Answer(Status::BufferOverflow, 0);
        };
        if end > self.size {
            return Outcome::Answer(Status::InvalidParameter, 0);
        }
        // At most 512.
        let len = u16::try_from(count.wrapping_mul(4)).unwrap_or(0);
        if len == 0 {
            return Outcome::Answer(Status::Success, 0);
        }
        Outcome::Copy(Copy {
            gref,
            len,
            target: Target::Mapping {
                // CAST: At most 128.
                offset: offset as usize,
            },
        })
    }

    /// Takes the bytes that were to be copied, or `None` if they could not be, and returns how the
    /// request fared.
    pub fn copied(&mut self, copy: &Copy, bytes: Option<&[u8]>) -> Status {
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == usize::from(copy.len)) else {
            return Status::InvalidParameter;
        };
        match copy.target {
            Target::Key => {
                // "Any key octets not specified are assumed to be zero."
                self.key = [0; KEY_LEN];
                for (to, from) in self.key.iter_mut().zip(bytes) {
                    *to = *from;
                }
            }
            Target::Mapping { offset } => {
                let mut mapping = self.mapping;
                let entries = mapping.get_mut(offset..).unwrap_or(&mut []);
                for (to, from) in entries.iter_mut().zip(bytes.chunks_exact(4)) {
                    let &[a, b, c, d] = from else {
                        return Status::InvalidParameter;
                    };
                    let queue = u32::from_ne_bytes([a, b, c, d]);
                    match u16::try_from(queue) {
                        Ok(queue) if queue < self.queues => *to = queue,
                        _ => return Status::InvalidParameter,
                    }
                }
                // INVARIANT: Each new entry was checked.
                self.mapping = mapping;
            }
        }
        Status::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    use Status::{
        BufferOverflow,
        InvalidParameter,
        NotSupported,
        Success, //
    };

    fn request(kind: u16, data: [u32; 3]) -> Request {
        let [k0, k1] = kind.to_ne_bytes();
        let [i0, i1] = 0x1234_u16.to_ne_bytes();
        let [d0, d1, d2] = data;
        Request::from_words([u32::from_ne_bytes([i0, i1, k0, k1]), d0, d1, d2])
    }

    fn ask(config: &mut HashConfig, kind: u16, data: [u32; 3]) -> (Status, u32) {
        match config.request(&request(kind, data)) {
            Outcome::Answer(status, data) => (status, data),
            Outcome::Copy(copy) => panic!("{copy:?}"),
        }
    }

    fn give(config: &mut HashConfig, kind: u16, data: [u32; 3], bytes: Option<&[u8]>) -> Status {
        match config.request(&request(kind, data)) {
            Outcome::Copy(copy) => {
                assert_eq!(copy.gref, data[0]);
                config.copied(&copy, bytes)
            }
            Outcome::Answer(..) => panic!("{kind} {data:?}"),
        }
    }

    fn entries(queues: &[u32]) -> Vec<u8> {
        queues
            .iter()
            .flat_map(|queue| queue.to_ne_bytes())
            .collect()
    }

    #[test]
    fn answers_echo_the_request() {
        let [head, status, data] = request(7, [0; 3]).answer(BufferOverflow, 9);
        let [i0, i1, k0, k1] = head.to_ne_bytes();
        assert_eq!(u16::from_ne_bytes([i0, i1]), 0x1234);
        assert_eq!(u16::from_ne_bytes([k0, k1]), 7);
        assert_eq!((status, data), (3, 9));
    }

    #[test]
    fn algorithm_and_flags() {
        let mut config = HashConfig::new(2);
        assert!(!config.is_toeplitz());
        assert_eq!(ask(&mut config, 1, [0; 3]), (NotSupported, 0));
        assert_eq!(ask(&mut config, 2, [1, 0, 0]), (InvalidParameter, 0));
        for unknown in [2, 3, u32::MAX] {
            assert_eq!(ask(&mut config, 7, [unknown, 0, 0]), (InvalidParameter, 0));
        }
        assert!(config.wanted().is_none());
        assert_eq!(ask(&mut config, 7, [1, 0, 0]), (Success, 0));
        assert!(config.is_toeplitz());
        assert_eq!(ask(&mut config, 1, [0; 3]), (Success, 15));
        for unknown in [16, 31, u32::MAX] {
            assert_eq!(ask(&mut config, 2, [unknown, 0, 0]), (InvalidParameter, 0));
        }
        assert!(config.wanted().is_none());
        assert_eq!(ask(&mut config, 2, [15, 0, 0]), (Success, 0));
        assert_eq!(config.wanted(), Wanted::ALL);
        assert_eq!(ask(&mut config, 7, [0, 0, 0]), (Success, 0));
        assert!(config.wanted().is_none());
    }

    #[test]
    fn unknown_requests() {
        let mut config = HashConfig::new(2);
        for kind in [0, 8, 9, 10, 11, 255, 256 + 7, u16::MAX] {
            assert_eq!(ask(&mut config, kind, [1, 1, 1]), (NotSupported, 0));
        }
    }

    #[test]
    fn keys() {
        let mut config = HashConfig::new(2);
        let key: Vec<u8> = (1..=40).collect();
        assert_eq!(give(&mut config, 3, [7, 40, 0], Some(&key)), Success);
        assert_eq!(&config.key()[..], &key);
        assert_eq!(give(&mut config, 3, [7, 2, 0], Some(&[9, 8])), Success);
        assert_eq!(config.key()[..3], [9, 8, 0]);
        assert_eq!(config.key()[39], 0);
        assert_eq!(give(&mut config, 3, [7, 2, 0], None), InvalidParameter);
        assert_eq!(
            give(&mut config, 3, [7, 2, 0], Some(&[1])),
            InvalidParameter
        );
        assert_eq!(config.key()[..3], [9, 8, 0]);
        for len in [41, 4096, 65_536, 65_536 + 40, u32::MAX] {
            assert_eq!(ask(&mut config, 3, [7, len, 0]), (BufferOverflow, 0));
        }
        assert_eq!(ask(&mut config, 3, [0, 0, 0]), (Success, 0));
        assert_eq!(config.key(), &[0; 40]);
    }

    #[test]
    fn mappings() {
        let mut config = HashConfig::new(4);
        assert_eq!(ask(&mut config, 4, [0; 3]), (Success, 128));
        // XSA-270: sums that wrap, sizes that are cut off.
        for (count, offset, status) in [
            (1, 0, InvalidParameter),
            (1, u32::MAX, BufferOverflow),
            (u32::MAX, 1, BufferOverflow),
            (u32::MAX, 2, BufferOverflow),
            (0x4000, 0, BufferOverflow),
            (0x4000_0000, 0, BufferOverflow),
            (129, 0, BufferOverflow),
            (128, 1, BufferOverflow),
            (0, 129, BufferOverflow),
            (0, 0, Success),
        ] {
            assert_eq!(ask(&mut config, 6, [7, count, offset]), (status, 0));
        }
        for size in [129, u32::MAX] {
            assert_eq!(ask(&mut config, 5, [size, 0, 0]), (InvalidParameter, 0));
        }
        assert_eq!(ask(&mut config, 5, [4, 0, 0]), (Success, 0));
        assert_eq!(config.mapping(), [0; 4]);
        let all = entries(&[3, 2, 1, 0]);
        assert_eq!(give(&mut config, 6, [7, 4, 0], Some(&all)), Success);
        assert_eq!(config.mapping(), [3, 2, 1, 0]);
        // "Does not invalidate any table data outside that range."
        assert_eq!(
            give(&mut config, 6, [7, 2, 1], Some(&entries(&[0, 3]))),
            Success
        );
        assert_eq!(config.mapping(), [3, 0, 3, 0]);
        assert_eq!(ask(&mut config, 6, [7, 2, 3]), (InvalidParameter, 0));
        // All of it or nothing.
        for bad in [4, 65_536, u32::MAX] {
            let bytes = entries(&[1, bad]);
            assert_eq!(
                give(&mut config, 6, [7, 2, 0], Some(&bytes)),
                InvalidParameter
            );
        }
        assert_eq!(give(&mut config, 6, [7, 2, 0], None), InvalidParameter);
        assert_eq!(config.mapping(), [3, 0, 3, 0]);
        // A new size is a new table.
        assert_eq!(ask(&mut config, 5, [128, 0, 0]), (Success, 0));
        assert_eq!(config.mapping(), [0; 128]);
        let all = entries(&[1; 128]);
        assert_eq!(all.len(), COPY_MAX);
        assert_eq!(give(&mut config, 6, [7, 128, 0], Some(&all)), Success);
        assert_eq!(ask(&mut config, 5, [0, 0, 0]), (Success, 0));
        assert!(config.mapping().is_empty());
    }
}
