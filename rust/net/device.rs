// SPDX-License-Identifier: GPL-2.0

//! Network devices (`struct net_device`).
//!
//! [`Registration`] owns a device from its allocation to its end; [`Handle`] is what callbacks and
//! polls see of it, with the driver's private data; [`Unfinished`] is what there is of it while the
//! private data are being made.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

mod features;
mod operations;
mod statistics;
mod transmit;

pub(crate) use features::Features;
pub(crate) use operations::Operations;
pub(crate) use statistics::{
    Received,
    Transmitted, //
};
pub(crate) use transmit::TransmitQueue;

use super::rtnl::Rtnl;
use crate::{
    bindings,
    compat, //
};
use core::{
    marker::PhantomData,
    mem::{
        align_of,
        size_of, //
    },
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    device,
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Longest name of a device, with the terminating NUL. Bytes.
const NAME_LEN: usize = bindings::IFNAMSIZ as usize;

/// A network device with private data `T`.
///
/// # Invariants
///
/// Represents a valid `struct net_device` made by [`Registration::new`], whose private data are an
/// initialised `T`. The device outlives everything that the private data hold.
#[repr(transparent)]
pub(crate) struct Handle<T: Operations>(Opaque<bindings::net_device>, PhantomData<T>);

// SAFETY: The methods may be called from any thread, and `T` may be shared.
unsafe impl<T: Operations> Sync for Handle<T> {}

/// A network device of which the private data are not made yet.
pub(crate) struct Unfinished<T: Operations>(*mut bindings::net_device, PhantomData<T>);

impl<T: Operations> Unfinished<T> {
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0
    }
}

impl<T: Operations> Handle<T> {
    pub(crate) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// # Safety
    ///
    /// `raw` must be a device of a live [`Registration<T>`], for as long as `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the safety requirement; `Handle` is transparent.
        unsafe { &*raw.cast() }
    }

    /// The driver's private data.
    #[inline]
    pub(crate) fn data(&self) -> &T {
        // SAFETY: By the type invariant.
        unsafe { &*bindings::xnb_netdev_priv(self.as_raw()).cast::<T>() }
    }

    /// How many queues it has in each direction.
    #[inline]
    fn queues(&self) -> u16 {
        // SAFETY: By the type invariant; the number is constant.
        let queues = unsafe { (*self.as_raw()).num_tx_queues };
        // CAST: `Registration::new()` made a 16-bit number of them.
        queues as u16
    }

    /// Sets how many of the queues are in use, in both directions.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there are not that many.
    pub(crate) fn set_real_queues(&self, queues: u32, _rtnl: &mut Rtnl) -> Result {
        // SAFETY: By the type invariant; the RTNL is held.
        to_result(unsafe { bindings::netif_set_real_num_tx_queues(self.as_raw(), queues) })?;
        // SAFETY: As above.
        to_result(unsafe { bindings::netif_set_real_num_rx_queues(self.as_raw(), queues) })
    }

    /// Tells the stack whether there is somebody at the other end. Any context.
    pub(crate) fn set_carrier(&self, on: bool) {
        // SAFETY: By the type invariant.
        unsafe {
            if on {
                bindings::netif_carrier_on(self.as_raw());
            } else {
                bindings::netif_carrier_off(self.as_raw());
            }
        }
    }

    /// Has the administrator set the device up?
    pub(crate) fn is_running(&self, _rtnl: &mut Rtnl) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_netif_running(self.as_raw()) }
    }

    /// Has the stack ask again which features the device has ([`Operations::fix_features`]).
    pub(crate) fn update_features(&self, _rtnl: &mut Rtnl) {
        // SAFETY: By the type invariant; the RTNL is held.
        unsafe { bindings::netdev_update_features(self.as_raw()) };
    }

    /// The MTU. Bytes.
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_netdev_mtu(self.as_raw()) }
    }

    /// Changes the MTU (bytes), with all notifications.
    pub(crate) fn set_mtu(&self, mtu: u32, _rtnl: &mut Rtnl) -> Result {
        // SAFETY: By the type invariant; the RTNL is held.
        to_result(unsafe { bindings::dev_set_mtu(self.as_raw(), mtu as c_int) })
    }

    /// The device's name at the moment. The administrator may change it.
    pub(crate) fn name(&self) -> Name {
        let mut name = [0; NAME_LEN];
        // SAFETY: By the type invariant.
        let mut from: *const u8 = unsafe { (&raw const (*self.as_raw()).name).cast() };
        for to in &mut name {
            // A name that is changed meanwhile may come out mixed, but ends within its bounds.
            //
            // SAFETY: Both names have `NAME_LEN` bytes.
            *to = unsafe { from.read_volatile() };
            from = from.wrapping_add(1);
        }
        Name(name)
    }
}

/// A copy of a device's name.
pub(crate) struct Name([u8; NAME_LEN]);

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        CStr::from_bytes_until_nul(&self.0)
            .ok()
            .and_then(|name| name.to_str().ok())
            .unwrap_or("?")
    }
}

