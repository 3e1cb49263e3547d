//! What does DPDK say, how much of it, and to whom?
//!
//! Every function here may be called before [`Eal::init`](crate::Eal::init), and should be: most
//! of what DPDK has to say it says while it starts.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use crate::errno::Errno;
use crate::raw;

/// How grave a message is. More is said the further down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// The system is unusable.
    Emergency = 1,
    /// Something must be done at once.
    Alert = 2,
    /// A critical condition.
    Critical = 3,
    /// An error.
    Error = 4,
    /// A warning.
    Warning = 5,
    /// Normal, but significant.
    Notice = 6,
    /// Informational.
    Info = 7,
    /// For debugging.
    Debug = 8,
}

/// Why a change of the log was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// [`route`] was called before.
    #[error("DPDK's log has a reader already; route it once per process")]
    AlreadyRouted,
    /// The pattern cannot be a C string.
    #[error("the log pattern contains a NUL byte; remove it")]
    BadPattern,
    /// DPDK or the C library refused.
    #[error("DPDK's log could not be changed ({0}); free memory or check the pattern")]
    Refused(Errno),
}

/// Lets messages of `level` and graver through, of every component (`rte_log_set_level_pattern`
/// with `*`, and `rte_log_set_global_level`).
///
/// # Errors
/// [`LogError::Refused`] with DPDK's reason.
pub fn set_level(level: Level) -> Result<(), LogError> {
    // SAFETY: stores a number.
    unsafe { raw::rte_log_set_global_level(level as u32) };
    set_level_of("*", level)
}

/// Lets messages of `level` and graver through, of the components whose name matches `pattern`,
/// for example `lib.eal` or `pmd.net.*` (`rte_log_set_level_pattern`).
///
/// # Errors
/// [`LogError::BadPattern`], or [`LogError::Refused`] with DPDK's reason.
pub fn set_level_of(pattern: &str, level: Level) -> Result<(), LogError> {
    let pattern = CString::new(pattern).map_err(|_| LogError::BadPattern)?;
    // SAFETY: the string lives for the call, which copies it.
    let result = unsafe { raw::rte_log_set_level_pattern(pattern.as_ptr(), level as u32) };
    Errno::check(result).map(drop).map_err(LogError::Refused)
}

/// Sends what DPDK says to `sink` instead of stderr and syslog (`rte_openlog_stream`).
///
/// `sink` gets one message a call, usually one line with its newline. It runs on whichever thread
/// has something to say, one at a time, and must not panic (the process would abort) nor call
/// into this crate.
///
/// # Errors
/// [`LogError::AlreadyRouted`] on the second call, [`LogError::Refused`] if memory is short.
pub fn route(sink: impl Fn(&str) + Send + Sync + 'static) -> Result<(), LogError> {
    SINK.set(Box::new(sink)).map_err(|_| LogError::AlreadyRouted)?;
    // SAFETY: `deliver` may be called from any thread until the process ends.
    let result = unsafe { raw::weir_log_to(Some(deliver)) };
    Errno::check(result).map(drop).map_err(LogError::Refused)
}

unsafe extern "C" fn deliver(text: *const c_char, length: usize) {
    // SAFETY: the C library passes a buffer of `length` readable bytes that lives for the call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    if let Some(sink) = SINK.get() {
        sink(&String::from_utf8_lossy(bytes));
    }
}

type Sink = Box<dyn Fn(&str) + Send + Sync>;

static SINK: OnceLock<Sink> = OnceLock::new();
