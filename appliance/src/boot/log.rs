//! Where does the log go, and how much of it?
//!
//! Levels: ERROR needs repair, WARN is worth waking someone, INFO tells what changed, DEBUG what
//! was decided and about whom, TRACE everything. Workers do not log.

use std::io;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};
use weir_core::config::{Log, LogFormat, LogLevel};

use super::BootError;

/// What can change the level of a running log.
pub struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    /// Sets another level.
    pub fn set(&self, log: &Log) {
        if let Err(error) = self.0.reload(filter(log.level)) {
            tracing::warn!("the log level stays as it was: {error}");
        }
    }
}

/// Starts the log on standard error, and has DPDK's own messages go there too.
pub(super) fn start(log: &Log) -> Result<LogHandle, BootError> {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let layer = match log.format {
        LogFormat::Human => fmt::layer().with_writer(io::stderr).with_ansi(false).boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(io::stderr).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|error| BootError::Log(error.to_string()))?;
    let routed = dpdk::log::set_level(dpdk::log::Level::Warning).and_then(|()| {
        dpdk::log::route(|line| tracing::warn!(target: "dpdk", "{}", line.trim_end()))
    });
    if let Err(error) = routed {
        tracing::warn!("DPDK's own messages are not in this log: {error}");
    }
    Ok(LogHandle(handle))
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug,hyper=info,netlink_proto=info",
        LogLevel::Trace => "trace",
    })
}
