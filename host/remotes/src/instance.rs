//! An instance on a server of the Remote Execution API: what its cache and its executor
//! have in common.

use bazel_remote_apis::build::bazel::remote::execution::v2::content_addressable_storage_client::ContentAddressableStorageClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::{Digest, FindMissingBlobsRequest};
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::{ReadRequest, ReadResponse, WriteRequest};
use sha2::{Digest as _, Sha256};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// Of a blob in one message; servers take at least 4 MiB.
const PIECE_BYTES: usize = 1 << 20;
/// What one message of a server may have.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// A part of a server with its own storage. How long an answer may take is its caller's.
#[derive(Clone)]
pub struct Instance {
    /// The connection.
    pub channel: Channel,
    /// Its name; empty for the only one.
    pub name: String,
    /// What each request says of the user.
    pub authorization: Option<MetadataValue<Ascii>>,
}

impl Instance {
    /// Makes a request of a message.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }

    /// Returns the client of its content-addressed storage.
    pub fn storage(&self) -> ContentAddressableStorageClient<Channel> {
        ContentAddressableStorageClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns which blobs are not there.
    pub async fn missing(&self, blob_digests: Vec<Digest>) -> Result<Vec<Digest>, Status> {
        let instance_name = self.name.clone();
        let request = FindMissingBlobsRequest { instance_name, blob_digests, ..FindMissingBlobsRequest::default() };
        let answer = self.storage().find_missing_blobs(self.request(request)).await?;
        Ok(answer.into_inner().missing_blob_digests)
    }

    /// Begins to read a blob.
    pub async fn read(&self, digest: &Digest) -> Result<Streaming<ReadResponse>, Status> {
        let resource_name = self.named(&format!("blobs/{}/{}", digest.hash, digest.size_bytes));
        let request = ReadRequest { resource_name, ..ReadRequest::default() };
        self.bytes().read(self.request(request)).await.map(tonic::Response::into_inner)
    }

    /// Writes a blob.
    pub async fn write(&self, digest: &Digest, content: &[u8]) -> Result<(), Status> {
        let upload = upload_id(&digest.hash);
        let name = self.named(&format!("uploads/{upload}/blobs/{}/{}", digest.hash, digest.size_bytes));
        // An empty one is one empty piece.
        let count = content.chunks(PIECE_BYTES).len().max(1);
        let pieces: Vec<WriteRequest> = (0..count)
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
        self.bytes().write(self.request(futures_util::stream::iter(pieces))).await.map(drop)
    }

    fn bytes(&self) -> ByteStreamClient<Channel> {
        ByteStreamClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn named(&self, resource: &str) -> String {
        if self.name.is_empty() { resource.to_owned() } else { format!("{}/{resource}", self.name) }
    }
}

/// Returns the digest of a blob.
pub fn digest_of(content: &[u8]) -> Digest {
    let hash = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    Digest { hash, size_bytes: i64::try_from(content.len()).unwrap_or(i64::MAX) }
}

/// Returns the name of an upload, as a UUID: another one for each process and time.
fn upload_id(hash: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = digest_of(format!("{hash} {} {}", std::process::id(), now.as_nanos()).as_bytes()).hash;
    format!("{}-{}-4{}-8{}-{}", &seed[..8], &seed[8..12], &seed[13..16], &seed[17..20], &seed[20..32])
}
