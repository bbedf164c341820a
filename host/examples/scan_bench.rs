//! Scans files with the embedded scanner component, to measure its throughput.
//!
//!     scan_bench ROUNDS THREADS LIST      (LIST: a file with one path per line)
//!
//! Each thread has an instance of its own and scans every file. Prints how the
//! component is executed, the bytes of one thread's round, what was found, and
//! the MB/s of a thread: in its fastest round, and in its median round.

#![expect(clippy::disallowed_macros, reason = "a program's answer goes to its standard output")]

use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use zigimport_host::guest::{Sandbox, Scanner};

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("scan_bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rounds, threads, list] = &arguments[..] else {
        return Err("expected ROUNDS THREADS LIST".to_owned());
    };
    let number = |text: &str| text.parse::<usize>().map_err(|error| format!("`{text}`: {error}"));
    let (rounds, threads) = (number(rounds)?.max(1), number(threads)?.max(1));
    let failed = |path: &str, error: std::io::Error| format!("failed to read `{path}`: {error}");
    let paths = std::fs::read_to_string(list).map_err(|error| failed(list, error))?;
    let sources: Vec<Vec<u8>> =
        paths.lines().map(|path| std::fs::read(path).map_err(|error| failed(path, error))).collect::<Result<_, _>>()?;
    let bytes: usize = sources.iter().map(Vec::len).sum();

    let barrier = Barrier::new(threads);
    let measured: Vec<Result<Measured, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| measure(&sources, rounds, &barrier))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let measured = measured.into_iter().collect::<Result<Vec<_>, _>>()?;

    let rate = |times: &dyn Fn(&Measured) -> Duration| {
        let seconds: f64 = measured.iter().map(|one| times(one).as_secs_f64()).sum();
        bytes as f64 * threads as f64 / seconds / 1e6
    };
    let execution = Sandbox::get().map_err(|error| error.report())?.execution();
    Ok(format!(
        "execution {execution:?} threads {threads} files {} bytes {bytes} dependencies {} declarations {} MB/s {:.1} median {:.1}",
        sources.len(),
        measured[0].dependencies,
        measured[0].declarations,
        rate(&|one| one.times[0]),
        rate(&|one| one.times[one.times.len() / 2]),
    ))
}

/// One thread's rounds, fastest first.
struct Measured {
    times: Vec<Duration>,
    dependencies: usize,
    declarations: usize,
}

fn measure(sources: &[Vec<u8>], rounds: usize, barrier: &Barrier) -> Result<Measured, String> {
    let mut scanner = Scanner::new().map_err(|error| error.report());
    let mut measured = Measured { times: Vec::with_capacity(rounds), dependencies: 0, declarations: 0 };
    let mut failure = None;
    for _ in 0..rounds {
        // The threads run side by side in every round, even one that failed.
        barrier.wait();
        let Ok(scanner) = &mut scanner else {
            continue;
        };
        let started = Instant::now();
        match scan_all(scanner, sources) {
            Ok(found) => (measured.dependencies, measured.declarations) = found,
            Err(reason) => failure = Some(reason),
        }
        measured.times.push(started.elapsed());
    }
    scanner?;
    measured.times.sort_unstable();
    failure.map_or(Ok(measured), Err)
}

/// Returns the number of dependencies and of declarations.
fn scan_all(scanner: &mut Scanner, sources: &[Vec<u8>]) -> Result<(usize, usize), String> {
    let (mut dependencies, mut declarations) = (0, 0);
    for source in sources {
        let scan = scanner
            .scan(source, zigimport_host::guest::source::Language::Zig)
            .map_err(|error| error.report())?
            .map_err(|error| format!("{error:?}"))?;
        dependencies += scan.dependencies.len();
        declarations += scan.declarations.len();
    }
    Ok((dependencies, declarations))
}
