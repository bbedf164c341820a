//! The part of WASI that a plugin may import, made inert.
//!
//! The runtimes of most languages import it whether or not a program uses it. It
//! has no arguments, no variables, no input, discards output, stands at time 0 and
//! draws the same numbers each time. Its files are those of the view, to be read;
//! what changes without their content, such as times and the order of a listing,
//! does not show.

use std::path::PathBuf;
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, Host,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sync};
use wasmtime_wasi::p2::{DynPollable, FsResult, subscribe};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{Deterministic, FsPerms, HostMonotonicClock, HostWallClock, WasiCtx, WasiView};

use crate::sandbox::State;
use crate::{Failure, Kind};

/// Bytes that one call may draw.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The version of WASI that the engine implements, which is part of the names.
const FILES: &str = "wasi:filesystem/types@0.2.12";
const MONOTONIC: &str = "wasi:clocks/monotonic-clock@0.2.12";

/// Returns what one instance gets.
///
/// # Errors
/// Names a folder of the view that cannot be opened.
pub fn context(view: &[(String, PathBuf)]) -> Result<WasiCtx, Failure> {
    let mut builder = WasiCtx::builder();
    builder
        .wall_clock(Stopped)
        .monotonic_clock(Stopped)
        .secure_random(Deterministic::new(noise()))
        .insecure_random(Deterministic::new(noise()))
        .insecure_random_seed(0)
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_blocking_current_thread(true);
    for (name, folder) in view {
        builder.preopened_dir(folder, name, FsPerms::ReadOnly).map_err(|error| {
            Failure::new(Kind::Component, format!("failed to open `{}` of the view: {error:#}", folder.display()))
        })?;
    }
    Ok(builder.build())
}

/// Each byte once, in disorder: what is drawn over and over.
fn noise() -> Vec<u8> {
    (0..=255u8).map(|index| index.wrapping_mul(167).wrapping_add(13)).collect()
}

/// Adds every interface that a plugin may import: what is not here cannot be linked.
///
/// # Errors
/// Fails only if the engine's own bindings do not fit together.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    sync::io::error::add_to_linker::<_, Table>(linker, |state| state.ctx().table)?;
    sync::io::poll::add_to_linker::<_, Table>(linker, |state| state.ctx().table)?;
    sync::io::streams::add_to_linker::<_, Table>(linker, |state| state.ctx().table)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)?;
    sync::filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)?;
    linker.allow_shadowing(true);
    never_wait(linker)?;
    hide_what_is_not_content(linker)
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// A point in time that has come: waiting costs no time, because fuel is the only deadline.
struct Now;

#[wasmtime_wasi::async_trait]
impl wasmtime_wasi::p2::Pollable for Now {
    async fn ready(&mut self) {}
}

fn never_wait(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut clock = linker.instance(MONOTONIC)?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        clock.func_wrap(name, |mut store: StoreContextMut<'_, State>, _: (u64,)| {
            let table = store.data_mut().ctx().table;
            let now = table.push(Now)?;
            Ok((subscribe(table, now)?,)) as wasmtime::Result<(Resource<DynPollable>,)>
        })?;
    }
    Ok(())
}

type Answer<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// Gives a component the answer, and its error as WASI has it.
fn answer<T>(state: &mut State, result: FsResult<T>) -> Answer<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(state.filesystem().convert_error_code(error)?),)),
    }
}

/// What is said to tell files apart. A C program takes 0 for an unknown one.
const SAME: MetadataHashValue = MetadataHashValue { lower: 1, upper: 1 };

fn without_times(stat: DescriptorStat) -> DescriptorStat {
    DescriptorStat {
        link_count: 1,
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
        ..stat
    }
}

fn hide_what_is_not_content(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Handle = Resource<Descriptor>;
    let mut files = linker.instance(FILES)?;
    files.func_wrap("[method]descriptor.stat", |mut store: StoreContextMut<'_, State>, (of,): (Handle,)| {
        let state = store.data_mut();
        let stat = state.filesystem().stat(of).map(without_times);
        answer(state, stat)
    })?;
    files.func_wrap(
        "[method]descriptor.stat-at",
        |mut store: StoreContextMut<'_, State>, (of, flags, path): (Handle, PathFlags, String)| {
            let state = store.data_mut();
            let stat = state.filesystem().stat_at(of, flags, path).map(without_times);
            answer(state, stat)
        },
    )?;
    // Made of the number of the file and its times, and what C programs get as that number.
    files.func_wrap(
        "[method]descriptor.metadata-hash",
        |_: StoreContextMut<'_, State>, _: (Handle,)| -> Answer<MetadataHashValue> { Ok((Ok(SAME),)) },
    )?;
    files.func_wrap(
        "[method]descriptor.metadata-hash-at",
        |_: StoreContextMut<'_, State>, _: (Handle, PathFlags, String)| -> Answer<MetadataHashValue> {
            Ok((Ok(SAME),))
        },
    )?;
    // Opening a pipe waits for whoever writes to it.
    files.func_wrap(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, State>,
         (of, how, path, opening, flags): (Handle, PathFlags, String, OpenFlags, DescriptorFlags)| {
            let state = store.data_mut();
            let again = Resource::new_borrow(of.rep());
            let stat = state.filesystem().stat_at(again, how, path.clone());
            let opened = stat.and_then(|stat| match stat.type_ {
                DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => {
                    state.filesystem().open_at(of, how, path, opening, flags)
                }
                _ => Err(wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode::NotPermitted.into()),
            });
            answer(state, opened)
        },
    )?;
    files.func_wrap(
        "[method]descriptor.read-directory",
        |mut store: StoreContextMut<'_, State>, (of,): (Handle,)| {
            let state = store.data_mut();
            let listed = list(state, of);
            answer(state, listed)
        },
    )?;
    files.func_wrap(
        "[method]directory-entry-stream.read-directory-entry",
        |mut store: StoreContextMut<'_, State>,
         (of,): (Resource<DirectoryEntryStream>,)|
         -> Answer<Option<DirectoryEntry>> {
            Ok((Ok(store.data_mut().listings.get_mut(&of.rep()).and_then(Vec::pop)),))
        },
    )
}

/// Reads a folder to its end, and keeps what is in it by name: the last first.
fn list(state: &mut State, of: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
    let stream = state.filesystem().read_directory(of)?;
    let mut entries = Vec::new();
    while let Some(entry) = state.filesystem().read_directory_entry(Resource::new_borrow(stream.rep()))? {
        entries.push(entry);
    }
    entries.sort_by(|left, right| right.name.cmp(&left.name));
    // A number is given again when the stream before is gone.
    state.listings.insert(stream.rep(), entries);
    Ok(stream)
}
