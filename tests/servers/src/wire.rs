//! MongoDB's wire protocol, as far as tests look into it: whole messages, the command in one, a reply to one.
//!
//! `OP_MSG` is read in full, `OP_QUERY` is known as the hello of a driver that has just connected, anything else is a
//! message without a command.

use bson::{Bson, Document};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// Length, id, id of the request that is answered, opcode.
const HEADER: usize = 16;

/// What a server accepts at most, as `hello` says.
const LONGEST: usize = 48_000_000;

/// Flags of an `OP_MSG`.
const CHECKSUM: u32 = 1;
const MORE_TO_COME: u32 = 2;

/// A whole message, as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Command {
    /// The first key of the document.
    pub name: String,
    /// The database it goes to.
    pub database: String,
    /// Its collection, if its first value is a name.
    pub collection: Option<String>,
    /// The document, with what came beside it (`documents`, `updates`, `deletes`) in its place.
    pub body: Document,
}

impl Message {
    /// Reads the next one; `None` if the other side has closed.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Self>> {
        let mut length = [0; 4];
        if from.read(&mut length[..1]).await? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut length[1..]).await?;
        let size = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
        if !(HEADER..=LONGEST).contains(&size) {
            return Err(broken("a message of an impossible length"));
        }
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(&length);
        from.read_exact(&mut bytes[4..]).await?;
        Ok(Some(Self { bytes }))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn number(&self, at: usize) -> i32 {
        let mut four = [0; 4];
        four.copy_from_slice(&self.bytes[at..at + 4]);
        i32::from_le_bytes(four)
    }

    pub(crate) fn id(&self) -> i32 {
        self.number(4)
    }

    /// The id of the request that this answers.
    pub(crate) fn answers(&self) -> i32 {
        self.number(8)
    }

    fn opcode(&self) -> i32 {
        self.number(12)
    }

    fn flags(&self) -> u32 {
        let body = &self.bytes[HEADER..];
        body.first_chunk().filter(|_| self.opcode() == OP_MSG).map_or(0, |flags| u32::from_le_bytes(*flags))
    }

    /// Whether the sender sends another one without being asked, and of a request: whether it wants no reply.
    pub(crate) fn more_to_come(&self) -> bool {
        self.flags() & MORE_TO_COME != 0
    }

    /// What the message asks for, if it is a request.
    pub(crate) fn command(&self) -> std::io::Result<Option<Command>> {
        let body = match self.opcode() {
            OP_MSG => self.sections()?,
            OP_QUERY => return self.query(),
            _ => return Ok(None),
        };
        let Some((name, value)) = body.iter().next() else { return Ok(None) };
        Ok(Some(Command {
            name: name.clone(),
            database: body.get_str("$db").unwrap_or_default().to_owned(),
            collection: collection(&body, name, value),
            body,
        }))
    }

    /// The document of a reply.
    pub(crate) fn document(&self) -> std::io::Result<Document> {
        match self.opcode() {
            OP_MSG => self.sections(),
            OP_REPLY => document(&mut &self.bytes[(HEADER + 20).min(self.bytes.len())..]),
            other => Err(broken(&format!("a reply of opcode {other}"))),
        }
    }

    /// The one document of an `OP_MSG`, with its sequences in it.
    fn sections(&self) -> std::io::Result<Document> {
        let checksum = if self.flags() & CHECKSUM == 0 { 0 } else { 4 };
        let end = self.bytes.len() - checksum;
        let mut rest = self.bytes.get(HEADER + 4..end).ok_or_else(|| broken("a message that ends early"))?;
        let mut whole = Document::new();
        let mut sequences = Vec::new();
        while let Some((kind, after)) = rest.split_first() {
            rest = after;
            match kind {
                0 => whole = document(&mut rest)?,
                1 => sequences.push(sequence(&mut rest)?),
                other => return Err(broken(&format!("a section of kind {other}"))),
            }
        }
        whole.extend(sequences);
        Ok(whole)
    }

    fn query(&self) -> std::io::Result<Option<Command>> {
        let after_flags = self.bytes.get(HEADER + 4..).unwrap_or_default();
        let end = after_flags.iter().position(|byte| *byte == 0).ok_or_else(|| broken("a query of no collection"))?;
        let database = String::from_utf8_lossy(&after_flags[..end]).trim_end_matches(".$cmd").to_owned();
        let body = document(&mut after_flags.get(end + 9..).unwrap_or_default())?;
        let name = body.keys().next().cloned();
        Ok(name.map(|name| Command { name, database, collection: None, body }))
    }

    /// A request of this document, which has its `$db`.
    pub(crate) fn request(id: i32, body: &Document) -> std::io::Result<Self> {
        Self::of(id, 0, OP_MSG, &[0; 5], body)
    }

    /// The reply to a request, in the words in which it was asked.
    pub(crate) fn reply(request: &Self, body: &Document) -> std::io::Result<Self> {
        if request.opcode() == OP_QUERY {
            // No flags, no cursor, from the first, one document.
            let mut start = [0; 20];
            start[16] = 1;
            return Self::of(0, request.id(), OP_REPLY, &start, body);
        }
        // No flags, one section of kind 0.
        Self::of(0, request.id(), OP_MSG, &[0; 5], body)
    }

    fn of(id: i32, answers: i32, opcode: i32, start: &[u8], body: &Document) -> std::io::Result<Self> {
        let body = body.to_vec().map_err(|error| broken(&error.to_string()))?;
        let size = HEADER + start.len() + body.len();
        let mut bytes = Vec::with_capacity(size);
        for number in [size as i32, id, answers, opcode] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(start);
        bytes.extend(body);
        Ok(Self { bytes })
    }
}

