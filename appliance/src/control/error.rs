//! Why could the control side not run?

use std::io;

use super::twin::TwinError;

/// What ends the control side other than a signal.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The namespace or a twin cannot be made.
    #[error(transparent)]
    Twin(#[from] TwinError),
    /// The async runtime or a signal handler cannot be made.
    #[error("the control side cannot start: {0}; raise the limits of files and processes")]
    Runtime(io::Error),
}
