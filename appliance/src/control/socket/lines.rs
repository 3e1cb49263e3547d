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

/// Reads the next line of at most `bytes_max` bytes.
///
/// # Errors
/// What reading the stream says.
pub(super) async fn next_line(
    stream: &mut (impl AsyncBufRead + Unpin),
    bytes_max: usize,
) -> std::io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let available = stream.fill_buf().await?;
        if available.is_empty() {
            return Ok(if line.is_empty() { Line::End } else { Line::Text(line) });
        }
        let newline = available.iter().position(|byte| *byte == b'\n');
        let part = available.get(..newline.unwrap_or(available.len())).unwrap_or(available);
        if line.len() + part.len() > bytes_max {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(part);
        let consumed = part.len() + usize::from(newline.is_some());
        stream.consume(consumed);
        if newline.is_some() {
            return Ok(Line::Text(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn lines_of(text: &[u8], buffer: usize, bytes_max: usize) -> Vec<Line> {
        let mut stream = BufReader::with_capacity(buffer, text);
        let mut lines = Vec::new();
        loop {
            let line = next_line(&mut stream, bytes_max).await.expect("memory can be read");
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
}
