//! A cache of the Remote Execution API.
//!
//! The blobs are in its content-addressed storage. The index of a source key is the
//! result of an action that stands for it: with the index and the objects as outputs,
//! so that a server which keeps results only whole forgets an index with its objects.

use bazel_remote_apis::build::bazel::remote::execution::v2::action_cache_client::ActionCacheClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::content_addressable_storage_client::ContentAddressableStorageClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    Action, ActionResult, Command, Digest, FindMissingBlobsRequest, GetActionResultRequest, OutputFile,
    UpdateActionResultRequest,
};
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::{ReadRequest, WriteRequest};
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::address::Address;
use crate::limits::{self, Collected};
use crate::{Failure, Name, Object, grpc};

/// The output that is the index.
const INDEX: &str = "index.json";
/// Of a blob in one message; servers take at least 4 MiB.
const PIECE_BYTES: usize = 1 << 20;

/// An instance of a server.
pub struct Cache {
    channel: Channel,
    instance: String,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Cache {
    /// Takes the instance that an address names. Connects with the first call.
    ///
    /// # Errors
    /// The address names no server.
    pub fn new(address: &Address) -> Result<Self, Failure> {
        Ok(Self {
            channel: grpc::channel(address)?,
            instance: address.path().trim_start_matches('/').to_owned(),
            authorization: grpc::authorization(address)?,
        })
    }

    /// Returns a blob.
    ///
    /// # Errors
    /// As for [`crate::Transport::get`].
    pub async fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let digest = match name {
            Name::Index { source_key, .. } => match self.index(source_key).await? {
                Some(digest) => digest,
                None => return Ok(None),
            },
            Name::Object(object) => object.into(),
        };
        let mut collected = Collected::new(name.bytes_max());
        collected.expect(u64::try_from(digest.size_bytes).unwrap_or(u64::MAX))?;
        let resource_name = self.named(&format!("blobs/{}/{}", digest.hash, digest.size_bytes));
        let request = ReadRequest { resource_name, ..ReadRequest::default() };
        let mut client = ByteStreamClient::new(self.channel.clone());
        let Some(answer) = present(limits::answer(client.read(self.request(request))).await?)? else {
            return Ok(None);
        };
        let mut pieces = answer.into_inner();
        // Some servers say only with the first piece that there is none.
        while let Some(piece) = present(limits::answer(pieces.message()).await?)? {
            let Some(piece) = piece else { return Ok(Some(collected.finish())) };
            collected.take(&piece.data)?;
        }
        Ok(None)
    }

    /// Returns whether a blob is there.
    ///
    /// # Errors
    /// As for [`crate::Transport::has`].
    pub async fn has(&self, name: &Name) -> Result<bool, Failure> {
        match name {
            Name::Index { source_key, .. } => Ok(self.index(source_key).await?.is_some()),
            Name::Object(object) => self.has_blob(object.into()).await,
        }
    }

