//! Runs a command on a server of the Remote Execution API: its files go into the
//! server's content-addressable storage, the command is executed there or was before,
//! and its outputs come back, each compared with its digest.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as api;
use bazel_remote_apis::google::longrunning::operations_client::OperationsClient;
use bazel_remote_apis::google::longrunning::{CancelOperationRequest, Operation, operation};
use bazel_remote_apis::google::{protobuf, rpc};
use prost::Message;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tonic::{Code, Status, Streaming};

use crate::address::Address;
use crate::instance::{Instance, digest_of};
use crate::runtime::Runtime;
use crate::{Failure, grpc};

/// How long a server may take for an answer that needs no work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the transfer of one blob or batch may take.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a server that is at work is asked whether it is there: HTTP/2 has pings
/// for that, and gRPC's servers end connections with many of them.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// How long a cancelled command is worth a wait.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the command may run there.
const RUN_SECONDS_MAX: i64 = 600;
/// How often a broken stream of news is taken up again.
const RESUMES_MAX: usize = 2;
/// What a batch has at most, whatever the server says: gRPC's limit is 4 MiB by default.
const BATCH_BYTES_MAX: usize = 3 << 20;
/// What a file that comes back has at most.
const OUTPUT_BYTES_MAX: i64 = 1 << 30;
/// What of standard error is kept.
const TEXT_BYTES_MAX: i64 = 1 << 20;
/// Files in an output folder.
const OUTPUT_FILES_MAX: usize = 1_000;

/// What is to be done.
struct Task {
    properties: Vec<(String, String)>,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    directory: String,
    outputs: Vec<String>,
    is_fresh: bool,
}

/// How it ended.
struct Done {
    exit_code: i32,
    text: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
    is_cached: bool,
    action: String,
}

/// What is known of the work while it goes on.
#[derive(Default)]
struct News {
    stage: &'static str,
    /// The server's name for it.
    operation: Option<String>,
    instance: Option<Instance>,
}

/// Blobs by their digest.
#[derive(Default)]
struct Blobs(BTreeMap<String, (api::Digest, Vec<u8>)>);

impl Blobs {
    fn add(&mut self, bytes: Vec<u8>) -> api::Digest {
        let digest = digest_of(&bytes);
        self.0.insert(digest.hash.clone(), (digest.clone(), bytes));
        digest
    }

    fn digests(&self) -> Vec<api::Digest> {
        self.0.values().map(|(digest, _)| digest.clone()).collect()
    }
}

/// A folder of the tree that the command gets.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, api::Digest>,
    folders: BTreeMap<String, Folder>,
}

impl Folder {
    fn insert(&mut self, path: &str, digest: api::Digest) {
        match path.split_once('/') {
            Some((folder, rest)) => self.folders.entry(folder.to_owned()).or_default().insert(rest, digest),
            None => drop(self.files.insert(path.to_owned(), digest)),
        }
    }

    fn store(self, blobs: &mut Blobs) -> api::Digest {
        let file = |(name, digest)| api::FileNode { name, digest: Some(digest), ..Default::default() };
        let files = self.files.into_iter().map(file).collect();
        let directories = self
            .folders
            .into_iter()
            .map(|(name, folder)| api::DirectoryNode { name, digest: Some(folder.store(blobs)) })
            .collect();
        blobs.add(api::Directory { files, directories, ..Default::default() }.encode_to_vec())
    }
}

/// One connection, for one task.
struct Client {
    task: Task,
    instance: Instance,
    news: Arc<Mutex<News>>,
    batch_bytes_max: usize,
}

async fn perform(
    instance: Instance,
    task: Task,
    files: Vec<(String, Vec<u8>)>,
    news: Arc<Mutex<News>>,
) -> Result<Done, Failure> {
    let mut client = Client { task, instance, news, batch_bytes_max: BATCH_BYTES_MAX };
    client.told(|news, instance| news.instance = Some(instance.clone()));
    let capabilities = client.capabilities().await?;
    client.check(&capabilities)?;
    let mut blobs = Blobs::default();
    let action = client.action(&capabilities, files, &mut blobs);
    if !client.task.is_fresh
        && let Some(result) = client.cached(&action).await
        // What the result leads to may be gone, and the result not.
        && let Ok(done) = client.collect(&result, true, &action).await
    {
        return Ok(done);
    }
    client.stage("uploading");
    client.upload(&blobs).await?;
    let mut is_fresh = client.task.is_fresh;
    let mut tries = 0;
    loop {
        tries += 1;
        match client.run(&action, is_fresh).await {
            // An input was dropped between the upload and the execution.
            Err(Ended::Missing(_)) if tries == 1 => client.upload(&blobs).await?,
            Err(Ended::Missing(failure) | Ended::Failed(failure)) => return Err(failure),
            Ok((result, is_cached)) => match client.collect(&result, is_cached, &action).await {
                Err(_) if is_cached && tries <= 2 => is_fresh = true,
                done => return done,
            },
        }
    }
}

