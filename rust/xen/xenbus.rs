// SPDX-License-Identifier: GPL-2.0

//! Backend devices and drivers on the xenbus.
//!
//! C header: [`include/xen/xenbus.h`](srctree/include/xen/xenbus.h)

use super::{
    watch::{
        self,
        Watch, //
    },
    xenstore,
    DomId, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    device,
    device_id::{
        IdTable as _,
        RawDeviceId, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    fmt,
    prelude::*,
    str::CString,
    sync::{
        aref::AlwaysRefCounted,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        }, //
    },
    types::Opaque,
    ThisModule, //
};
use netif::xenbus_state::State;

/// Names the kind of device that a driver serves, such as `vif`.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct DeviceId(bindings::xenbus_device_id);

impl DeviceId {
    /// Devices of type `devicetype`, at most 31 bytes.
    pub(crate) const fn new(devicetype: &'static CStr) -> Self {
        let name = devicetype.to_bytes_with_nul();
        let mut id = bindings::xenbus_device_id {
            devicetype: [0; 32],
        };
        // A name that is too long fails the build: this is a constant.
        let mut i = 0;
        while i < name.len() {
            id.devicetype[i] = name[i];
            i += 1;
        }
        Self(id)
    }
}

// SAFETY: `DeviceId` is a transparent wrapper of `struct xenbus_device_id`.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::xenbus_device_id;
}

/// A table of the devices that a driver serves.
pub(crate) type IdTable = &'static kernel::device_id::IdArray<DeviceId, (), 1>;

/// What [`Driver::frontend_changed`] wants done with the device afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing more.
    Keep,
    /// The device is finished: unregister it, which unbinds the driver.
    Unregister,
}

/// A driver of backend devices.
pub(crate) trait Driver {
    /// The driver's private data of one device.
    type Data: Send + Sync + 'static;

    /// The devices it serves.
    const IDS: IdTable;

    /// A device was found. Process context.
    fn probe(dev: &Device<device::Core<'_>>) -> Result<Self::Data>;

    /// The frontend changed its state, or is seen for the first time. Runs in the xenwatch thread.
    ///
    /// `state` is the number that the frontend wrote when that is no state at all.
    ///
    /// Never runs together with [`Driver::unbind`] or with itself.
    fn frontend_changed(
        dev: &Device<device::Core<'_>>,
        data: Pin<&Self::Data>,
        state: Result<State, u32>,
    ) -> Outcome;

    /// The device goes away, or the driver does. Process context.
    ///
    /// Everything that touches the frontend has to be gone when this returns: xenbus may publish
    /// that the backend is closed before the data are dropped.
    fn unbind(dev: &Device<device::Core<'_>>, data: Pin<&Self::Data>);
}

/// A backend device.
///
/// # Invariants
///
/// Represents a valid `struct xenbus_device` made by the C portion of the kernel.
#[repr(transparent)]
pub(crate) struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::xenbus_device>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    pub(super) fn as_raw(&self) -> *mut bindings::xenbus_device {
        self.0.get()
    }

    /// The generic device.
    pub(crate) fn as_raw_device(&self) -> *mut bindings::device {
        // SAFETY: By the type invariant, the pointer is valid, so that a field can be addressed.
        unsafe { &raw mut (*self.as_raw()).dev }
    }

    /// The device's own directory in xenstore, such as `backend/vif/1/0`.
    pub(crate) fn nodename(&self) -> &CStr {
        // SAFETY: By the type invariant; the name is set before the device is registered and
        // stays until it is freed.
        unsafe { c_str((*self.as_raw()).nodename) }
    }

    /// Publishes the backend's state. Process context.
    ///
    /// # Errors
    ///
    /// xenstored's; it has been logged.
    pub(crate) fn switch_state(&self, state: State) -> Result {
        // SAFETY: By the type invariant. The states of `netif` are those of xenbus.
        to_result(unsafe { bindings::xenbus_switch_state(self.as_raw(), state as u32) })
    }

    /// Does the toolstack want the device to stay when the frontend closes? Process context.
    pub(crate) fn is_online(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::xenbus_dev_is_online(self.as_raw()) != 0 }
    }

    /// Tells the administrator what is wrong: the `error` node of the device in xenstore, where
    /// toolstacks look for it, and a rate-limited line in the log. Process context.
    pub(crate) fn report_error(&self, err: Error, what: fmt::Arguments<'_>) {
        // SAFETY: May be called at any time.
        if unsafe { bindings::net_ratelimit() } != 0 {
            dev_err!(self.as_ref(), "{}\n", what);
        }

        let dir = CString::try_from_fmt(fmt!("error/{}", self.nodename_text()));
        if let Ok(dir) = dir {
            // When even this fails there is nobody left to tell.
            let _ = xenstore::Transaction::NONE.write(
                &dir,
                c"error",
                // As `xenbus_dev_error()` has it, whose line in the log is not limited.
                fmt!("{} {}", err.to_errno().wrapping_neg(), what),
            );
        }
    }

