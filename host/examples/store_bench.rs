//! Measures the store for `benches/compression.py` and `benches/store.py`, which
//! run it. Answers in JSON on standard output.
//!
//! `store_bench compression LEVEL,… FILE…`: each level on each file.
//! `store_bench store FOLDER ROUNDS CODE`: hits, publishing and restoring; CODE is
//! a file with machine code, of which libraries of each size are made.

#![expect(clippy::disallowed_macros, reason = "a program answers on standard output")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zigimport_host::digest::Digest;
use zigimport_host::manifest::{BuildRecord, Freshness, Manifest, Recorded};
use zigimport_host::stamp::Stamp;
use zigimport_host::store::Store;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let answer = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["compression", levels, ref files @ ..] => compression(levels, files),
        ["store", folder, rounds, code] => {
            store(Path::new(folder), rounds.parse().expect("ROUNDS is a number"), Path::new(code))
        }
        _ => panic!("see the top of this file"),
    };
    println!("{answer}");
}

/// Returns the smallest time of a few runs: what the work costs undisturbed.
fn smallest(rounds: usize, mut run: impl FnMut()) -> f64 {
    let one = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..rounds).map(one).min().unwrap_or(Duration::ZERO).as_secs_f64()
}

fn compression(levels: &str, files: &[&str]) -> Value {
    let contents: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    let mut rows = Vec::new();
    for (index, content) in contents.iter().enumerate() {
        for level in levels.split(',').map(|level| level.parse::<i32>().expect("a level")) {
            let packed = zstd::bulk::compress(content, level).expect("compressible");
            let rounds = if level > 12 { 1 } else { 5 };
            let compress = smallest(rounds, || drop(zstd::bulk::compress(content, level)));
            let decompress = smallest(5, || drop(zstd::bulk::decompress(&packed, content.len())));
            let megabytes = content.len() as f64 / 1e6;
            rows.push(json!({
                "file": files[index],
                "level": level,
                "bytes": content.len(),
                "packed": packed.len(),
                "in_mb_per_s": megabytes / compress,
                "out_mb_per_s": megabytes / decompress,
            }));
        }
    }
    Value::Array(rows)
}

fn store(folder: &Path, rounds: usize, code: &Path) -> Value {
    let hits: Vec<Value> = [1, 10, 100, 1000].into_iter().map(|count| hit(folder, count, rounds)).collect();
    let code = std::fs::read(code).expect("readable");
    let machine_code = |bytes: usize| code.iter().copied().cycle().take(bytes).collect::<Vec<u8>>();
    let moves: Vec<Value> = [1usize, 10, 50]
        .into_iter()
        .flat_map(|megabytes| {
            [("machine code", machine_code(megabytes << 20)), ("synthetic", synthetic(megabytes << 20))]
                .map(|(kind, content)| publication(folder, megabytes, kind, &content, rounds.clamp(5, 15)))
        })
        .collect();
    json!({ "hits": hits, "publications": moves })
}

/// Content that decompresses more slowly than any library: half of it repeats, and
/// the other half has six bits of chance in each byte.
fn synthetic(bytes: usize) -> Vec<u8> {
    let mut seed = 1u64;
    (0..bytes)
        .map(|index| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if index % 64 < 40 { (index / 64 % 7) as u8 } else { (seed >> 33) as u8 & 63 }
        })
        .collect()
}

