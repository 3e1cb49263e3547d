//! What does every command need? The appliance to ask, and a way to show what it says.
//!
//! Not here: how replies look (`render`).

use std::io::{self, ErrorKind, IsTerminal, Write};

use anstream::AutoStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use weir_core::api::Method;

use crate::arguments::{General, Output};
use crate::client::Connection;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;

/// One run of the command.
pub(crate) struct Session<'a> {
    general: &'a General,
}

impl<'a> Session<'a> {
    /// A run with these options.
    pub(crate) const fn new(general: &'a General) -> Self {
        Self { general }
    }

    /// Whether programs read the output.
    pub(crate) fn is_json(&self) -> bool {
        self.general.output == Output::Json
    }

    /// A connection to the appliance.
    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        Ok(Connection::open(&self.general.socket)?)
    }

    /// Asks one question on a connection of its own.
    pub(crate) fn ask<T: DeserializeOwned>(&self, method: Method) -> Result<T, Failure> {
        let mut connection = self.connect()?;
        let _progress = Progress::of("Waiting for the appliance");
        Ok(connection.ask(method)?)
    }

    /// Asks, and shows the reply.
    pub(crate) fn show<T: DeserializeOwned + Serialize>(
        &self,
        method: Method,
        render: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.general.output {
            Output::Human => self.print(&render(&self.ask(method)?)),
            // The whole reply, fields of a newer appliance included.
            Output::Json => self.print(&render::json(&self.ask::<Value>(method)?)),
        }
    }

    /// Writes text, with its colours where they are wanted.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.colors());
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Unread),
            Err(error) => Err(Failure::Unwritable(error)),
        }
    }

    /// Tells a person, and no program, what is going on.
    pub(crate) fn note(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        if stderr.is_terminal() && !self.is_json() {
            // Without stderr there is nobody to tell.
            writeln!(stderr, "{text}").unwrap_or_default();
        }
    }

    /// Tells what went wrong.
    pub(crate) fn complain(&self, failure: &Failure) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.colors());
        // Without stderr there is nobody left to tell; the exit code still says it.
        stderr.write_all(failure.text(self.general.output).as_bytes()).unwrap_or_default();
    }

    const fn colors(&self) -> anstream::ColorChoice {
        match self.general.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        }
    }
}