/// What a new device is like.
pub(crate) struct Description<'a> {
    /// The device it belongs to.
    pub(crate) parent: &'a device::Device,
    /// Its name.
    pub(crate) name: &'a CStr,
    /// The most queues that it will have in each direction, at least 1.
    pub(crate) queues: u16,
    /// Its Ethernet address.
    pub(crate) address: [u8; 6],
    /// What it can do at best.
    pub(crate) features: Features,
    /// The smallest and the largest MTU. Bytes.
    pub(crate) mtu_range: (u32, u32),
    /// The longest packet that it takes for segmentation. Bytes.
    pub(crate) max_segmentation: u32,
}

/// A registered network device; dropping it unregisters it, which waits for everything that uses
/// it. May only be dropped in process context, without the RTNL.
///
/// # Invariants
///
/// `device` is valid and registered, and fulfils the invariants of [`Handle<T>`].
pub(crate) struct Registration<T: Operations> {
    device: NonNull<bindings::net_device>,
    _data: PhantomData<T>,
}

// SAFETY: A device may be unregistered by any thread, and `T` may be sent.
unsafe impl<T: Operations> Send for Registration<T> {}
// SAFETY: Only gives access to a `Handle<T>`, which may be shared.
unsafe impl<T: Operations> Sync for Registration<T> {}

impl<T: Operations> Registration<T> {
    /// Makes a device, its private data, and registers it: without carrier, and not up. Takes the
    /// RTNL.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG`, `ENOMEM`, or what `make` or the stack said.
    pub(crate) fn new(
        description: &Description<'_>,
        make: impl FnOnce(&Unfinished<T>) -> Result<T>,
    ) -> Result<Self> {
        const {
            assert!(
                align_of::<T>() <= 32,
                "private data are aligned to NETDEV_ALIGN"
            )
        };

        // The stack takes a longer name for a bug, and stops the machine.
        if description.name.to_bytes_with_nul().len() > NAME_LEN {
            return Err(compat::enametoolong());
        }

        // SAFETY: The name is NUL-terminated and not too long; `ether_setup` is a valid setup function.
        let raw = NonNull::new(unsafe {
            bindings::alloc_netdev_mqs(
                size_of::<T>() as c_int,
                description.name.as_char_ptr(),
                bindings::NET_NAME_UNKNOWN as u8,
                Some(bindings::ether_setup),
                description.queues.into(),
                description.queues.into(),
            )
        })
        .ok_or(ENOMEM)?;

        // SAFETY: Allocated above, and not registered.
        unsafe { Self::describe(raw, description) };

        // SAFETY: As above.
        let data = unsafe { bindings::xnb_netdev_priv(raw.as_ptr()).cast::<T>() };
        match make(&Unfinished(raw.as_ptr(), PhantomData)) {
            // SAFETY: The private data have room for a `T`, and are not initialised.
            Ok(value) => unsafe { data.write(value) },
            Err(err) => {
                // SAFETY: Allocated above; nobody else knows it.
                unsafe { bindings::free_netdev(raw.as_ptr()) };
                return Err(err);
            }
        }

        // SAFETY: Allocated, described and with private data.
        if let Err(err) = to_result(unsafe { bindings::register_netdev(raw.as_ptr()) }) {
            // SAFETY: Initialised above, and not registered.
            unsafe { core::ptr::drop_in_place(data) };
            // SAFETY: As above.
            unsafe { bindings::free_netdev(raw.as_ptr()) };
            return Err(err);
        }

        // INVARIANT: All done above.
        Ok(Self {
            device: raw,
            _data: PhantomData,
        })
    }

    /// # Safety
    ///
    /// `raw` must be allocated, and not registered.
    unsafe fn describe(raw: NonNull<bindings::net_device>, description: &Description<'_>) {
        let device = raw.as_ptr();

        // SAFETY: By the safety requirement, the device is ours alone.
        unsafe {
            // SET_NETDEV_DEV(). CAST: `device::Device` is a transparent `struct device`.
            (*device).dev.parent = core::ptr::from_ref(description.parent).cast_mut().cast();
            bindings::xnb_netdev_describe(
                device,
                const { &Self::NETDEV_OPS },
                core::ptr::from_ref(const { &Self::ETHTOOL_OPS }).cast(),
                description.features.into_raw(),
                description.mtu_range.0,
                description.mtu_range.1,
                description.max_segmentation,
            );
            (*device).stat_ops = const { &Self::STAT_OPS };
            bindings::dev_addr_mod(
                device,
                0,
                description.address.as_ptr().cast(),
                description.address.len(),
            );
            bindings::netif_carrier_off(device);
        }
    }

    /// The device.
    pub(crate) fn handle(&self) -> &Handle<T> {
        // SAFETY: By the type invariant.
        unsafe { Handle::from_raw(self.device.as_ptr()) }
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        let raw = self.device.as_ptr();
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::unregister_netdev(raw) };
        // SAFETY: The private data are initialised, and nobody uses them any more.
        unsafe { core::ptr::drop_in_place(bindings::xnb_netdev_priv(raw).cast::<T>()) };
        // SAFETY: The device is unregistered, and this was its owner.
        unsafe { bindings::free_netdev(raw) };
    }
}
