//! A turn of reading: bytes of one file to lines and a span.
//!
//! Each turn reads the bytes just before the position as well, in the same system call, and then
//! the first KiB; if they are not what they were, or not there, the file was truncated. That is
//! noticed whatever the size says now.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustix::fs::SeekFrom;
use tracing::warn;

use super::{READ_BYTES, Settings, Stats, Tailer};
use crate::cursor::{Cursor, Event, Span};
use crate::framer::{self, Encoding, Flow, Limits, Line, LongLines};
use crate::identity::{self, MARK_BYTES_MAX, Mark};
use crate::roster::{FileId, Source};

/// Room for growth since the last look at a file.
const SLACK_BYTES: u64 = 4 << 10;
/// A line beginning longer than this is searched for its end before it is read again as a whole.
const SCAN_FROM: u64 = 64 << 10;

/// The bytes around a position, in the buffer of the tailer.
struct Window {
    /// So many lie before the position.
    before: usize,
    /// So many were read in all.
    filled: usize,
    /// Fewer than there was room for: the file ended there.
    is_short: bool,
}

/// What is known of the end of a line before it is read.
enum Scan {
    /// Read so many bytes from the position on.
    Read(usize),
    /// Its end is not there yet.
    Wait,
    /// It was too long.
    Dropped(Span),
}

/// What a turn did with the bytes behind a position.
struct Turn {
    /// Bytes that the position moves over.
    taken: usize,
    lines: u64,
    at_end: bool,
}

