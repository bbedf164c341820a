//! Runs the compiler: the only place that starts a process.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::steps;
use crate::audit;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::report::Frontend;

/// What of the compiler's text is kept; a full disk makes it write megabytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// What of its answer is kept.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// How often a waiting host asks whether the user interrupted, and looks at what
/// the compiler says that it does.
const POLL: Duration = Duration::from_millis(50);

/// A compiler that says its version reads nothing but itself, from a slow disk perhaps.
const VERSION_BOUND: Bound = Bound { time: Duration::from_secs(60), bytes: 64 << 10 };

/// For whom a program runs.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Who is told, and asked whether to stop.
    pub frontend: &'a dyn Frontend,
    /// Where the start is written down.
    pub audit_log: Option<&'a Path>,
    /// The module that it is about; empty for none.
    pub module: &'a str,
    /// The key of the action, if it is one.
    pub key: Option<Digest>,
    /// Of the program, where it is known.
    pub identity: Option<Digest>,
    /// The compiler's line, as `0.16`, if it says what it does.
    pub line: Option<&'static str>,
}

/// One run of a program: everything that it gets, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Its whole environment.
    pub environment: Vec<(String, OsString)>,
    /// What it reads from standard input.
    pub input: Vec<u8>,
    /// Whether it starts programs of its own, and so gets a process group of
    /// its own to be ended as a whole. A single compiler stays in ours, where
    /// whatever ends us from a terminal or a supervisor ends it too.
    pub has_children: bool,
}

impl Invocation {
    /// Returns the command as a person could type it.
    #[must_use]
    pub fn display(&self) -> String {
        let mut words = vec![quoted(&self.program.to_string_lossy())];
        words.extend(self.arguments.iter().map(|argument| quoted(&argument.to_string_lossy())));
        words.join(" ")
    }
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte) || byte >= 0x80;
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How long a program may take that answers at once, and how much it may say.
#[derive(Clone, Copy)]
struct Bound {
    time: Duration,
    bytes: u64,
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub answer: Vec<u8>,
    /// Its standard error, up to a limit.
    pub text: String,
}

impl Finished {
    /// Returns whether a signal ended it that no user sends from the keyboard.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;
            let keyboard = rustix::process::Signal::INT.as_raw();
            self.status.signal().is_some_and(|signal| signal != keyboard)
        }
        #[cfg(not(unix))]
        false
    }
}

/// Runs a program to its end.
///
/// # Errors
/// It cannot be started, or the user interrupted; it is ended with us then.
pub fn run(invocation: &Invocation, caller: Caller<'_>) -> Result<Finished> {
    run_within(invocation, caller, None)
}

/// The same within a time. What answers more than its `bytes` finds nobody who reads.
fn run_within(invocation: &Invocation, caller: Caller<'_>, bound: Option<Bound>) -> Result<Finished> {
    let started = Instant::now();
    let failed = |error: io::Error| Error::Compiler { zig: invocation.program.clone(), reason: error.to_string() };
    #[expect(clippy::disallowed_methods, reason = "this module is the gate to processes")]
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.arguments)
        .current_dir(&invocation.directory)
        .env_clear()
        .envs(invocation.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(unix)]
    if invocation.has_children {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        use std::os::unix::process::CommandExt;
        let end_with_us = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
        // SAFETY: the closure makes one system call and touches no memory, so it
        // may run between fork and exec. The signal comes when this thread ends,
        // and this thread waits for the child.
        unsafe { command.pre_exec(end_with_us) };
    }
    let mut listener =
        caller.line.filter(|_| caller.frontend.wants_steps()).and_then(|line| steps::listen(&mut command, line));
    let mut child = command.spawn().map_err(failed)?;
    // It holds our copy of the compiler's end of the pipe for its steps.
    drop(command);
    audit::append(caller.audit_log, caller.frontend, || {
        json!({
            "event": "start",
            "module": caller.module,
            "path": invocation.program.to_string_lossy(),
            "digest": caller.identity.map(|identity| identity.hex()),
            "key": caller.key.map(|key| key.hex()),
            "arguments": invocation.arguments.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>(),
            "directory": invocation.directory.to_string_lossy(),
            "process": child.id(),
        })
    });
    let (sender, receiver) = mpsc::channel();
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            // A compiler that ends early closes the pipe; its status says why.
            let _ = stdin.write_all(&invocation.input);
        }
        let text = scope.spawn(move || stderr.map_or_else(Vec::new, |stream| read(stream, TEXT_BYTES_MAX, bound)));
        scope.spawn(move || {
            let answer = stdout.map_or_else(Vec::new, |stream| read(stream, ANSWER_BYTES_MAX, bound));
            let _ = sender.send(answer);
        });
        let answer = loop {
            match receiver.recv_timeout(POLL) {
                Ok(answer) => break answer,
                Err(mpsc::RecvTimeoutError::Disconnected) => break Vec::new(),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if let Some(step) = listener.as_mut().and_then(steps::Listener::latest) {
                caller.frontend.step(caller.module, &step);
            }
            if let Some(bound) = bound.filter(|bound| started.elapsed() > bound.time) {
                end(&mut child, invocation.has_children);
                let _ = child.wait();
                let reason = format!("it gave no answer within {} s", bound.time.as_secs());
                return Err(failed(io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            if caller.frontend.interrupted() {
                end(&mut child, invocation.has_children);
                let _ = child.wait();
                return Err(Error::Interrupted);
            }
        };
        // Nobody reads it any more: a compiler that still writes must not wait for that.
        drop(listener);
        let status = child.wait().map_err(failed)?;
        let text = text.join().unwrap_or_default();
        Ok(Finished { status, answer, text: String::from_utf8_lossy(&text).into_owned() })
    })
}

/// Ends a child, and everything that it started if it leads a group.
fn end(child: &mut Child, is_group: bool) {
    #[cfg(not(unix))]
    let _ = is_group;
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).filter(|_| is_group) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
}

