//! What the compiler does at the moment, as it says itself.
//!
//! Zig's `std.Progress` writes its tree into the pipe that `ZIG_PROGRESS` names,
//! some ten times a second, as a packet: the number of nodes, for each what is
//! done, how much there is and a name, and for each the index of its parent. The
//! lines differ in the length of a name. It is for people to look at: where it
//! makes no sense it is left unread, and nothing else depends on it.

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::Step;

/// Bytes of a node before its name: two numbers.
const NUMBERS_BYTES: usize = 8;
/// The parent of a root.
const NO_PARENT: u8 = 255;
/// What is read at once, more than the compiler writes between two looks.
const READ_BYTES: usize = 1 << 16;
/// Of a step's name; the terminal's line is short.
const NAME_CHARACTERS_MAX: usize = 60;
/// It writes some ten times a second for as long as it does anything.
const SILENCE: Duration = Duration::from_secs(1);
/// Runs beside all others from the first moment on, and says the least.
const LINKING: &str = "Linking";
/// Below these are single files and declarations, which come and go too fast to be read.
const FINEST: [&str; 3] = ["AST Lowering", "Semantic Analysis", "Code Generation"];

/// Takes a stream of packets apart, in whatever pieces it comes.
pub struct Decoder {
    name_bytes: usize,
    /// At most one packet that is not whole.
    rest: Vec<u8>,
    is_lost: bool,
}

impl Decoder {
    /// Reads the packets of a compiler's line, as `0.16`.
    #[must_use]
    pub fn new(line: &str) -> Self {
        Self { name_bytes: if line == "0.15" { 40 } else { 120 }, rest: Vec::new(), is_lost: false }
    }

    /// Takes the next bytes, and returns the step in the last whole packet.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Step> {
        if self.is_lost {
            return None;
        }
        self.rest.extend_from_slice(bytes);
        let mut latest = None;
        let mut start = 0;
        while let Some(count) = self.rest.get(start).copied().map(usize::from) {
            let end = start + 1 + count * (self.node_bytes() + 1);
            let Some(packet) = self.rest.get(start + 1..end) else { break };
            let Some(nodes) = nodes(packet, count, self.node_bytes()) else {
                // Another protocol than we know, or out of step: it would stay so.
                self.is_lost = true;
                self.rest = Vec::new();
                return None;
            };
            latest = step(&nodes).or(latest);
            start = end;
        }
        self.rest.drain(..start);
        latest
    }

    fn node_bytes(&self) -> usize {
        NUMBERS_BYTES + self.name_bytes
    }
}

/// One task of the compiler.
struct Node {
    parent: Option<usize>,
    name: String,
    done: u32,
    total: u32,
}

/// Reads the nodes of a packet; `None` where they make no sense.
fn nodes(packet: &[u8], count: usize, node_bytes: usize) -> Option<Vec<Node>> {
    let (storage, parents) = packet.split_at_checked(count * node_bytes)?;
    let node = |(bytes, parent): (&[u8], &u8)| {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let name = bytes[NUMBERS_BYTES..].split(|byte| *byte == 0).next().unwrap_or_default();
        // A name is cut after so many bytes, maybe within a character.
        let name = String::from_utf8_lossy(name).into_owned();
        let parent = (*parent != NO_PARENT).then_some(usize::from(*parent));
        if name.chars().any(char::is_control) || parent.is_some_and(|parent| parent >= count) {
            return None;
        }
        // The compiler marks a child process by the largest total there is.
        let total = number(4)?;
        let (done, total) = if total == u32::MAX { (0, 0) } else { (number(0)?, total) };
        Some(Node { parent, name, done, total })
    };
    storage.chunks_exact(node_bytes).zip(parents).map(node).collect()
}

/// Chooses what to show: down from the root along the first task of each.
fn step(nodes: &[Node]) -> Option<Step> {
    let child_of = |parent: Option<usize>| {
        let children = || nodes.iter().enumerate().filter(move |(_, node)| node.parent == parent);
        children().find(|(_, node)| node.name != LINKING).or_else(|| children().next())
    };
    let (mut index, _) = child_of(None)?;
    let mut names: Vec<&str> = Vec::new();
    // What is read while it changes can have a node above itself.
    for _ in 0..nodes.len() {
        let node = &nodes[index];
        if !node.name.is_empty() {
            names.push(&node.name);
        }
        match child_of(Some(index)) {
            Some((child, _)) if !FINEST.contains(&&*node.name) => index = child,
            _ => break,
        }
    }
    let name = names[names.len().saturating_sub(2)..].join(": ");
    if name.is_empty() {
        return None;
    }
    let name = match name.char_indices().nth(NAME_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    };
    let Node { done, total, .. } = &nodes[index];
    Some(Step { name, done: *done, total: *total })
}

/// Our end of the pipe.
pub struct Listener {
    stream: Box<dyn Read>,
    decoder: Decoder,
    /// When the compiler wrote last, since the last step.
    heard: Option<Instant>,
}