impl Tailer {
    /// Reads a turn of the file that [`Tailer::next_ready`] named and hands on its lines. The span,
    /// if any, is to be acknowledged in order once the lines are delivered; it can be without
    /// lines.
    pub fn read(
        &mut self,
        id: FileId,
        now: Instant,
        mut on_line: impl FnMut(&Line<'_>) -> Flow,
    ) -> Option<Span> {
        if self.ready.front() == Some(&id) {
            self.ready.pop_front();
        }
        let cursor = self.roster.get_mut(id)?;
        cursor.queued = false;
        if !self.ensure_open(id, now) {
            return None;
        }
        match self.read_turn(id, now, &mut on_line) {
            Ok(span) => span,
            Err(error) => {
                self.stats.read_errors += 1;
                let file = self.roster.get(id)?.path.display();
                warn!(%file, %error, "Cannot read a file; trying again later");
                None
            }
        }
    }

    fn read_turn(
        &mut self,
        id: FileId,
        now: Instant,
        on_line: &mut impl FnMut(&Line<'_>) -> Flow,
    ) -> io::Result<Option<Span>> {
        let capacity = match self.scan_long_line(id, now)? {
            Scan::Read(capacity) => capacity,
            Scan::Wait => return Ok(None),
            Scan::Dropped(span) => return Ok(Some(span)),
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let cursor = self.roster.get_mut(id).expect("the caller looked the file up");
        let begins = cursor.read.offset == 0;
        let window = read_window(cursor, capacity, &mut buffer)?;
        let Some(Window { before, filled, is_short }) = window else {
            self.buffer = buffer;
            self.on_truncated(id, now);
            return Ok(None);
        };
        let start = cursor.read.offset;
        let bytes = &buffer[before..filled];
        if self.suspect_refilled(id, bytes.len() as u64, now) {
            self.buffer = buffer;
            return Ok(None);
        }
        if begins && !bytes.is_empty() && self.waits_for_older(id, now) {
            self.buffer = buffer;
            self.queue(id);
            return Ok(None);
        }
        let cursor = self.roster.get_mut(id).expect("the caller looked the file up");
        if cursor.on_size(start + bytes.len() as u64, now, SystemTime::now()) {
            self.last_growth = now;
        }
        let (settings, stats) = (&self.settings, &mut self.stats);
        let turn = take_lines(cursor, bytes, is_short, (settings, stats), now, on_line);
        if turn.taken > 0 {
            cursor.read = Mark::of(start + turn.taken as u64, &buffer[..before + turn.taken]);
        }
        let span = (turn.taken > 0).then_some(Span {
            file: id,
            generation: cursor.generation,
            group: cursor.source.group,
            end: cursor.read,
            lines: turn.lines,
            bytes: turn.taken as u64,
        });
        if turn.at_end {
            cursor.state = cursor.state.step(Event::ReachedEnd);
        } else {
            self.queue(id);
        }
        if buffer.len() > READ_BYTES + MARK_BYTES_MAX {
            buffer = Vec::new();
        }
        self.buffer = buffer;
        Ok(span)
    }

    /// Looks for the end of a long line behind what is known to hold none.
    fn scan_long_line(&mut self, id: FileId, now: Instant) -> io::Result<Scan> {
        let limits = self.settings.limits();
        let cursor = self.roster.get_mut(id).expect("the caller looked the file up");
        if cursor.scanned < SCAN_FROM {
            return Ok(Scan::Read(READ_BYTES));
        }
        let whole = Scan::Read(limits.line_bytes_max + READ_BYTES);
        let file = cursor.file.as_ref().expect("the caller opened the file");
        let splits = limits.long_lines == LongLines::Split;
        let is_long = cursor.scanned > limits.line_bytes_max as u64;
        if (splits && is_long) || !cursor.read.matches(file)? {
            return Ok(whole);
        }
        if self.buffer.len() < READ_BYTES {
            self.buffer.resize(READ_BYTES, 0);
        }
        let at = cursor.read.offset + cursor.scanned;
        let filled = file.read_at(&mut self.buffer[..READ_BYTES], at)?;
        let unit = cursor.encoding.unit();
        if filled < unit {
            let is_due = partial_is_due(cursor, now, &self.settings);
            return match (is_due, is_long) {
                (true, true) => self.drop_line(id, at).map(Scan::Dropped),
                (true, false) => Ok(whole),
                (false, _) => {
                    cursor.state = cursor.state.step(Event::ReachedEnd);
                    Ok(Scan::Wait)
                }
            };
        }
        let Some(end) = cursor.encoding.find_line_end(&self.buffer[..filled]) else {
            cursor.scanned += cursor.encoding.whole_units(filled);
            self.queue(id);
            return Ok(Scan::Wait);
        };
        if splits || cursor.scanned + end as u64 <= limits.line_bytes_max as u64 {
            return Ok(whole);
        }
        let span = self.drop_line(id, at + (end + unit) as u64)?;
        self.queue(id);
        Ok(Scan::Dropped(span))
    }

    /// Passes over a long line. It can be larger than any buffer, so only the position moves.
    fn drop_line(&mut self, id: FileId, behind: u64) -> io::Result<Span> {
        let cursor = self.roster.get_mut(id).expect("the caller looked the file up");
        let file = cursor.file.as_ref().expect("the caller opened the file");
        let end = Mark::read(file, behind)?;
        let bytes = end.offset - cursor.read.offset;
        (cursor.read, cursor.scanned) = (end, 0);
        self.stats.long_lines_dropped += 1;
        let (generation, group) = (cursor.generation, cursor.source.group);
        Ok(Span { file: id, generation, group, end, lines: 0, bytes })
    }

    /// Cuts a span at an offset of its file, so that what lies before can be acknowledged while the
    /// rest is not delivered yet. All lines count for the first part. None if the offset is not
    /// within the span, or the file is not any more what was read: then the span stays whole.
    #[must_use]
    pub fn split(&self, span: &Span, offset: u64) -> Option<(Span, Span)> {
        let cursor = self.roster.get(span.file).filter(|it| it.generation == span.generation)?;
        let bytes = offset.checked_sub(span.end.offset - span.bytes)?;
        if bytes == 0 || bytes >= span.bytes {
            return None;
        }
        let file = cursor.file.as_ref()?;
        let end = Mark::read(file, offset).ok()?;
        // If the file was truncated meanwhile, the mark is of something that nobody has read.
        let is_same = span.end.matches(file).ok()?;
        let rest = Span { lines: 0, bytes: span.bytes - bytes, ..*span };
        is_same.then_some((Span { end, bytes, ..*span }, rest))
    }

    /// The files whose last line has no end yet.
    #[must_use]
    pub fn held_partials(&self) -> Vec<FileId> {
        let held = |it: &Cursor| {
            it.suspect.is_none() && !it.queued && it.read.offset < it.size && !it.has_unread()
        };
        self.roster.iter().filter(|(_, it)| held(it)).map(|(id, _)| id).collect()
    }

    /// Hands on the line that has no end yet, marked partial, without moving the position: if the
    /// file is read again after a restart, the line comes whole. At most `line_bytes_max` of it.
    pub fn read_held(
        &mut self,
        id: FileId,
        now: Instant,
        mut on_line: impl FnMut(&Source, &Line<'_>) -> Flow,
    ) {
        if !self.ensure_open(id, now) {
            return;
        }
        let line_bytes_max = self.settings.line_bytes_max;
        let Some(cursor) = self.roster.get_mut(id) else { return };
        let Some(file) = cursor.file.as_ref() else { return };
        let mut bytes = vec![
            0;
            usize::try_from(cursor.size.saturating_sub(cursor.read.offset))
                .unwrap_or(usize::MAX)
                .min(line_bytes_max)
        ];
        if let Ok(filled) = identity::read_up_to(file, &mut bytes, cursor.read.offset)
            && filled > 0
        {
            let source = Arc::clone(&cursor.source);
            let mut on_partial = |line: &Line<'_>| on_line(&source, line);
            framer::frame_partial(
                &bytes[..filled],
                cursor.read.offset,
                cursor.encoding,
                &mut on_partial,
            );
        }
    }
}

impl Settings {
    fn limits(&self) -> Limits {
        Limits { line_bytes_max: self.line_bytes_max, long_lines: self.long_lines }
    }
}

impl Encoding {
    /// `len`, rounded down to whole code units.
    fn whole_units(self, len: usize) -> u64 {
        let len = len as u64;
        if self == Encoding::Bytes { len } else { len & !1 }
    }
}

impl Cursor {
    /// Bytes at the start of a file that are no text: a byte order mark, and after truncation under
    /// a writer that does not append, NUL bytes, or behind a hole the rest of a line.
    fn skip_preamble(&mut self, bytes: &[u8]) -> usize {
        let nul = match self.skips_nul {
            true => bytes.iter().take_while(|byte| **byte == 0).count(),
            false => 0,
        };
        if nul < bytes.len() {
            self.skips_nul = false;
        }
        if self.skips_cut {
            let end = memchr::memchr(b'\n', &bytes[nul..]);
            self.skips_cut = end.is_none();
            return end.map_or(bytes.len(), |end| nul + end + 1);
        }
        if self.read.offset > 0 || nul > 0 {
            return nul;
        }
        let (encoding, mark) = Encoding::detect(bytes);
        self.encoding = encoding;
        mark
    }
}

/// Hands on the lines in `bytes`, which lie behind the position; the file ends there if `is_short`.
fn take_lines(
    cursor: &mut Cursor,
    bytes: &[u8],
    is_short: bool,
    (settings, stats): (&Settings, &mut Stats),
    now: Instant,
    on_line: &mut impl FnMut(&Line<'_>) -> Flow,
) -> Turn {
    let skipped = cursor.skip_preamble(bytes);
    let text = &bytes[skipped..];
    let offset = cursor.read.offset + skipped as u64;
    let limits = settings.limits();
    let mut framed = framer::frame(text, offset, cursor.encoding, limits, on_line);
    match limits.long_lines {
        LongLines::Split => stats.long_line_pieces += framed.long,
        LongLines::Drop => stats.long_lines_dropped += framed.long,
    }
    let rest = &text[framed.taken..];
    let held = cursor.encoding.whole_units(rest.len());
    let stands = framed.taken + skipped == 0 && held <= cursor.scanned;
    let at_end = is_short && !framed.stopped && (bytes.is_empty() || stands);
    if at_end {
        let size = cursor.read.offset + bytes.len() as u64;
        stats.lost_bytes += cursor.size.saturating_sub(size);
        cursor.size = size;
    }
    if at_end && !rest.is_empty() && partial_is_due(cursor, now, settings) {
        if rest.len() > limits.line_bytes_max {
            stats.long_lines_dropped += 1;
        } else {
            framer::frame_partial(rest, offset + framed.taken as u64, cursor.encoding, on_line);
            framed.lines += 1;
        }
        framed.taken = text.len();
    }
    let taken = skipped + framed.taken;
    let known = if taken > 0 { 0 } else { cursor.scanned };
    let is_read = framed.stopped || framed.taken == text.len();
    cursor.scanned = if is_read { 0 } else { known.max(held) };
    Turn { taken, lines: framed.lines, at_end }
}

/// Where the first data lies in a file that begins with a hole.
fn find_data(file: &File) -> io::Result<Option<u64>> {
    let mut first = [0xff];
    if file.read_at(&mut first, 0)? == 0 || first[0] != 0 {
        return Ok(None);
    }
    // An error stands for a hole up to the end, or a file system that does not tell.
    Ok(rustix::fs::seek(file, SeekFrom::Data(0)).ok().filter(|data| *data > 0))
}

/// Reads the bytes that the position's mark covers and up to `capacity` behind it; `None` if they,
/// or those at the start of the file, are not what they were.
fn read_window(
    cursor: &mut Cursor,
    capacity: usize,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Window>> {
    let file = cursor.file.as_ref().expect("the caller opened the file");
    if cursor.read.offset == 0 {
        if !cursor.prefix.matches(file)? {
            return Ok(None);
        }
        if let Some(data) = find_data(file)? {
            cursor.skips_nul = true;
            cursor.read = Mark { offset: data, len: 0, hash: 0 };
        }
    }
    // No more room than the file is known to fill: few files need the whole buffer.
    let known = cursor.size.saturating_sub(cursor.read.offset).saturating_add(SLACK_BYTES);
    let capacity = usize::try_from(known).unwrap_or(capacity).min(capacity);
    let before = usize::from(cursor.read.len);
    let room = before + capacity;
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    let window = &mut buffer[..room];
    let filled = match file.read_at(window, cursor.read.offset - before as u64) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            return Ok(Some(Window { before: 0, filled: 0, is_short: false }));
        }
        other => other?,
    };
    if filled < before || !cursor.read.agrees(&window[..before]) {
        return Ok(None);
    }
    // Lines that end alike can lie before the position in the old content and in the new.
    let Some(prefix) = cursor.prefix.grown(file)? else { return Ok(None) };
    cursor.prefix = prefix;
    Ok(Some(Window { before, filled, is_short: filled < room }))
}

/// The last line, which has no end, is as long as it will be.
pub(super) fn partial_is_due(cursor: &Cursor, now: Instant, settings: &Settings) -> bool {
    let quiet = now.duration_since(cursor.grew);
    cursor.has_last_line(now, settings.last_line_quiet)
        || settings.partial_timeout.is_some_and(|timeout| quiet >= timeout)
}