/// Reads a stream to its end and keeps the first `bytes_max` bytes; or, with a bound,
/// reads no more than that, and leaves the rest.
fn read(mut stream: impl Read, bytes_max: u64, bound: Option<Bound>) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = Read::by_ref(&mut stream).take(bound.map_or(bytes_max, |bound| bound.bytes)).read_to_end(&mut kept);
    if bound.is_none() {
        let _ = io::copy(&mut stream, &mut io::sink());
    }
    kept
}

/// Asks a compiler for its version.
///
/// # Errors
/// It cannot be run, or it does not answer with a version.
pub fn version(zig: &Path, caller: Caller<'_>) -> Result<String> {
    let finished = run_within(
        &Invocation {
            program: zig.to_owned(),
            arguments: vec!["version".into()],
            directory: "/".into(),
            environment: Vec::new(),
            input: Vec::new(),
            // So that what a script waits for ends with it.
            has_children: true,
        },
        caller,
        Some(VERSION_BOUND),
    )?;
    let answer = String::from_utf8_lossy(&finished.answer[..finished.answer.len().min(64)]).trim().to_owned();
    let is_version = answer.starts_with(|first: char| first.is_ascii_digit()) && answer.len() < 64;
    if finished.status.success() && is_version {
        return Ok(answer);
    }
    Err(Error::Compiler {
        zig: zig.to_owned(),
        reason: format!(
            "`zig version` answered `{}` ({}): {}",
            answer.escape_debug(),
            finished.status,
            finished.text.trim().chars().take(1_000).collect::<String>()
        ),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::plugin::engine::{Engine, NoEngine};
    use crate::remote::transport::{NoTransport, Transport};
    use crate::report::{Level, Silent};

    const QUIET: Caller<'_> =
        Caller { frontend: &Silent, audit_log: None, module: "", key: None, identity: None, line: None };

    /// Interrupts at once.
    struct Impatient;

    impl Frontend for Impatient {
        fn report(&self, _level: Level, _message: String) {}

        fn interrupted(&self) -> bool {
            true
        }

        fn header_folders(&self) -> Vec<PathBuf> {
            Vec::new()
        }

        fn plugin_engine(&self) -> &dyn Engine {
            &NoEngine
        }

        fn transport(&self) -> &dyn Transport {
            &NoTransport
        }
    }

    fn shell(script: &str, input: &[u8]) -> Invocation {
        Invocation {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            directory: "/".into(),
            environment: vec![("ONLY".into(), "this".into())],
            input: input.to_vec(),
            has_children: true,
        }
    }

    #[test]
    fn a_program_gets_what_is_stated_and_nothing_else() {
        let finished = run(&shell("cat; env; pwd; echo text >&2; exit 3", b"input\n"), QUIET).unwrap();
        let answer = String::from_utf8(finished.answer).unwrap();
        assert!(answer.starts_with("input\n") && answer.contains("ONLY=this"), "{answer}");
        assert!(!answer.contains("HOME="), "{answer}");
        assert_eq!((finished.text.as_str(), finished.status.code()), ("text\n", Some(3)));
    }

    #[test]
    fn a_program_without_an_end_is_ended() {
        let bound = Bound { time: Duration::from_millis(300), bytes: 1000 };
        let silent = run_within(&shell("sleep 600 & sleep 600", b""), QUIET, Some(bound)).unwrap_err().report();
        assert!(silent.contains("gave no answer within 0 s"), "{silent}");
        let bound = Bound { time: Duration::from_secs(600), ..bound };
        let talking = run_within(&shell("while echo y; do :; done; exit 1", b""), QUIET, Some(bound)).unwrap();
        assert!(!talking.status.success() && talking.answer.len() == 1000);
    }

    #[test]
    fn an_interrupt_ends_the_program() {
        let started = std::time::Instant::now();
        // What it started holds the pipes open and has to end too.
        let ended = run(&shell("sleep 60 & sleep 60", b""), Caller { frontend: &Impatient, ..QUIET });
        assert!(matches!(ended, Err(Error::Interrupted)));
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let mut invocation = shell("echo it's", b"");
        invocation.arguments.push("-Mroot=a b.zig".into());
        assert_eq!(invocation.display(), r"/bin/sh -c 'echo it'\''s' '-Mroot=a b.zig'");
    }
}
