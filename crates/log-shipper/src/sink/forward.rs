//! The forward protocol of Fluentd and Fluent Bit (`in_forward`), version 1.5.
//!
//! Records of one tag are one message, PackedForward or its compressed form: the tag, the entries
//! as MessagePack, and an option `chunk` by which the server acknowledges it. A head is the tag, so
//! what lies in the buffer is what is sent. Only the answer with that very chunk counts; a wrong or
//! late one ends the connection, and what it left open is sent again over the next one. What was
//! acknowledged before that is not.
//!
//! An entry is `[time, record]`: the time when the line was read as EventTime (extension type 0,
//! with nanoseconds), and the fields of a JSON record without its time.
//!
//! Protocol: the Fluent project's "Forward Protocol Specification v1.5".

mod session;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::{Buf, Bytes};
use event::Value as Typed;
use net::Dialer;
use ring::rand::{SecureRandom, SystemRandom};
use rmp::encode;
use serde_json::Value;
use sidecar_runtime::StartError;
use tail::Source;
use tokio::time::Instant;

use self::session::Session;
use super::http::{reason_of, refused, secret};
use super::{Answer, Refusal};
use crate::batch::Records;
use crate::compress::{Codec, Compressor};
use crate::config::ForwardConfig;
use crate::metadata::Pod;
use crate::record::{Entry, PLAIN, Stamps, is_label, record_id, stream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that are sent before the answer to the first is read. Their answers fit into a socket's
/// buffer, so neither side waits for the other.
const UNANSWERED_MAX: usize = 32;
/// Of a chunk's id, before base64.
const CHUNK_BYTES: usize = 16;
/// What stands for the stream in `--forward-tag`.
const STREAM: &str = "{stream}";
const NANOS: u64 = 1_000_000_000;
/// `file`, `stream` and `offset`.
const OWN_FIELDS: usize = 3;
const IN_MEMORY: &str = "a vector takes every byte";

/// Writes entries.
#[derive(Debug)]
pub(crate) struct ForwardRecorder {
    tag: String,
    record_id: bool,
    labels: Vec<(String, String)>,
    /// Key and value of each label and of what is known of the pod.
    constant: Vec<u8>,
    constant_count: usize,
    /// The tag of this turn.
    head: Vec<u8>,
    /// The fields that are the same for all records of this turn.
    fields: Vec<u8>,
    file_id: u64,
    stamps: Stamps,
    /// The id at hand.
    id: Vec<u8>,
}

impl ForwardRecorder {
    pub(crate) fn new(tag: &str, record_id: bool, labels: &[(String, String)]) -> ForwardRecorder {
        let mut recorder = ForwardRecorder {
            tag: tag.to_owned(),
            record_id,
            labels: labels.to_vec(),
            constant: Vec::new(),
            constant_count: 0,
            head: Vec::new(),
            fields: Vec::new(),
            file_id: 0,
            stamps: Stamps::default(),
            id: Vec::new(),
        };
        recorder.describe(&Pod::default());
        recorder
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        self.constant.clear();
        let pod = pod.json();
        let pod = pod.iter().filter(|(key, _value)| !is_label(&self.labels, key));
        self.constant_count = self.labels.len();
        for (key, value) in pod {
            string(&mut self.constant, key);
            json(&mut self.constant, value);
            self.constant_count += 1;
        }
        for (key, value) in &self.labels {
            string(&mut self.constant, key);
            string(&mut self.constant, value);
        }
    }

    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        self.stamps.begin(time);
        self.file_id = source.file_id;
        let stream = stream(source);
        let word: String = stream.chars().map(tag_character).collect();
        self.head.clear();
        self.head.extend_from_slice(self.tag.replace(STREAM, &word).as_bytes());
        self.fields.clear();
        string(&mut self.fields, "file");
        string(&mut self.fields, &source.path.to_string_lossy());
        string(&mut self.fields, "stream");
        string(&mut self.fields, &stream);
        self.fields.extend_from_slice(&self.constant);
        string(&mut self.fields, "offset");
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let read_at = self.stamps.next();
        let nanos = entry.nanos().unwrap_or(read_at);
        encode::write_array_len(out, 2).expect(IN_MEMORY);
        encode::write_ext_meta(out, 8, 0).expect(IN_MEMORY);
        // The seconds of EventTime have 32 bits.
        let seconds = u32::try_from(nanos / NANOS).unwrap_or(u32::MAX);
        out.extend_from_slice(&seconds.to_be_bytes());
        let fraction = u32::try_from(nanos % NANOS).expect("below a thousand million");
        out.extend_from_slice(&fraction.to_be_bytes());
        let (fields, message) = (entry.fields, entry.message());
        let count = OWN_FIELDS
            + self.constant_count
            + fields.entries().len()
            + entry.marks().count()
            + [self.record_id, fields.level.is_some(), message.is_some()]
                .map(usize::from)
                .iter()
                .sum::<usize>();
        let count = u32::try_from(count).expect("fields are bounded");
        encode::write_map_len(out, count).expect(IN_MEMORY);
        out.extend_from_slice(&self.fields);
        encode::write_uint(out, entry.offset).expect(IN_MEMORY);
        if self.record_id {
            string(out, "id");
            self.id.clear();
            record_id(self.file_id, entry, &mut self.id);
            string(out, &String::from_utf8_lossy(&self.id));
        }
        if let Some(level) = fields.level {
            string(out, "level");
            string(out, level.as_str());
        }
        for (number, (_key, field)) in fields.entries().iter().enumerate() {
            string(out, &PLAIN.name(number, fields, &self.labels));
            value(out, field);
        }
        if let Some(message) = message {
            string(out, "message");
            string(out, message);
        }
        for mark in entry.marks() {
            string(out, mark);
            encode::write_bool(out, true).expect(IN_MEMORY);
        }
    }
}

