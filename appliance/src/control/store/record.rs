//! What is one stored configuration as bytes, and are these bytes one?
//!
//! ```text
//!   {"formatVersion":1,"number":7,"appliedAt":"…","appliedBy":{…},"restores":null,
//!    "fileSha256":"…","sha256":"…","configuration":{…}
//!   ,"seal":"…"}
//! ```
//!
//! `sha256` is that of the configuration's own bytes and says which configuration it is; the seal
//! is that of every byte before its line, so that no byte of the file can change unseen.
//!
//! Not here: files (`directory`), what a configuration means (`weir_core::config`).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Digest;
use weir_core::api::Author;
use weir_core::config::Problem;
use weir_core::limits::{CONFIGURATION_BYTES_MAX, STORED_BYTES_MAX};

/// The SHA-256 of some bytes; 64 lower-case hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Sha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const SHAPE: &str = "a SHA-256 has 64 lower-case hexadecimal digits";
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(SHAPE);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = hex(*high).ok_or(SHAPE)? << 4 | hex(*low).ok_or(SHAPE)?;
        }
        Ok(Self(bytes))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What is known of a stored configuration without the configuration itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Rises with every configuration that is stored, also across restarts.
    pub number: u64,
    /// When it was put in force: RFC 3339, UTC.
    pub applied_at: String,
    /// Who put it in force.
    pub applied_by: Author,
    /// The number of the stored configuration that this one put in force again.
    pub restores: Option<u64>,
    /// Of the file or directory of `--config`, as it was when weir last accepted it.
    pub file_sha256: Sha256,
    /// Of the configuration's bytes.
    pub sha256: Sha256,
}

/// A stored configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is known of it.
    pub summary: Summary,
    /// The configuration document, JSON.
    pub configuration: String,
}

/// Why a stored file is no configuration to start with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Damage {
    /// The end is missing.
    #[error("is cut off after {0} bytes")]
    Truncated(usize),
    /// No JSON at all.
    #[error("is not JSON: {0}")]
    NotJson(String),
    /// JSON of somebody else.
    #[error("does not end with the seal that weir writes: something else wrote it")]
    NoSeal,
    /// Bytes have changed.
    #[error("does not match its checksum: it was changed after weir had written it")]
    Altered,
    /// Sealed, and yet without what belongs into it.
    #[error("is no stored configuration: {0}")]
    NotARecord(String),
    /// A format of another release.
    #[error("is of format {0}, and this weir reads {FORMAT_VERSION}: a newer weir wrote it")]
    Format(u32),
    /// A copy under another name.
    #[error("holds the configuration of number {0}: it was renamed or copied")]
    Renamed(u64),
    /// Longer than any stored configuration.
    #[error("has {0} bytes, and a stored configuration has at most {STORED_BYTES_MAX}")]
    TooLong(u64),
    /// Not a file that only weir can have written.
    #[error("{0}")]
    Untrusted(String),
    /// The system refuses to read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is whole, and what it says is refused.
    #[error("holds a configuration that is refused")]
    Refused(Vec<Problem>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    format_version: u32,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// As bytes, sealed.
#[must_use]
pub(super) fn seal(summary: &Summary, configuration: &str) -> Vec<u8> {
    let head = Head { format_version: FORMAT_VERSION, summary };
    let Ok(head) = serde_json::to_string(&head) else {
        unreachable!("a summary has string keys only, so it is always JSON");
    };
    let mut text = head.strip_suffix('}').unwrap_or(&head).to_owned();
    text.reserve(CONFIGURATION_KEY.len() + configuration.len() + TAIL_BYTES);
    text += CONFIGURATION_KEY;
    text += configuration;
    let seal = Sha256::of(text.as_bytes());
    text += &format!("{SEAL_KEY}{seal}{SEAL_END}");
    text.into_bytes()
}

/// From the bytes of the file that has `number` in its name.
///
/// # Errors
/// What is wrong with them; nothing is repaired or guessed.
pub(super) fn open(number: u64, bytes: &[u8]) -> Result<Record, Damage> {
    let (head, sealed) = split_seal(bytes).ok_or_else(|| unsealed(bytes))?;
    if Sha256::of(head) != sealed {
        return Err(Damage::Altered);
    }
    let no_record = |error: serde_json::Error| Damage::NotARecord(error.to_string());
    let Version { format_version } = serde_json::from_slice(bytes).map_err(no_record)?;
    if format_version != FORMAT_VERSION {
        return Err(Damage::Format(format_version));
    }
    let Body { configuration } = serde_json::from_slice(bytes).map_err(no_record)?;
    let summary: Summary = serde_json::from_slice(bytes).map_err(no_record)?;
    if summary.number != number {
        return Err(Damage::Renamed(summary.number));
    }
    if Sha256::of(configuration.get().as_bytes()) != summary.sha256 {
        return Err(Damage::Altered);
    }
    Ok(Record { summary, configuration: configuration.get().to_owned() })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u32,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    configuration: &'a RawValue,
}

/// What was sealed, and the seal.
fn split_seal(bytes: &[u8]) -> Option<(&[u8], Sha256)> {
    let (head, tail) = bytes.split_at_checked(bytes.len().checked_sub(TAIL_BYTES)?)?;
    let seal = std::str::from_utf8(tail).ok()?.strip_prefix(SEAL_KEY)?.strip_suffix(SEAL_END)?;
    Some((head, seal.to_owned().try_into().ok()?))
}

/// Says what bytes without a seal are.
fn unsealed(bytes: &[u8]) -> Damage {
    match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        // What lacks nothing but its last line break is JSON.
        Ok(_) if bytes.ends_with(b"}") && split_seal(&[bytes, b"\n"].concat()).is_some() => {
            Damage::Truncated(bytes.len())
        }
        Ok(_) => Damage::NoSeal,
        Err(error) if error.is_eof() => Damage::Truncated(bytes.len()),
        Err(error) => Damage::NotJson(error.to_string()),
    }
}

/// Raised when a weir that knows the number before would misread the file.
const FORMAT_VERSION: u32 = 1;
const CONFIGURATION_KEY: &str = ",\"configuration\":";
const SEAL_KEY: &str = "\n,\"seal\":\"";
const SEAL_END: &str = "\"}\n";
/// The seal's line with its break before.
const TAIL_BYTES: usize = SEAL_KEY.len() + 64 + SEAL_END.len();

// The head has a handful of short fields; 4 KiB hold it many times over.
const _: () = assert!(STORED_BYTES_MAX >= CONFIGURATION_BYTES_MAX + TAIL_BYTES + 2048);
