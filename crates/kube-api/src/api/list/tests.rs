use super::*;
use crate::credential::Proof;
use crate::fake_server::{FakeServer, Then, answer, patient};

/// Pages of one item each. `forgets` is how often the server forgets the list at the third page.
fn server(forgets: usize) -> FakeServer {
    let mut left = forgets;
    FakeServer::start(move |_, request| {
        let token = request.split("&continue=").nth(1).and_then(|text| text.chars().next());
        let number = token.and_then(|token| token.to_digit(10)).unwrap_or(0);
        let body = match number {
            2 if left > 0 => {
                left -= 1;
                return (answer("410 Gone", r#"{"reason":"Expired"}"#), Then::Keep);
            }
            2 => r#"{"metadata":{"continue":""},"items":[2]}"#.to_owned(),
            _ => format!(r#"{{"metadata":{{"continue":"{}/"}},"items":[{number}]}}"#, number + 1),
        };
        (answer("200 OK", body), Then::Keep)
    })
}

#[tokio::test]
async fn pages_are_put_together() {
    let server = server(0);
    let items = server.api("", Proof::None, patient()).list("/api?a=b").await.unwrap();
    assert_eq!(items, [0, 1, 2]);
    let lines = server.lines();
    assert_eq!(lines[0], "0 GET /api?a=b&limit=100 HTTP/1.1");
    assert_eq!(lines[2], "0 GET /api?a=b&limit=100&continue=2%2F HTTP/1.1");
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn large_objects_come_in_small_pages() {
    let server = server(0);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    server.api("", Proof::None, patient()).list(path).await.unwrap();
    assert_eq!(server.lines()[0], format!("0 GET {path}?limit=20 HTTP/1.1"));
}

#[tokio::test]
async fn a_forgotten_list_begins_anew_once() {
    let items = server(1).api("", Proof::None, patient()).list("/api").await.unwrap();
    assert_eq!(items, [0, 1, 2]);
    let failure = server(2).api("", Proof::None, patient()).list("/api").await.unwrap_err();
    assert_eq!(failure.code(), Some(410));
}

#[tokio::test]
async fn all_pages_have_one_limit() {
    let limits = crate::Limits { body_bytes_max: 100, ..patient() };
    let mut api = server(0).api("", Proof::None, limits);
    assert!(matches!(api.list("/api").await, Err(Failure::TooLarge { .. })));
    let mut pages = Pages::new("/api");
    let mut items = Vec::new();
    while let Some(page) = api.next_page(&mut pages).await.unwrap() {
        items.extend(page);
    }
    assert_eq!(items, [0, 1, 2]);
}

#[tokio::test]
async fn what_has_no_items_is_no_list() {
    for (body, expected) in [("{}", false), (r#"{"items":null}"#, true), ("[]", false)] {
        let server = FakeServer::start(move |_, _| (answer("200 OK", body), Then::Keep));
        let list = server.api("", Proof::None, patient()).list("/api").await;
        assert_eq!(list.is_ok(), expected, "{body}");
    }
}

#[test]
fn segments_are_encoded() {
    assert_eq!(segment("node-1.a_b~"), "node-1.a_b~");
    assert_eq!(segment("a/b?c&ä "), "a%2Fb%3Fc%26%C3%A4%20");
}
