//! A cache of the Remote Execution API.
//!
//! The blobs are in its content-addressed storage. The index of a source key is the
//! result of an action that stands for it: with the index and the objects as outputs,
//! so that a server which keeps results only whole forgets an index with its objects.

use bazel_remote_apis::build::bazel::remote::execution::v2::action_cache_client::ActionCacheClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    Action, ActionResult, Command, Digest, GetActionResultRequest, OutputFile, UpdateActionResultRequest,
};
use prost::Message;
use tonic::{Code, Status};

use crate::address::Address;
use crate::instance::{Instance, digest_of};
use crate::limits::{self, Collected};
use crate::{Failure, Name, Object, grpc};

/// The output that is the index.
const INDEX: &str = "index.json";
/// The cache of an instance.
pub struct Cache {
    instance: Instance,
}

impl Cache {
    /// Takes the instance that an address names. Connects with the first call.
    ///
    /// # Errors
    /// The address names no server.
    pub fn new(address: &Address) -> Result<Self, Failure> {
        let password = address.password.as_deref().unwrap_or_default();
        let credentials = address.user.as_ref().map(|user| format!("{user}:{password}"));
        let instance = Instance {
            channel: grpc::channel(address)?,
            name: address.path().trim_start_matches('/').to_owned(),
            authorization: credentials.as_deref().map(grpc::authorization).transpose()?,
        };
        Ok(Self { instance })
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
        let Some(mut pieces) = present(limits::answer(self.instance.read(&digest)).await?)? else { return Ok(None) };
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
            self.instance.write(&digest, content).await.map_err(|status| failed(&status))?;
        }
        let Name::Index { source_key, .. } = name else { return Ok(()) };
        let mut output_files = vec![output(INDEX.to_owned(), digest)];
        output_files.extend(objects.iter().map(|object| output(format!("{}.zst", object.digest), object.into())));
        let request = UpdateActionResultRequest {
            instance_name: self.instance.name.clone(),
            action_digest: Some(action(source_key)),
            action_result: Some(ActionResult { output_files, ..ActionResult::default() }),
            ..UpdateActionResultRequest::default()
        };
        let mut client = ActionCacheClient::new(self.instance.channel.clone());
        let request = self.instance.request(request);
        limits::answer(client.update_action_result(request)).await?.map(drop).map_err(|status| failed(&status))
    }

    /// Returns the digest of the index of a source key.
    async fn index(&self, source_key: &str) -> Result<Option<Digest>, Failure> {
        let request = GetActionResultRequest {
            instance_name: self.instance.name.clone(),
            action_digest: Some(action(source_key)),
            ..GetActionResultRequest::default()
        };
        let mut client = ActionCacheClient::new(self.instance.channel.clone());
        let request = self.instance.request(request);
        let Some(answer) = present(limits::answer(client.get_action_result(request)).await?)? else {
            return Ok(None);
        };
        let outputs = answer.into_inner().output_files;
        Ok(outputs.into_iter().find(|output| output.path == INDEX).and_then(|output| output.digest))
    }

    async fn has_blob(&self, digest: Digest) -> Result<bool, Failure> {
        let missing = limits::answer(self.instance.missing(vec![digest])).await?.map_err(|status| failed(&status))?;
        Ok(missing.is_empty())
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

/// Tells what is not there from what failed.
fn present<T>(answer: Result<T, Status>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

fn failed(status: &Status) -> Failure {
    let failure = Failure::new(grpc::described(status));
    match status.code() {
        Code::Unavailable | Code::Internal | Code::Unknown => failure.again(),
        _ => failure,
    }
}