/// The name that a command is about: most have it as their first value, some beside it.
fn collection(body: &Document, name: &str, value: &Bson) -> Option<String> {
    match (name, value) {
        ("getMore", _) => body.get_str("collection").ok().map(str::to_owned),
        (_, Bson::String(collection)) => Some(collection.clone()),
        _ => None,
    }
}

fn document(rest: &mut &[u8]) -> std::io::Result<Document> {
    Document::from_reader(rest).map_err(|error| broken(&error.to_string()))
}

/// A section of kind 1: its size, its name, its documents.
fn sequence(rest: &mut &[u8]) -> std::io::Result<(String, Bson)> {
    let early = || broken("a section that ends early");
    let size = rest.first_chunk().map(|size| i32::from_le_bytes(*size)).and_then(|size| usize::try_from(size).ok());
    let (section, after) = size.and_then(|size| rest.split_at_checked(size)).ok_or_else(early)?;
    *rest = after;
    let section = section.get(4..).ok_or_else(early)?;
    let end = section.iter().position(|byte| *byte == 0).ok_or_else(early)?;
    let name = String::from_utf8_lossy(&section[..end]).into_owned();
    let mut documents = &section[end + 1..];
    let mut all = Vec::new();
    while !documents.is_empty() {
        all.push(Bson::Document(document(&mut documents)?));
    }
    Ok((name, Bson::Array(all)))
}

fn broken(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

/// A connection without a driver: sends what it is given, twice if asked twice.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    last: i32,
}

impl RawClient {
    /// Connects to a server or a proxy; nothing is said yet.
    pub async fn connect(address: impl ToSocketAddrs) -> std::io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, last: 0 })
    }

    /// Sends a command, which has its `$db` in it, and waits for the reply.
    pub async fn run(&mut self, command: &Document) -> std::io::Result<Document> {
        self.last += 1;
        self.stream.write_all(Message::request(self.last, command)?.bytes()).await?;
        let closed = || std::io::Error::new(std::io::ErrorKind::ConnectionReset, "closed without a reply");
        let reply = Message::read(&mut self.stream).await?.ok_or_else(closed)?;
        reply.document()
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    /// An `OP_MSG` from its flags and its sections.
    fn message(flags: u32, sections: &[u8]) -> Message {
        let mut bytes = Vec::new();
        for number in [HEADER as i32 + 4 + sections.len() as i32, 7, 0, OP_MSG] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(flags.to_le_bytes());
        bytes.extend(sections);
        Message { bytes }
    }

    fn inserted() -> Vec<u8> {
        let (one, two) = (doc! { "_id": 1 }.to_vec().unwrap(), doc! { "_id": 2 }.to_vec().unwrap());
        let size = 4 + "documents".len() + 1 + one.len() + two.len();
        let mut section = vec![1];
        section.extend((size as i32).to_le_bytes());
        section.extend(b"documents\0");
        section.extend(one);
        section.extend(two);
        section
    }

    #[test]
    fn documents_beside_a_command_are_in_it() {
        let body = doc! { "insert": "c", "$db": "d" }.to_vec().unwrap();
        // Servers take the sections in either order.
        for sections in [[&[0], &body[..], &inserted()].concat(), [&inserted()[..], &[0], &body].concat()] {
            let command = message(0, &sections).command().unwrap().unwrap();
            assert_eq!((command.name.as_str(), command.database.as_str()), ("insert", "d"));
            assert_eq!(command.collection.as_deref(), Some("c"));
            assert_eq!(command.body.get_array("documents").unwrap().len(), 2);
        }
    }

    #[test]
    fn a_checksum_is_no_section() {
        let body = doc! { "ping": 1, "$db": "admin" }.to_vec().unwrap();
        let sections = [&[0], &body[..], &[1, 2, 3, 4]].concat();
        assert_eq!(message(CHECKSUM, &sections).command().unwrap().unwrap().name, "ping");
        assert!(message(0, &sections).command().is_err());
    }

    #[test]
    fn what_ends_early_is_an_error() {
        let body = doc! { "insert": "c", "$db": "d" }.to_vec().unwrap();
        let whole = [&[0], &body[..], &inserted()].concat();
        // A command without the documents beside it is whole.
        for end in (0..whole.len()).filter(|end| ![0, 1 + body.len()].contains(end)) {
            assert!(message(0, &whole[..end]).command().is_err(), "{end} bytes of {}", whole.len());
        }
        assert!(Message { bytes: vec![0; HEADER] }.command().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_message_of_an_impossible_length_is_refused() {
        for length in [-1, 15, LONGEST as i32 + 1] {
            let bytes = [length.to_le_bytes(), [0; 4]].concat();
            assert!(Message::read(&mut &bytes[..]).await.is_err());
        }
        assert!(Message::read(&mut &[][..]).await.unwrap().is_none());
    }

    #[test]
    fn a_hello_as_a_query_is_answered_as_one() {
        let mut start = vec![0; 4];
        start.extend(b"admin.$cmd\0");
        start.extend([0; 8]);
        let query = Message::of(3, 0, OP_QUERY, &start, &doc! { "isMaster": 1 }).unwrap();
        let command = query.command().unwrap().unwrap();
        assert_eq!((command.name.as_str(), command.database.as_str()), ("isMaster", "admin"));
        let reply = Message::reply(&query, &doc! { "ok": 1 }).unwrap();
        assert_eq!((reply.answers(), reply.document().unwrap()), (3, doc! { "ok": 1 }));
    }

    #[test]
    fn what_a_get_more_is_about() {
        let body = doc! { "getMore": 5_i64, "collection": "c", "$db": "d" };
        let command = Message::request(1, &body).unwrap().command().unwrap().unwrap();
        assert_eq!(command.collection.as_deref(), Some("c"));
    }
}