/// A manifest with so many inputs: read and checked, against looking them up alone.
fn hit(folder: &Path, count: usize, rounds: usize) -> Value {
    let sources = folder.join(format!("sources-{count}"));
    std::fs::create_dir_all(&sources).expect("writable");
    let paths: Vec<PathBuf> = (0..count).map(|number| sources.join(format!("source_{number}.zig"))).collect();
    for path in &paths {
        std::fs::write(path, "pub const a = 1;\n").expect("writable");
    }
    // Younger timestamps are not trusted.
    std::thread::sleep(Duration::from_millis(200));
    let store = Store::open(folder.join("store")).expect("a store");
    let (_, library, _) = store.put_library(b"library", ".so").expect("writable");
    let manifest = Manifest {
        inputs: paths.iter().map(|path| Recorded::file(path).expect("readable")).collect(),
        absent: Vec::new(),
        zig: None,
        package: None,
        library,
        record: BuildRecord {
            module: "m".into(),
            source_path: paths[0].clone(),
            key: "0".repeat(64),
            zig_version: "0.16.0".into(),
            optimize: "Debug".into(),
            target: "x86_64-linux-gnu".into(),
            abi: "abi3".into(),
        },
    };
    let name = Digest::of(&count.to_le_bytes());
    store.put_manifest(name, &manifest).expect("writable");
    let path = store.manifest_path(name);
    let mut whole = Vec::new();
    let mut trusted = Vec::new();
    let mut bare = Vec::new();
    // Alternating, so that a change of the machine's speed meets both.
    for _ in 0..rounds {
        whole.push(smallest(1, || {
            let (manifest, _) = Manifest::read(&path).expect("a manifest");
            assert_eq!(manifest.check(None), Freshness::Fresh { updated: None });
            assert!(store.library_unchanged(&manifest.library).is_some());
        }));
        trusted.push(smallest(1, || {
            let (manifest, _) = Manifest::read(&path).expect("a manifest");
            assert!(store.library_unchanged(&manifest.library).is_some());
        }));
        bare.push(smallest(1, || {
            for path in &paths {
                assert!(Stamp::at(path).is_ok());
            }
        }));
    }
    let (hit, release, bare) = (median(whole), median(trusted), median(bare));
    json!({
        "inputs": count,
        "manifest_bytes": path.metadata().expect("a manifest").len(),
        "hit_us": hit * 1e6,
        "release_mode_us": release * 1e6,
        "stats_us": bare * 1e6,
        "ratio": hit / bare,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the CPU time of this process so far, in ticks of 10 ms; 0 where the system
/// does not say.
fn cpu_ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name: the state is field 3, the user's and the system's time 14 and 15.
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Publishing and restoring, against writing and syncing the same bytes.
fn publication(folder: &Path, megabytes: usize, kind: &str, content: &[u8], rounds: usize) -> Value {
    let (mut publish, mut restore, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let (mut restore_cpu, mut plain_cpu) = (0, 0);
    for round in 0..rounds {
        let root = folder.join(format!("publish-{megabytes}-{round}"));
        let store = Store::open(root.clone()).expect("a store");
        let mut found = None;
        publish.push(smallest(1, || found = Some(store.put_library(content, ".so").expect("writable"))));
        let (path, _, record) = found.expect("published");
        std::fs::remove_file(&path).expect("removable");
        let before = cpu_ticks();
        restore.push(smallest(1, || {
            store.restore(&record, ".so").expect("whole");
        }));
        restore_cpu += cpu_ticks() - before;
        let copy = root.join("copy");
        let before = cpu_ticks();
        plain.push(smallest(1, || {
            let mut file = File::create(&copy).expect("writable");
            file.write_all(content).and_then(|()| file.sync_all()).expect("writable");
        }));
        plain_cpu += cpu_ticks() - before;
        std::fs::remove_dir_all(root).expect("removable");
    }
    // Whatever else the machine does only adds.
    let least = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    let (publish, restore, plain) = (least(publish), least(restore), least(plain));
    json!({
        "megabytes": megabytes,
        "content": kind,
        "publish_ms": publish * 1e3,
        "restore_ms": restore * 1e3,
        "write_and_sync_ms": plain * 1e3,
        "restore_ratio": restore / plain,
        "restore_cpu_ms": restore_cpu as f64 * 10.0 / rounds as f64,
        "write_and_sync_cpu_ms": plain_cpu as f64 * 10.0 / rounds as f64,
    })
}