/// Why an execution gave no result.
enum Ended {
    Missing(Failure),
    Failed(Failure),
}

impl Client {
    fn told(&self, change: impl FnOnce(&mut News, &Instance)) {
        change(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner), &self.instance);
    }

    fn stage(&self, stage: &'static str) {
        self.told(|news, _| news.stage = stage);
    }

    async fn capabilities(&self) -> Result<api::ServerCapabilities, Failure> {
        let mut client = api::capabilities_client::CapabilitiesClient::new(self.instance.channel.clone());
        let request = self.instance.request(api::GetCapabilitiesRequest { instance_name: self.instance.name.clone() });
        let answer = within(ANSWER_TIMEOUT, "say what it is capable of", client.get_capabilities(request)).await?;
        Ok(answer.into_inner())
    }

    fn check(&mut self, capabilities: &api::ServerCapabilities) -> Result<(), Failure> {
        let execution = capabilities.execution_capabilities.clone().unwrap_or_default();
        if !execution.exec_enabled {
            return Err(Failure::new("the server stores and does not execute".to_owned()));
        }
        let cache = capabilities.cache_capabilities.clone().unwrap_or_default();
        let sha256 = api::digest_function::Value::Sha256 as i32;
        if !cache.digest_functions.is_empty() && !cache.digest_functions.contains(&sha256) {
            return Err(Failure::new("the server has no digests of SHA-256".to_owned()));
        }
        if let Ok(bytes @ 1..) = usize::try_from(cache.max_batch_total_size_bytes) {
            self.batch_bytes_max = BATCH_BYTES_MAX.min(bytes);
        }
        Ok(())
    }

    /// Makes the action, with all that it leads to.
    fn action(
        &self,
        capabilities: &api::ServerCapabilities,
        files: Vec<(String, Vec<u8>)>,
        blobs: &mut Blobs,
    ) -> api::Digest {
        let mut root = Folder::default();
        for (path, bytes) in files {
            root.insert(&path, blobs.add(bytes));
        }
        let input_root_digest = Some(root.store(blobs));
        let property =
            |(name, value): &(String, String)| api::platform::Property { name: name.clone(), value: value.clone() };
        let properties: Vec<_> = self.task.properties.iter().map(property).collect();
        let platform = (!properties.is_empty()).then_some(api::Platform { properties });
        let variable = |(name, value): &(String, String)| api::command::EnvironmentVariable {
            name: name.clone(),
            value: value.clone(),
        };
        let mut environment_variables: Vec<_> = self.task.environment.iter().map(variable).collect();
        environment_variables.sort_by(|left, right| left.name.cmp(&right.name));
        let mut command = api::Command {
            arguments: self.task.command.clone(),
            environment_variables,
            working_directory: self.task.directory.clone(),
            ..Default::default()
        };
        let mut outputs = self.task.outputs.clone();
        outputs.sort();
        let version = capabilities.high_api_version.clone().unwrap_or_default();
        if (version.major, version.minor) >= (2, 1) {
            command.output_paths = outputs;
        } else {
            let is_file = |path: &String| path.rsplit('/').next().is_some_and(|name| name.contains('.'));
            #[expect(deprecated, reason = "what servers of version 2.0 know")]
            {
                (command.output_files, command.output_directories) = outputs.into_iter().partition(is_file);
            }
        }
        #[expect(deprecated, reason = "servers before version 2.2 look for it here")]
        {
            command.platform.clone_from(&platform);
        }
        let action = api::Action {
            command_digest: Some(blobs.add(command.encode_to_vec())),
            input_root_digest,
            timeout: Some(protobuf::Duration { seconds: RUN_SECONDS_MAX, nanos: 0 }),
            platform,
            ..Default::default()
        };
        blobs.add(action.encode_to_vec())
    }

    async fn cached(&self, action: &api::Digest) -> Option<api::ActionResult> {
        self.stage("asking");
        let mut client = api::action_cache_client::ActionCacheClient::new(self.instance.channel.clone());
        let request = self.instance.request(api::GetActionResultRequest {
            instance_name: self.instance.name.clone(),
            action_digest: Some(action.clone()),
            inline_stderr: true,
            ..Default::default()
        });
        // That there is no cache is no failure: the execution decides.
        within(ANSWER_TIMEOUT, "look into its cache", client.get_action_result(request))
            .await
            .ok()
            .map(tonic::Response::into_inner)
    }

    async fn upload(&self, blobs: &Blobs) -> Result<(), Failure> {
        let missing = self.instance.missing(blobs.digests());
        let missing = within(ANSWER_TIMEOUT, "say which files it lacks", missing).await?;
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        for digest in missing {
            let Some((_, bytes)) = blobs.0.get(&digest.hash) else { continue };
            if bytes.len() > self.batch_bytes_max / 2 {
                within(TRANSFER_TIMEOUT, "take a file", self.instance.write(&digest, bytes)).await?;
                continue;
            }
            if batch_bytes + bytes.len() > self.batch_bytes_max {
                self.update(std::mem::take(&mut batch)).await?;
                batch_bytes = 0;
            }
            batch_bytes += bytes.len();
            let data = bytes.clone();
            batch.push(api::batch_update_blobs_request::Request { digest: Some(digest), data, compressor: 0 });
        }
        if batch.is_empty() { Ok(()) } else { self.update(batch).await }
    }

    async fn update(&self, requests: Vec<api::batch_update_blobs_request::Request>) -> Result<(), Failure> {
        let instance_name = self.instance.name.clone();
        let request =
            self.instance.request(api::BatchUpdateBlobsRequest { instance_name, requests, ..Default::default() });
        let mut storage = self.instance.storage();
        let answer = within(TRANSFER_TIMEOUT, "take files", storage.batch_update_blobs(request)).await?;
        let statuses = answer.into_inner().responses.into_iter().filter_map(|response| response.status);
        match statuses.into_iter().find(|status| status.code != 0) {
            Some(status) => Err(Failure::new(format!("it does not take a file: {}", described(&status)))),
            None => Ok(()),
        }
    }

    /// Reads a blob, and compares it with its digest.
    async fn read(&self, digest: &api::Digest, bytes_max: i64) -> Result<Vec<u8>, Failure> {
        if digest.size_bytes == 0 {
            return Ok(Vec::new());
        }
        if !(0..=bytes_max).contains(&digest.size_bytes) {
            return Err(Failure::new(format!("it answers with a file of {} bytes", digest.size_bytes)));
        }
        let reading = async {
            let mut stream = self.instance.read(digest).await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.message().await? {
                bytes.extend(chunk.data);
                if bytes.len() as u64 > digest.size_bytes.unsigned_abs() {
                    break;
                }
            }
            Ok(bytes)
        };
        let bytes = within(TRANSFER_TIMEOUT, "send a file", reading).await?;
        let found = digest_of(&bytes);
        if found != *digest {
            return Err(Failure::new(format!(
                "it sends {} bytes of digest {} for those of digest {}",
                found.size_bytes, found.hash, digest.hash
            )));
        }
        Ok(bytes)
    }

    /// Has the action executed, and waits for the end.
    async fn run(&self, action: &api::Digest, is_fresh: bool) -> Result<(api::ActionResult, bool), Ended> {
        self.stage("queued");
        let mut client = api::execution_client::ExecutionClient::new(self.instance.channel.clone());
        let request = self.instance.request(api::ExecuteRequest {
            instance_name: self.instance.name.clone(),
            skip_cache_lookup: is_fresh,
            action_digest: Some(action.clone()),
            inline_stderr: true,
            ..Default::default()
        });
        let mut stream =
            within(ANSWER_TIMEOUT, "begin", client.execute(request)).await.map(tonic::Response::into_inner);
        let mut name = String::new();
        let mut resumes = 0;
        loop {
            let broken = match stream {
                Ok(news) => match self.follow(news, &mut name).await {
                    Ok(operation) => return ended(operation),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            if name.is_empty() || resumes == RESUMES_MAX {
                return Err(Ended::Failed(broken));
            }
            resumes += 1;
            let request = self.instance.request(api::WaitExecutionRequest { name: name.clone() });
            let waiting = within(ANSWER_TIMEOUT, "go on", client.wait_execution(request)).await;
            // What broke it off says more than that it cannot be taken up.
            stream = waiting.map(tonic::Response::into_inner).map_err(|_| broken);
        }
    }

    /// Follows the news of an execution to its end.
    async fn follow(&self, mut stream: Streaming<Operation>, name: &mut String) -> Result<Operation, Failure> {
        loop {
            let message = match tokio::time::timeout(ASK_EVERY, stream.message()).await {
                Ok(message) => message.map_err(|status| refused("execute", &status))?,
                Err(_) => {
                    self.capabilities().await?;
                    continue;
                }
            };
            let Some(operation) = message else {
                return Err(Failure::new("the server broke off while it executed".to_owned()));
            };
            if !operation.name.is_empty() {
                operation.name.clone_into(name);
                self.told(|news, _| news.operation = Some(name.clone()));
            }
            if operation.done {
                return Ok(operation);
            }
            let metadata = operation.metadata.as_ref();
            let metadata = metadata.and_then(|any| api::ExecuteOperationMetadata::decode(&any.value[..]).ok());
            match metadata.map(|metadata| metadata.stage()) {
                Some(api::execution_stage::Value::Queued) => self.stage("queued"),
                Some(api::execution_stage::Value::Executing) => self.stage("compiling"),
                _ => {}
            }
        }
    }

    /// Fetches what a result leads to.
    async fn collect(
        &self,
        result: &api::ActionResult,
        is_cached: bool,
        action: &api::Digest,
    ) -> Result<Done, Failure> {
        self.stage("downloading");
        let text = match &result.stderr_digest {
            Some(digest) if result.stderr_raw.is_empty() => self.read(digest, TEXT_BYTES_MAX).await?,
            _ => result.stderr_raw.clone(),
        };
        let mut files = Vec::new();
        for file in &result.output_files {
            let digest = file.digest.clone().unwrap_or_default();
            files.push((file.path.clone(), self.read(&digest, OUTPUT_BYTES_MAX).await?));
        }
        for folder in &result.output_directories {
            let digest = folder.tree_digest.clone().unwrap_or_default();
            let tree = api::Tree::decode(&self.read(&digest, OUTPUT_BYTES_MAX).await?[..])
                .map_err(|error| Failure::new(format!("it answers with no folder: {error}")))?;
            for (path, digest) in listed(&tree, &folder.path)? {
                files.push((path, self.read(&digest, OUTPUT_BYTES_MAX).await?));
            }
        }
        Ok(Done { exit_code: result.exit_code, text, files, is_cached, action: action.hash.clone() })
    }
}

/// Lists the files of a folder.
fn listed(tree: &api::Tree, path: &str) -> Result<Vec<(String, api::Digest)>, Failure> {
    let children: BTreeMap<String, &api::Directory> =
        tree.children.iter().map(|child| (digest_of(&child.encode_to_vec()).hash, child)).collect();
    let mut files = Vec::new();
    let mut pending: Vec<(String, &api::Directory)> = tree.root.iter().map(|root| (path.to_owned(), root)).collect();
    while let Some((path, folder)) = pending.pop() {
        let file = |node: &api::FileNode| (format!("{path}/{}", node.name), node.digest.clone().unwrap_or_default());
        files.extend(folder.files.iter().map(file));
        for node in &folder.directories {
            let hash = node.digest.as_ref().map_or("", |digest| digest.hash.as_str());
            let child =
                children.get(hash).ok_or_else(|| Failure::new("it answers with part of a folder".to_owned()))?;
            pending.push((format!("{path}/{}", node.name), child));
        }
        if files.len() + pending.len() > OUTPUT_FILES_MAX {
            return Err(Failure::new(format!("it answers with a folder of more than {OUTPUT_FILES_MAX} files")));
        }
    }
    Ok(files)
}

fn ended(operation: Operation) -> Result<(api::ActionResult, bool), Ended> {
    let failed = |status: &rpc::Status| {
        let failure = Failure::new(format!("it does not execute: {}", described(status)));
        match Code::from(status.code) {
            Code::FailedPrecondition => Ended::Missing(failure),
            _ => Ended::Failed(failure),
        }
    };
    let response = match operation.result {
        Some(operation::Result::Response(any)) => api::ExecuteResponse::decode(&any.value[..])
            .map_err(|error| Ended::Failed(Failure::new(format!("it answers what is no result: {error}"))))?,
        Some(operation::Result::Error(status)) => return Err(failed(&status)),
        None => return Err(Ended::Failed(Failure::new("it ends without a result".to_owned()))),
    };
    if let Some(status) = response.status.filter(|status| status.code != 0) {
        return Err(failed(&status));
    }
    let result = response.result.ok_or_else(|| Ended::Failed(Failure::new("it ends without a result".to_owned())))?;
    Ok((result, response.cached_result))
}

fn described(status: &rpc::Status) -> String {
    format!("{}: {}", Code::from(status.code).description(), status.message)
}

fn refused(what: &str, status: &Status) -> Failure {
    Failure::new(format!("the server failed to {what}: {}", grpc::described(status)))
}

/// Waits for an answer, and not for ever.
async fn within<T>(time: Duration, what: &str, call: impl Future<Output = Result<T, Status>>) -> Result<T, Failure> {
    match tokio::time::timeout(time, call).await {
        Ok(answer) => answer.map_err(|status| refused(what, &status)),
        Err(_) => Err(Failure::new(format!("the server did not {what} within {} s", time.as_secs()))),
    }
}

/// Asks the server to stop what it is at.
async fn cancel(news: &Mutex<News>) {
    let (name, instance) = {
        let news = news.lock().unwrap_or_else(PoisonError::into_inner);
        (news.operation.clone(), news.instance.clone())
    };
    if let (Some(name), Some(instance)) = (name, instance) {
        let mut client = OperationsClient::new(instance.channel.clone());
        let cancelling = client.cancel_operation(instance.request(CancelOperationRequest { name }));
        // Whether it does changes nothing here.
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await;
    }
}

type Call = dyn Future<Output = Result<Done, Failure>> + Send;

/// The work, and what drives it.
struct Work {
    runtime: Runtime,
    call: Option<Pin<Box<Call>>>,
}

/// A command on its way through a server. Nothing happens but in `advance` and `cancel`.
#[pyclass(frozen, module = "zigimport_remotes")]
pub struct Execution {
    work: Mutex<Work>,
    news: Arc<Mutex<News>>,
}

#[pymethods]
impl Execution {
    /// Takes the whole task. `url` is `grpc://HOST:PORT` or `grpcs://HOST:PORT`.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "one for each part of a task")]
    fn new(
        url: &str,
        instance: String,
        credentials: Option<&str>,
        properties: Vec<(String, String)>,
        command: Vec<String>,
        environment: Vec<(String, String)>,
        directory: String,
        files: Vec<(String, Vec<u8>)>,
        outputs: Vec<String>,
        is_fresh: bool,
        seconds_max: f64,
    ) -> PyResult<Self> {
        let authorization = credentials.map(grpc::authorization).transpose()?;
        let address = Address::parse(url, None, None)?;
        let task = Task { properties, command, environment, directory, outputs, is_fresh };
        let news = Arc::new(Mutex::new(News { stage: "connecting", ..News::default() }));
        let (told, late) = (Arc::clone(&news), Arc::clone(&news));
        let all = async move {
            let instance = Instance { channel: grpc::channel(&address)?, name: instance, authorization };
            perform(instance, task, files, told).await
        };
        let time_max = Duration::try_from_secs_f64(seconds_max).unwrap_or(Duration::MAX);
        let call = async move {
            let Ok(done) = tokio::time::timeout(time_max, all).await else {
                cancel(&late).await;
                return Err(Failure::new(format!("it did not finish within {seconds_max} s (ZIGIMPORT_LOCK_TIMEOUT)")));
            };
            done
        };
        let work = Work { runtime: Runtime::new()?, call: Some(Box::pin(call)) };
        Ok(Self { work: Mutex::new(work), news })
    }

    /// What the server is at.
    #[getter]
    fn stage(&self) -> &'static str {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).stage
    }

    /// Works for so long at most; returns how the command ended, or `None` if it has not.
    fn advance<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let done = py.detach(|| {
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            let Work { runtime, call } = &mut *work;
            let running = call.as_mut().ok_or_else(|| Failure::new("it has ended".to_owned()))?;
            let done = runtime.run(async { tokio::time::timeout(time, running).await.ok() });
            if done.is_some() {
                *call = None;
            }
            done.transpose()
        })?;
        let Some(done) = done else { return Ok(None) };
        let files = PyList::empty(py);
        for (path, bytes) in &done.files {
            files.append((path, PyBytes::new(py, bytes)))?;
        }
        let answer = PyDict::new(py);
        answer.set_item("exit_code", done.exit_code)?;
        answer.set_item("text", PyBytes::new(py, &done.text))?;
        answer.set_item("files", files)?;
        answer.set_item("cached", done.is_cached)?;
        answer.set_item("action", &done.action)?;
        Ok(Some(answer))
    }

    /// Asks the server to stop, which it need not do.
    fn cancel(&self, py: Python<'_>) {
        py.detach(|| {
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            work.call = None;
            work.runtime.run(cancel(&self.news));
        });
    }
}
