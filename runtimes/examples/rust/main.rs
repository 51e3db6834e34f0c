// A function in Rust that speaks NDJSON: one JSON object a line, on stdin and stdout. It answers with the event that it got.
// Build it with `rustc -O -o serve main.rs`. With the crate serde_json the fields would be read; here the line is cut where
// they are, so that nothing needs to be downloaded.
use std::io::{self, BufRead, Write};

/// The id of the call, and the event as JSON.
fn read_invoke(line: &str) -> Option<(u64, &str)> {
    let rest = line.strip_prefix(r#"{"type":"invoke","id":"#)?;
    let id = rest.split(',').next()?.parse().ok()?;
    let (_, event) = rest.split_once(r#","event":"#)?;
    Some((id, event.trim_end().strip_suffix('}')?))
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, r#"{{"type":"ready"}}"#)?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some((id, event)) = read_invoke(&line) else { continue };
        writeln!(out, r#"{{"type":"log","id":{id},"message":"hello from Rust"}}"#)?;
        writeln!(out, r#"{{"type":"result","id":{id},"result":{{"language":"Rust","event":{event}}}}}"#)?;
        out.flush()?;
    }
    Ok(())
}