    /// The device's directory, for messages.
    pub(crate) fn nodename_text(&self) -> &str {
        self.nodename().to_str().unwrap_or("?")
    }

    /// Sends `KOBJ_ONLINE` or `KOBJ_OFFLINE` with the variables that hotplug scripts expect:
    /// `script` and `vif`. Process context.
    pub(crate) fn hotplug_event(&self, online: bool, script: &str, vif: &str) -> Result {
        let script = CString::try_from_fmt(fmt!("script={script}"))?;
        let vif = CString::try_from_fmt(fmt!("vif={vif}"))?;
        let mut env = [
            script.as_char_ptr().cast_mut(),
            vif.as_char_ptr().cast_mut(),
            core::ptr::null_mut(),
        ];
        let action = if online {
            bindings::kobject_action_KOBJ_ONLINE
        } else {
            bindings::kobject_action_KOBJ_OFFLINE
        };
        // SAFETY: By the type invariant; the environment is a NULL-terminated array of strings
        // that live through the call and are not written to.
        to_result(unsafe {
            bindings::kobject_uevent_env(
                &raw mut (*self.as_raw_device()).kobj,
                action,
                env.as_mut_ptr(),
            )
        })
    }
}

/// `CStr::from_ptr()` without its check for a string as long as the address space, which is a
/// panic in the code.
///
/// # Safety
///
/// `text` must be NUL-terminated, and stay as it is for `'a`.
unsafe fn c_str<'a>(text: *const c_char) -> &'a CStr {
    // SAFETY: By the safety requirement.
    let len = unsafe { bindings::strlen(text) };
    // SAFETY: By the safety requirement: `len` bytes and the NUL.
    unsafe {
        CStr::from_bytes_with_nul_unchecked(core::slice::from_raw_parts(text, len.wrapping_add(1)))
    }
}

impl Device<device::Bound> {
    /// The frontend's directory in xenstore, such as `/local/domain/1/device/vif/0`.
    pub(crate) fn otherend(&self) -> &CStr {
        // SAFETY: By the type invariant; xenbus sets it before a driver's probe and frees it after
        // its remove, so it is there while a driver is bound.
        unsafe { c_str((*self.as_raw()).otherend) }
    }

    /// The frontend's domain.
    pub(crate) fn otherend_id(&self) -> DomId {
        // SAFETY: By the type invariant.
        let id = unsafe { (*self.as_raw()).otherend_id };
        // CAST: Xen's domain numbers have 16 bits.
        id as DomId
    }
}

// SAFETY: `Device` is a transparent wrapper that does not depend on its generic argument.
kernel::impl_device_context_deref!(unsafe { Device });
kernel::impl_device_context_into_aref!(Device);

// SAFETY: A xenbus device is always reference-counted, by its embedded `struct device`.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: A shared reference guarantees a reference count above zero.
        unsafe { bindings::get_device(self.as_raw_device()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference, so the device is still valid.
        unsafe { bindings::put_device(obj.as_ref().as_raw_device()) };
    }
}

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant, the embedded device is valid; the context is the same.
        unsafe { device::Device::from_raw(self.as_raw_device()) }
    }
}

// SAFETY: A `Device` may be released from any thread.
unsafe impl Send for Device {}
// SAFETY: The methods of `Device<Normal>` may be called from several threads.
unsafe impl Sync for Device {}

/// Is the driver being unregistered?
static UNREGISTERING: Atomic<bool> = Atomic::new(false);

/// The handler of a watch that is only unregistered.
struct Nothing;

impl watch::Handler for Nothing {
    fn changed(&self) {}
}

/// Registers a [`Driver`] with the bus of backends.
pub(crate) struct Adapter<T: Driver>(T);

// SAFETY:
// - `bindings::xenbus_driver` is a C type declared as `repr(C)`.
// - `T::Data` is the type of the driver's private data.
// - `struct xenbus_driver` embeds a `struct device_driver` at `DEVICE_DRIVER_OFFSET`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::xenbus_driver;
    type DriverData<'bound> = T::Data;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(Self::DriverType, driver);
}

