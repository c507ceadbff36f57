//! From the path of a container's log on a node to the pod.
//!
//! In: `…/<namespace>_<pod>_<uid>/<container>/<restarts>.log…`, as the kubelet lays out
//! `/var/log/pods`, or `…/<pod>_<namespace>_<container>-<id>.log`, the symbolic links of
//! `/var/log/containers`. Out: what the path says, or nothing. Names in Kubernetes hold no
//! underscore, so there is only one way to read a path; the folders above do not matter, because a
//! DaemonSet may see them elsewhere.

use std::path::Path;

use super::Pod;

/// Digits of a container's id.
const ID_LENGTH: usize = 64;

/// The pod that writes this file.
pub(super) fn pod(path: &Path) -> Option<Pod> {
    of_pods(path).or_else(|| of_containers(path))
}

fn of_pods(path: &Path) -> Option<Pod> {
    let mut names = path.iter().rev().map(|name| name.to_str());
    let (file, container, folder) = (names.next()??, names.next()??, names.next()??);
    let (restarts, _rotated) = file.split_once(".log")?;
    let [namespace, name, uid] = three(folder)?;
    let fits = is_name(container) && restarts.parse::<u32>().is_ok();
    fits.then(|| Pod {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid: Some(uid.to_owned()),
        container: Some(container.to_owned()),
        ..Pod::default()
    })
}

fn of_containers(path: &Path) -> Option<Pod> {
    let [name, namespace, rest] = three(path.file_name()?.to_str()?.strip_suffix(".log")?)?;
    let (container, id) = rest.rsplit_once('-')?;
    let is_id = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && is_name(container)).then(|| Pod {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        container: Some(container.to_owned()),
        container_id: Some(id.to_owned()),
        ..Pod::default()
    })
}

fn three(text: &str) -> Option<[&str; 3]> {
    let parts: Vec<&str> = text.split('_').collect();
    <[&str; 3]>::try_from(parts).ok().filter(|parts| parts.iter().all(|part| is_name(part)))
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: Option<&String>) -> &str {
        found.map_or("-", String::as_str)
    }

    #[track_caller]
    fn check(path: &str, expected: [&str; 5]) {
        let pod = pod(Path::new(path)).unwrap_or_default();
        let found = [&pod.namespace, &pod.name, &pod.uid, &pod.container, &pod.container_id];
        assert_eq!(found.map(|field| text(field.as_ref())), expected, "{path}");
    }

    #[test]
    fn paths_of_nodes() {
        let uid = "6f1d9f0e-64c6-4f3f-9a0b-2d1f0f5c8b11";
        let pods = format!("/var/log/pods/kube-system_coredns-5d78c9869d-x2x7z_{uid}/coredns");
        let expected = ["kube-system", "coredns-5d78c9869d-x2x7z", uid, "coredns", "-"];
        check(&format!("{pods}/0.log"), expected);
        check(&format!("{pods}/12.log.20261123-010203"), expected);
        check(&format!("/host{pods}/3.log"), expected);
        // Of a pod that the kubelet reads from a file, the hash of that file.
        let hash = "0f3c4e0a7d2b4a5e9c8b7a6f5e4d3c2b";
        let path = format!("/var/log/pods/kube-system_etcd-a.example_{hash}/etcd/1.log");
        check(&path, ["kube-system", "etcd-a.example", hash, "etcd", "-"]);
        let id = "0123456789abcdef".repeat(4);
        let path = format!("/var/log/containers/web-0_shop_my-nginx-{id}.log");
        check(&path, ["shop", "web-0", "-", "my-nginx", &id]);
    }

    #[test]
    fn other_paths_say_nothing() {
        for path in [
            "/",
            "/var/log/syslog",
            "/logs/access.log",
            "/var/log/pods/shop_web-0/nginx/0.log",
            "/var/log/pods/shop_web_0_uid/nginx/0.log",
            "/var/log/pods/shop__uid/nginx/0.log",
            "/var/log/pods/shop_web-0_uid/nginx/access.log",
            "/var/log/pods/shop_web-0_uid/nginx/0.txt",
            "/var/log/containers/web-0_shop_nginx-0123.log",
            "/var/log/containers/web-0_shop_nginx.log",
        ] {
            check(path, ["-"; 5]);
        }
    }
}
