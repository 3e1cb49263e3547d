//! How is a stream cut into lines without trusting the sender with memory?
//!
//! Not here: what the lines say (`client`).

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What came next on the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its newline. The last one may lack it.
    Text(Vec<u8>),
    /// The line is longer than allowed; the stream is of no further use.
    TooLong,
    /// The sender has closed its side.
    End,
}

/// Cuts a stream into lines. A line that is waited for in vain is not lost: what has come of it is
/// kept for the next call.
pub(super) struct Lines<S> {
    stream: S,
    bytes_max: usize,
    begun: Vec<u8>,
}

impl<S: AsyncBufRead + Unpin> Lines<S> {
    /// Lines of at most `bytes_max` bytes.
    pub(super) const fn new(stream: S, bytes_max: usize) -> Self {
        Self { stream, bytes_max, begun: Vec::new() }
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// What reading the stream says.
    pub(super) async fn next(&mut self) -> std::io::Result<Line> {
        loop {
            let available = self.stream.fill_buf().await?;
            if available.is_empty() {
                let last = std::mem::take(&mut self.begun);
                return Ok(if last.is_empty() { Line::End } else { Line::Text(last) });
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = available.get(..newline.unwrap_or(available.len())).unwrap_or(available);
            if self.begun.len() + part.len() > self.bytes_max {
                return Ok(Line::TooLong);
            }
            self.begun.extend_from_slice(part);
            let consumed = part.len() + usize::from(newline.is_some());
            self.stream.consume(consumed);
            if newline.is_some() {
                return Ok(Line::Text(std::mem::take(&mut self.begun)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, BufReader, duplex};
    use tokio::time::timeout;

    use super::*;

    async fn lines_of(text: &[u8], buffer: usize, bytes_max: usize) -> Vec<Line> {
        let mut reading = Lines::new(BufReader::with_capacity(buffer, text), bytes_max);
        let mut lines = Vec::new();
        loop {
            let line = reading.next().await.expect("memory can be read");
            let last = matches!(line, Line::TooLong | Line::End);
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    fn text(line: &str) -> Line {
        Line::Text(line.into())
    }

    #[tokio::test]
    async fn lines_are_cut_the_same_for_every_buffer_size() {
        for buffer in 1..12 {
            let lines = lines_of(b"one\n\ntwo\nlast", buffer, 4).await;
            assert_eq!(lines, [text("one"), text(""), text("two"), text("last"), Line::End]);
        }
    }

    #[tokio::test]
    async fn a_line_of_the_longest_length_is_read_and_one_byte_more_is_not() {
        for buffer in 1..12 {
            assert_eq!(lines_of(b"1234\n", buffer, 4).await, [text("1234"), Line::End]);
            assert_eq!(lines_of(b"12345\n", buffer, 4).await, [Line::TooLong]);
            assert_eq!(lines_of(b"12345", buffer, 4).await, [Line::TooLong]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_was_waited_for_in_vain_is_whole_when_it_comes() {
        let (mut sender, receiver) = duplex(64);
        let mut reading = Lines::new(BufReader::new(receiver), 16);
        for part in ["ha", "lf"] {
            sender.write_all(part.as_bytes()).await.expect("there is room");
            timeout(Duration::from_secs(1), reading.next()).await.expect_err("no line yet");
        }
        sender.write_all(b"!\n").await.expect("there is room");
        assert_eq!(reading.next().await.expect("memory can be read"), text("half!"));
    }
}