fn value(out: &mut Vec<u8>, value: &Typed<'_>) {
    match value {
        Typed::Null => encode::write_nil(out).expect(IN_MEMORY),
        Typed::Bool(on) => encode::write_bool(out, *on).expect(IN_MEMORY),
        Typed::Integer(number) => {
            encode::write_sint(out, *number).expect(IN_MEMORY);
        }
        Typed::Number(_) if value.as_f64().is_some() => {
            encode::write_f64(out, value.as_f64().unwrap_or_default()).expect(IN_MEMORY);
        }
        value => string(out, &value.text()),
    }
}

/// What is known of a pod: objects of strings.
fn json(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(inner) => {
            let count = u32::try_from(inner.len()).expect("what is known of a pod is bounded");
            encode::write_map_len(out, count).expect(IN_MEMORY);
            for (key, value) in inner {
                string(out, key);
                json(out, value);
            }
        }
        value => string(out, value.as_str().unwrap_or_default()),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    encode::write_str(out, text).expect(IN_MEMORY);
}

/// Routes of the receiver are patterns of tags: what could upset them is replaced.
fn tag_character(character: char) -> char {
    let fits = character.is_ascii_alphanumeric() || "_-.".contains(character);
    if fits { character } else { '_' }
}

/// Records of one tag on their way.
#[derive(Debug)]
struct Message {
    chunk: String,
    /// What is sent before the entries and behind them.
    head: Vec<u8>,
    entries: Bytes,
    tail: Vec<u8>,
}

impl Message {
    fn bytes(&self) -> impl Buf {
        self.head.chain(self.entries.clone()).chain(&self.tail[..])
    }
}

#[derive(Debug)]
pub(crate) struct ForwardSink {
    config: ForwardConfig,
    dialer: Dialer,
    compressor: Compressor,
    random: SystemRandom,
    session: Option<Session>,
    /// What was made of these records for the last attempt and is not acknowledged.
    packed: Option<(Records, VecDeque<Message>)>,
}

impl ForwardSink {
    pub(super) fn open(config: ForwardConfig) -> Result<ForwardSink, StartError> {
        let reject = |setting: &str, path: &Path, error: String| {
            StartError::new(setting, path.display().to_string(), error)
        };
        for (setting, path) in [
            ("forward-shared-key-file", &config.shared_key_file),
            ("basic-auth-file", &config.user_file),
        ] {
            if let Some(path) = path {
                secret(path).map_err(|error| reject(setting, path, error))?;
            }
        }
        let dialer = config.to.dialer()?;
        let compressor = Compressor::new(config.codec)
            .map_err(|error| StartError::new("compression", "", error))?;
        let random = SystemRandom::new();
        Ok(ForwardSink { config, dialer, compressor, random, session: None, packed: None })
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        let mut messages = match self.packed.take() {
            Some((of, messages)) if of.is(records) => messages,
            _ => match self.pack(records) {
                Ok(messages) => messages,
                Err(detail) => return refused(Refusal::Io, detail),
            },
        };
        match self.deliver(&mut messages).await {
            Ok(()) => Answer::Accepted,
            Err(answer) => {
                self.packed = Some((records.clone(), messages));
                answer
            }
        }
    }