    /// Puts a blob there, and for an index what leads to it. `objects` are those of the
    /// index.
    ///
    /// # Errors
    /// As for [`crate::Transport::put`].
    pub async fn put(&self, name: &Name, content: &[u8], objects: &[Object]) -> Result<(), Failure> {
        let digest = digest_of(content);
        if !self.has_blob(digest.clone()).await? {
            self.write(&digest, content).await?;
        }
        let Name::Index { source_key, .. } = name else { return Ok(()) };
        let mut output_files = vec![output(INDEX.to_owned(), digest)];
        output_files.extend(objects.iter().map(|object| output(format!("{}.zst", object.digest), object.into())));
        let request = UpdateActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(action(source_key)),
            action_result: Some(ActionResult { output_files, ..ActionResult::default() }),
            ..UpdateActionResultRequest::default()
        };
        let mut client = ActionCacheClient::new(self.channel.clone());
        let request = self.request(request);
        limits::answer(client.update_action_result(request)).await?.map(drop).map_err(|status| failed(&status))
    }

    /// Returns the digest of the index of a source key.
    async fn index(&self, source_key: &str) -> Result<Option<Digest>, Failure> {
        let request = GetActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(action(source_key)),
            ..GetActionResultRequest::default()
        };
        let mut client = ActionCacheClient::new(self.channel.clone());
        let request = self.request(request);
        let Some(answer) = present(limits::answer(client.get_action_result(request)).await?)? else {
            return Ok(None);
        };
        let outputs = answer.into_inner().output_files;
        Ok(outputs.into_iter().find(|output| output.path == INDEX).and_then(|output| output.digest))
    }

    async fn has_blob(&self, digest: Digest) -> Result<bool, Failure> {
        let request = FindMissingBlobsRequest {
            instance_name: self.instance.clone(),
            blob_digests: vec![digest],
            ..FindMissingBlobsRequest::default()
        };
        let mut client = ContentAddressableStorageClient::new(self.channel.clone());
        let request = self.request(request);
        let answer = limits::answer(client.find_missing_blobs(request)).await?.map_err(|status| failed(&status))?;
        Ok(answer.into_inner().missing_blob_digests.is_empty())
    }

    async fn write(&self, digest: &Digest, content: &[u8]) -> Result<(), Failure> {
        let upload = upload_id(&digest.hash);
        let name = self.named(&format!("uploads/{upload}/blobs/{}/{}", digest.hash, digest.size_bytes));
        let count = content.chunks(PIECE_BYTES).len().max(1);
        let requests: Vec<WriteRequest> = (0..count)
            .map(|index| {
                let start = index * PIECE_BYTES;
                let end = content.len().min(start + PIECE_BYTES);
                WriteRequest {
                    resource_name: if index == 0 { name.clone() } else { String::new() },
                    write_offset: i64::try_from(start).unwrap_or(i64::MAX),
                    finish_write: index + 1 == count,
                    data: content[start..end].to_vec(),
                }
            })
            .collect();
        let mut client = ByteStreamClient::new(self.channel.clone());
        let request = self.request(futures_util::stream::iter(requests));
        client.write(request).await.map(drop).map_err(|status| failed(&status))
    }

    fn named(&self, resource: &str) -> String {
        if self.instance.is_empty() { resource.to_owned() } else { format!("{}/{resource}", self.instance) }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }
}

impl From<&Object> for Digest {
    fn from(object: &Object) -> Self {
        let size_bytes = i64::try_from(object.bytes).unwrap_or(i64::MAX);
        Self { hash: object.digest.clone(), size_bytes }
    }
}

fn output(path: String, digest: Digest) -> OutputFile {
    OutputFile { path, digest: Some(digest), ..OutputFile::default() }
}

fn digest_of(content: &[u8]) -> Digest {
    let hash = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    Digest { hash, size_bytes: i64::try_from(content.len()).unwrap_or(i64::MAX) }
}

/// Returns the digest of the action that stands for a source key. Nobody can run it.
fn action(source_key: &str) -> Digest {
    let arguments = ["zigimport", "index-v1", source_key].map(str::to_owned).to_vec();
    let command = Command { arguments, output_paths: vec![INDEX.to_owned()], ..Command::default() };
    let action = Action {
        command_digest: Some(digest_of(&command.encode_to_vec())),
        input_root_digest: Some(digest_of(b"")),
        ..Action::default()
    };
    digest_of(&action.encode_to_vec())
}

/// Returns the name of an upload, as a UUID: another one for each process and time.
fn upload_id(hash: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = digest_of(format!("{hash} {} {}", std::process::id(), now.as_nanos()).as_bytes()).hash;
    format!("{}-{}-4{}-8{}-{}", &seed[..8], &seed[8..12], &seed[13..16], &seed[17..20], &seed[20..32])
}

/// Tells what is not there from what failed.
fn present<T>(answer: Result<T, Status>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

fn failed(status: &Status) -> Failure {
    let mut text = format!("{}: {}", status.code().description(), status.message());
    if let Some(cause) = std::error::Error::source(status) {
        text = format!("{text}: {}", crate::described(cause));
    }
    let failure = Failure::new(text);
    match status.code() {
        Code::Unavailable | Code::Internal | Code::Unknown => failure.again(),
        _ => failure,
    }
}
