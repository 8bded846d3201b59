//! A second reader of our bytes, written from `docs/FORMATS.md` alone. It knows nothing of serde and of our types.

/// The bytes of one value, from the front.
pub(crate) struct Reader<'a>(&'a [u8]);

/// What the page says of an entry's header.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) site: Vec<u8>,
    pub(crate) device: Vec<u8>,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) prev: Vec<u8>,
    pub(crate) time_ms: u64,
    pub(crate) counter: u64,
    pub(crate) capture: Option<Vec<u8>>,
    pub(crate) kind: u8,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) body_len: u64,
    /// BLAKE3 of the header's bytes.
    pub(crate) hash: [u8; 32],
    pub(crate) signature: Vec<u8>,
}

/// What the page says of a certificate.
pub(crate) struct Certificate {
    pub(crate) site: Vec<u8>,
    pub(crate) device: Vec<u8>,
    pub(crate) sealing_key: Vec<u8>,
    pub(crate) roles: u8,
    pub(crate) alias: String,
    pub(crate) validity_ms: (u64, u64),
    /// What the signature is over, without its prefix.
    pub(crate) fields: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next bytes, bare.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken.to_vec()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// LEB128: seven bits a byte, the lowest first, the top bit says that more follow.
    pub(crate) fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.u8();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
            shift += 7;
        }
    }

    /// `len+bytes`, and texts.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let len = self.number() as usize;
        self.take(len)
    }

    /// `len+n`: bytes whose length is known and stands before them all the same.
    pub(crate) fn fixed(&mut self, len: usize) -> Vec<u8> {
        let bytes = self.bytes();
        assert_eq!(bytes.len(), len);
        bytes
    }

    pub(crate) fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub(crate) fn bool(&mut self) -> bool {
        match self.u8() {
            0 => false,
            1 => true,
            other => panic!("{other} is no bool"),
        }
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| read(self))
    }

    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.number();
        (0..count).map(|_| read(self)).collect()
    }

    /// Nothing may be left over.
    pub(crate) fn end(&self) {
        assert!(self.0.is_empty(), "{} bytes left over", self.0.len());
    }

    /// Nothing but zeros may be left.
    pub(crate) fn zeros(&self) {
        assert!(self.0.iter().all(|byte| *byte == 0), "padding");
    }

    /// A header and its signature.
    pub(crate) fn signed_header(&mut self) -> Header {
        let before = self.0;
        assert_eq!(self.u8(), 1, "version");
        let (site, device, epoch) = (self.take(32), self.take(32), self.number());
        let (seq, prev, time) = (self.number(), self.take(32), self.number());
        let capture = match self.number() {
            0 => None,
            1 => Some(self.take(16)),
            other => panic!("about {other}"),
        };
        let (kind, body_hash, body_len) = (self.u8(), self.fixed(32), self.number());
        let hash = *blake3::hash(&before[..before.len() - self.0.len()]).as_bytes();
        let signature = self.fixed(64);
        let (time_ms, counter) = (time >> 16, time & 0xffff);
        Header { site, device, epoch, seq, prev, time_ms, counter, capture, kind, body_hash, body_len, hash, signature }
    }

    /// A whole entry: header and body.
    pub(crate) fn entry(mut self) -> (Header, Option<Vec<u8>>) {
        let (header, body) = (self.signed_header(), self.option(Self::bytes));
        self.end();
        (header, body)
    }

    pub(crate) fn certificate(&mut self) -> Certificate {
        let before = self.0;
        assert_eq!(self.u8(), 1, "version");
        let (site, device, sealing_key) = (self.take(32), self.take(32), self.take(32));
        let (roles, alias, validity_ms) = (self.u8(), self.text(), (self.number(), self.number()));
        let fields = before[..before.len() - self.0.len()].to_vec();
        Certificate { site, device, sealing_key, roles, alias, validity_ms, fields, signature: self.fixed(64) }
    }

    /// A wrapped key: whose it is (the first bytes of the id), the encapsulated key, the ciphertext.
    pub(crate) fn wrapped_key(&mut self) -> [Vec<u8>; 3] {
        [self.fixed(8), self.fixed(32), self.fixed(48)]
    }

    /// A blob's id and length.
    pub(crate) fn blob(&mut self) -> (Vec<u8>, u64) {
        (self.take(32), self.number())
    }

    /// Marks of a read model: time, log and place, device, entry, what it refers to.
    pub(crate) fn marks(&mut self) -> usize {
        let mark = |it: &mut Self| (it.number(), it.take(16), it.number(), it.take(32), it.take(32), it.fixed(32));
        self.list(mark).len()
    }
}

/// BLAKE3's key derivation, of all parts one after another.
pub(crate) fn derived(context: &str, parts: &[&[u8]]) -> Vec<u8> {
    blake3::derive_key(context, &parts.concat()).to_vec()
}