    /// Sends the messages and takes away those that are acknowledged.
    async fn deliver(&mut self, messages: &mut VecDeque<Message>) -> Result<(), Answer> {
        let mut session = match self.kept().await {
            Some(session) => session,
            None => self.connect().await?,
        };
        while !messages.is_empty() {
            let deadline = Instant::now() + self.config.to.timeout;
            let count = messages.len().min(UNANSWERED_MAX);
            for message in messages.range(..count) {
                session.write(message.bytes(), deadline).await?;
            }
            for left in (1..=count).rev() {
                let chunk = session.acknowledged(deadline).await?;
                let known = messages.range(..left).position(|message| message.chunk == chunk);
                let Some(at) = known else {
                    let detail = "the answer acknowledges what was not sent".to_owned();
                    return Err(refused(Refusal::Interrupted, detail));
                };
                drop(messages.remove(at));
            }
        }
        self.session = Some(session);
        Ok(())
    }

    /// The connection of the last batch, if that is of use.
    async fn kept(&mut self) -> Option<Session> {
        let mut session = self.session.take()?;
        session.is_open().await.then_some(session)
    }

    async fn connect(&mut self) -> Result<Session, Answer> {
        let secret =
            |path: &Path| secret(path).map_err(|detail| refused(Refusal::Unauthorized, detail));
        let key = self.config.shared_key_file.as_deref().map(secret).transpose()?;
        let user = self.config.user_file.as_deref().map(secret).transpose()?;
        let deadline = Instant::now() + CONNECT_TIMEOUT.min(self.config.to.timeout);
        let stream = match self.dialer.dial(deadline).await {
            Ok(stream) => stream,
            Err(error) => {
                let why = reason_of(&error);
                if why == Refusal::Tls
                    && let Ok(dialer) = self.config.to.dialer()
                {
                    // Certificates are replaced while we run.
                    self.dialer = dialer;
                }
                return Err(refused(why, net::with_causes(&error)));
            }
        };
        let mut session = Session::new(stream);
        if let Some(key) = key {
            let mut salt = [0; CHUNK_BYTES];
            self.fill(&mut salt).map_err(|detail| refused(Refusal::Io, detail))?;
            session.shake_hands(&key, user.as_deref(), &salt, deadline).await?;
        }
        Ok(session)
    }

    /// A message for each run of records with one tag.
    fn pack(&mut self, records: &Records) -> Result<VecDeque<Message>, String> {
        let all = records.bytes();
        let mut messages = VecDeque::new();
        for ((tag, entries), count) in records.runs().zip(records.run_lengths()) {
            let mut id = [0; CHUNK_BYTES];
            self.fill(&mut id)?;
            let chunk = BASE64_STANDARD.encode(id);
            let packed = self.compressor.compress(all.slice_ref(entries));
            let entries = packed.map_err(|error| error.to_string())?;
            let mut head = Vec::new();
            encode::write_array_len(&mut head, 3).expect(IN_MEMORY);
            string(&mut head, &String::from_utf8_lossy(tag));
            let length = u32::try_from(entries.len()).expect("a batch is below 4 GiB");
            encode::write_bin_len(&mut head, length).expect(IN_MEMORY);
            let is_compressed = self.config.codec == Codec::Gzip;
            let mut tail = Vec::new();
            encode::write_map_len(&mut tail, 2 + u32::from(is_compressed)).expect(IN_MEMORY);
            string(&mut tail, "chunk");
            string(&mut tail, &chunk);
            string(&mut tail, "size");
            encode::write_uint(&mut tail, count as u64).expect(IN_MEMORY);
            if is_compressed {
                string(&mut tail, "compressed");
                string(&mut tail, "gzip");
            }
            messages.push_back(Message { chunk, head, entries, tail });
        }
        Ok(messages)
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        self.random.fill(bytes).or(Err("the system has no random bytes".to_owned()))
    }
}

#[cfg(test)]
mod tests;
