//! What does a number mean that DPDK gives as its reason?
//!
//! Not here: which call failed, and what to do about it; the error types of each room say that.

use std::ffi::c_int;

use crate::raw;

/// A reason as DPDK and the kernel give it. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Errno {
    /// EPERM or EACCES.
    #[error("permission denied")]
    NotPermitted,
    /// ENOENT.
    #[error("no such thing")]
    NotFound,
    /// ENODEV or ENXIO.
    #[error("no such device, or it was removed")]
    NoDevice,
    /// EEXIST.
    #[error("the name is taken")]
    Exists,
    /// ENOMEM or ENOBUFS.
    #[error("not enough memory")]
    NoMemory,
    /// ENOSPC.
    #[error("no room left")]
    NoSpace,
    /// EBUSY or EAGAIN.
    #[error("busy")]
    Busy,
    /// EINVAL or ERANGE.
    #[error("invalid argument")]
    Invalid,
    /// ENOTSUP or ENOSYS.
    #[error("not supported")]
    NotSupported,
    /// EALREADY.
    #[error("already done")]
    Already,
    /// EIO.
    #[error("input/output error")]
    Io,
    /// ENOEXEC.
    #[error("a service or driver could not be started")]
    NoExec,
    /// EPROTO.
    #[error("the processes that share this prefix disagree on the protocol")]
    Protocol,
    /// Any other number, as a positive errno.
    #[error("errno {0}")]
    Unknown(i32),
}

impl Errno {
    /// The reason behind `code`, which may be a positive errno or a negative return value.
    pub(crate) fn from_code(code: c_int) -> Self {
        let code = code.wrapping_abs();
        match u32::try_from(code).unwrap_or(0) {
            raw::EPERM | raw::EACCES => Self::NotPermitted,
            raw::ENOENT => Self::NotFound,
            raw::ENODEV | raw::ENXIO => Self::NoDevice,
            raw::EEXIST => Self::Exists,
            raw::ENOMEM | raw::ENOBUFS => Self::NoMemory,
            raw::ENOSPC => Self::NoSpace,
            raw::EBUSY | raw::EAGAIN => Self::Busy,
            raw::EINVAL | raw::ERANGE => Self::Invalid,
            raw::ENOTSUP | raw::ENOSYS => Self::NotSupported,
            raw::EALREADY => Self::Already,
            raw::EIO => Self::Io,
            raw::ENOEXEC => Self::NoExec,
            raw::EPROTO => Self::Protocol,
            _ => Self::Unknown(code),
        }
    }

    /// The reason of the last failed call of this thread that sets `rte_errno`.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local integer.
        Self::from_code(unsafe { raw::weir_errno() })
    }

    /// `code` as a result: 0 and above are success, below is the reason.
    pub(crate) fn check(code: c_int) -> Result<c_int, Self> {
        if code < 0 { Err(Self::from_code(code)) } else { Ok(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn both_signs_mean_the_same() {
        assert_eq!(Errno::from_code(-12), Errno::NoMemory);
        assert_eq!(Errno::from_code(12), Errno::NoMemory);
    }

    #[test]
    fn unknown_numbers_are_kept() {
        assert_eq!(Errno::from_code(-4711), Errno::Unknown(4711));
        assert_eq!(Errno::Unknown(4711).to_string(), "errno 4711");
    }

    #[test]
    fn only_negative_codes_are_failures() {
        assert_eq!(Errno::check(0), Ok(0));
        assert_eq!(Errno::check(3), Ok(3));
        assert_eq!(Errno::check(-16), Err(Errno::Busy));
    }
}
