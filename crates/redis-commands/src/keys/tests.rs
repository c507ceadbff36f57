use crate::{KeyError, Treatment, all, lookup};

fn positions(call: &str) -> Result<Vec<usize>, KeyError> {
    let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
    let mut out = vec![99];
    let command = lookup(words[0]).unwrap();
    command.key_positions(words.len(), &|i| words[i], &mut out).map(|()| out)
}

fn check(call: &str, expected: &[usize]) {
    assert_eq!(positions(call).as_deref(), Ok(expected), "{call}");
}

#[test]
fn fixed_places() {
    check("GET k", &[1]);
    check("set k v EX 10", &[1]);
    check("PING", &[]);
    check("MGET a b c", &[1, 2, 3]);
    check("MSET a 1 b 2", &[1, 3]);
    check("msetnx a 1", &[1]);
    check("RENAME a b", &[1, 2]);
    check("LCS a b LEN", &[1, 2]);
    check("COPY a b REPLACE", &[1, 2]);
    check("BITOP AND d a b", &[2, 3, 4]);
    check("PFMERGE d a b", &[1, 2, 3]);
    check("SDIFFSTORE d a", &[1, 2]);
    check("BLPOP a b 0", &[1, 2]);
    check("BLMOVE a b LEFT RIGHT 0", &[1, 2]);
    check("PFDEBUG GETREG k", &[2]);
    check("SPUBLISH c m", &[]);
    check("WATCH a b", &[1, 2]);
}

#[test]
fn counted_keys() {
    check("EVAL s 0", &[]);
    check("EVAL s 0 a", &[]);
    check("EVAL s 2 a b c", &[3, 4]);
    check("fcall f 1 a", &[3]);
    check("ZUNION 2 a b WEIGHTS 1 2", &[2, 3]);
    check("ZINTERSTORE d 2 a b", &[1, 3, 4]);
    check("SINTERCARD 1 a LIMIT 1", &[2]);
    check("LMPOP 2 a b LEFT", &[2, 3]);
    check("BZMPOP 0 2 a b MIN", &[3, 4]);
    check("MSETEX 2 a 1 b 2 EX 9", &[2, 4]);
    for call in [
        "EVAL s x",
        "EVAL s -1",
        "EVAL s 1",
        "EVAL s 01 a",
        "EVAL s 99999999999999999999 a",
        "EVAL s 999999999 a",
        "EVAL s +1 a",
        "ZUNIONSTORE d 3 a b",
        "MSETEX 2 a 1 b",
    ] {
        assert_eq!(positions(call), Err(KeyError::InvalidArguments), "{call}");
    }
}

#[test]
fn keys_behind_words() {
    check("XREAD STREAMS a b 0 0", &[2, 3]);
    check("XREAD COUNT 2 BLOCK 0 streams a 0", &[6]);
    check("XREAD STREAMS a b 0", &[2]);
    check("XREAD COUNT 2 STREAMS", &[]);
    check("XREADGROUP GROUP streams c STREAMS a >", &[5]);
    check("XREADGROUP GROUP g streams NOACK STREAMS a >", &[6]);
    check("SORT a", &[1]);
    check("SORT a BY w_* LIMIT 0 5 GET x STORE d", &[1, 10]);
    check("SORT a STORE d STORE e", &[1, 5]);
    check("SORT a BY store", &[1]);
    check("SORT a GET store STORE b", &[1, 5]);
    check("SORT a STORE", &[1]);
    check("SORT_RO a GET x", &[1]);
    check("GEORADIUS a 1 2 3 m STORE d", &[1, 7]);
    check("GEORADIUS a 1 2 3 m STORE d STOREDIST e", &[1, 7, 9]);
    check("GEORADIUS a 1 2 3 m WITHDIST", &[1]);
    check("GEORADIUS a 1 2 3 m STORE", &[1]);
    check("GEORADIUSBYMEMBER a m 3 km STOREDIST d", &[1, 6]);
    check("GEORADIUS_RO a 1 2 3 m", &[1]);
    check("MIGRATE h 1 k 0 10", &[3]);
    check("MIGRATE h 1  0 10 COPY KEYS a b", &[8, 9]);
    check("MIGRATE h 1  0 10 AUTH keys KEYS a", &[9]);
    check("MIGRATE h 1  0 10 AUTH2 keys keys KEYS a", &[10]);
    check("MIGRATE h 1  0 10 COPY KEYS", &[3]);
    check("MIGRATE h 1 k 0 10 KEYS a", &[3]);
}

#[test]
fn keys_of_subcommands() {
    check("OBJECT ENCODING k", &[2]);
    check("object help", &[]);
    check("MEMORY usage k SAMPLES 5", &[2]);
    check("MEMORY DOCTOR", &[]);
    check("XGROUP CREATE s g $", &[2]);
    check("XINFO STREAM s FULL", &[2]);
    check("CONFIG GET *", &[]);
    assert_eq!(positions("OBJECT nonsense k"), Err(KeyError::UnknownSubcommand));
    assert_eq!(positions("OBJECT ENCODING"), Err(KeyError::WrongArity));
    assert_eq!(positions("OBJECT"), Err(KeyError::WrongArity));
    assert_eq!(positions("GET"), Err(KeyError::WrongArity));
    assert_eq!(positions("GET a b"), Err(KeyError::WrongArity));
}

/// Whatever the words are, a position is one of them, and the shortcut says the same.
#[test]
fn any_words() {
    const WORDS: [&[u8]; 10] =
        [b"0", b"1", b"2", b"streams", b"store", b"keys", b"", b"999999999", b"-1", b"\xff"];
    let mut out = Vec::new();
    for command in all().iter().flat_map(|command| command.subcommands.iter().chain([command])) {
        let (base, sub) = command.name.split_once('|').unwrap_or((command.name, ""));
        let base = lookup(base.as_bytes()).unwrap();
        for argc in 1..9 {
            for seed in 0..100_usize {
                let word = |i: usize| match i {
                    0 => base.name.as_bytes(),
                    1 if !sub.is_empty() => sub.as_bytes(),
                    i => WORDS[(seed / 7 + i * (seed % 7 + 1)) % WORDS.len()],
                };
                let found = base.key_positions(argc, &word, &mut out);
                assert!(out.iter().all(|at| (1..argc).contains(at)), "{} {out:?}", command.name);
                assert!(found.is_ok() || out.is_empty());
                if let (Ok(()), Some(only)) = (found, base.first_key()) {
                    assert_eq!(out, [only]);
                }
                assert!(!base.blocks(argc, &word) || matches!(base.treatment, Treatment::Pin(_)));
            }
        }
    }
}
