use super::{unknown_text, wrong_arity_text};
use crate::lookup;

/// The texts were compared with those of a redis-server 7.0.15.
fn check(words: &[&[u8]], text: &str) {
    let found = unknown_text(words.len(), &|i| words[i]);
    assert_eq!(found.escape_ascii().to_string(), text.as_bytes().escape_ascii().to_string());
}

#[test]
fn unknown_commands() {
    check(&[b"foo"], "ERR unknown command 'foo', with args beginning with: ");
    check(
        &[b"FOO", b"a", b"b c"],
        "ERR unknown command 'FOO', with args beginning with: 'a' 'b c' ",
    );
    check(&[b""], "ERR unknown command '', with args beginning with: ");
    check(
        &[b"a\0b", b"c\0d", b"e\r\nf"],
        "ERR unknown command 'a', with args beginning with: 'c' 'e  f' ",
    );
    let long = [b'x'; 300];
    let x128 = "x".repeat(128);
    check(
        &[&long, &long, b"y"],
        &format!("ERR unknown command '{x128}', with args beginning with: '{x128}' "),
    );
    check(
        &[b"z", &long[..124], b"yy", b"w"],
        &format!("ERR unknown command 'z', with args beginning with: '{}' 'y' ", "x".repeat(124)),
    );
    check(
        &[b"z", &long[..125], b"yy"],
        &format!("ERR unknown command 'z', with args beginning with: '{}' ", "x".repeat(125)),
    );
}

#[test]
fn unknown_subcommands() {
    check(&[b"config", b"foo"], "ERR unknown subcommand 'foo'. Try CONFIG HELP.");
    check(&[b"CoNfIg", b"fOo", b"x"], "ERR unknown subcommand 'fOo'. Try CONFIG HELP.");
    check(&[b"object", b"a\r\0b"], "ERR unknown subcommand 'a '. Try OBJECT HELP.");
    let long = [b'x'; 300];
    let x128 = "x".repeat(128);
    check(&[b"xinfo", &long], &format!("ERR unknown subcommand '{x128}'. Try XINFO HELP."));
}

#[test]
fn wrong_arity() {
    let get = lookup(b"GET").unwrap();
    assert_eq!(wrong_arity_text(get), "ERR wrong number of arguments for 'get' command");
    let config = lookup(b"config").unwrap();
    let config_get = config.subcommand(b"GET").unwrap();
    assert_eq!(
        wrong_arity_text(config_get),
        "ERR wrong number of arguments for 'config|get' command"
    );
    for (name, argc, fits) in [
        ("get", 1, false),
        ("get", 2, true),
        ("get", 3, false),
        ("set", 2, false),
        ("set", 9, true),
    ] {
        assert_eq!(lookup(name.as_bytes()).unwrap().arity_fits(argc), fits, "{name} {argc}");
    }
}