impl Listener {
    /// Returns what the compiler has said last, since the last look, and a step without
    /// a name when it has become silent. Never waits.
    pub fn latest(&mut self) -> Option<Step> {
        let mut bytes = [0; READ_BYTES];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        let step = self.decoder.push(&bytes[..count]);
        if count > 0 {
            self.heard = Some(Instant::now());
        } else if self.heard.is_some_and(|heard| heard.elapsed() > SILENCE) {
            // A `zig build` goes on with a program of its own, which tells nothing.
            self.heard = None;
            return Some(Step::default());
        }
        step
    }
}

/// Has a compiler that is about to be started tell its steps; `None` where there
/// is no way to.
#[cfg(unix)]
pub fn listen(command: &mut Command, line: &str) -> Option<Listener> {
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;

    use rustix::fs::{OFlags, fcntl_setfl};
    use rustix::io::{FdFlags, fcntl_setfd};

    let (stream, compilers_end) = std::io::pipe().ok()?;
    fcntl_setfl(&stream, OFlags::NONBLOCK).ok()?;
    command.env("ZIG_PROGRESS", compilers_end.as_raw_fd().to_string());
    let keep_open = move || fcntl_setfd(&compilers_end, FdFlags::empty()).map_err(std::io::Error::from);
    // SAFETY: the closure makes one system call and touches no memory, so it may
    // run between fork and exec.
    unsafe { command.pre_exec(keep_open) };
    Some(Listener { stream: Box::new(stream), decoder: Decoder::new(line), heard: None })
}

/// On Windows a handle cannot be given on without giving on all that can be.
#[cfg(not(unix))]
pub fn listen(_command: &mut Command, _line: &str) -> Option<Listener> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(name_bytes: usize, nodes: &[(u8, u32, u32, &str)]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(nodes.len()).unwrap()];
        for (_, done, total, name) in nodes {
            bytes.extend(done.to_le_bytes());
            bytes.extend(total.to_le_bytes());
            let mut padded = name.as_bytes().to_vec();
            padded.resize(name_bytes, 0);
            bytes.extend(padded);
        }
        bytes.extend(nodes.iter().map(|(parent, ..)| *parent));
        bytes
    }

    fn shown(nodes: &[(u8, u32, u32, &str)]) -> Option<(String, u32, u32)> {
        Decoder::new("0.16").push(&packet(120, nodes)).map(|step| (step.name, step.done, step.total))
    }

    #[test]
    fn the_step_is_what_the_compiler_is_at() {
        let analysis = [
            (255, 1, 0, ""),
            (0, 1, 402, "Linking"),
            (0, 534, 0, "Semantic Analysis"),
            (2, 0, 0, "os.windows"),
            (0, 0, 36, "Code Generation"),
        ];
        assert_eq!(shown(&analysis), Some(("Semantic Analysis".into(), 534, 0)));
        let runtime =
            [(255, 1, 0, ""), (0, 1, 1, "Linking"), (0, 3, 0, "compiler_rt"), (2, 9, 9, "Linking"), (2, 0, 0, "Emit")];
        assert_eq!(shown(&runtime), Some(("compiler_rt: Emit".into(), 0, 0)));
        assert_eq!(shown(&[(255, 0, 0, ""), (0, 7, 9, "Linking")]), Some(("Linking".into(), 7, 9)));
        let build =
            [(255, 0, 0, ""), (0, 2, 5, "steps"), (1, 0, u32::MAX, "compile lib m"), (2, 40, 0, "AST Lowering")];
        assert_eq!(shown(&build), Some(("compile lib m: AST Lowering".into(), 40, 0)));
        assert_eq!(shown(&[(255, 0, 0, "")]), None);
        assert_eq!(shown(&[]), None);
    }

    #[test]
    fn a_packet_may_come_in_any_pieces() {
        for (line, name_bytes) in [("0.15", 40), ("0.17", 120)] {
            let mut bytes = packet(name_bytes, &[(255, 0, 0, "one")]);
            bytes.extend(packet(name_bytes, &[(255, 3, 4, "two")]));
            for cut in 0..=bytes.len() {
                let mut decoder = Decoder::new(line);
                let first = decoder.push(&bytes[..cut]);
                let last = decoder.push(&bytes[cut..]).or(first).unwrap();
                assert_eq!((last.name.as_str(), last.done, last.total), ("two", 3, 4), "{line} {cut}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_ends_the_reading() {
        for wrong in [packet(120, &[(7, 0, 0, "a parent that is not there")]), packet(120, &[(255, 0, 0, "\u{1b}[2J")])]
        {
            let mut decoder = Decoder::new("0.16");
            assert_eq!(decoder.push(&wrong), None);
            assert_eq!(decoder.push(&packet(120, &[(255, 0, 0, "fine")])), None);
        }
        // Each is the other's parent: there is no root.
        assert_eq!(shown(&[(1, 0, 0, "a"), (0, 0, 0, "b")]), None);
    }
}