// SAFETY: `unregister` is valid for every driver that `register` registered.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        drv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The fields may be set on initialisation.
        unsafe {
            (*drv.get()).name = name.as_char_ptr();
            (*drv.get()).ids = T::IDS.as_ptr();
            // The frontend stays connected over an unbind, to be taken over by the next bind.
            (*drv.get()).allow_rebind = true;
            (*drv.get()).probe = Some(Self::probe_callback);
            (*drv.get()).remove = Some(Self::remove_callback);
            (*drv.get()).otherend_changed = Some(Self::otherend_changed_callback);
        }

        // SAFETY: `drv` is valid, and stays so until `unregister`.
        to_result(unsafe {
            bindings::__xenbus_register_backend(drv.get(), module.as_ptr(), name.as_char_ptr())
        })?;

        // SAFETY: `drv` is registered; the name is a NUL-terminated string.
        if unsafe { bindings::xnb_backend_driver_exists(drv.get(), c"vif".as_char_ptr()) } {
            pr_warn!(
                "xen-netback is loaded too and keeps the devices it has; to use this driver for \
                 all, shut the guests down, then: modprobe -r xen-netback xen_netback_rs; \
                 modprobe xen_netback_rs\n"
            );
        }
        Ok(())
    }

    unsafe fn unregister(drv: &Opaque<Self::DriverType>) {
        UNREGISTERING.store(true, Release);
        // Unregistering a watch waits for the xenwatch thread to be between two callbacks. Those
        // that come after that see the flag.
        let barrier = CString::try_from_fmt(fmt!("domid"))
            .and_then(|path| KBox::pin_init(Watch::new(path, Nothing), GFP_KERNEL));
        match barrier {
            Ok(barrier) => drop(barrier),
            Err(err) => pr_warn!(
                "watching domid failed ({}): unloading blocks if a guest's card is removed now\n",
                err.to_errno()
            ),
        }

        // SAFETY: `drv` is registered.
        unsafe { bindings::xenbus_unregister_driver(drv.get()) }
    }
}

impl<T: Driver> Adapter<T> {
    /// The module that the driver bound to `dev` belongs to.
    fn owner(dev: *mut bindings::xenbus_device) -> *mut bindings::module {
        // SAFETY: Only called from a driver's callbacks, while `dev` and its driver are valid.
        unsafe { (*(*dev).dev.driver).owner }
    }

    extern "C" fn probe_callback(
        raw: *mut bindings::xenbus_device,
        _id: *const bindings::xenbus_device_id,
    ) -> c_int {
        // SAFETY: xenbus calls this with a valid device that is being bound to this driver.
        //
        // INVARIANT: Valid for the duration of this function.
        let dev = unsafe { &*raw.cast::<Device<device::CoreInternal<'_>>>() };

        from_result(|| {
            dev.as_ref().set_drvdata(T::probe(dev))?;

            // xenbus holds a reference to the module for each bound device, which would forbid
            // unloading it as long as any guest has a card. Unregistering the driver waits for this
            // module's callbacks and unbinds every device, so the reference protects nothing more:
            // give it back.
            //
            // SAFETY: xenbus took it just before this call.
            unsafe { bindings::xnb_module_put(Self::owner(raw)) };
            Ok(0)
        })
    }

    extern "C" fn remove_callback(raw: *mut bindings::xenbus_device) {
        // SAFETY: xenbus calls this with a valid device that is bound to this driver.
        //
        // INVARIANT: Valid for the duration of this function.
        let dev = unsafe { &*raw.cast::<Device<device::CoreInternal<'_>>>() };

        // SAFETY: xenbus puts a reference after this returns: the one that `probe_callback` gave
        // back. The module cannot vanish here, as unloading it waits for this unbind.
        unsafe { bindings::xnb_module_get(Self::owner(raw)) };

        // SAFETY: Only called after `probe_callback` succeeded, which stored `T::Data`, and before
        // the driver core drops it.
        let data = unsafe { dev.as_ref().drvdata_borrow::<T::Data>() };
        T::unbind(dev, data);
    }

    extern "C" fn otherend_changed_callback(
        raw: *mut bindings::xenbus_device,
        state: bindings::xenbus_state,
    ) {
        let outcome = {
            // SAFETY: xenbus calls this with a valid device that is bound to this driver: the
            // watch is registered after probe and unregistered before remove.
            //
            // INVARIANT: Valid for the duration of this block.
            let dev = unsafe { &*raw.cast::<Device<device::CoreInternal<'_>>>() };
            // SAFETY: As above, `probe_callback` stored `T::Data`.
            let data = unsafe { dev.as_ref().drvdata_borrow::<T::Data>() };
            T::frontend_changed(dev, data, State::try_from(state).map_err(|_| state))
        };

        // Whoever unregisters the driver holds the device's lock and waits for this thread to finish
        // here, so this must not wait for the lock. The device is as closed as it can be; it goes
        // with its nodes, or with the next driver.
        if outcome == Outcome::Unregister && !UNREGISTERING.load(Acquire) {
            // SAFETY: The device is registered, and xenbus unregisters devices in this thread
            // only. The data borrowed above, which this drops, are no longer in use.
            unsafe { bindings::device_unregister(&raw mut (*raw).dev) };
        }
    }
}
